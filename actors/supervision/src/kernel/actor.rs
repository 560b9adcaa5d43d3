//! The traits that an actor implements: its lifecycle and its message handlers.

use std::future::Future;
use std::time::Duration;

use crate::kernel::answer::Answer;
use crate::kernel::context::Ctx;
use crate::kernel::exit::{Exit, Failure};

/// A message: a value that crosses threads in a mailbox, with the type of its answer. Derive it:
/// `#[derive(Message)]`, with `#[answer(Type)]` where the answer is not `()`.
///
/// With `#[message(weight = expression)]` the derived weight is that of the expression, in which `self`
/// is the message.
pub trait Message: Sized + Send + 'static {
    /// Type of the answer.
    type Result: Send + 'static;

    /// Returns the bytes that the message holds, for a mailbox with a bound in bytes
    /// ([`ChildSpec::mailbox_bytes`](crate::ChildSpec::mailbox_bytes)). The default is the size of the
    /// type, without what its values own elsewhere, such as the items of a vector. It is read on the
    /// sender's thread when the message is sent, and should be as cheap as a length.
    fn weight(&self) -> usize {
        size_of::<Self>()
    }
}

/// An actor: state that is owned by one thread, with start and stop hooks.
///
/// The actor's factory creates a new value for every generation. The messages that the actor
/// accepts are its [`Handles`] implementations.
pub trait Actor: Sized + 'static {
    /// Runs first in a generation, before any message is handled. Timers are started here.
    ///
    /// # Errors
    /// An error means that the actor did not start: it is returned by the start of the tree or,
    /// at a restart, counts as a failure.
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let _ = ctx;
        Ok(())
    }

    /// Runs last in a generation, when no further message can arrive and the actor's futures and
    /// timers have ended: the place to flush and to close. Must end within the child's stop
    /// timeout.
    ///
    /// This hook does not run after a panic, a failed start or a kill, where the state cannot be
    /// trusted: data that must survive those has to be on disk before. (After a panic the
    /// state is dropped while the panic unwinds; a `drop` that panics then aborts the process,
    /// as everywhere in Rust.)
    fn stopped(self, exit: &Exit) -> impl Future<Output = ()> {
        let _ = exit;
        async {}
    }
}

/// The handler of an actor for messages of type `M`.
pub trait Handles<M: Message>: Actor {
    /// The handler's return type: the result itself, or a [`Later`](crate::Later).
    type Answer: Answer<M::Result>;

    /// The policy for a message of this type that finds the mailbox full.
    const WHEN_FULL: WhenFull = WhenFull::Reject;

    /// The policy for a request of this type whose caller no longer waits for the answer.
    const WHEN_ABANDONED: WhenAbandoned = WhenAbandoned::Handle;

    /// The time in which the actor has to begin with a request of this type. A request that is still
    /// queued then is skipped and counted, and its caller gets
    /// [`AskError::Expired`](crate::AskError::Expired). Where this is `None`, the deadline of the
    /// actor's specification holds ([`ChildSpec::ask_deadline`](crate::ChildSpec::ask_deadline)); with
    /// `Some(Duration::MAX)` the request has none.
    const DEADLINE: Option<Duration> = None;

    /// The order of messages of this type among the others.
    const PRIORITY: Priority = Priority::Normal;

    /// Handles one message. A handler should take less than half a millisecond; longer work
    /// belongs in a [`Pool`](crate::Pool).
    fn handle(&mut self, message: M, ctx: &mut Ctx<Self>) -> Self::Answer;
}

/// Backpressure policy: what happens to a message that finds the mailbox full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// The message is refused: the caller gets `Full` and decides. For requests.
    Reject,
    /// The message replaces the oldest droppable message, which is counted as dropped. For
    /// gossip, where the newest message is worth most. Messages of all other types replace
    /// droppable ones too; where the queue holds no droppable message, the message is refused.
    DropOldest,
    /// An `ask` waits for a free slot, first come, first served; so does
    /// [`tell_when_room`](crate::ActorRef::tell_when_room). For a stream that must neither
    /// lose messages nor overrun the actor. A plain `tell`, which cannot wait, is refused.
    Wait,
}

/// The order in which queued messages are handled. Messages of one priority are handled in the order in
/// which they were sent. Control messages, timers and streams do not wait behind either.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Priority {
    /// In the order in which they were sent.
    #[default]
    Normal,
    /// Before messages of normal priority. So that these are handled as well, at most
    /// [`HIGH_PRIORITY_RUN`](crate::limits::HIGH_PRIORITY_RUN) messages of high priority pass one. The
    /// bounds of the mailbox hold for both together: priority is no right to a slot.
    High,
}

/// The policy for a request whose caller stopped waiting before the request was handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAbandoned {
    /// The request is handled all the same. For commands.
    Handle,
    /// The request is skipped, and a future that computes its answer is dropped. For queries.
    Skip,
}
