//! The settings of the pool.

use std::time::Duration;

use actoreum_primitives::{Address, U256};

use crate::limits::{DEFAULT_MAX_BYTES, PEER_QUEUE_SHARE_PERCENT, PEER_SHARE_PERCENT};

/// The pool's settings, with geth's names and defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolConfig {
    /// Accounts to treat as local from the start.
    pub locals: Vec<Address>,
    /// Disables the exemptions for locally submitted transactions.
    pub no_locals: bool,
    /// Minimum tip, in wei per gas, of a transaction that is not local. At least 1.
    pub price_limit: u64,
    /// Price bump in percent to replace an existing transaction. At least 1.
    pub price_bump: u64,
    /// Number of executable transactions guaranteed per account. At least 1.
    pub account_slots: u64,
    /// Maximum number of executable transactions of all accounts. At least 1.
    pub global_slots: u64,
    /// Maximum number of non-executable transactions per account. At least 1.
    pub account_queue: u64,
    /// Maximum number of non-executable transactions of all accounts. At least 1.
    pub global_queue: u64,
    /// Maximum time that non-executable transactions are queued after their account's last
    /// activity.
    pub lifetime: Duration,
    /// Maximum memory in bytes, local transactions included.
    pub max_bytes: usize,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            locals: Vec::new(),
            no_locals: false,
            price_limit: 1,
            price_bump: 10,
            account_slots: 16,
            global_slots: 4096,
            account_queue: 64,
            global_queue: 1024,
            lifetime: Duration::from_secs(3 * 3600),
            max_bytes: DEFAULT_MAX_BYTES,
        }
    }
}

impl PoolConfig {
    /// Raises every number that must not be zero to at least 1, as geth does.
    pub fn sanitized(mut self) -> Self {
        for number in [
            &mut self.price_limit,
            &mut self.price_bump,
            &mut self.account_slots,
            &mut self.global_slots,
            &mut self.account_queue,
            &mut self.global_queue,
        ] {
            *number = (*number).max(1);
        }
        self
    }

    /// Returns the maximum slots of all transactions that are not local.
    pub(crate) fn slots(&self) -> u64 {
        self.global_slots.saturating_add(self.global_queue)
    }

    /// Returns the maximum slots of one peer's transactions.
    pub(crate) fn peer_slots(&self) -> u64 {
        share(self.slots(), PEER_SHARE_PERCENT)
    }

    /// Returns the maximum number of one peer's queued transactions.
    pub(crate) fn peer_queue(&self) -> u64 {
        share(self.global_queue, PEER_QUEUE_SHARE_PERCENT)
    }

    /// Returns the minimum price that a replacement of a transaction with price `old` must offer.
    pub(crate) fn min_replacement_price(&self, old: U256) -> U256 {
        let percent = U256::from(self.price_bump.saturating_add(100));
        let min_replacement_price = old.checked_mul(percent).unwrap_or(U256::MAX);
        (min_replacement_price / U256::from(100)).max(old.saturating_add(U256::from(1)))
    }
}

fn share(of: u64, percent: u64) -> u64 {
    let share = u128::from(of) * u128::from(percent) / 100;
    u64::try_from(share).unwrap_or(u64::MAX).max(1)
}
