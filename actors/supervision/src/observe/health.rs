//! The health monitor: sends every actor a probe that is answered in the actor's own context, and
//! looks at the jobs that the threads of pools run, and at the asks that wait for each other.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{error, warn};

use crate::kernel::arbiter::Arbiters;
use crate::kernel::clock::{self, Nanos};
use crate::kernel::exit::panic_text;
use crate::kernel::hang::WhenStuck;
use crate::observe::activity::Doing;
use crate::observe::node::Node;
use crate::observe::snapshot::{Kind, State};
use crate::observe::wait_graph::Deadlocks;

/// Runs a monitor for ever: one that panics is logged and begins again after `pause`, so that hangs
/// are still found.
pub(crate) async fn keep_watching<F: Future<Output = ()>>(
    name: &str,
    pause: Duration,
    monitor: impl Fn() -> F,
) {
    loop {
        let ended = AssertUnwindSafe(monitor()).catch_unwind().await;
        if let Err(panic) = ended {
            let reason = panic_text(panic.as_ref());
            error!(monitor = name, %reason, "a monitor of the tree panicked and begins again");
        }
        sleep(pause).await;
    }
}

/// Probes all actors under `root` every `period`, for ever, and updates their message rates.
/// Gives up the threads of hung actors whose policy says so.
pub(crate) async fn watch(
    root: Arc<Node>,
    arbiters: Arc<Arbiters>,
    period: Duration,
    probe_timeout: Duration,
) {
    let probe_timeout = clock::nanos(probe_timeout);
    let mut rounds = interval(period);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_round = root.now();
    let mut deadlocks = Deadlocks::default();
    loop {
        rounds.tick().await;
        root.clock().correct();
        let now = root.now();
        let seconds = now.saturating_sub(last_round) as f64 / 1e9;
        last_round = now;
        let nodes = root.walk();
        for node in &nodes {
            for metrics in node.messages.iter() {
                metrics.update_rate(seconds);
            }
            if node.kind() == Kind::Actor && node.state() == State::Running {
                probe(node, now, probe_timeout);
                if is_hung(node, now, probe_timeout) {
                    arbiters.give_up(node);
                }
            }
            report_late_jobs(node, now);
        }
        deadlocks.look(&nodes, now);
    }
}

/// Sends a probe where none is outstanding; otherwise marks an actor as stuck whose probe has
/// been outstanding for `probe_timeout` nanoseconds.
fn probe(node: &Node, now: Nanos, probe_timeout: u64) {
    let sent_at = node.probe.sent_at.load(Relaxed);
    if sent_at == 0 {
        node.probe.sent_at.store(now, Relaxed);
        if let Some(control) = node.control() {
            control.probe();
        }
        return;
    }
    let is_late = now.saturating_sub(sent_at) >= probe_timeout;
    if is_late && !node.probe.stuck.swap(true, Relaxed) {
        let doing = node.doing();
        let doing = doing.as_deref().unwrap_or("nothing: its arbiter is busy");
        warn!(actor = node.path(), doing, "actor is stuck");
        node.note_stuck(doing);
    }
}

/// Logs each job of a pool, once, that is past its deadline or runs longer than it may.
fn report_late_jobs(node: &Node, now: Nanos) {
    for thread in node.threads.all() {
        let Some(running) = thread.take_late(now) else {
            continue;
        };
        let job = node.describe(running.doing).unwrap_or_default();
        let ran_ms = now.saturating_sub(running.since) / 1_000_000;
        warn!(pool = node.path(), thread = thread.name(), %job, ran_ms, "job takes too long");
    }
}

/// Returns whether a stuck actor is to be given up: its own code has held the thread for
/// `probe_timeout` nanoseconds. An actor that waits for its arbiter is not the one to blame.
fn is_hung(node: &Node, now: Nanos, probe_timeout: u64) -> bool {
    let (doing, since) = node.activity.read();
    node.hang.policy() != WhenStuck::Report
        && node.probe.stuck.load(Relaxed)
        && doing != Doing::Nothing
        && now.saturating_sub(since) >= probe_timeout
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::testing::run_paused;

    #[test]
    fn a_monitor_that_panics_begins_again() {
        run_paused(async {
            let begun = Cell::new(0);
            let watch = keep_watching("test", Duration::from_secs(1), || async {
                begun.set(begun.get() + 1);
                assert!(begun.get() > 2, "not yet");
                std::future::pending().await
            });
            let ended = tokio::time::timeout(Duration::from_secs(60), watch).await;
            assert!(ended.is_err(), "it runs for ever");
            assert_eq!(begun.get(), 3);
        });
    }
}
