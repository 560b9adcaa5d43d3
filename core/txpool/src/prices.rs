//! The order of remote transactions by price.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::mem;

use actoreum_primitives::{Address, Transaction, U256};

use crate::account::{Entry, SubPool};

/// A transaction's price for a sealer: first whether the fee cap reaches the base fee, then the
/// effective tip, then the fee cap. In wei per gas, saturated at 2^128.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Price {
    reaches_base_fee: bool,
    tip: u128,
    fee: u128,
}

impl Price {
    pub(crate) fn of(transaction: &Transaction, base_fee: Option<u64>) -> Self {
        let tip = transaction.effective_tip(base_fee);
        Self {
            reaches_base_fee: tip.is_some(),
            tip: saturating_u128(tip.unwrap_or_default()),
            fee: saturating_u128(transaction.max_fee_per_gas()),
        }
    }

    /// A price above every offer.
    pub(crate) const MAX: Self = Self {
        reaches_base_fee: true,
        tip: u128::MAX,
        fee: u128::MAX,
    };
}

fn saturating_u128(wei: U256) -> u128 {
    u128::try_from(wei).unwrap_or(u128::MAX)
}

/// The order of eviction: the lowest price first; of equal prices the highest nonce, on which no
/// other transaction depends, and then the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    price: Price,
    nonce: Reverse<u64>,
    seq: Reverse<u64>,
}

/// A transaction that may be evicted, with the slots and bytes that this would free.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Priced {
    pub price: Price,
    pub sender: Address,
    pub nonce: u64,
    pub slots: u64,
    pub bytes: usize,
}

/// The transactions that may be evicted, ordered by price.
#[derive(Debug, Default)]
pub(crate) struct Prices {
    pending: BTreeMap<Key, Priced>,
    queued: BTreeMap<Key, Priced>,
    /// The base fee of all keys.
    base_fee: Option<u64>,
}

impl Prices {
    pub(crate) fn base_fee(&self) -> Option<u64> {
        self.base_fee
    }

    pub(crate) fn insert(&mut self, sub_pool: SubPool, entry: &Entry) {
        let key = self.key(entry);
        let priced = Priced {
            price: key.price,
            sender: entry.tx.sender(),
            nonce: entry.tx.nonce(),
            slots: entry.tx.slots(),
            bytes: entry.tx.bytes(),
        };
        self.sub_pool_mut(sub_pool).insert(key, priced);
    }

    pub(crate) fn remove(&mut self, sub_pool: SubPool, entry: &Entry) {
        let key = self.key(entry);
        let removed = self.sub_pool_mut(sub_pool).remove(&key);
        debug_assert!(
            removed.is_some(),
            "every remote transaction is in its sub-pool"
        );
    }

    /// Iterates from the cheapest transaction on.
    pub(crate) fn cheapest(&self, sub_pool: SubPool) -> impl Iterator<Item = &Priced> {
        match sub_pool {
            SubPool::Pending => self.pending.values(),
            SubPool::Queued => self.queued.values(),
        }
    }

    pub(crate) fn len(&self, sub_pool: SubPool) -> usize {
        match sub_pool {
            SubPool::Pending => self.pending.len(),
            SubPool::Queued => self.queued.len(),
        }
    }

    /// Sets the base fee and orders all transactions again. `entry` finds the entry of a
    /// transaction.
    pub(crate) fn set_base_fee<'a>(
        &mut self,
        base_fee: Option<u64>,
        entry: impl Fn(&Priced) -> Option<&'a Entry>,
    ) {
        if self.base_fee == base_fee {
            return;
        }
        self.base_fee = base_fee;
        for sub_pool in [SubPool::Pending, SubPool::Queued] {
            let old = mem::take(self.sub_pool_mut(sub_pool));
            for priced in old.values() {
                if let Some(entry) = entry(priced) {
                    self.insert(sub_pool, entry);
                }
            }
        }
    }

    fn key(&self, entry: &Entry) -> Key {
        Key {
            price: Price::of(entry.tx.transaction(), self.base_fee),
            nonce: Reverse(entry.tx.nonce()),
            seq: Reverse(entry.seq),
        }
    }

    fn sub_pool_mut(&mut self, sub_pool: SubPool) -> &mut BTreeMap<Key, Priced> {
        match sub_pool {
            SubPool::Pending => &mut self.pending,
            SubPool::Queued => &mut self.queued,
        }
    }
}
