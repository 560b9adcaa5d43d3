//! What a handler may return: a value, or a value that comes later.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::oneshot;

/// What a handler returns for a result of type `T`: `T` itself where it is a
/// [`ReplyValue`], [`Value<T>`] around any other type, or [`Later<T>`].
pub trait Answer<T>: 'static {
    /// The answer in the one form that the layer works with.
    fn into_reply(self) -> Reply<T>;
}

/// An answer, ready or owed.
pub enum Reply<T> {
    /// It is here.
    Now {
        /// The result.
        value: T,
        /// True where it stands for a failure, which is counted.
        is_failure: bool,
    },
    /// It comes later.
    Later(Later<T>),
}

/// A result that can tell whether it stands for a failure.
///
/// `Result` does; the other types here never fail. Implement it (it has no required
/// method) for a result type of your own, or return it wrapped in [`Value`].
pub trait ReplyValue: 'static {
    /// True where the message counts as failed.
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

/// Any result that is not a failure.
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

/// A result that comes later. The actor handles other messages meanwhile.
///
/// The future runs on the actor's thread and ends with the actor; it cannot see the
/// actor's state. An answer that depends on state that is yet to come is a
/// [`channel`](Later::channel), whose [`Replier`] the actor keeps.
#[must_use = "the caller waits for it"]
pub struct Later<T> {
    future: LocalBoxFuture<'static, Option<T>>,
    is_failure: fn(&T) -> bool,
}

impl<T: 'static> Later<T> {
    /// The output of a future.
    pub fn new(future: impl Future<Output = T> + 'static) -> Self {
        Self {
            future: future.map(Some).boxed_local(),
            is_failure: |_| false,
        }
    }

    /// An answer that somebody gives through the replier. When the replier is dropped
    /// instead, the caller hears [`AskError::Interrupted`](super::AskError::Interrupted).
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
    /// As [`Later::new`], and an error counts as a failure.
    pub fn fallible(future: impl Future<Output = Result<T, E>> + 'static) -> Self {
        Self {
            future: future.map(Some).boxed_local(),
            is_failure: Result::is_err,
        }
    }
}

impl<T: 'static> Answer<T> for Later<T> {
    fn into_reply(self) -> Reply<T> {
        Reply::Later(self)
    }
}

/// The other end of a [`Later::channel`].
#[derive(Debug)]
#[must_use = "dropping it leaves the caller without an answer"]
pub struct Replier<T> {
    sender: oneshot::Sender<T>,
}

impl<T> Replier<T> {
    /// Gives the answer. Nothing happens when nobody waits for it any more.
    pub fn reply(self, value: T) {
        let _ = self.sender.send(value);
    }

    /// True when nobody waits for the answer any more.
    pub fn is_abandoned(&self) -> bool {
        self.sender.is_closed()
    }
}
