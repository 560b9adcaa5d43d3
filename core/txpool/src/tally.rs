//! The counters of the pool.

use std::collections::{BTreeSet, HashMap};

use actoreum_primitives::{Address, PeerId};

use crate::account::{Account, Entry, SubPool};
use crate::limits::ACCOUNT_BYTES;
use crate::prices::Prices;

/// Counters that change with every insertion and removal. Local transactions count only in memory:
/// they take no slot from others, and are never evicted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Memory of all transactions and accounts, in bytes.
    pub bytes: usize,
    /// Number of pending transactions, local ones included.
    pub pending: u64,
    /// Number of queued transactions, local ones included.
    pub queued: u64,
    /// Slots of transactions that are not local.
    pub slots: u64,
    /// Transactions that are not local, by price.
    pub prices: Prices,
    peers: HashMap<PeerId, PeerUse>,
    /// Number of transactions that delegate each account (EIP-7702).
    authorities: HashMap<Address, u64>,
    /// Accounts with more pending transactions than their guaranteed slots, smallest first.
    over_guarantee: BTreeSet<(u64, Address)>,
}

/// The slots and queued transactions of one peer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PeerUse {
    pub slots: u64,
    pub queued: u64,
}

impl Tally {
    pub(crate) fn enter(&mut self, sub_pool: SubPool, entry: &Entry, is_local: bool) {
        self.bytes += entry.tx.bytes();
        *self.count(sub_pool) += 1;
        for authority in entry.tx.authorities() {
            *self.authorities.entry(*authority).or_default() += 1;
        }
        if is_local {
            return;
        }
        self.slots += entry.tx.slots();
        self.prices.insert(sub_pool, entry);
        if let Some(peer) = entry.peer {
            let used = self.peers.entry(peer).or_default();
            used.slots += entry.tx.slots();
            used.queued += u64::from(sub_pool == SubPool::Queued);
        }
    }

    pub(crate) fn leave(&mut self, sub_pool: SubPool, entry: &Entry, is_local: bool) {
        self.bytes -= entry.tx.bytes();
        *self.count(sub_pool) -= 1;
        for authority in entry.tx.authorities() {
            if let Some(count) = self.authorities.get_mut(authority) {
                *count -= 1;
                if *count == 0 {
                    self.authorities.remove(authority);
                }
            }
        }
        if is_local {
            return;
        }
        self.slots -= entry.tx.slots();
        self.prices.remove(sub_pool, entry);
        if let Some(peer) = entry.peer
            && let Some(used) = self.peers.get_mut(&peer)
        {
            used.slots -= entry.tx.slots();
            used.queued -= u64::from(sub_pool == SubPool::Queued);
            if used.slots == 0 {
                self.peers.remove(&peer);
            }
        }
    }

    /// Returns true if a transaction in the pool delegates this account.
    pub(crate) fn is_authority(&self, address: &Address) -> bool {
        self.authorities.contains_key(address)
    }

    /// Returns the accounts that a transaction in the pool delegates.
    #[cfg(test)]
    pub(crate) fn authorities(&self) -> &HashMap<Address, u64> {
        &self.authorities
    }

    pub(crate) fn account_enters(&mut self) {
        self.bytes += ACCOUNT_BYTES;
    }

    pub(crate) fn account_leaves(&mut self) {
        self.bytes -= ACCOUNT_BYTES;
    }

    /// Updates the order of accounts by pending transactions; `before` is the account's previous
    /// number of them.
    pub(crate) fn resize(&mut self, account: &Account, sender: Address, before: u64, slots: u64) {
        if before > slots {
            self.over_guarantee.remove(&(before, sender));
        }
        if account.pending > slots && !account.is_local {
            self.over_guarantee.insert((account.pending, sender));
        }
    }

    /// Returns the account with the most pending transactions, if it has more than the guaranteed
    /// slots.
    pub(crate) fn largest_account(&self) -> Option<(u64, Address)> {
        self.over_guarantee.last().copied()
    }

    pub(crate) fn of_peer(&self, peer: &PeerId) -> PeerUse {
        self.peers.get(peer).copied().unwrap_or_default()
    }

    /// Returns the number of transactions in a sub-pool that are not local.
    pub(crate) fn remote(&self, sub_pool: SubPool) -> u64 {
        self.prices.len(sub_pool) as u64
    }

    fn count(&mut self, sub_pool: SubPool) -> &mut u64 {
        match sub_pool {
            SubPool::Pending => &mut self.pending,
            SubPool::Queued => &mut self.queued,
        }
    }
}
