//! `/metrics` in the text format of Prometheus.

use std::fmt::Write;

use actoreum_supervision::{NodeSnapshot, snapshot::State};

use super::{AdminState, process};

/// A family of metrics: name, type, help.
struct Family(&'static str, &'static str, &'static str);

/// Renders all metrics.
pub fn render(tree: &NodeSnapshot, state: &AdminState) -> String {
    let mut out = String::new();
    actors(&mut out, tree);
    messages(&mut out, tree);
    chain(&mut out, state);
    pool(&mut out, state);
    rpc(&mut out, state);
    process_metrics(&mut out, state);
    out
}

fn family(out: &mut String, Family(name, kind, help): Family) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn value(out: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
    out.push_str(name);
    for (index, (label, text)) in labels.iter().enumerate() {
        let escaped = text
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        let begin = if index == 0 { '{' } else { ',' };
        let _ = write!(out, "{begin}{label}=\"{escaped}\"");
    }
    if !labels.is_empty() {
        out.push('}');
    }
    let _ = writeln!(out, " {value}");
}

fn actors(out: &mut String, tree: &NodeSnapshot) {
    let nodes = tree.walk();
    type Read = fn(&NodeSnapshot) -> Option<f64>;
    let families: [(Family, Read); 6] = [
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
                "1 while the actor does not answer its probe.",
            ),
            |node| Some(f64::from(u8::from(node.stuck.is_some()))),
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

fn chain(out: &mut String, state: &AdminState) {
    let head = state.node.chain_reader.head();
    let figures = [
        (
            Family("actoreum_head_number", "gauge", "Number of the head block."),
            head.number,
        ),
        (
            Family(
                "actoreum_head_timestamp_seconds",
                "gauge",
                "Unix time of the head block.",
            ),
            head.timestamp,
        ),
        (
            Family(
                "actoreum_head_gas_used",
                "gauge",
                "Gas used by the head block.",
            ),
            head.gas_used,
        ),
        (
            Family(
                "actoreum_head_gas_limit",
                "gauge",
                "Gas limit of the head block.",
            ),
            head.gas_limit,
        ),
    ];
    for (head, number) in figures {
        let name = head.0;
        family(out, head);
        value(out, name, &[], number as f64);
    }
}

fn pool(out: &mut String, state: &AdminState) {
    let name = "actoreum_txpool_transactions";
    let help = "Transactions that are executable (pending) or wait for an earlier nonce (queued).";
    family(out, Family(name, "gauge", help));
    let (pending, queued) = state.transaction_counts();
    for (lane, count) in [("pending", pending), ("queued", queued)] {
        value(out, name, &[("lane", lane)], count as f64);
    }
}

fn rpc(out: &mut String, state: &AdminState) {
    let rows: Vec<_> = state
        .methods
        .iter()
        .map(|row| (row.name, row.metrics.snapshot()))
        .filter(|(_, metrics)| metrics.requests > 0)
        .collect();
    family(
        out,
        Family(
            "actoreum_rpc_requests_total",
            "counter",
            "RPC requests by method.",
        ),
    );
    for (method, metrics) in &rows {
        let name = "actoreum_rpc_requests_total";
        value(out, name, &[("method", method)], metrics.requests as f64);
    }
    family(
        out,
        Family(
            "actoreum_rpc_errors_total",
            "counter",
            "RPC requests that were answered with an error.",
        ),
    );
    for (method, metrics) in &rows {
        value(
            out,
            "actoreum_rpc_errors_total",
            &[("method", method)],
            metrics.errors as f64,
        );
    }
    let name = "actoreum_rpc_seconds";
    family(
        out,
        Family(name, "summary", "Time from an RPC request to its answer."),
    );
    for (method, metrics) in &rows {
        for (quantile, time) in [("0.5", metrics.p50), ("0.99", metrics.p99)] {
            let labels = [("method", *method), ("quantile", quantile)];
            value(out, name, &labels, time.as_secs_f64());
        }
        let labels = [("method", *method)];
        value(
            out,
            &format!("{name}_sum"),
            &labels,
            metrics.total.as_secs_f64(),
        );
        value(
            out,
            &format!("{name}_count"),
            &labels,
            metrics.requests as f64,
        );
    }
}

fn process_metrics(out: &mut String, state: &AdminState) {
    family(
        out,
        Family(
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory in bytes.",
        ),
    );
    value(
        out,
        "process_resident_memory_bytes",
        &[],
        process::resident_bytes() as f64,
    );
    let (database, ancient) = state.node.chain_reader.store().size().unwrap_or_default();
    family(
        out,
        Family("actoreum_disk_bytes", "gauge", "Bytes on disk by part."),
    );
    value(
        out,
        "actoreum_disk_bytes",
        &[("part", "database")],
        database as f64,
    );
    value(
        out,
        "actoreum_disk_bytes",
        &[("part", "ancient")],
        ancient as f64,
    );
}
