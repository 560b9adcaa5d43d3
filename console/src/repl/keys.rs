//! Input without the line editor: lines of a pipe, and passwords without echo.
//!
//! Bytes are read one by one from the descriptor, so that no buffer keeps a password or takes the input
//! that follows it.

use std::io::{self, IsTerminal as _, Write as _};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::{self, LocalModes, OptionalActions, SpecialCodeIndex},
};
use zeroize::Zeroizing;

use crate::{
    engine::Passwords,
    interrupt::Interrupt,
    limits::{INTERRUPT_POLL, MAX_LINE_BYTES},
};

const INTERRUPT: u8 = 0x03;
const END_OF_FILE: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const ERASE_LINE: u8 = 0x15;
const DELETE: u8 = 0x7f;

/// Waits for a byte of stdin. Returns `None` at the end of the input.
///
/// # Errors
/// Reading fails; with [`io::ErrorKind::Interrupted`] if the interrupt is set before a byte arrives.
fn read_byte(interrupt: &Interrupt) -> io::Result<Option<u8>> {
    let stdin = io::stdin();
    let timeout = Timespec::try_from(INTERRUPT_POLL).map_err(io::Error::other)?;
    loop {
        let mut descriptors = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut descriptors, Some(&timeout)) {
            Ok(1..) => {}
            Ok(0) | Err(rustix::io::Errno::INTR) => {
                if interrupt.take() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        let mut byte = [0; 1];
        match rustix::io::read(&stdin, &mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(byte[0])),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads a line without its end. Returns `None` at the end of the input, and `Some(None)` at an
/// interrupt.
///
/// # Errors
/// Reading fails, or the line is longer than `max_bytes`.
pub fn read_line(interrupt: &Interrupt, max_bytes: usize) -> io::Result<Option<Option<String>>> {
    let mut line = Zeroizing::new(Vec::new());
    loop {
        match read_byte(interrupt) {
            Ok(Some(b'\n')) => break,
            Ok(Some(_)) if line.len() == max_bytes => {
                return Err(io::Error::other("the line is too long"));
            }
            Ok(Some(byte)) => line.push(byte),
            Ok(None) if line.is_empty() => return Ok(None),
            Ok(None) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Some(None)),
            Err(error) => return Err(error),
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(Some(String::from_utf8_lossy(&line).into_owned())))
}

/// Asks for passwords on stdout and reads them from stdin.
#[derive(Debug, Default)]
pub struct TerminalPasswords {
    interrupt: Interrupt,
    has_warned: bool,
}

impl TerminalPasswords {
    /// Creates a prompter that an interrupt ends.
    pub fn new(interrupt: Interrupt) -> Self {
        Self {
            interrupt,
            has_warned: false,
        }
    }

    fn ask_pipe(&mut self, question: &str) -> io::Result<String> {
        if !self.has_warned {
            println!("!! Unsupported terminal, password will be echoed.");
            self.has_warned = true;
        }
        show(question)?;
        let line = read_line(&self.interrupt, MAX_LINE_BYTES)?;
        println!();
        match line {
            Some(Some(line)) => Ok(line),
            Some(None) => Err(aborted()),
            None => Err(ended()),
        }
    }
}

impl Passwords for TerminalPasswords {
    fn ask(&mut self, question: &str) -> io::Result<String> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return self.ask_pipe(question);
        }
        // The echo is off before the question is shown, for those who type at once. ^C is a key, so
        // that it does not leave the terminal without echo.
        let before = termios::tcgetattr(&stdin)?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        termios::tcsetattr(&stdin, OptionalActions::Now, &silent)?;
        let answer = show(question).and_then(|()| read_keys(|| read_byte(&self.interrupt)));
        termios::tcsetattr(&stdin, OptionalActions::Now, &before)?;
        println!();
        answer.map(|it| String::from_utf8_lossy(&it).into_owned())
    }
}

fn show(question: &str) -> io::Result<()> {
    print!("{question}");
    io::stdout().flush()
}

/// Reads the keys of a password until the end of the line. Other control keys are ignored.
fn read_keys(mut next: impl FnMut() -> io::Result<Option<u8>>) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut answer = Zeroizing::new(Vec::new());
    loop {
        let byte = match next()? {
            Some(byte) => byte,
            None if answer.is_empty() => return Err(ended()),
            None => return Ok(answer),
        };
        match byte {
            b'\n' | b'\r' => return Ok(answer),
            INTERRUPT => return Err(aborted()),
            END_OF_FILE if answer.is_empty() => return Err(ended()),
            ERASE_LINE => answer.clear(),
            BACKSPACE | DELETE => erase_character(&mut answer),
            0..b' ' => {}
            _ if answer.len() == MAX_LINE_BYTES => {
                return Err(io::Error::other("the answer is too long"));
            }
            _ => answer.push(byte),
        }
    }
}

/// Removes the last UTF-8 character with all of its bytes.
fn erase_character(answer: &mut Vec<u8>) {
    while answer
        .pop()
        .is_some_and(|byte| (0x80..=0xbf).contains(&byte))
    {}
}

fn aborted() -> io::Error {
    io::Error::other("prompt aborted")
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "EOF")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_password_can_be_erased() {
        let typed = |keys: &[u8]| {
            let mut keys = keys.iter();
            let answer = read_keys(|| Ok(keys.next().copied()));
            answer
                .map(|it| String::from_utf8(it.to_vec()).unwrap())
                .map_err(|it| it.to_string())
        };
        assert_eq!(typed(b"secret\r"), Ok("secret".into()));
        assert_eq!(typed("a\u{e9}\x7fb\n".as_bytes()), Ok("ab".into()));
        assert_eq!(typed(b"wrong\x15right"), Ok("right".into()));
        assert_eq!(typed(b"x\x03"), Err("prompt aborted".into()));
        assert_eq!(typed(b"\x04"), Err("EOF".into()));
    }
}
