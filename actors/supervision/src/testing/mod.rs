//! Tools for the tests of actors and trees: a paused clock, waiting for a condition, a tree of one
//! actor, a log of events, and crashes at random. Behind the feature `testing`, which a package
//! enables among its dev-dependencies.
//!
//! ```
//! use actoreum_supervision::testing::{ActorFixture, run_paused};
//! use actoreum_supervision::actor;
//!
//! struct Counter(u64);
//!
//! #[actor]
//! impl Counter {
//!     /// Adds one. Answered with the sum.
//!     #[message]
//!     fn add(&mut self) -> u64 {
//!         self.0 += 1;
//!         self.0
//!     }
//! }
//!
//! run_paused(async {
//!     let counter = ActorFixture::start("counter", || Counter(0)).await;
//!     assert_eq!(counter.me.ask(Add).await, Ok(1));
//!     counter.crash().await;
//!     assert_eq!(counter.me.ask(Add).await, Ok(1), "a restart begins with a new state");
//!     assert_eq!(counter.message("Add").handled, 2);
//!     counter.stop().await;
//! });
//! ```

mod chaos;
mod fixture;

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::kernel::clock::Clock;
use crate::tree::root::{Tree, TreeOptions};
use crate::tree::spec::SupervisorSpec;

pub use chaos::Chaos;
pub use fixture::ActorFixture;

/// How often [`until`] looks at its condition.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How often it looks before it gives up: half a minute, which no test on a busy machine needs.
const MAX_LOOKS: usize = 30_000;

/// Runs a test in an actix system of its own, whose clock is paused from its first moment on and jumps
/// to the next timer when the thread has nothing else to do: no fraction of a millisecond differs from
/// run to run. Only for trees on the test's thread ([`TreeOptions::single_thread`]): the clock does not
/// wait for other threads.
///
/// # Panics
/// As [`block_on`](crate::block_on).
pub fn run_paused<F: Future>(test: F) -> F::Output {
    let paused = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build();
        runtime.expect("because a test has file descriptors for a runtime")
    };
    actix::System::with_tokio_rt(paused).block_on(test)
}

/// Starts a tree on this thread, with the clock of its runtime.
///
/// # Panics
/// Where a child does not start.
pub async fn start_single(spec: SupervisorSpec) -> Tree {
    let options = TreeOptions::default().single_thread();
    let tree = options.clock(Clock::runtime()).start(spec).await;
    tree.unwrap_or_else(|error| panic!("the tree did not start: {error}"))
}

/// Waits, at most half a minute, until `condition` holds. On a paused clock the wait takes no time.
///
/// # Panics
/// Where the condition does not hold in that time, with the place of the call.
#[track_caller]
pub fn until(condition: impl Fn() -> bool) -> impl Future<Output = ()> {
    let place = Location::caller();
    async move {
        for _ in 0..MAX_LOOKS {
            if condition() {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("the condition at {place} never came true");
    }
}

/// A log of events, in order. Clones share the log, so that actors can be given one each.
#[derive(Debug, Clone, Default)]
pub struct Log {
    pub(crate) lines: Arc<Mutex<Vec<String>>>,
}

impl Log {
    /// Appends an event.
    pub fn add(&self, line: impl Into<String>) {
        self.lines.lock().push(line.into());
    }

    /// Returns the events since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock())
    }
}
