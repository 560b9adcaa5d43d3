//! The threads (actix arbiters) that actors run on, one for each latency class.

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use actix::{Arbiter, ArbiterHandle};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::warn;

use crate::kernel::error::StartError;
use crate::kernel::exit::Exit;
use crate::limits::TURN_TIME;
use crate::observe::arbiters::ArbiterTable;
use crate::tree::rng::SeededRng;

/// The arbiters of one tree. Each is created when a child first names it.
#[derive(Debug)]
pub(crate) struct Arbiters {
    /// Whether every child runs on the thread that started the tree.
    is_single_thread: bool,
    arbiters: Mutex<Vec<(String, Arbiter)>>,
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
}

impl Arbiters {
    pub(crate) fn new(is_single_thread: bool, rng: SeededRng) -> Self {
        Self {
            is_single_thread,
            arbiters: Mutex::default(),
            left_behind: Mutex::default(),
            table: Arc::default(),
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

    /// Returns the arbiter called `name`, and creates it if it does not exist or has ended.
    pub(crate) fn get(&self, name: &str) -> Result<ArbiterHandle, StartError> {
        if self.is_single_thread {
            return Ok(Arbiter::current());
        }
        let mut arbiters = self.arbiters.lock();
        if let Some(index) = arbiters.iter().position(|(known, _)| known == name) {
            let handle = arbiters[index].1.handle();
            // An arbiter refuses work once it has stopped.
            if handle.spawn_fn(|| {}) {
                return Ok(handle);
            }
            arbiters.remove(index);
            warn!(arbiter = name, "arbiter has ended and is replaced");
        }
        let arbiter = self.open(name).map_err(|error| StartError::NoThread {
            arbiter: name.to_owned(),
            error: Arc::new(error),
        })?;
        let handle = arbiter.handle();
        arbiters.push((name.to_owned(), arbiter));
        Ok(handle)
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

    /// Records a child that had to be killed when its supervisor stopped.
    pub(crate) fn note_end(&self, path: &str, exit: &Exit) {
        if matches!(exit, Exit::Killed { .. }) {
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
        for (name, arbiter) in arbiters.into_iter().rev() {
            arbiter.stop();
            if !ends_in_time(limit, move || arbiter.join()).await {
                unjoined.push(name);
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
