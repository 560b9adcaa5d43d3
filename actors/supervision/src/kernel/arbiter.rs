//! The threads (actix arbiters) that actors run on, one for each latency class.

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use actix::{Arbiter, ArbiterHandle};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{error, warn};

use crate::kernel::clock::Clock;
use crate::kernel::error::StartError;
use crate::kernel::exit::Exit;
use crate::kernel::hang::Lease;
use crate::limits::{KILL_GRACE, TURN_TIME};
use crate::observe::arbiters::ArbiterTable;
use crate::observe::node::Node;
use crate::tree::rng::SeededRng;
use crate::tree::spec::ChildSpec;

/// The arbiters of one tree. Each is created when a child first names it.
#[derive(Debug)]
pub(crate) struct Arbiters {
    /// Whether every child runs on the thread that started the tree.
    is_single_thread: bool,
    arbiters: Mutex<Vec<(Arc<Lease>, Arbiter)>>,
    /// Threads that were given up with a stuck actor. They end when its code returns.
    given_up: Mutex<Vec<(Arc<Lease>, Arbiter)>>,
    left_behind: Mutex<LeftBehind>,
    /// The figures of each thread.
    pub(crate) table: Arc<ArbiterTable>,
    /// The randomness of the pauses before restarts.
    pub(crate) rng: SeededRng,
}

/// Children that did not stop in an orderly way.
#[derive(Debug, Default)]
pub(crate) struct LeftBehind {
    /// Paths of children that were killed when their supervisor stopped.
    pub(crate) killed: Vec<String>,
    /// Paths of actors that kept holding their thread after being killed.
    pub(crate) wedged: Vec<String>,
    /// Paths of children with the number of messages that they had accepted and did not handle.
    pub(crate) unhandled: Vec<(String, u64)>,
    /// Paths of children that had messages left after their drain.
    pub(crate) undrained: Vec<String>,
}

impl Arbiters {
    pub(crate) fn new(is_single_thread: bool, rng: SeededRng, clock: Clock) -> Self {
        Self {
            is_single_thread,
            arbiters: Mutex::default(),
            given_up: Mutex::default(),
            left_behind: Mutex::default(),
            table: Arc::new(ArbiterTable::new(clock)),
            rng,
        }
    }

    /// Returns the time that one turn of an actor may take. On a single thread, for a simulation,
    /// only messages are counted, so that the speed of the machine has no influence.
    pub(crate) fn turn_time(&self) -> Duration {
        if self.is_single_thread {
            Duration::MAX
        } else {
            TURN_TIME
        }
    }

    /// Returns the arbiter called `name` with the lease of its thread, and creates it if it does
    /// not exist or has ended. On a single thread there is no lease.
    pub(crate) fn get(
        &self,
        name: &str,
    ) -> Result<(ArbiterHandle, Option<Arc<Lease>>), StartError> {
        if self.is_single_thread {
            return Ok((Arbiter::current(), None));
        }
        let mut arbiters = self.arbiters.lock();
        let index = arbiters
            .iter()
            .position(|(known, _)| known.arbiter() == name);
        if let Some(index) = index {
            let (lease, arbiter) = &arbiters[index];
            let handle = arbiter.handle();
            // An arbiter refuses work once it has stopped.
            if handle.spawn_fn(|| {}) {
                return Ok((handle, Some(Arc::clone(lease))));
            }
            lease.stopped();
            arbiters.remove(index);
            warn!(arbiter = name, "arbiter has ended and is replaced");
        }
        let arbiter = self.open(name).map_err(|error| StartError::NoThread {
            arbiter: name.to_owned(),
            error: Arc::new(error),
        })?;
        let handle = arbiter.handle();
        let lease = Arc::new(Lease::new(name));
        arbiters.push((Arc::clone(&lease), arbiter));
        Ok((handle, Some(lease)))
    }

    /// Opens a thread and adds it to the table.
    fn open(&self, name: &str) -> io::Result<Arbiter> {
        let opened = Arc::new(OnceLock::new());
        let slot = Arc::clone(&opened);
        let arbiter = Arbiter::try_with_tokio_rt(move || {
            let runtime = runtime()?;
            let _ = slot.set(runtime.handle().clone());
            Ok(runtime)
        })?;
        // The runtime was made before the thread was reported as begun.
        self.table
            .note_thread(name, arbiter.handle(), opened.get().cloned());
        Ok(arbiter)
    }

    /// Gives up the thread that the code of `culprit` holds, with all generations that run on it.
    /// Does nothing where the actor holds no thread, or where that was given up already.
    pub(crate) fn give_up(&self, culprit: &Node) {
        let Some(control) = culprit.control() else {
            return;
        };
        let (Some(lease), Some(doing)) = (control.lease(), culprit.doing()) else {
            return;
        };
        let mut arbiters = self.arbiters.lock();
        let index = arbiters
            .iter()
            .position(|(known, _)| Arc::ptr_eq(known, lease));
        let Some(index) = index else {
            return;
        };
        let (lease, arbiter) = arbiters.remove(index);
        drop(arbiters);
        // The thread ends once the code that holds it returns.
        arbiter.stop();
        let loss = lease.give_up(culprit.path(), Some(doing));
        error!(reason = %loss, "the threads of stuck actors are replaced");
        let mut given_up = self.given_up.lock();
        given_up.retain(|(_, arbiter)| arbiter.alive());
        given_up.push((lease, arbiter));
    }

    /// Forgets how the child at `path` and those below it ended before: it starts again, so that this is
    /// no part of the outcome of a later stop.
    pub(crate) fn forget_ends(&self, path: &str) {
        let is_other = |known: &str| {
            let below = known.strip_prefix(path);
            below.is_none_or(|rest| !rest.is_empty() && !rest.starts_with('/'))
        };
        let mut left_behind = self.left_behind.lock();
        left_behind.killed.retain(|known| is_other(known));
        left_behind.unhandled.retain(|(known, _)| is_other(known));
        left_behind.undrained.retain(|known| is_other(known));
    }

    /// Records the messages that a child had accepted and not handled when its supervisor stopped.
    pub(crate) fn note_unhandled(&self, child: &ChildSpec) {
        let path = child.node.path();
        let unhandled = child.node.unhandled.take();
        if unhandled > 0 {
            let LeftBehind {
                unhandled: known,
                undrained,
                ..
            } = &mut *self.left_behind.lock();
            match known.iter_mut().find(|(known, _)| known == path) {
                Some((_, messages)) => *messages += unhandled,
                None => known.push((path.to_owned(), unhandled)),
            }
            if child.drain.is_some() && !undrained.iter().any(|known| known == path) {
                undrained.push(path.to_owned());
            }
        }
    }

    /// Records a child that ended without its `stopped` hook when its supervisor stopped.
    pub(crate) fn note_end(&self, path: &str, exit: &Exit) {
        let is_killed = matches!(
            exit,
            Exit::Killed { .. } | Exit::Hung { .. } | Exit::ArbiterLost(_)
        );
        if is_killed {
            self.left_behind.lock().killed.push(path.to_owned());
        }
    }

    /// Records an actor that could not be killed: its thread will not end.
    pub(crate) fn note_wedged(&self, path: &str) {
        self.left_behind.lock().wedged.push(path.to_owned());
    }

    pub(crate) fn take_left_behind(&self) -> LeftBehind {
        std::mem::take(&mut *self.left_behind.lock())
    }

    /// Stops every arbiter, the newest first, and joins its thread. Returns the names of
    /// the arbiters that did not end within `limit`.
    pub(crate) async fn join(&self, limit: Duration) -> Vec<String> {
        let mut unjoined = Vec::new();
        let arbiters = std::mem::take(&mut *self.arbiters.lock());
        let given_up = std::mem::take(&mut *self.given_up.lock());
        let arbiters = arbiters.into_iter().map(|of| (of, limit));
        let given_up = given_up.into_iter().map(|of| (of, limit.min(KILL_GRACE)));
        for ((lease, arbiter), limit) in given_up.chain(arbiters).rev() {
            arbiter.stop();
            if !ends_in_time(limit, move || arbiter.join()).await {
                unjoined.push(lease.arbiter().to_owned());
            }
        }
        unjoined
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// Runs a blocking `join` on its own thread. Returns whether it ended within `limit`; otherwise
/// the thread is abandoned. (A blocking task of the runtime would delay the runtime's own end.)
pub(crate) async fn ends_in_time<T: Send + 'static>(
    limit: Duration,
    join: impl FnOnce() -> T + Send + 'static,
) -> bool {
    let (ended, end) = oneshot::channel();
    let joiner = thread::Builder::new()
        .name("joiner".to_owned())
        .spawn(move || {
            join();
            let _ = ended.send(());
        });
    joiner.is_ok() && matches!(timeout(limit, end).await, Ok(Ok(())))
}
