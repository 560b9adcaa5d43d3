//! What a caller of an actor can be told.

use std::fmt;
use std::sync::Arc;

use super::exit::Exit;
use super::mailbox::Refusal;

/// Why a message was not accepted. It comes back to the caller, and is counted at the actor.
#[derive(thiserror::Error, Clone, PartialEq, Eq)]
pub enum TellError<M> {
    /// The mailbox is full: the actor cannot keep up. Try later, or give up the message.
    #[error("the mailbox is full")]
    Full(M),
    /// The actor is down: not started yet, between two generations, or stopped for good.
    #[error("the actor is unavailable")]
    Unavailable(M),
}

impl<M> TellError<M> {
    /// The message that was not accepted.
    pub fn into_message(self) -> M {
        match self {
            Self::Full(message) | Self::Unavailable(message) => message,
        }
    }
}

impl<M> fmt::Debug for TellError<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Unavailable(_) => "Unavailable(..)",
        })
    }
}

/// Why a question has no answer.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskError {
    /// The mailbox is full. The message was not handled.
    #[error("the mailbox is full")]
    Full,
    /// The actor is down, or went down before it came to the message. It was not handled.
    #[error("the actor is unavailable")]
    Unavailable,
    /// The message gave way to a newer one in a full mailbox. It was not handled.
    #[error("the message gave way to a newer one")]
    Dropped,
    /// The actor ended while it was at the message. What came of it is not known.
    #[error("the actor ended before it had answered")]
    Interrupted,
    /// The answer did not come in the caller's time. The message may still be handled.
    #[error("the actor did not answer in time")]
    TimedOut,
}

impl AskError {
    /// True where the message has certainly had no effect, so that it may be sent again.
    pub fn was_never_handled(self) -> bool {
        matches!(self, Self::Full | Self::Unavailable | Self::Dropped)
    }
}

impl From<Refusal> for AskError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => Self::Full,
            Refusal::Unavailable => Self::Unavailable,
        }
    }
}

/// Why a child, or a whole tree, did not start. Whatever had started before it has been
/// stopped again, in reverse order.
#[derive(thiserror::Error, Debug, Clone)]
pub enum StartError {
    /// Its factory, or its `started`, returned an error or panicked.
    #[error("{path} {exit}")]
    Failed {
        /// The child's path.
        path: String,
        /// How its first generation ended.
        exit: Exit,
    },
    /// It had not started in its time and was killed.
    #[error("{path} did not start in time")]
    TimedOut {
        /// The child's path.
        path: String,
    },
    /// The tree was asked to stop meanwhile.
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
    /// The operating system refused a thread for its arbiter.
    #[error("no thread for arbiter {arbiter}: {error}")]
    NoThread {
        /// The arbiter's name.
        arbiter: String,
        /// The operating system's error.
        error: Arc<std::io::Error>,
    },
    /// A dynamic supervisor holds as many children as it may.
    #[error("{path} has no room for another child")]
    NoRoom {
        /// The supervisor's path.
        path: String,
    },
    /// A dynamic supervisor is down.
    #[error("{path} is unavailable")]
    Unavailable {
        /// The supervisor's path.
        path: String,
    },
}

impl StartError {
    /// How a child that could not start ended.
    pub(crate) fn into_exit(self) -> Exit {
        match self {
            Self::Failed { exit, .. } => exit,
            Self::Stopped { .. } => Exit::Shutdown,
            other => Exit::StartFailed(Arc::new(other)),
        }
    }
}
