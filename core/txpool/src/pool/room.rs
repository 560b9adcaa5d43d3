//! Eviction for lack of room.

use actoreum_primitives::Address;

use super::Pool;
use crate::account::SubPool;
use crate::prices::Price;

/// The amounts by which the pool exceeds its limits.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Excess {
    pub slots: u64,
    pub bytes: usize,
    /// Number of queued transactions.
    pub queued: u64,
}

impl Excess {
    pub(super) const fn is_none(self) -> bool {
        self.slots == 0 && self.bytes == 0 && self.queued == 0
    }
}

impl Pool {
    /// Returns the cheapest transactions below `price` whose eviction removes the excess; `None` if
    /// they are too few.
    ///
    /// Queued transactions go first, whatever their price: a sealer can't use them now. For a new
    /// transaction that is queued itself, only queued ones go. The sender's own transactions stay:
    /// the new one may depend on them.
    pub(super) fn evictions_below(
        &self,
        mut excess: Excess,
        price: Price,
        for_sub_pool: SubPool,
        sender: Address,
    ) -> Option<Vec<(Address, u64)>> {
        let sub_pools: &[SubPool] = match for_sub_pool {
            SubPool::Pending => &[SubPool::Queued, SubPool::Pending],
            SubPool::Queued => &[SubPool::Queued],
        };
        let mut found = Vec::new();
        for sub_pool in sub_pools {
            for cheap in self.tally.prices.cheapest(*sub_pool) {
                if cheap.price >= price {
                    break;
                }
                if cheap.sender == sender {
                    continue;
                }
                found.push((cheap.sender, cheap.nonce));
                excess.slots = excess.slots.saturating_sub(cheap.slots);
                excess.bytes = excess.bytes.saturating_sub(cheap.bytes);
                excess.queued = excess
                    .queued
                    .saturating_sub(u64::from(*sub_pool == SubPool::Queued));
                if excess.is_none() {
                    return Some(found);
                }
            }
        }
        None
    }

    pub(super) fn is_any_pending_below(&self, price: Price) -> bool {
        let cheapest = self.tally.prices.cheapest(SubPool::Pending).next();
        cheapest.is_some_and(|cheapest| cheapest.price < price)
    }

    /// Evicts transactions. Pending transactions behind them become queued, which may exceed the
    /// limits of the queue.
    pub(super) fn evict(&mut self, transactions: &[(Address, u64)]) {
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

    /// Evicts pending transactions above the limit, from the accounts with the most of them, and
    /// never below an account's guaranteed slots.
    pub(super) fn trim_pending(&mut self) {
        while self.tally.remote(SubPool::Pending) > self.config.global_slots {
            let Some((_, sender)) = self.tally.largest_account() else {
                return;
            };
            let account = self.view.accounts.get(&sender);
            let Some(next) = account.map(|account| account.next_nonce()) else {
                return;
            };
            self.remove(sender, next - 1);
        }
    }

    /// Evicts queued transactions above the limit, the cheapest first.
    pub(super) fn trim_queue(&mut self) {
        while self.tally.remote(SubPool::Queued) > self.config.global_queue {
            let Some(cheapest) = self.tally.prices.cheapest(SubPool::Queued).next().copied() else {
                return;
            };
            self.remove(cheapest.sender, cheapest.nonce);
        }
    }

    /// Evicts an account's queued transactions above the limit, the highest nonce first.
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
