//! Metrics of the supervision tree: actors, messages and arbiters.

use actoreum_supervision::{
    IncidentLog, NodeSnapshot,
    snapshot::{ArbiterSnapshot, BytesSnapshot, PoolSnapshot, State},
};

use super::{Family, family, histograms, value};

/// Renders the metrics of the tree.
pub fn render(
    tree: &NodeSnapshot,
    arbiters: &[ArbiterSnapshot],
    incidents: &IncidentLog,
) -> String {
    let mut out = String::new();
    actors(&mut out, tree);
    weights(&mut out, tree);
    messages(&mut out, tree);
    histograms::render(&mut out, tree);
    owed(&mut out, tree);
    pools(&mut out, tree);
    arbiter_figures(&mut out, arbiters);
    dropped_incidents(&mut out, incidents);
    out
}

fn actors(out: &mut String, tree: &NodeSnapshot) {
    let nodes = tree.walk();
    type Read = fn(&NodeSnapshot) -> Option<f64>;
    let families: [(Family, Read); 10] = [
        (
            Family(
                "actoreum_actor_up",
                "gauge",
                "1 while the actor or supervisor runs.",
            ),
            |node| Some(f64::from(u8::from(node.state == State::Running))),
        ),
        (
            Family(
                "actoreum_actor_stuck",
                "gauge",
                "1 while the actor does not answer its probe, or a job of the pool takes too long.",
            ),
            |node| Some(f64::from(u8::from(node.stuck.is_some()))),
        ),
        (
            Family(
                "actoreum_actor_deadlocked",
                "gauge",
                "1 while the actor is part of a circle of requests that wait for each other.",
            ),
            |node| Some(f64::from(u8::from(node.deadlock.is_some()))),
        ),
        (
            Family(
                "actoreum_actor_deadlocks_total",
                "counter",
                "Circles of requests that the actor was part of.",
            ),
            |node| Some(node.deadlocks as f64),
        ),
        (
            Family(
                "actoreum_actor_generation",
                "gauge",
                "Number of times the actor was started.",
            ),
            |node| Some(node.generation as f64),
        ),
        (
            Family(
                "actoreum_actor_restarts_total",
                "counter",
                "Number of times the actor was restarted.",
            ),
            |node| Some(node.restarts as f64),
        ),
        (
            Family(
                "actoreum_actor_uptime_seconds",
                "gauge",
                "Time since the current generation of the actor started.",
            ),
            |node| node.uptime_ms.map(|ms| ms as f64 / 1e3),
        ),
        (
            Family(
                "actoreum_actor_mailbox_depth",
                "gauge",
                "Messages waiting in the mailbox.",
            ),
            |node| node.mailbox.map(|mailbox| mailbox.depth as f64),
        ),
        (
            Family(
                "actoreum_actor_mailbox_peak",
                "gauge",
                "Largest number of messages that ever waited in the mailbox.",
            ),
            |node| node.mailbox.map(|mailbox| mailbox.peak as f64),
        ),
        (
            Family(
                "actoreum_actor_mailbox_capacity",
                "gauge",
                "Messages that may wait in the mailbox.",
            ),
            |node| node.mailbox.map(|mailbox| mailbox.capacity as f64),
        ),
    ];
    for (head, read) in families {
        let name = head.0;
        family(out, head);
        for node in &nodes {
            if let Some(number) = read(node) {
                value(out, name, &[("actor", &node.path)], number);
            }
        }
    }
}

/// Renders the weights of the mailboxes that are bounded in bytes.
fn weights(out: &mut String, tree: &NodeSnapshot) {
    type Read = fn(BytesSnapshot) -> u64;
    let families: [(Family, Read); 3] = [
        (
            Family(
                "actoreum_actor_mailbox_bytes",
                "gauge",
                "Weight of the messages waiting in the mailbox.",
            ),
            |bytes| bytes.queued,
        ),
        (
            Family(
                "actoreum_actor_mailbox_peak_bytes",
                "gauge",
                "Largest weight of messages that ever waited in the mailbox.",
            ),
            |bytes| bytes.peak,
        ),
        (
            Family(
                "actoreum_actor_mailbox_capacity_bytes",
                "gauge",
                "Weight of messages that may wait in the mailbox.",
            ),
            |bytes| bytes.bound,
        ),
    ];
    for (head, read) in families {
        let name = head.0;
        family(out, head);
        for node in tree.walk() {
            if let Some(bytes) = node.mailbox.and_then(|mailbox| mailbox.bytes) {
                value(out, name, &[("actor", &node.path)], read(bytes) as f64);
            }
        }
    }
}

fn messages(out: &mut String, tree: &NodeSnapshot) {
    let nodes = tree.walk();
    let rows = || {
        nodes
            .iter()
            .flat_map(|node| node.messages.iter().map(move |row| (node, row)))
    };
    family(
        out,
        Family("actoreum_messages_total", "counter", "Messages by outcome."),
    );
    for (node, row) in rows() {
        let outcomes = [
            ("handled", row.handled),
            ("failed", row.failed),
            ("rejected", row.rejected),
            ("unavailable", row.unavailable),
            ("dropped", row.dropped),
            ("lost", row.lost),
            ("abandoned", row.abandoned),
            ("expired", row.expired),
            ("quarantined", row.quarantined),
            ("slow", row.slow),
        ];
        for (outcome, count) in outcomes {
            let labels = [
                ("actor", node.path.as_str()),
                ("message", &row.name),
                ("outcome", outcome),
            ];
            value(out, "actoreum_messages_total", &labels, count as f64);
        }
    }
    for (name, help, is_queue) in [
        (
            "actoreum_message_queue_seconds",
            "Time that messages wait in the mailbox.",
            true,
        ),
        (
            "actoreum_message_handling_seconds",
            "Time that messages take in the handler.",
            false,
        ),
    ] {
        family(out, Family(name, "summary", help));
        for (node, row) in rows() {
            let latency = if is_queue { row.queue } else { row.handling };
            let labels = [
                ("actor", node.path.as_str()),
                ("message", row.name.as_str()),
            ];
            for (quantile, ns) in [
                ("0.5", latency.p50_ns),
                ("0.9", latency.p90_ns),
                ("0.99", latency.p99_ns),
            ] {
                let labels = [labels[0], labels[1], ("quantile", quantile)];
                value(out, name, &labels, ns as f64 / 1e9);
            }
            value(
                out,
                &format!("{name}_sum"),
                &labels,
                latency.sum_ns as f64 / 1e9,
            );
            value(out, &format!("{name}_count"), &labels, latency.count as f64);
        }
    }
}

fn owed(out: &mut String, tree: &NodeSnapshot) {
    let name = "actoreum_messages_owed";
    let help = "Messages that were handled and whose answers are pending.";
    family(out, Family(name, "gauge", help));
    for node in tree.walk() {
        for row in &node.messages {
            let labels = [
                ("actor", node.path.as_str()),
                ("message", row.name.as_str()),
            ];
            value(out, name, &labels, row.owed as f64);
        }
    }
}

fn pools(out: &mut String, tree: &NodeSnapshot) {
    type Read = fn(&PoolSnapshot) -> usize;
    let families: [(Family, Read); 2] = [
        (
            Family(
                "actoreum_pool_threads",
                "gauge",
                "Threads of the thread pool.",
            ),
            |pool| pool.threads,
        ),
        (
            Family(
                "actoreum_pool_busy_threads",
                "gauge",
                "Threads of the thread pool that run a job.",
            ),
            |pool| pool.busy,
        ),
    ];
    for (head, read) in families {
        let name = head.0;
        family(out, head);
        for node in tree.walk() {
            if let Some(pool) = &node.pool {
                value(out, name, &[("pool", &node.path)], read(pool) as f64);
            }
        }
    }
}

fn arbiter_figures(out: &mut String, arbiters: &[ArbiterSnapshot]) {
    type Read = fn(&ArbiterSnapshot) -> f64;
    let families: [(Family, Read); 3] = [
        (
            Family(
                "actoreum_arbiter_actors",
                "gauge",
                "Actors that run on the arbiter (thread).",
            ),
            |arbiter| arbiter.actors as f64,
        ),
        (
            Family(
                "actoreum_arbiter_busy_ratio",
                "gauge",
                "Share of the last second in which the arbiter did not sleep.",
            ),
            |arbiter| arbiter.busy,
        ),
        (
            Family(
                "actoreum_arbiter_lag_seconds",
                "gauge",
                "Time from the last wake-up of the arbiter to the code that it was for.",
            ),
            |arbiter| arbiter.lag_ns as f64 / 1e9,
        ),
    ];
    for (head, read) in families {
        let name = head.0;
        family(out, head);
        for arbiter in arbiters {
            value(out, name, &[("arbiter", &arbiter.name)], read(arbiter));
        }
    }
}

fn dropped_incidents(out: &mut String, incidents: &IncidentLog) {
    let name = "actoreum_incidents_dropped_total";
    let help = "Incidents that were not written to their file because the disk was too slow.";
    family(out, Family(name, "counter", help));
    value(out, name, &[], incidents.dropped() as f64);
}
