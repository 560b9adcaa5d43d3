//! Who leaves when the pool is full.

use actoreum_primitives::Address;

use super::Pool;
use crate::account::Lane;
use crate::prices::Price;

/// What must become free.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Room {
    pub slots: u64,
    pub bytes: usize,
    /// Places in the queue.
    pub queued: u64,
}

impl Room {
    pub(super) const fn is_none(self) -> bool {
        self.slots == 0 && self.bytes == 0 && self.queued == 0
    }
}

impl Pool {
    /// Transactions below `price` that together free `room`, as few as there are; `None` where
    /// there are not enough. Queued ones go first, however much they offer: they earn nobody
    /// anything now. For the sake of one that is queued itself, only queued ones go. A
    /// sender's own stay: the one to come may need them before it.
    pub(super) fn cheaper_ones(
        &self,
        mut room: Room,
        price: Price,
        for_lane: Lane,
        sender: Address,
    ) -> Option<Vec<(Address, u64)>> {
        let lanes: &[Lane] = match for_lane {
            Lane::Pending => &[Lane::Queued, Lane::Pending],
            Lane::Queued => &[Lane::Queued],
        };
        let mut found = Vec::new();
        for lane in lanes {
            for cheap in self.tally.prices.cheapest(*lane) {
                if cheap.price >= price {
                    break;
                }
                if cheap.sender == sender {
                    continue;
                }
                found.push((cheap.sender, cheap.nonce));
                room.slots = room.slots.saturating_sub(cheap.slots);
                room.bytes = room.bytes.saturating_sub(cheap.bytes);
                room.queued = room.queued.saturating_sub(u64::from(*lane == Lane::Queued));
                if room.is_none() {
                    return Some(found);
                }
            }
        }
        None
    }

    pub(super) fn is_any_pending_below(&self, price: Price) -> bool {
        let cheapest = self.tally.prices.cheapest(Lane::Pending).next();
        cheapest.is_some_and(|cheapest| cheapest.price < price)
    }

    /// Takes transactions out. Those that were pending behind them are queued now, which may
    /// be too many.
    pub(super) fn give_up(&mut self, transactions: &[(Address, u64)]) {
        for (sender, nonce) in transactions {
            self.remove(*sender, *nonce);
        }
        for (sender, _) in transactions {
            self.trim_account_queue(*sender);
        }
        if !transactions.is_empty() {
            self.trim_queue();
        }
    }

    /// Brings pending transactions down to their limit, at the cost of whoever has the most of
    /// them; never below an account's guaranteed slots.
    pub(super) fn trim_pending(&mut self) {
        while self.tally.remote(Lane::Pending) > self.config.global_slots {
            let Some((_, sender)) = self.tally.most_crowded() else {
                return;
            };
            let account = self.view.accounts.get(&sender);
            let Some(next) = account.map(|account| account.next_nonce()) else {
                return;
            };
            self.remove(sender, next - 1);
        }
    }

    /// Brings the queue down to its limit, from the cheapest on.
    pub(super) fn trim_queue(&mut self) {
        while self.tally.remote(Lane::Queued) > self.config.global_queue {
            let Some(cheapest) = self.tally.prices.cheapest(Lane::Queued).next().copied() else {
                return;
            };
            self.remove(cheapest.sender, cheapest.nonce);
        }
    }

    /// Brings an account's queue down to its limit, from the highest nonce on.
    pub(super) fn trim_account_queue(&mut self, sender: Address) {
        loop {
            let Some(account) = self.view.accounts.get(&sender) else {
                return;
            };
            if account.is_local || account.queued() <= self.config.account_queue {
                return;
            }
            let Some((&last, _)) = account.txs.last() else {
                return;
            };
            self.remove(sender, last);
        }
    }
}
