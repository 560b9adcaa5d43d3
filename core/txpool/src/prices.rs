//! Which transaction is the cheapest.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::mem;

use actoreum_primitives::{Address, Transaction, U256};

use crate::account::{Entry, Lane};

/// What a block's sealer earns with a transaction: first whether its fee reaches the base fee,
/// then the tip that is left, then the fee. Wei a gas, cut at 2^128, which nobody has.
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
            tip: cut(tip.unwrap_or_default()),
            fee: cut(transaction.max_fee_per_gas()),
        }
    }

    /// More than anybody offers.
    pub(crate) const MAX: Self = Self {
        reaches_base_fee: true,
        tip: u128::MAX,
        fee: u128::MAX,
    };
}

fn cut(wei: U256) -> u128 {
    u128::try_from(wei).unwrap_or(u128::MAX)
}

/// The order in which transactions are given up: the cheapest first; of equal ones the highest
/// nonce, which no other waits for, and then the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    price: Price,
    nonce: Reverse<u64>,
    seq: Reverse<u64>,
}

/// What giving a transaction up would free.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Priced {
    pub price: Price,
    pub sender: Address,
    pub nonce: u64,
    pub slots: u64,
    pub bytes: usize,
}

/// The transactions that may be given up, by price.
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

    pub(crate) fn insert(&mut self, lane: Lane, entry: &Entry) {
        let key = self.key(entry);
        let priced = Priced {
            price: key.price,
            sender: entry.tx.sender(),
            nonce: entry.tx.nonce(),
            slots: entry.tx.slots(),
            bytes: entry.tx.bytes(),
        };
        self.lane_mut(lane).insert(key, priced);
    }

    pub(crate) fn remove(&mut self, lane: Lane, entry: &Entry) {
        let key = self.key(entry);
        let removed = self.lane_mut(lane).remove(&key);
        debug_assert!(removed.is_some(), "every remote transaction is in its lane");
    }

    /// From the cheapest on.
    pub(crate) fn cheapest(&self, lane: Lane) -> impl Iterator<Item = &Priced> {
        match lane {
            Lane::Pending => self.pending.values(),
            Lane::Queued => self.queued.values(),
        }
    }

    pub(crate) fn len(&self, lane: Lane) -> usize {
        match lane {
            Lane::Pending => self.pending.len(),
            Lane::Queued => self.queued.len(),
        }
    }

    /// Orders everything anew. `transaction` finds an entry.
    pub(crate) fn set_base_fee<'a>(
        &mut self,
        base_fee: Option<u64>,
        entry: impl Fn(&Priced) -> Option<&'a Entry>,
    ) {
        if self.base_fee == base_fee {
            return;
        }
        self.base_fee = base_fee;
        for lane in [Lane::Pending, Lane::Queued] {
            let old = mem::take(self.lane_mut(lane));
            for priced in old.values() {
                if let Some(entry) = entry(priced) {
                    self.insert(lane, entry);
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

    fn lane_mut(&mut self, lane: Lane) -> &mut BTreeMap<Key, Priced> {
        match lane {
            Lane::Pending => &mut self.pending,
            Lane::Queued => &mut self.queued,
        }
    }
}
