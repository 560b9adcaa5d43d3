//! Lines of input: from the line editor on a terminal, or from a pipe.

use std::io::{self, IsTerminal as _, Write as _};

use rustyline::{
    CompletionType, Config, Editor, config::Configurer as _, error::ReadlineError,
    history::MemHistory,
};

use super::{completion::Assistant, history::SharedHistory, keys};
use crate::{
    engine::Worker,
    interrupt::Interrupt,
    limits::{MAX_HISTORY_ENTRIES, MAX_LINE_BYTES},
};

/// Result of reading a line.
pub enum Read {
    /// A line without its end.
    Line(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D, or the end of the pipe.
    End,
}

/// Source of lines.
pub enum Lines {
    /// The line editor.
    Editor(Box<Editor<Assistant, MemHistory>>),
    /// A pipe, or a terminal that cannot move its cursor.
    Plain(Interrupt),
}

impl Lines {
    /// Opens stdin.
    ///
    /// # Errors
    /// The terminal cannot be set up.
    pub fn open(worker: Worker, history: &SharedHistory, interrupt: Interrupt) -> io::Result<Self> {
        if !is_capable() {
            return Ok(Self::Plain(interrupt));
        }
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(MAX_HISTORY_ENTRIES)
            .map_err(failed)?
            .build();
        let mut editor = Editor::with_history(config.clone(), MemHistory::with_config(&config))
            .map_err(failed)?;
        editor.set_helper(Some(Assistant::new(worker)));
        editor.set_auto_add_history(false);
        for entry in history.entries() {
            editor.add_history_entry(entry).map_err(failed)?;
        }
        Ok(Self::Editor(Box::new(editor)))
    }

    /// Shows the prompt and reads a line.
    ///
    /// # Errors
    /// The terminal fails, or the line is too long.
    pub fn read(&mut self, prompt: &str) -> io::Result<Read> {
        match self {
            Self::Editor(editor) => match editor.readline(prompt) {
                Ok(line) => Ok(Read::Line(line)),
                Err(ReadlineError::Interrupted) => Ok(Read::Interrupted),
                Err(ReadlineError::Eof) => Ok(Read::End),
                Err(error) => Err(failed(error)),
            },
            Self::Plain(interrupt) => {
                print!("{prompt}");
                io::stdout().flush()?;
                let read = keys::read_line(interrupt, MAX_LINE_BYTES)?;
                println!();
                Ok(read.map_or(Read::End, |line| match line {
                    Some(line) => Read::Line(line),
                    None => Read::Interrupted,
                }))
            }
        }
    }

    /// Adds an input to what the arrow keys recall.
    pub fn remember(&mut self, entry: &str) {
        if let Self::Editor(editor) = self {
            // Only a history in a file can fail.
            let _ = editor.add_history_entry(entry);
        }
    }

    /// Forgets all inputs.
    pub fn forget(&mut self) {
        if let Self::Editor(editor) = self {
            let _ = editor.clear_history();
        }
    }
}

fn failed(error: ReadlineError) -> io::Error {
    match error {
        ReadlineError::Io(error) => error,
        other => io::Error::other(other),
    }
}

/// Returns true if stdin and stdout are a terminal on which the cursor moves.
fn is_capable() -> bool {
    let terminal = std::env::var("TERM").unwrap_or_default();
    let is_dumb = matches!(terminal.as_str(), "" | "dumb" | "cons25");
    io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb
}
