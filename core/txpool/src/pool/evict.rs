//! Eviction by age, by the minimum tip, and on request.

use actoreum_primitives::{Address, U256};

use super::Pool;
use crate::transaction::PoolTx;

impl Pool {
    /// Evicts queued transactions whose account has been idle for longer than
    /// [`crate::PoolConfig::lifetime`], except local ones. Returns the number of evicted
    /// transactions. `now` is of the clock of [`Pool::add`].
    ///
    /// geth up to 1.8 did not record the time of a queued transaction, and evicted it at the next
    /// tick; here, as in later versions, every new transaction counts as activity.
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

    /// Removes the transactions that `is_unwanted` selects, local ones too. Returns their number.
    /// Those of the same senders with higher nonces become queued.
    pub fn drop_transactions(&mut self, is_unwanted: impl Fn(&PoolTx) -> bool) -> usize {
        let all = self.view.by_hash.values();
        let unwanted: Vec<(Address, u64)> = all
            .filter(|tx| is_unwanted(tx))
            .map(|tx| (tx.sender(), tx.nonce()))
            .collect();
        for (sender, nonce) in &unwanted {
            self.remove(*sender, *nonce);
        }
        unwanted.len()
    }

    /// Sets the minimum tip, in wei per gas, and evicts transactions that offer less, except local
    /// ones. Returns the number of evicted transactions.
    pub fn set_price_limit(&mut self, price_limit: u64) -> usize {
        self.config.price_limit = price_limit.max(1);
        let min_tip = U256::from(self.config.price_limit);
        let remote = self.view.accounts.values().filter(|it| !it.is_local);
        let entries = remote.flat_map(|account| account.txs.values());
        let below: Vec<(Address, u64)> = entries
            .filter(|entry| entry.tx.transaction().max_priority_fee_per_gas() < min_tip)
            .map(|entry| (entry.tx.sender(), entry.tx.nonce()))
            .collect();
        self.evict(&below);
        below.len()
    }
}
