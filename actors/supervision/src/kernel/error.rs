//! Errors of sending to actors and of starting them.

use std::fmt;
use std::sync::Arc;

use crate::kernel::exit::Exit;
use crate::kernel::mailbox::Refusal;

/// The error of a message that was not accepted. It returns the message to the caller; the
/// refusal is counted at the actor.
#[derive(thiserror::Error, Clone, PartialEq, Eq)]
pub enum TellError<M> {
    /// The mailbox is full: the actor cannot keep up. Retry later, or drop the message. A message that
    /// is heavier than the whole mailbox ([`ChildSpec::mailbox_bytes`](crate::ChildSpec::mailbox_bytes))
    /// never finds room.
    #[error("the mailbox is full")]
    Full(M),
    /// The actor is down: not started yet, between two generations, or stopped for good.
    #[error("the actor is unavailable")]
    Unavailable(M),
    /// Messages of this type have crashed the actor too often, and are refused until its supervisor
    /// is started again ([`ChildSpec::quarantine_after`](crate::ChildSpec::quarantine_after)).
    #[error("messages of this type have crashed the actor too often")]
    Quarantined(M),
}

impl<M> TellError<M> {
    /// Returns the message that was not accepted.
    pub fn into_message(self) -> M {
        match self {
            Self::Full(message) | Self::Unavailable(message) | Self::Quarantined(message) => {
                message
            }
        }
    }
}

impl<M> fmt::Debug for TellError<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Unavailable(_) => "Unavailable(..)",
            Self::Quarantined(_) => "Quarantined(..)",
        })
    }
}

/// The error of a request that was not answered.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskError {
    /// The mailbox is full. The message was not handled.
    #[error("the mailbox is full")]
    Full,
    /// The actor is down, or went down before it handled the message.
    #[error("the actor is unavailable")]
    Unavailable,
    /// A newer message replaced this one in a full mailbox. It was not handled.
    #[error("the message gave way to a newer one")]
    Dropped,
    /// The actor ended while it handled the message, whose effect is unknown.
    #[error("the actor ended before it had answered")]
    Interrupted,
    /// Messages of this type have crashed the actor too often, and are refused. It was not handled.
    #[error("messages of this type have crashed the actor too often")]
    Quarantined,
    /// The message was still queued at its deadline ([`Handles::DEADLINE`](crate::Handles::DEADLINE),
    /// [`ActorRef::with_deadline`](crate::ActorRef::with_deadline)). It was not handled.
    #[error("the message's deadline passed before it was handled")]
    Expired,
    /// No answer came within the caller's timeout. The message may still be handled.
    #[error("the actor did not answer in time")]
    TimedOut,
}

impl AskError {
    /// Returns true where the message certainly had no effect, so that it may be sent again.
    pub fn was_never_handled(self) -> bool {
        matches!(
            self,
            Self::Full | Self::Unavailable | Self::Dropped | Self::Quarantined | Self::Expired
        )
    }
}

impl From<Refusal> for AskError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => Self::Full,
            Refusal::Unavailable => Self::Unavailable,
            Refusal::Quarantined => Self::Quarantined,
        }
    }
}

/// The error of a child, or of a whole tree, that did not start. All children that had started
/// before it have been stopped again, in reverse order.
#[derive(thiserror::Error, Debug, Clone)]
pub enum StartError {
    /// The child's factory or its `started` hook returned an error or panicked.
    #[error("{path} {exit}")]
    Failed {
        /// The child's path.
        path: String,
        /// The exit of its first generation.
        exit: Exit,
    },
    /// The child did not start within its start timeout and was killed.
    #[error("{path} did not start in time")]
    TimedOut {
        /// The child's path.
        path: String,
    },
    /// The tree was stopped meanwhile.
    #[error("{path} was stopped before it had started")]
    Stopped {
        /// The child's path.
        path: String,
    },
    /// One reference was given to two specifications, or one name to two siblings.
    #[error("{path} is already part of the tree")]
    AlreadyBound {
        /// The child's path or name.
        path: String,
    },
    /// The operating system refused a thread for the child's arbiter.
    #[error("no thread for arbiter {arbiter}: {error}")]
    NoThread {
        /// The arbiter's name.
        arbiter: String,
        /// The operating system's error.
        error: Arc<std::io::Error>,
    },
    /// The dynamic supervisor holds its maximum number of children.
    #[error("{path} has no room for another child")]
    NoRoom {
        /// The supervisor's path.
        path: String,
    },
    /// The dynamic supervisor is down.
    #[error("{path} is unavailable")]
    Unavailable {
        /// The supervisor's path.
        path: String,
    },
}

impl StartError {
    /// Converts the error into the exit of the child that could not start.
    pub(crate) fn into_exit(self) -> Exit {
        match self {
            Self::Failed { exit, .. } => exit,
            Self::Stopped { .. } => Exit::Shutdown,
            other => Exit::StartFailed(Arc::new(other)),
        }
    }
}
