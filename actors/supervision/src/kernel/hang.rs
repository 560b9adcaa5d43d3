//! Actors whose handler does not return: the policy for them, and the threads that are given up with
//! them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};

use tokio::sync::watch;

/// The policy for an actor that is stuck in its own code: it has not answered its health probe,
/// and its handler has held the thread for the monitor's timeout
/// ([`TreeOptions::probe`](crate::TreeOptions::probe)).
///
/// A thread cannot be stopped from outside. With `Replace` and `Escalate` it is abandoned: its
/// arbiter gets a new thread, all actors that lived on it lose their generation, and the handler's
/// late return has no effect on the actors. What the handler does to the outside world, such as a
/// file, is not undone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhenStuck {
    /// The actor is shown as stuck and logged; nothing else.
    #[default]
    Report,
    /// The actor is given up, which is a failure of the actor. The other actors of its arbiter
    /// restart with it, each under its own supervisor, without being counted against the restart
    /// intensity.
    Replace,
    /// The actor is given up as with `Replace`, and its supervisor fails.
    Escalate,
}

/// The policy for a stuck actor, and the last of its generations that was given up.
#[derive(Debug, Default)]
pub(crate) struct Hang {
    policy: AtomicU8,
    given_up: AtomicU64,
}

impl Hang {
    pub(crate) fn set_policy(&self, policy: WhenStuck) {
        self.policy.store(policy as u8, Relaxed);
    }

    pub(crate) fn policy(&self) -> WhenStuck {
        let policy = self.policy.load(Relaxed);
        [WhenStuck::Replace, WhenStuck::Escalate]
            .into_iter()
            .find(|known| *known as u8 == policy)
            .unwrap_or_default()
    }

    /// Records that a generation and those before it were given up.
    pub(crate) fn give_up(&self, generation: u64) {
        self.given_up.fetch_max(generation, Release);
    }

    /// Returns whether a generation was given up. Its code may still run, and must not change what
    /// belongs to the generations after it.
    #[inline]
    pub(crate) fn is_given_up(&self, generation: u64) -> bool {
        self.given_up.load(Acquire) >= generation
    }
}

/// The loss of an arbiter's thread: it was given up with a stuck actor, or somebody stopped it.
#[derive(Clone)]
pub struct ArbiterLoss {
    inner: Arc<Loss>,
}

struct Loss {
    arbiter: String,
    /// The path and the activity of the stuck actor; `None` where the arbiter was stopped.
    culprit: Option<(String, Option<String>)>,
    /// Whether the loss was counted as a failure.
    is_counted: AtomicBool,
}

impl ArbiterLoss {
    fn new(arbiter: &str, culprit: Option<(String, Option<String>)>) -> Self {
        let is_counted = AtomicBool::new(culprit.is_some());
        Self {
            inner: Arc::new(Loss {
                arbiter: arbiter.to_owned(),
                culprit,
                is_counted,
            }),
        }
    }

    /// Returns the arbiter's name.
    pub fn arbiter(&self) -> &str {
        &self.inner.arbiter
    }

    /// Returns the path of the stuck actor that the thread was given up with; `None` where the
    /// arbiter was stopped.
    pub fn culprit(&self) -> Option<&str> {
        self.inner.culprit.as_ref().map(|(path, _)| &**path)
    }

    /// Returns true once for each loss: however many actors lived on the thread, it counts as one
    /// failure. Where there is a culprit, its own end is the one that counts.
    pub(crate) fn claim(&self) -> bool {
        !self.inner.is_counted.swap(true, Relaxed)
    }
}

impl fmt::Display for ArbiterLoss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Loss {
            arbiter, culprit, ..
        } = &*self.inner;
        match culprit {
            None => write!(formatter, "arbiter {arbiter} was stopped"),
            Some((path, doing)) => {
                write!(formatter, "arbiter {arbiter} was given up: {path} is stuck")?;
                match doing {
                    Some(doing) => write!(formatter, " in {doing}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Debug for ArbiterLoss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ArbiterLoss({self})")
    }
}

/// A thread of an arbiter, as the generations that run on it see it.
#[derive(Debug)]
pub(crate) struct Lease {
    arbiter: String,
    loss: watch::Sender<Option<ArbiterLoss>>,
}

impl Lease {
    pub(crate) fn new(arbiter: &str) -> Self {
        Self {
            arbiter: arbiter.to_owned(),
            loss: watch::Sender::new(None),
        }
    }

    pub(crate) fn arbiter(&self) -> &str {
        &self.arbiter
    }

    /// Ends the lease: the thread is given up with the actor at `path`.
    pub(crate) fn give_up(&self, path: &str, doing: Option<String>) -> ArbiterLoss {
        self.lose(Some((path.to_owned(), doing)))
    }

    /// Ends the lease, if it has not ended: the thread was stopped.
    pub(crate) fn stopped(&self) -> ArbiterLoss {
        self.lose(None)
    }

    /// Records the loss of the thread. Returns the first loss that was recorded.
    fn lose(&self, culprit: Option<(String, Option<String>)>) -> ArbiterLoss {
        let loss = ArbiterLoss::new(&self.arbiter, culprit);
        let mut first = loss.clone();
        self.loss.send_if_modified(|known| match known {
            Some(known) => {
                first = known.clone();
                false
            }
            None => {
                *known = Some(loss);
                true
            }
        });
        first
    }

    /// Waits for the loss of the thread.
    pub(crate) async fn lost(&self) -> ArbiterLoss {
        let mut receiver = self.loss.subscribe();
        let lost = receiver.wait_for(Option::is_some).await;
        match lost.ok().and_then(|loss| loss.clone()) {
            Some(loss) => loss,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_counts_as_one_failure() {
        let lease = Lease::new("shared");
        let (first, second) = (lease.stopped(), lease.stopped());
        assert!(first.claim());
        assert!(!second.claim() && !first.claim());
        assert_eq!(first.to_string(), "arbiter shared was stopped");

        let lease = Lease::new("shared");
        let loss = lease.give_up("root/a", Some("Block".to_owned()));
        assert!(!loss.claim(), "the stuck actor's own end counts");
        assert_eq!(lease.stopped().culprit(), Some("root/a"), "the first cause");
        assert_eq!(
            loss.to_string(),
            "arbiter shared was given up: root/a is stuck in Block"
        );
    }

    #[test]
    fn generations_are_given_up_in_order() {
        let hang = Hang::default();
        assert!(!hang.is_given_up(1));
        hang.give_up(2);
        hang.give_up(1);
        assert!(hang.is_given_up(1) && hang.is_given_up(2) && !hang.is_given_up(3));
        hang.set_policy(WhenStuck::Escalate);
        assert_eq!(hang.policy(), WhenStuck::Escalate);
    }
}
