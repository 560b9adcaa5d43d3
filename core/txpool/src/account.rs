//! A sender's account with its transactions in the pool.

use std::sync::Arc;

use actoreum_primitives::{PeerId, U256};
use rpds::RedBlackTreeMapSync;

use crate::transaction::PoolTx;

/// The origin of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Submitted to this node: over RPC, from a wallet of this node, or from the journal.
    Local,
    /// Received from a peer.
    Remote(PeerId),
    /// Returned to the pool by a reorg.
    Reorg,
}

/// The sub-pool of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SubPool {
    /// Executable: its nonce follows the state's nonce and the pending transactions before it.
    Pending,
    /// Not executable yet: an earlier nonce is missing.
    Queued,
}

/// A transaction in the pool.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub tx: Arc<PoolTx>,
    /// The peer that sent the transaction, whose share of the pool it counts against.
    pub peer: Option<PeerId>,
    /// The sequence number of its arrival.
    pub seq: u64,
}

/// A sender with its transactions by nonce. Those from the state's nonce on without a gap are
/// pending, the rest is queued: one number marks the border, so that no transaction can be in both
/// sub-pools.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// The account's nonce in the state.
    pub nonce: u64,
    /// The account's balance in the state, in wei.
    pub balance: U256,
    /// Whether the account's code is a delegation (EIP-7702).
    pub is_delegated: bool,
    /// Whether the account's transactions are local.
    pub is_local: bool,
    pub txs: RedBlackTreeMapSync<u64, Entry>,
    /// The number of pending transactions, which are the first ones in `txs`.
    pub pending: u64,
    /// The sum of the maximum costs of all transactions, in wei. Never more than the balance.
    pub cost: U256,
    /// The time of the last new transaction, in seconds of the caller's clock.
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

    /// Returns the same account without transactions.
    pub(crate) fn emptied(&self) -> Self {
        Self::new(self.nonce, self.balance, self.is_delegated, self.is_local)
    }

    /// Returns the first nonce after the pending transactions.
    pub(crate) fn next_nonce(&self) -> u64 {
        self.nonce.saturating_add(self.pending)
    }

    pub(crate) fn sub_pool(&self, nonce: u64) -> SubPool {
        if (self.nonce..self.next_nonce()).contains(&nonce) {
            SubPool::Pending
        } else {
            SubPool::Queued
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
        let is_queued = |(nonce, _): &(&u64, &Entry)| self.sub_pool(**nonce) == SubPool::Queued;
        self.txs.iter().filter(is_queued).map(|(_, entry)| entry)
    }
}
