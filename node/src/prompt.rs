//! Prompts at the terminal, in geth's form.
//!
//! Input is read byte by byte from the descriptor, because a buffer could retain a password.

use std::io::{self, IsTerminal, Write};

use actoreum_wallet::Password;
use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use zeroize::Zeroizing;

/// Bounds the bytes of an answer, for the case that a large file is piped in by mistake.
const MAX_ANSWER_BYTES: usize = 4_096;

const INTERRUPT: u8 = 0x03;
const END_OF_FILE: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const ERASE_LINE: u8 = 0x15;
const ESCAPE: u8 = 0x1b;
const DELETE: u8 = 0x7f;

/// Asks questions on stdout and reads the answers from stdin.
#[derive(Debug, Default)]
pub struct Prompter {
    has_warned: bool,
}

impl Prompter {
    /// Asks for a password, which is not echoed on a terminal.
    ///
    /// # Errors
    /// Fails at the end of the input, if the user aborts, or if the answer is too long.
    pub fn password(&mut self, question: &str) -> io::Result<Password> {
        let input = io::stdin();
        if !input.is_terminal() {
            if !self.has_warned {
                println!("!! Unsupported terminal, password will be echoed.");
                self.has_warned = true;
            }
            return self.answer(question).map(Password::from);
        }
        // The echo is off before the question is shown, for those who type at once.
        let before = termios::tcgetattr(&input)?;
        termios::tcsetattr(&input, OptionalActions::Now, &silent(before.clone()))?;
        let answer = show(question).and_then(|()| read_keys(read_byte));
        termios::tcsetattr(&input, OptionalActions::Now, &before)?;
        println!();
        answer.map(Password::from)
    }

    /// Asks for a line of text.
    ///
    /// # Errors
    /// Fails at the end of the input, or if the answer is too long.
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

/// Returns terminal modes without echo in which each key is read at once. This includes ^C, so that
/// it does not end the process before the terminal is restored.
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
    // The buffer never grows: a copy that is left behind would not be zeroed.
    Zeroizing::new(Vec::with_capacity(MAX_ANSWER_BYTES))
}

fn push(answer: &mut Zeroizing<Vec<u8>>, byte: u8) -> io::Result<()> {
    if answer.len() == MAX_ANSWER_BYTES {
        return Err(io::Error::other("the answer is too long"));
    }
    answer.push(byte);
    Ok(())
}

/// Reads a line, without its end.
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

/// Reads the bytes of typed keys from `next` until the end of the line. Keys that are no characters
/// (arrows, a tab) are ignored, as in geth: a user would not know that they are part of a password.
fn read_keys(mut next: impl FnMut() -> io::Result<Option<u8>>) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut answer = new_answer();
    let mut sequence = Sequence::None;
    loop {
        let byte = match next()? {
            Some(byte) => byte,
            None if answer.is_empty() => return Err(ended()),
            None => return Ok(answer),
        };
        if sequence.takes(byte) {
            continue;
        }
        match byte {
            b'\n' | b'\r' => return Ok(answer),
            INTERRUPT => return Err(io::Error::other("prompt aborted")),
            END_OF_FILE if answer.is_empty() => return Err(ended()),
            ERASE_LINE => answer.clear(),
            BACKSPACE | DELETE => erase_character(&mut answer),
            0..b' ' => {}
            byte => push(&mut answer, byte)?,
        }
    }
}

/// Parser state of an escape sequence, which a terminal sends for a key without a character: an
/// escape, then an `O` and one more byte, or a `[` and any number of bytes, the last of which is
/// `@` or above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sequence {
    None,
    Escape,
    OneMore,
    Parameters,
}

impl Sequence {
    /// Advances the state by a byte, and returns true if the byte belongs to an escape sequence.
    fn takes(&mut self, byte: u8) -> bool {
        let (next, is_taken) = match (*self, byte) {
            (Self::None | Self::Escape, ESCAPE) => (Self::Escape, true),
            (Self::Escape, b'O') => (Self::OneMore, true),
            (Self::Escape, b'[') => (Self::Parameters, true),
            (Self::Parameters, b' '..=b'?') => (Self::Parameters, true),
            (Self::Parameters, b'@'..=b'~') | (Self::OneMore, b' '..=b'~') => (Self::None, true),
            _ => (Self::None, false),
        };
        *self = next;
        is_taken
    }
}

/// Removes the last UTF-8 character, with all of its bytes.
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
    fn erasing_removes_all_bytes_of_a_character() {
        let mut answer = "aé€".as_bytes().to_vec();
        for left in ["aé", "a", "", ""] {
            erase_character(&mut answer);
            assert_eq!(answer, left.as_bytes());
        }
    }

    fn typed(keys: &[u8]) -> Result<String, String> {
        let mut keys = keys.iter();
        let answer = read_keys(|| Ok(keys.next().copied()));
        let answer = answer.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(answer.to_vec()).unwrap())
    }

    #[test]
    fn escape_sequences_are_not_part_of_a_password() {
        for (keys, want) in [
            (&b"plain\r"[..], "plain"),
            (b"no end", "no end"),
            (b"\r", ""),
            (b"ab\x7f\x08\x08c\n", "c"),
            (b"wrong\x15right\r", "right"),
            (b"a\tb\x00c\x1cd\x1ae\x04\r", "abcde"),
            (b"a\x1b[Ab\x1bOPc\x1b[1;5Cd\x1b[3~e\r", "abcde"),
            (b"a\x1bb\x1b\x1b[Dc\r", "abc"),
            ("gr\u{fc}n\u{20ac}\x7f\r".as_bytes(), "gr\u{fc}n"),
        ] {
            assert_eq!(typed(keys).as_deref(), Ok(want), "{keys:?}");
        }
        assert_eq!(typed(b"secret\x03"), Err("prompt aborted".into()));
        assert_eq!(typed(b"\x1b[\x03"), Err("prompt aborted".into()));
        assert_eq!(typed(b"\x04"), Err("EOF".into()));
        assert_eq!(typed(b""), Err("EOF".into()));
        assert_eq!(
            typed(&[b'x'; MAX_ANSWER_BYTES + 1]),
            Err("the answer is too long".into())
        );
    }
}
