//! The transactions of one sender.

use std::sync::Arc;

use actoreum_primitives::{B256, U256};
use rpds::RedBlackTreeMapSync;

use crate::transaction::PoolTx;

/// The node id of a peer.
pub type PeerId = B256;

/// Where a transaction came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Submitted here: over RPC, from a wallet of this node, from the journal.
    Local,
    /// Sent by a peer.
    Remote(PeerId),
    /// Taken back out of a block by a reorg.
    Reorg,
}

/// Whether a transaction can be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// With those before it, it follows the state's nonce.
    Pending,
    /// An earlier nonce is missing.
    Queued,
}

/// A transaction in the pool.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub tx: Arc<PoolTx>,
    /// Who sent it, where a peer did: it counts against that peer.
    pub peer: Option<PeerId>,
    /// The order of arrival.
    pub seq: u64,
}

/// A sender with its transactions by nonce. Those from the state's nonce on without a gap are
/// pending, the rest is queued: the border is a number, and no transaction is in two places.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// The state's nonce.
    pub nonce: u64,
    /// The state's balance, in wei.
    pub balance: U256,
    /// Whether its code is a delegation (EIP-7702).
    pub is_delegated: bool,
    /// Whether its transactions are local ones.
    pub is_local: bool,
    pub txs: RedBlackTreeMapSync<u64, Entry>,
    /// How many of `txs`, from the first one on, are pending.
    pub pending: u64,
    /// The sum of what all of them can cost, in wei. Never more than the balance.
    pub cost: U256,
    /// When it last got a transaction, in seconds of the caller's clock.
    pub active_at: u64,
}

impl Account {
    pub(crate) fn new(nonce: u64, balance: U256, is_delegated: bool, is_local: bool) -> Self {
        Self {
            nonce,
            balance,
            is_delegated,
            is_local,
            txs: RedBlackTreeMapSync::new_sync(),
            pending: 0,
            cost: U256::ZERO,
            active_at: 0,
        }
    }

    /// The same sender without a transaction.
    pub(crate) fn emptied(&self) -> Self {
        Self::new(self.nonce, self.balance, self.is_delegated, self.is_local)
    }

    /// The first nonce that no pending transaction has.
    pub(crate) fn next_nonce(&self) -> u64 {
        self.nonce.saturating_add(self.pending)
    }

    pub(crate) fn lane(&self, nonce: u64) -> Lane {
        if (self.nonce..self.next_nonce()).contains(&nonce) {
            Lane::Pending
        } else {
            Lane::Queued
        }
    }

    pub(crate) fn queued(&self) -> u64 {
        self.txs.size() as u64 - self.pending
    }

    pub(crate) fn pending_entries(&self) -> impl Iterator<Item = &Entry> {
        self.txs
            .range(self.nonce..self.next_nonce())
            .map(|(_, entry)| entry)
    }

    pub(crate) fn queued_entries(&self) -> impl Iterator<Item = &Entry> {
        let is_queued = |(nonce, _): &(&u64, &Entry)| self.lane(**nonce) == Lane::Queued;
        self.txs.iter().filter(is_queued).map(|(_, entry)| entry)
    }
}
