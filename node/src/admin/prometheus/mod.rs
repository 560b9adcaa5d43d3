//! `/metrics` in the text format of Prometheus.

mod histograms;
mod tree;

#[cfg(test)]
mod tests;

use std::fmt::Write;

use actoreum_supervision::{IncidentLog, NodeSnapshot, snapshot::ArbiterSnapshot};

use super::{AdminState, connections::servers, process};

/// A family of metrics: name, type, help.
struct Family(&'static str, &'static str, &'static str);

/// Renders all metrics.
pub fn render(
    tree: &NodeSnapshot,
    arbiters: &[ArbiterSnapshot],
    incidents: &IncidentLog,
    state: &AdminState,
) -> String {
    let mut out = tree::render(tree, arbiters, incidents);
    chain(&mut out, state);
    pool(&mut out, state);
    rpc(&mut out, state);
    connections(&mut out, state);
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

fn connections(out: &mut String, state: &AdminState) {
    let usage = state.node.settings.quota.usage();
    let figures = [
        (
            Family(
                "actoreum_rpc_connections",
                "gauge",
                "Open connections of RPC clients over all transports.",
            ),
            usage.connections,
        ),
        (
            Family(
                "actoreum_rpc_queued_bytes",
                "gauge",
                "Bytes of requests, answers and notifications that wait.",
            ),
            usage.bytes,
        ),
    ];
    for (head, number) in figures {
        let name = head.0;
        family(out, head);
        value(out, name, &[], number as f64);
    }
    let name = "actoreum_rpc_lasting_connections";
    let help = "Open connections over WebSocket and IPC by server.";
    family(out, Family(name, "gauge", help));
    for (server, open) in servers(&state.node) {
        value(out, name, &[("server", server)], open.read().len() as f64);
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
