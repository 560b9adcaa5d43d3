//! Questions to whoever sits at the terminal, asked as geth asks them.
//!
//! Input is read byte by byte from the descriptor: what would stay in a buffer could be a
//! password.

use std::io::{self, IsTerminal, Write};

use actoreum_wallet::Password;
use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use zeroize::Zeroizing;

/// Bytes of an answer at most: nobody types more, and a file that is piped in by mistake ends here.
const MAX_ANSWER_BYTES: usize = 4_096;

const INTERRUPT: u8 = 0x03;
const END_OF_FILE: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const ERASE_LINE: u8 = 0x15;
const DELETE: u8 = 0x7f;

/// Asks.
#[derive(Debug, Default)]
pub struct Prompter {
    has_warned: bool,
}

impl Prompter {
    /// Asks for a password, which is not shown on a terminal.
    ///
    /// # Errors
    /// Where the input is over, or the user gave up.
    pub fn password(&mut self, question: &str) -> io::Result<Password> {
        let input = io::stdin();
        if !input.is_terminal() {
            if !self.has_warned {
                println!("!! Unsupported terminal, password will be echoed.");
                self.has_warned = true;
            }
            return self.answer(question).map(Password::from);
        }
        show(question)?;
        let before = termios::tcgetattr(&input)?;
        termios::tcsetattr(&input, OptionalActions::Now, &silent(before.clone()))?;
        let answer = read_keys();
        termios::tcsetattr(&input, OptionalActions::Now, &before)?;
        println!();
        answer.map(Password::from)
    }

    /// Asks for a line.
    ///
    /// # Errors
    /// Where the input is over.
    pub fn line(&self, question: &str) -> io::Result<String> {
        let answer = self.answer(question)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn answer(&self, question: &str) -> io::Result<Zeroizing<Vec<u8>>> {
        show(question)?;
        let answer = read_line();
        if !io::stdin().is_terminal() {
            println!();
        }
        answer
    }
}

fn show(question: &str) -> io::Result<()> {
    print!("{question}");
    io::stdout().flush()
}

/// Keys come one by one and unseen; even ^C, so that it does not end the process before the
/// terminal is as it was.
fn silent(mut modes: Termios) -> Termios {
    modes.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    modes
}

fn read_byte() -> io::Result<Option<u8>> {
    let mut byte = [0; 1];
    loop {
        return match rustix::io::read(io::stdin(), &mut byte) {
            Err(rustix::io::Errno::INTR) => continue,
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(byte[0])),
            Err(error) => Err(error.into()),
        };
    }
}

fn new_answer() -> Zeroizing<Vec<u8>> {
    // Never grown: a copy left behind would not be zeroed.
    Zeroizing::new(Vec::with_capacity(MAX_ANSWER_BYTES))
}

fn push(answer: &mut Zeroizing<Vec<u8>>, byte: u8) -> io::Result<()> {
    if answer.len() == MAX_ANSWER_BYTES {
        return Err(io::Error::other("the answer is too long"));
    }
    answer.push(byte);
    Ok(())
}

/// A line, without its end.
fn read_line() -> io::Result<Zeroizing<Vec<u8>>> {
    let mut answer = new_answer();
    loop {
        match read_byte()? {
            Some(b'\n') => break,
            Some(byte) => push(&mut answer, byte)?,
            None if answer.is_empty() => return Err(ended()),
            None => break,
        }
    }
    if answer.last() == Some(&b'\r') {
        answer.pop();
    }
    Ok(answer)
}

/// What is typed until the line's end, on a terminal that tells of each key.
fn read_keys() -> io::Result<Zeroizing<Vec<u8>>> {
    let mut answer = new_answer();
    loop {
        match read_byte()? {
            Some(b'\n' | b'\r') => return Ok(answer),
            Some(INTERRUPT) => return Err(io::Error::other("prompt aborted")),
            Some(END_OF_FILE) | None if answer.is_empty() => return Err(ended()),
            Some(END_OF_FILE) => {}
            Some(ERASE_LINE) => answer.clear(),
            Some(BACKSPACE | DELETE) => erase_character(&mut answer),
            Some(byte) => push(&mut answer, byte)?,
            None => return Ok(answer),
        }
    }
}

/// Takes the last character away, with all of its bytes.
fn erase_character(answer: &mut Vec<u8>) {
    const CONTINUATION: std::ops::RangeInclusive<u8> = 0x80..=0xbf;
    while answer
        .pop()
        .is_some_and(|byte| CONTINUATION.contains(&byte))
    {}
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "EOF")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_goes_as_a_whole() {
        let mut answer = "aé€".as_bytes().to_vec();
        for left in ["aé", "a", "", ""] {
            erase_character(&mut answer);
            assert_eq!(answer, left.as_bytes());
        }
    }
}
