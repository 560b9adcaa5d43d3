//! What leaves because time passes, or because the operator says so.

use actoreum_primitives::{Address, U256};

use super::Pool;

impl Pool {
    /// Gives up what has waited for an earlier nonce for longer than
    /// [`crate::PoolConfig::lifetime`]; local ones wait on. Returns how many left. `now` is of
    /// the clock of [`Pool::add`].
    ///
    /// geth up to 1.8 did not note when an account got a queued transaction, and gave it up at
    /// the next minute's tick; here as in later ones every new transaction counts as activity.
    pub fn evict_expired(&mut self, now: u64) -> usize {
        let lifetime = self.config.lifetime.as_secs();
        let mut expired: Vec<(Address, u64)> = Vec::new();
        for (sender, account) in self.view.accounts.iter() {
            let is_idle = now.saturating_sub(account.active_at) > lifetime;
            if is_idle && !account.is_local {
                let queued = account.queued_entries();
                expired.extend(queued.map(|entry| (*sender, entry.tx.nonce())));
            }
        }
        for (sender, nonce) in &expired {
            self.remove(*sender, *nonce);
        }
        expired.len()
    }

    /// Sets the least tip, in wei a gas, and gives up what offers less; local ones stay.
    /// Returns how many left.
    pub fn set_price_limit(&mut self, price_limit: u64) -> usize {
        self.config.price_limit = price_limit.max(1);
        let least = U256::from(self.config.price_limit);
        let remote = self.view.accounts.values().filter(|it| !it.is_local);
        let entries = remote.flat_map(|account| account.txs.values());
        let below: Vec<(Address, u64)> = entries
            .filter(|entry| entry.tx.transaction().max_priority_fee_per_gas() < least)
            .map(|entry| (entry.tx.sender(), entry.tx.nonce()))
            .collect();
        self.give_up(&below);
        below.len()
    }
}
