//! The prompt: lines from a terminal or a pipe, history, completion, passwords.

mod completion;
mod history;
mod input;
mod keys;
mod lines;
mod terminal;

use std::io;

pub use history::SharedHistory;
pub use keys::TerminalPasswords;
pub use terminal::{TerminalModes, restore_terminal_at_signals};

use crate::{engine::Output, engine::Worker, interrupt::Interrupt};
use lines::{Lines, Read};

/// Reads input until the user leaves: prints what it evaluates to.
///
/// # Errors
/// The terminal fails.
pub fn run(
    worker: &Worker,
    output: &Output,
    history: &SharedHistory,
    interrupt: &Interrupt,
) -> io::Result<()> {
    let mut lines = Lines::open(worker.clone(), history, interrupt.clone())?;
    let mut collected = String::new();
    loop {
        let open = input::open_brackets(&collected);
        let prompt = if collected.is_empty() {
            "> ".to_owned()
        } else {
            format!("{} ", ".".repeat(3 * usize::try_from(open).unwrap_or(0)))
        };
        // A signal after the last evaluation is not for the next one.
        interrupt.take();
        let line = match lines.read(&prompt)? {
            Read::Line(line) => line,
            Read::Interrupted => {
                collected.clear();
                continue;
            }
            Read::End => return Ok(()),
        };
        if line.trim().is_empty() {
            continue;
        }
        if open <= 0 && input::is_exit(&line) {
            return Ok(());
        }
        collected.push_str(&line);
        collected.push('\n');
        if input::open_brackets(&collected) > 0 {
            continue;
        }
        let code = std::mem::take(&mut collected);
        if history.record(code.trim_end_matches('\n')) {
            lines.remember(code.trim());
        }
        let outcome = worker.evaluate(code);
        if history.take_cleared() {
            lines.forget();
        }
        output.line(&outcome.text);
    }
}
