//! Return types of handlers: a value, or a value that is computed later.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::oneshot;

/// A handler's return type for a result of type `T`: `T` itself where it is a
/// [`ReplyValue`], [`Value<T>`] around any other type, or [`Later<T>`].
pub trait Answer<T>: 'static {
    /// Whether the answer comes later, so that the actor owes it meanwhile. Must be true where
    /// [`into_reply`](Self::into_reply) returns [`Reply::Later`]. A message whose answer
    /// comes later stays queued while the actor owes
    /// [`OWED_ANSWERS`](crate::limits::OWED_ANSWERS).
    const IS_LATER: bool = false;

    /// Converts the answer into the form that the supervision layer works with.
    fn into_reply(self) -> Reply<T>;
}

/// An answer that is either ready or computed later.
pub enum Reply<T> {
    /// The answer is ready.
    Now {
        /// The result.
        value: T,
        /// True where the result stands for a failure, which is counted.
        is_failure: bool,
    },
    /// The answer comes later.
    Later(Later<T>),
}

/// A result type that may stand for a failure.
///
/// An `Err` of `Result` does; the other types here never fail. Implement this trait (it has no
/// required method) for other result types, or return them wrapped in [`Value`].
pub trait ReplyValue: 'static {
    /// Returns true where the message counts as failed.
    fn is_failure(&self) -> bool {
        false
    }
}

impl<T: 'static, E: 'static> ReplyValue for Result<T, E> {
    fn is_failure(&self) -> bool {
        self.is_err()
    }
}

impl<T: 'static> ReplyValue for Option<T> {}
impl<T: 'static> ReplyValue for Vec<T> {}
impl<T: ?Sized + 'static> ReplyValue for Box<T> {}
impl<T: ?Sized + 'static> ReplyValue for Arc<T> {}
impl<T: ?Sized + 'static> ReplyValue for Rc<T> {}

macro_rules! never_fails {
    ($($type:ty),*) => { $(impl ReplyValue for $type {})* };
}

never_fails!((), bool, char, String, &'static str);
never_fails!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64
);

impl<T: ReplyValue> Answer<T> for T {
    fn into_reply(self) -> Reply<T> {
        let is_failure = self.is_failure();
        Reply::Now {
            value: self,
            is_failure,
        }
    }
}

/// A wrapper for a result of any type that never counts as a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<T>(pub T);

impl<T: 'static> Answer<T> for Value<T> {
    fn into_reply(self) -> Reply<T> {
        Reply::Now {
            value: self.0,
            is_failure: false,
        }
    }
}

/// A result that is computed later. The actor handles other messages meanwhile.
///
/// The future runs on the actor's thread and ends with the actor; it has no access to the
/// actor's state. For an answer that depends on later state, use a
/// [`channel`](Later::channel), whose [`Replier`] the actor keeps.
///
/// An actor owes a bounded number of answers
/// ([`OWED_ANSWERS`](crate::limits::OWED_ANSWERS)). Beyond it, a message whose handler returns a
/// `Later` stays queued, and counts against the mailbox's capacity, until an answer is given or
/// dropped; messages of other types pass it. So an answer must not wait for another message whose
/// answer comes later.
#[must_use = "the caller waits for it"]
pub struct Later<T> {
    future: LocalBoxFuture<'static, Option<T>>,
    is_failure: fn(&T) -> bool,
}

impl<T: 'static> Later<T> {
    /// Creates an answer from the output of a future.
    pub fn new(future: impl Future<Output = T> + 'static) -> Self {
        Self {
            future: future.map(Some).boxed_local(),
            is_failure: |_| false,
        }
    }

    /// Creates an answer that is given through the returned replier. When the replier is dropped
    /// instead, the caller gets [`AskError::Interrupted`](crate::AskError::Interrupted).
    pub fn channel() -> (Replier<T>, Self) {
        let (sender, receiver) = oneshot::channel();
        let future = receiver.map(Result::ok).boxed_local();
        (
            Replier { sender },
            Self {
                future,
                is_failure: |_| false,
            },
        )
    }

    pub(crate) async fn resolve(self) -> (Option<T>, bool) {
        let value = self.future.await;
        let is_failure = value.as_ref().is_none_or(self.is_failure);
        (value, is_failure)
    }
}

impl<T: 'static, E: 'static> Later<Result<T, E>> {
    /// Creates an answer as [`Later::new`] does; an error counts as a failure.
    pub fn fallible(future: impl Future<Output = Result<T, E>> + 'static) -> Self {
        Self {
            future: future.map(Some).boxed_local(),
            is_failure: Result::is_err,
        }
    }
}

impl<T: 'static> Answer<T> for Later<T> {
    const IS_LATER: bool = true;

    fn into_reply(self) -> Reply<T> {
        Reply::Later(self)
    }
}

/// The sending end of a [`Later::channel`].
#[derive(Debug)]
#[must_use = "dropping it leaves the caller without an answer"]
pub struct Replier<T> {
    sender: oneshot::Sender<T>,
}

impl<T> Replier<T> {
    /// Sends the answer. Does nothing when the caller no longer waits.
    pub fn reply(self, value: T) {
        let _ = self.sender.send(value);
    }

    /// Returns true when the caller no longer waits for the answer.
    pub fn is_abandoned(&self) -> bool {
        self.sender.is_closed()
    }
}
