//! Receivers of one type of message.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;

use crate::kernel::actor::{Handles, Message};
use crate::kernel::actor_ref::ActorRef;
use crate::kernel::error::TellError;
use crate::observe::metrics::short_name;

/// A receiver of messages of type `M` that hides the type of the actor behind it.
pub struct Recipient<M: Message> {
    receiver: Arc<dyn Receive<M>>,
}

impl<M: Message> Recipient<M> {
    pub(super) fn new<A: Handles<M>>(actor: ActorRef<A>) -> Self {
        Self {
            receiver: Arc::new(actor),
        }
    }

    /// Sends a message without waiting, as [`ActorRef::tell`].
    ///
    /// # Errors
    /// As [`ActorRef::tell`].
    pub fn tell(&self, message: M) -> Result<(), TellError<M>> {
        self.receiver.tell(message)
    }

    /// Returns the path of the actor behind this recipient.
    pub fn path(&self) -> &str {
        self.receiver.path()
    }
}

impl<M: Message> Clone for Recipient<M> {
    fn clone(&self) -> Self {
        Self {
            receiver: Arc::clone(&self.receiver),
        }
    }
}

impl<M: Message> fmt::Debug for Recipient<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Recipient<{}>({})",
            short_name(type_name::<M>()),
            self.path()
        )
    }
}

trait Receive<M: Message>: Send + Sync {
    fn tell(&self, message: M) -> Result<(), TellError<M>>;
    fn path(&self) -> &str;
}

impl<A: Handles<M>, M: Message> Receive<M> for ActorRef<A> {
    fn tell(&self, message: M) -> Result<(), TellError<M>> {
        ActorRef::tell(self, message)
    }

    fn path(&self) -> &str {
        ActorRef::path(self)
    }
}
