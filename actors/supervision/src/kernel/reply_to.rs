//! The channel between a request and its caller.

use tokio::sync::oneshot;

use crate::kernel::actor::Message;
use crate::kernel::error::AskError;

/// The channel that an answer is sent through.
pub(crate) enum ReplyTo<M: Message> {
    /// The caller gets an answer or an error.
    Once(oneshot::Sender<Result<M::Result, AskError>>),
    /// The caller gets the message back where its generation ended before it was handled, and sends
    /// it to the next one.
    Again(oneshot::Sender<Returned<M>>),
}

/// The answer to a message, or the message where it was not handled.
pub(crate) type Returned<M> = Result<Result<<M as Message>::Result, AskError>, M>;

impl<M: Message> ReplyTo<M> {
    /// Sends the answer. Does nothing when the caller no longer waits.
    pub(super) fn send(self, answer: Result<M::Result, AskError>) {
        match self {
            Self::Once(caller) => drop(caller.send(answer)),
            Self::Again(caller) => drop(caller.send(Ok(answer))),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Once(caller) => caller.is_closed(),
            Self::Again(caller) => caller.is_closed(),
        }
    }

    pub(super) async fn closed(&mut self) {
        match self {
            Self::Once(caller) => caller.closed().await,
            Self::Again(caller) => caller.closed().await,
        }
    }
}
