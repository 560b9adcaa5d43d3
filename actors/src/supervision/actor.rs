//! What an actor's author writes: a lifecycle and a table of messages.

use std::future::Future;

use super::answer::Answer;
use super::context::Ctx;
use super::exit::{Exit, Failure};

/// A message that can cross threads in a mailbox: every [`actix::Message`] whose parts are
/// `Send`. Nobody implements this by hand.
pub trait Mail: actix::Message<Result: Send> + Send + 'static {}

impl<M> Mail for M where M: actix::Message<Result: Send> + Send + 'static {}

/// An actor: state that one thread owns, with a beginning and an end.
///
/// It is made anew by its factory in every generation. What it does in between is its
/// [`Handles`] implementations.
pub trait Actor: Sized + 'static {
    /// The first thing that runs in a generation, before any message. Timers begin here.
    ///
    /// # Errors
    /// An error means that the actor did not start: it reaches whoever started the tree or,
    /// at a restart, counts as a failure.
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let _ = ctx;
        Ok(())
    }

    /// The last thing that runs in a generation, when no further message can arrive and its
    /// futures and timers have ended: the place to flush and to close. It has the child's stop
    /// timeout.
    ///
    /// It does not run after a panic, a failed start or a kill, where the state is not to
    /// be trusted: what must survive those belongs on disk beforehand. (After a panic the
    /// state is dropped while the panic unwinds; a `drop` that panics then ends the process,
    /// as everywhere in Rust.)
    fn stopped(self, exit: &Exit) -> impl Future<Output = ()> {
        let _ = exit;
        async {}
    }
}

/// One row of an actor's table: how it handles messages of type `M`.
pub trait Handles<M: Mail>: Actor {
    /// What the handler returns: the result itself, or a [`Later`](super::Later).
    type Answer: Answer<M::Result>;

    /// What happens to such a message when the mailbox is full.
    const WHEN_FULL: WhenFull = WhenFull::Reject;

    /// What happens to such a question when its caller no longer waits.
    const WHEN_ABANDONED: WhenAbandoned = WhenAbandoned::Handle;

    /// Handles one message. Keep it under half a millisecond; longer work goes to a
    /// [`Pool`](super::Pool).
    fn handle(&mut self, message: M, ctx: &mut Ctx<Self>) -> Self::Answer;
}

/// Backpressure: what becomes of a message that finds the mailbox full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// It is refused: the caller hears `Full` and decides. For requests.
    Reject,
    /// It takes the place of the oldest message that may be dropped, which is counted. For
    /// gossip, where the newest is worth most. Such messages also give way to all others;
    /// where nothing may be dropped the message is refused.
    DropOldest,
    /// A question waits for a place, in line with others; so does
    /// [`tell_when_room`](super::ActorRef::tell_when_room). For a stream that must neither
    /// lose nor overrun. A plain `tell`, which cannot wait, is refused.
    Wait,
}

/// What becomes of a question whose caller has gone before its turn came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAbandoned {
    /// It is handled all the same. For commands.
    Handle,
    /// It is skipped, and a future that works on its answer is dropped. For queries.
    Skip,
}
