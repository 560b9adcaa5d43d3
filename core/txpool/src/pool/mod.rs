//! The pool itself. Its rules are in one file for each thing that happens to it.

mod add;
mod evict;
mod ledger;
mod reset;
mod room;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::mem;
use std::sync::Arc;

use actoreum_primitives::Address;

use crate::config::PoolConfig;
use crate::head::Head;
use crate::snapshot::{Snapshot, Status};
use crate::tally::Tally;
use crate::transaction::PoolTx;

/// Local senders that are remembered, before those without a transaction are forgotten: the
/// set must not grow with everybody who ever used this node's RPC.
const LOCALS_REMEMBERED: usize = 65_536;

/// What happened since it was last asked.
#[derive(Debug, Default)]
pub struct Changes {
    /// Transactions that became executable, in order: to be told to others.
    pub pending: Vec<Arc<PoolTx>>,
    /// Transactions that became local: to be written to the journal.
    pub journal: Vec<Arc<PoolTx>>,
}

/// The transaction pool. See the crate's first page.
#[derive(Debug)]
pub struct Pool {
    config: PoolConfig,
    view: Snapshot,
    tally: Tally,
    /// Senders whose transactions are local.
    locals: HashSet<Address>,
    /// `locals` is tidied up when it gets this long.
    locals_bound: usize,
    /// Transactions that arrived so far.
    arrived: u64,
    changes: Changes,
}

impl Pool {
    /// An empty pool.
    pub fn new(config: PoolConfig, head: Head) -> Self {
        let config = config.sanitized();
        let mut tally = Tally::default();
        tally.prices.set_base_fee(head.base_fee_per_gas, |_| None);
        Self {
            locals: config.locals.iter().copied().collect(),
            locals_bound: LOCALS_REMEMBERED,
            config,
            view: Snapshot::new(head),
            tally,
            arrived: 0,
            changes: Changes::default(),
        }
    }

    /// The settings.
    pub fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// The head that it stands on.
    pub fn head(&self) -> &Head {
        &self.view.head
    }

    /// Memory that it is counted with, in bytes.
    pub fn bytes(&self) -> usize {
        self.tally.bytes
    }

    /// The pool at this moment, at the cost of a few pointers.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.view.clone();
        snapshot.pending = self.tally.pending;
        snapshot.queued = self.tally.queued;
        snapshot.price_limit = self.config.price_limit;
        snapshot
    }

    /// The transactions of local senders, each sender's by nonce: what a journal holds.
    pub fn local_transactions(&self) -> impl Iterator<Item = &Arc<PoolTx>> {
        let locals = self
            .view
            .accounts
            .values()
            .filter(|account| account.is_local);
        locals.flat_map(|account| account.txs.values().map(|entry| &entry.tx))
    }

    /// What happened since this was last called. What became pending and has left meanwhile is
    /// not in it.
    pub fn take_changes(&mut self) -> Changes {
        let mut changes = mem::take(&mut self.changes);
        let is_pending = |tx: &Arc<PoolTx>| self.view.status(&tx.hash()) == Some(Status::Pending);
        changes.pending.retain(is_pending);
        changes
    }
}
