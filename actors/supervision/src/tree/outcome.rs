//! The outcome of a tree that has ended.

use std::fmt;

use crate::kernel::exit::Exit;

/// The outcome of a tree that has ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The reason: [`Exit::Shutdown`], or [`Exit::GaveUp`] with the child that kept failing.
    pub exit: Exit,
    /// Paths of children that did not stop within their timeout and were killed: unflushed data
    /// of theirs may be lost.
    pub killed: Vec<String>,
    /// Paths of actors that kept holding their thread after being killed.
    pub wedged: Vec<String>,
    /// Names of arbiters whose thread did not end.
    pub unjoined: Vec<String>,
    /// Paths of the children that had accepted messages (for a pool, jobs) which they did not
    /// handle when the tree stopped, with the number. Their senders were told.
    pub unhandled: Vec<(String, u64)>,
    /// Paths of those among them that were to handle all ([`ChildSpec::drain`](crate::ChildSpec::drain)) and did not in
    /// time.
    pub undrained: Vec<String>,
}

impl Outcome {
    /// Returns true where the tree stopped on request, and completely: every child ran to its end,
    /// and drained where it is to. Unhandled messages of children without a drain are no fault.
    pub fn is_clean(&self) -> bool {
        !self.exit.is_failure()
            && self.killed.is_empty()
            && self.wedged.is_empty()
            && self.unjoined.is_empty()
            && self.undrained.is_empty()
    }

    /// Returns the process's exit code: zero where the outcome is clean, one otherwise.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.is_clean())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.exit.fmt(formatter)?;
        if !self.killed.is_empty() {
            write!(formatter, "; killed: {}", self.killed.join(", "))?;
        }
        if !self.wedged.is_empty() {
            write!(
                formatter,
                "; could not be killed: {}",
                self.wedged.join(", ")
            )?;
        }
        if !self.unjoined.is_empty() {
            write!(
                formatter,
                "; threads left behind: {}",
                self.unjoined.join(", ")
            )?;
        }
        let unhandled: u64 = self.unhandled.iter().map(|(_, messages)| messages).sum();
        if unhandled > 0 {
            let each = self.unhandled.iter();
            let each: Vec<_> = each
                .map(|(path, number)| format!("{path} {number}"))
                .collect();
            write!(
                formatter,
                "; {unhandled} messages not handled: {}",
                each.join(", ")
            )?;
        }
        if !self.undrained.is_empty() {
            write!(
                formatter,
                "; did not drain in time: {}",
                self.undrained.join(", ")
            )?;
        }
        Ok(())
    }
}
