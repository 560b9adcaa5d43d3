//! The pool. Each submodule holds one operation.

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

/// Number of local senders above which those without transactions are dropped from the set: it must
/// not grow with every sender that ever used this node's RPC.
const LOCALS_PRUNE_SIZE: usize = 65_536;

/// Changes since the last call of [`Pool::take_changes`].
#[derive(Debug, Default)]
pub struct Changes {
    /// Transactions that became executable, in order: to be announced to peers.
    pub pending: Vec<Arc<PoolTx>>,
    /// Transactions that became local: to be written to the journal.
    pub journal: Vec<Arc<PoolTx>>,
}

/// The transaction pool; see the crate's documentation.
#[derive(Debug)]
pub struct Pool {
    config: PoolConfig,
    view: Snapshot,
    tally: Tally,
    /// Senders whose transactions are local.
    locals: HashSet<Address>,
    /// Size of `locals` at which senders without transactions are dropped.
    locals_prune_size: usize,
    /// Number of transactions that were added so far.
    added_count: u64,
    changes: Changes,
}

impl Pool {
    /// Creates an empty pool.
    pub fn new(config: PoolConfig, head: Head) -> Self {
        let config = config.sanitized();
        let mut tally = Tally::default();
        tally.prices.set_base_fee(head.base_fee_per_gas, |_| None);
        Self {
            locals: config.locals.iter().copied().collect(),
            locals_prune_size: LOCALS_PRUNE_SIZE,
            config,
            view: Snapshot::new(head),
            tally,
            added_count: 0,
            changes: Changes::default(),
        }
    }

    /// Returns the settings.
    pub fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// Returns the pool's head.
    pub fn head(&self) -> &Head {
        &self.view.head
    }

    /// Returns the memory that the pool counts, in bytes.
    pub fn bytes(&self) -> usize {
        self.tally.bytes
    }

    /// Returns a snapshot of the pool, at the cost of a few pointers.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.view.clone();
        snapshot.pending = self.tally.pending;
        snapshot.queued = self.tally.queued;
        snapshot.price_limit = self.config.price_limit;
        snapshot
    }

    /// Returns the local transactions, each sender's by nonce: the content of the journal.
    pub fn local_transactions(&self) -> impl Iterator<Item = &Arc<PoolTx>> {
        let locals = self
            .view
            .accounts
            .values()
            .filter(|account| account.is_local);
        locals.flat_map(|account| account.txs.values().map(|entry| &entry.tx))
    }

    /// Returns and clears the changes. Transactions that became pending and have left meanwhile are
    /// left out.
    pub fn take_changes(&mut self) -> Changes {
        let mut changes = mem::take(&mut self.changes);
        let is_pending = |tx: &Arc<PoolTx>| self.view.status(&tx.hash()) == Some(Status::Pending);
        changes.pending.retain(is_pending);
        changes
    }
}
