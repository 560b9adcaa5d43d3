//! Status of the chain, pool, network, RPC, memory and disk in one JSON object.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    AdminState, chart::BlockStatus, connections::ConnectionsStatus, history::Sample,
    network::NetworkStatus, pool::PoolStatus, process,
};

/// Period over which request rates are measured.
const RATE_PERIOD: Duration = Duration::from_secs(5);

/// Answer of `/api/status`.
#[derive(Debug, Serialize)]
pub struct Status {
    version: String,
    chain_id: u64,
    network_id: u64,
    uptime_ms: u64,
    chaos: bool,
    /// Oldest first; the last one is the head.
    blocks: Vec<BlockStatus>,
    /// Message that a clique chain is stalled, with the signers that are missing; `None` if it is
    /// not.
    stall: Option<String>,
    pool: PoolStatus,
    /// `None` for a node without a network.
    network: Option<NetworkStatus>,
    rpc: RpcStatus,
    memory_bytes: u64,
    memory_peak_bytes: u64,
    database_bytes: u64,
    ancient_bytes: u64,
}

#[derive(Debug, Serialize)]
struct RpcStatus {
    per_second: f64,
    methods: Vec<MethodStatus>,
    connections: ConnectionsStatus,
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

/// Request counts by method at the beginning of the previous period and of the current one.
#[derive(Debug, Default)]
pub struct Rates {
    earlier: HashMap<&'static str, u64>,
    latest: HashMap<&'static str, u64>,
    rotated: Option<(Instant, Duration)>,
}

impl Rates {
    fn rotate(&mut self, counts: impl Iterator<Item = (&'static str, u64)>) {
        let now = Instant::now();
        let span = match self.rotated {
            Some((at, _)) if now - at < RATE_PERIOD => return,
            Some((at, _)) => now - at,
            None => Duration::ZERO,
        };
        self.earlier = std::mem::take(&mut self.latest);
        self.latest = counts.collect();
        self.rotated = Some((now, span));
    }

    fn per_second(&self, method: &str) -> f64 {
        let seconds = self.rotated.map_or(0.0, |(_, span)| span.as_secs_f64());
        if seconds == 0.0 {
            return 0.0;
        }
        let latest = self.latest.get(method).copied().unwrap_or(0);
        let earlier = self.earlier.get(method).copied().unwrap_or(0);
        latest.saturating_sub(earlier) as f64 / seconds
    }
}

impl AdminState {
    /// Returns the current status of the node.
    pub fn status(&self) -> Status {
        let chain = &self.node.chain_reader;
        let (database_bytes, ancient_bytes) = chain.store().size().unwrap_or_default();
        Status {
            version: self.node.settings.client_version.clone(),
            chain_id: chain.config().chain_id_at(chain.head_number()),
            network_id: self.node.settings.network_id,
            uptime_ms: u64::try_from(self.started_at.elapsed().as_millis()).unwrap_or(u64::MAX),
            chaos: self.chaos,
            blocks: self.chart.lock().refresh(chain),
            stall: self.stall(),
            pool: self.pool(),
            network: self.node.network.as_ref().map(NetworkStatus::of),
            rpc: self.rpc(),
            memory_bytes: process::resident_bytes(),
            memory_peak_bytes: process::peak_resident_bytes(),
            database_bytes,
            ancient_bytes,
        }
    }

    fn stall(&self) -> Option<String> {
        let stall = self.node.sealing.as_ref()?.control.stall()?;
        Some(stall.to_string())
    }

    /// Returns the status of the pool; empty before it has started.
    pub fn pool(&self) -> PoolStatus {
        let pool = self.node.txpool.snapshot();
        pool.map_or_else(PoolStatus::default, |pool| PoolStatus::of(&pool))
    }

    /// Takes a sample for the sparklines.
    pub fn sample(&self) -> Sample {
        let (pending, queued) = self.transaction_counts();
        let (database, ancient) = self.node.chain_reader.store().size().unwrap_or_default();
        Sample {
            memory: process::resident_bytes() as f64,
            disk: (database + ancient) as f64,
            requests: self.rpc().per_second,
            pending: pending as f64,
            queued: queued as f64,
        }
    }

    /// Returns the numbers of executable and of queued transactions in the pool.
    pub fn transaction_counts(&self) -> (u64, u64) {
        let pool = self.node.txpool.snapshot();
        pool.map_or((0, 0), |pool| (pool.pending_count(), pool.queued_count()))
    }

    fn rpc(&self) -> RpcStatus {
        let mut rates = self.rates.lock();
        rates.rotate(
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
            connections: ConnectionsStatus::of(&self.node),
        }
    }
}
