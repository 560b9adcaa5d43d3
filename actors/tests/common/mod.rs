//! Timeouts and helpers that the tests of the actors share.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// The restart period of the supervisors in these tests, in which 50 crashes are allowed.
pub const MINUTE: Duration = Duration::from_secs(60);
/// A timeout that is not reached on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(90);

/// Runs a test in its own actix system.
pub fn run<F: Future>(test: F) -> F::Output {
    actoreum_supervision::block_on(test)
}

/// Waits until `condition` holds.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < TIMEOUT, "it never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
