//! What the pool holds, counted.

use std::collections::{BTreeSet, HashMap};

use actoreum_primitives::Address;

use crate::account::{Account, Entry, Lane, PeerId};
use crate::limits::ACCOUNT_BYTES;
use crate::prices::Prices;

/// Counts that follow every transaction in and out. Local ones count in memory alone: they take
/// no slot from others, and are never given up.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Memory of everything, in bytes.
    pub bytes: usize,
    /// Transactions that are pending, local ones included.
    pub pending: u64,
    /// Transactions that are queued, local ones included.
    pub queued: u64,
    /// Slots of what is not local.
    pub slots: u64,
    /// By price, what is not local.
    pub prices: Prices,
    peers: HashMap<PeerId, PeerUse>,
    /// How many transactions set the code of an account (EIP-7702).
    authorities: HashMap<Address, u64>,
    /// Accounts with more pending transactions than their guaranteed slots, smallest first.
    crowded: BTreeSet<(u64, Address)>,
}

/// What one peer's transactions take.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PeerUse {
    pub slots: u64,
    pub queued: u64,
}

impl Tally {
    pub(crate) fn enter(&mut self, lane: Lane, entry: &Entry, is_local: bool) {
        self.bytes += entry.tx.bytes();
        *self.count(lane) += 1;
        for authority in entry.tx.authorities() {
            *self.authorities.entry(*authority).or_default() += 1;
        }
        if is_local {
            return;
        }
        self.slots += entry.tx.slots();
        self.prices.insert(lane, entry);
        if let Some(peer) = entry.peer {
            let used = self.peers.entry(peer).or_default();
            used.slots += entry.tx.slots();
            used.queued += u64::from(lane == Lane::Queued);
        }
    }

    pub(crate) fn leave(&mut self, lane: Lane, entry: &Entry, is_local: bool) {
        self.bytes -= entry.tx.bytes();
        *self.count(lane) -= 1;
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
        self.prices.remove(lane, entry);
        if let Some(peer) = entry.peer
            && let Some(used) = self.peers.get_mut(&peer)
        {
            used.slots -= entry.tx.slots();
            used.queued -= u64::from(lane == Lane::Queued);
            if used.slots == 0 {
                self.peers.remove(&peer);
            }
        }
    }

    /// Whether a transaction here sets the code of this account.
    pub(crate) fn is_authority(&self, address: &Address) -> bool {
        self.authorities.contains_key(address)
    }

    /// Accounts whose code is set by a transaction here.
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

    /// An account has another number of pending transactions than `before`.
    pub(crate) fn resize(&mut self, account: &Account, sender: Address, before: u64, slots: u64) {
        if before > slots {
            self.crowded.remove(&(before, sender));
        }
        if account.pending > slots && !account.is_local {
            self.crowded.insert((account.pending, sender));
        }
    }

    /// The account with the most pending transactions, where it has more than are guaranteed.
    pub(crate) fn most_crowded(&self) -> Option<(u64, Address)> {
        self.crowded.last().copied()
    }

    pub(crate) fn of_peer(&self, peer: &PeerId) -> PeerUse {
        self.peers.get(peer).copied().unwrap_or_default()
    }

    /// Transactions in a lane that are not local.
    pub(crate) fn remote(&self, lane: Lane) -> u64 {
        self.prices.len(lane) as u64
    }

    fn count(&mut self, lane: Lane) -> &mut u64 {
        match lane {
            Lane::Pending => &mut self.pending,
            Lane::Queued => &mut self.queued,
        }
    }
}
