//! Modes of the terminal, which the line editor changes while it reads.

use std::{io, process, thread};

use rustix::termios::{self, OptionalActions, Termios};
use signal_hook::{
    consts::{SIGHUP, SIGTERM},
    iterator::Signals,
};

/// Base of exit codes of a process that a signal ended, as shells count them.
const SIGNAL_EXIT_CODE: i32 = 128;

/// Modes of the terminal, which are restored when the value is dropped.
#[derive(Debug)]
pub struct TerminalModes(Option<Termios>);

impl TerminalModes {
    /// Notes the modes of stdin, if that is a terminal.
    pub fn save() -> Self {
        Self(termios::tcgetattr(io::stdin()).ok())
    }
}

impl Drop for TerminalModes {
    fn drop(&mut self) {
        if let Some(modes) = &self.0 {
            // A terminal that is gone needs no modes.
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, modes);
        }
    }
}

/// Restores the terminal and ends the process at SIGTERM and SIGHUP, which could arrive while the line
/// editor has turned the echo off.
///
/// # Errors
/// The handlers cannot be installed.
pub fn restore_terminal_at_signals() -> io::Result<()> {
    let modes = TerminalModes::save();
    let mut signals = Signals::new([SIGTERM, SIGHUP])?;
    let wait = move || {
        if let Some(signal) = signals.forever().next() {
            drop(modes);
            process::exit(SIGNAL_EXIT_CODE + signal);
        }
    };
    thread::Builder::new()
        .name("signals".into())
        .spawn(wait)
        .map(|_| ())
}
