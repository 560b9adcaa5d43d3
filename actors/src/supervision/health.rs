//! The health monitor: asks every actor for a sign of life, through its own context.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use super::clock::{self, Nanos};
use super::node::Node;
use super::snapshot::{Kind, State};

/// Probes all actors under `root` every `period`, for ever. Message rates are updated at
/// the same time.
pub(crate) async fn watch(root: Arc<Node>, period: Duration, patience: Duration) {
    let mut rounds = interval(period);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_round = clock::now();
    loop {
        rounds.tick().await;
        let now = clock::now();
        let seconds = now.saturating_sub(last_round) as f64 / 1e9;
        last_round = now;
        for node in root.walk() {
            for metrics in node.messages.iter() {
                metrics.update_rate(seconds);
            }
            if node.kind() == Kind::Actor && node.state() == State::Running {
                probe(&node, now, clock::nanos(patience));
            }
        }
    }
}

/// Sends a probe where none is under way, and looks at the one that is.
fn probe(node: &Node, now: Nanos, patience: u64) {
    let sent_at = node.probe.sent_at.load(Relaxed);
    if sent_at == 0 {
        node.probe.sent_at.store(now, Relaxed);
        if let Some(control) = node.control() {
            control.probe();
        }
        return;
    }
    let is_late = now.saturating_sub(sent_at) >= patience;
    if is_late && !node.probe.stuck.swap(true, Relaxed) {
        let doing = node.describe(node.activity.read().0);
        let doing = doing.as_deref().unwrap_or("nothing: its arbiter is busy");
        warn!(actor = node.path(), doing, "actor is stuck");
    }
}
