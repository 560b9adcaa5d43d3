//! The handle to a running tree.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::observe::arbiters::ArbiterTable;
use crate::observe::incidents::IncidentLog;
use crate::observe::node::{Control, Node};
use crate::observe::snapshot::{ArbiterSnapshot, Kind, NodeSnapshot, State};

/// A handle to a running tree, usable from any thread.
#[derive(Clone)]
pub struct TreeHandle {
    pub(super) root: Arc<Node>,
    pub(super) control: Arc<dyn Control>,
    pub(super) arbiters: Arc<ArbiterTable>,
    pub(super) incidents: IncidentLog,
}

/// The error of a request that an actor crashes or hangs.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashError {
    /// No node has this path.
    #[error("no such actor")]
    NoSuchActor,
    /// The node is a supervisor, which has no handlers to panic or to hang in.
    #[error("a supervisor cannot be crashed")]
    Supervisor,
    /// The actor is between two generations, is stopping, or has ended.
    #[error("the actor is down")]
    Down,
    /// A crash of this generation was requested already.
    #[error("the actor is about to crash already")]
    Crashing,
}

impl TreeHandle {
    /// Returns a snapshot of the tree. Uses no mailbox.
    pub fn snapshot(&self) -> NodeSnapshot {
        self.root.snapshot()
    }

    /// Returns the arbiters (threads) of the tree in the order of their first use, with the figures
    /// of the last interval. Uses no mailbox.
    pub fn arbiters(&self) -> Vec<ArbiterSnapshot> {
        self.arbiters.read()
    }

    /// Returns the log of the tree's incidents.
    pub fn incidents(&self) -> &IncidentLog {
        &self.incidents
    }

    /// Requests that the tree stops in order, and returns at once.
    pub fn stop(&self) {
        self.control.stop();
    }

    /// Makes the actor at `path` panic inside a handler, now. For chaos tests.
    ///
    /// # Errors
    /// [`CrashError`]
    pub fn crash(&self, path: &str) -> Result<(), CrashError> {
        let (actor, control) = self.running(path)?;
        if !actor.note_crash() {
            return Err(CrashError::Crashing);
        }
        control.crash();
        Ok(())
    }

    /// Makes the actor at `path` panic in place of its next handler of the message
    /// type called `message` (its name without module paths). For chaos tests.
    ///
    /// # Errors
    /// [`CrashError`]
    pub fn crash_at(&self, path: &str, message: &str) -> Result<(), CrashError> {
        self.actor(path)?.set_crash_at(message);
        Ok(())
    }

    /// Makes a handler of the actor at `path` hold its thread for `time`, whatever becomes of the
    /// actor meanwhile. For chaos tests.
    ///
    /// # Errors
    /// [`CrashError`]
    pub fn hang(&self, path: &str, time: Duration) -> Result<(), CrashError> {
        let (_, control) = self.running(path)?;
        control.hang(time);
        Ok(())
    }

    /// Stops the arbiter called `name`, with all actors that run on it. Their supervisors restart
    /// them on a new thread. Returns false where there is no such thread. For chaos tests.
    pub fn stop_arbiter(&self, name: &str) -> bool {
        self.arbiters.stop(name)
    }

    /// Returns an actor that has not ended, and its control.
    fn running(&self, path: &str) -> Result<(Arc<Node>, Arc<dyn Control>), CrashError> {
        let actor = self.actor(path)?;
        let control = match actor.state() {
            State::Starting | State::Running => actor.control(),
            _ => None,
        };
        Ok((actor, control.ok_or(CrashError::Down)?))
    }

    fn actor(&self, path: &str) -> Result<Arc<Node>, CrashError> {
        let node = self.root.find(path).ok_or(CrashError::NoSuchActor)?;
        match node.kind() {
            Kind::Actor => Ok(node),
            Kind::Supervisor => Err(CrashError::Supervisor),
        }
    }
}

impl fmt::Debug for TreeHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("TreeHandle")
            .field(&self.root)
            .finish()
    }
}
