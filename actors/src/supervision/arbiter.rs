//! The threads that actors live on, one for each latency class, joined in the end.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use actix::{Arbiter, ArbiterHandle};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::chance::Chance;
use super::error::StartError;
use super::exit::Exit;
use super::limits::TURN_TIME;

/// The arbiters of one tree, made when a child first names them.
#[derive(Debug)]
pub(crate) struct Arbiters {
    /// Every child lives on the thread that started the tree.
    is_single_thread: bool,
    arbiters: Mutex<Vec<(String, Arbiter)>>,
    left: Mutex<Left>,
    /// For pauses before restarts.
    pub(crate) chance: Chance,
}

/// What did not end as it should.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Paths of children that were killed when their supervisor stopped.
    pub(crate) killed: Vec<String>,
    /// Paths of actors that held their thread even then.
    pub(crate) wedged: Vec<String>,
}

impl Arbiters {
    pub(crate) fn new(is_single_thread: bool, chance: Chance) -> Self {
        Self {
            is_single_thread,
            arbiters: Mutex::default(),
            left: Mutex::default(),
            chance,
        }
    }

    /// Time that one turn of an actor may take. On one thread, for a simulation, only messages are
    /// counted: the machine's speed decides nothing there.
    pub(crate) fn turn_time(&self) -> Duration {
        match self.is_single_thread {
            true => Duration::MAX,
            false => TURN_TIME,
        }
    }

    /// The arbiter called `name`, made if it does not exist.
    pub(crate) fn get(&self, name: &str) -> Result<ArbiterHandle, StartError> {
        if self.is_single_thread {
            return Ok(Arbiter::current());
        }
        let mut arbiters = self.arbiters.lock();
        if let Some((_, arbiter)) = arbiters.iter().find(|(known, _)| known == name) {
            return Ok(arbiter.handle());
        }
        let arbiter =
            Arbiter::try_with_tokio_rt(runtime).map_err(|error| StartError::NoThread {
                arbiter: name.to_owned(),
                error: Arc::new(error),
            })?;
        let handle = arbiter.handle();
        arbiters.push((name.to_owned(), arbiter));
        Ok(handle)
    }

    /// Remembers a child that had to be killed when its supervisor stopped.
    pub(crate) fn note_end(&self, path: &str, exit: &Exit) {
        if matches!(exit, Exit::Killed { .. }) {
            self.left.lock().killed.push(path.to_owned());
        }
    }

    /// Remembers an actor that could not be killed: its thread will not end.
    pub(crate) fn note_wedged(&self, path: &str) {
        self.left.lock().wedged.push(path.to_owned());
    }

    pub(crate) fn take_left(&self) -> Left {
        std::mem::take(&mut *self.left.lock())
    }

    /// Ends every arbiter, the newest first, and joins its thread. Returns the names of
    /// those that did not end in `patience`.
    pub(crate) async fn join(&self, patience: Duration) -> Vec<String> {
        let mut unjoined = Vec::new();
        let arbiters = std::mem::take(&mut *self.arbiters.lock());
        for (name, arbiter) in arbiters.into_iter().rev() {
            arbiter.stop();
            if !ends_in_time(patience, move || arbiter.join()).await {
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

/// Runs a blocking `join` on a thread of its own, which is left behind when it takes longer
/// than `patience`. (A blocking task of the runtime would hold up the runtime's own end.)
pub(crate) async fn ends_in_time<T: Send + 'static>(
    patience: Duration,
    join: impl FnOnce() -> T + Send + 'static,
) -> bool {
    let (ended, end) = oneshot::channel();
    let joiner = thread::Builder::new()
        .name("joiner".to_owned())
        .spawn(move || {
            join();
            let _ = ended.send(());
        });
    joiner.is_ok() && matches!(timeout(patience, end).await, Ok(Ok(())))
}
