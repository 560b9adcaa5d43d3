//! Chain, RPC, memory and disk in one JSON object.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{AdminState, process};
use crate::version;

/// Blocks in the charts.
const CHART_BLOCKS: u64 = 60;
/// Time over which request rates are taken.
const RATE_PERIOD: Duration = Duration::from_secs(5);

/// What `/api/status` says.
#[derive(Debug, Serialize)]
pub struct Status {
    version: String,
    chain_id: u64,
    network_id: u64,
    uptime_ms: u64,
    chaos: bool,
    head: BlockStatus,
    blocks: Vec<BlockStatus>,
    rpc: RpcStatus,
    memory_bytes: u64,
    memory_peak_bytes: u64,
    disk_bytes: u64,
}

#[derive(Debug, Serialize)]
struct BlockStatus {
    number: u64,
    hash: String,
    timestamp: u64,
    gas_used: u64,
    gas_limit: u64,
    transactions: usize,
}

#[derive(Debug, Serialize)]
struct RpcStatus {
    per_second: f64,
    methods: Vec<MethodStatus>,
}

#[derive(Debug, Serialize)]
struct MethodStatus {
    method: &'static str,
    requests: u64,
    errors: u64,
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
}

/// Requests by method at the begin of the period before and of this one.
#[derive(Debug, Default)]
pub struct Rates {
    earlier: HashMap<&'static str, u64>,
    latest: HashMap<&'static str, u64>,
    turned: Option<(Instant, Duration)>,
}

impl Rates {
    fn turn(&mut self, counts: impl Iterator<Item = (&'static str, u64)>) {
        let now = Instant::now();
        let span = match self.turned {
            Some((at, _)) if now - at < RATE_PERIOD => return,
            Some((at, _)) => now - at,
            None => Duration::ZERO,
        };
        self.earlier = std::mem::take(&mut self.latest);
        self.latest = counts.collect();
        self.turned = Some((now, span));
    }

    fn per_second(&self, method: &str) -> f64 {
        let seconds = self.turned.map_or(0.0, |(_, span)| span.as_secs_f64());
        if seconds == 0.0 {
            return 0.0;
        }
        let latest = self.latest.get(method).copied().unwrap_or(0);
        let earlier = self.earlier.get(method).copied().unwrap_or(0);
        latest.saturating_sub(earlier) as f64 / seconds
    }
}

impl AdminState {
    /// The state of the node at this moment.
    pub fn status(&self) -> Status {
        let chain = &self.node.chain;
        let head = chain.head();
        let first = head.number.saturating_sub(CHART_BLOCKS - 1);
        let blocks = (first..=head.number)
            .filter_map(|number| self.block(number))
            .collect();
        let (database, ancient) = chain.store().size().unwrap_or_default();
        Status {
            version: version::client(),
            chain_id: chain.config().chain_id,
            network_id: self.node.settings.network_id,
            uptime_ms: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            chaos: self.chaos,
            head: self.block(head.number).unwrap_or_else(|| BlockStatus {
                number: head.number,
                hash: head.hash().to_string(),
                timestamp: head.timestamp,
                gas_used: head.gas_used,
                gas_limit: head.gas_limit,
                transactions: 0,
            }),
            blocks,
            rpc: self.rpc(),
            memory_bytes: process::resident_bytes(),
            memory_peak_bytes: process::peak_resident_bytes(),
            disk_bytes: database + ancient,
        }
    }

    /// A failed read leaves a gap in a chart; the reader of the chain logs its reason.
    fn block(&self, number: u64) -> Option<BlockStatus> {
        let chain = &self.node.chain;
        let header = chain.header_by_number(number).ok().flatten()?;
        let block = chain.block_by_hash(&header.hash()).ok().flatten()?;
        Some(BlockStatus {
            number,
            hash: header.hash().to_string(),
            timestamp: header.timestamp,
            gas_used: header.gas_used,
            gas_limit: header.gas_limit,
            transactions: block.body.transactions.len(),
        })
    }

    fn rpc(&self) -> RpcStatus {
        let mut rates = self.rates.lock();
        rates.turn(
            self.methods
                .iter()
                .map(|row| (row.name, row.metrics.snapshot().requests)),
        );
        let micros = |time: Duration| time.as_nanos() as f64 / 1000.0;
        let methods: Vec<_> = self
            .methods
            .iter()
            .map(|row| (row.name, row.metrics.snapshot()))
            .filter(|(_, metrics)| metrics.requests > 0)
            .map(|(method, metrics)| MethodStatus {
                method,
                requests: metrics.requests,
                errors: metrics.errors,
                per_second: rates.per_second(method),
                p50_us: micros(metrics.p50),
                p99_us: micros(metrics.p99),
            })
            .collect();
        RpcStatus {
            per_second: methods.iter().map(|method| method.per_second).sum(),
            methods,
        }
    }
}
