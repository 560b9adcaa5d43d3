//! Status of the transaction pool, as the page shows it.

use std::cmp::Reverse;

use actoreum_primitives::U256;
use actoreum_txpool::{Sender, Snapshot};
use serde::Serialize;

/// Bounds the senders that are shown: those with the most transactions.
const MAX_SENDERS_SHOWN: usize = 10;
/// Bounds the pending transactions whose prices are read. The page is drawn once per second, which
/// is too often to walk through a large pool.
const MAX_PRICED_TRANSACTIONS: usize = 2_000;

/// Status of the pool.
#[derive(Debug, Default, Serialize)]
pub struct PoolStatus {
    pub pending: u64,
    pub queued: u64,
    sender_count: usize,
    /// Base fee in wei per gas; `None` before London.
    next_base_fee: Option<u64>,
    prices: Option<Prices>,
    senders: Vec<SenderStatus>,
}

/// Effective gas prices of pending transactions in the next block, in wei per gas.
#[derive(Debug, Serialize)]
struct Prices {
    lowest: f64,
    median: f64,
    highest: f64,
}

#[derive(Debug, Serialize)]
struct SenderStatus {
    address: String,
    is_local: bool,
    pending: u64,
    queued: u64,
}

impl PoolStatus {
    /// Returns the status of a snapshot of the pool.
    pub fn of(pool: &Snapshot) -> Self {
        let next_base_fee = pool.head().base_fee_per_gas;
        Self {
            pending: pool.pending_count(),
            queued: pool.queued_count(),
            sender_count: pool.sender_count(),
            next_base_fee,
            prices: Prices::of(pool, next_base_fee),
            senders: senders(pool),
        }
    }
}

impl Prices {
    fn of(pool: &Snapshot, base_fee: Option<u64>) -> Option<Self> {
        let pending = pool.senders().flat_map(|sender| sender.pending());
        let price = |price: U256| price.saturating_to::<u128>() as f64;
        let mut prices: Vec<f64> = pending
            .take(MAX_PRICED_TRANSACTIONS)
            .map(|it| price(it.transaction().effective_gas_price(base_fee)))
            .collect();
        prices.sort_unstable_by(f64::total_cmp);
        Some(Self {
            lowest: *prices.first()?,
            median: *prices.get(prices.len() / 2)?,
            highest: *prices.last()?,
        })
    }
}

fn senders(pool: &Snapshot) -> Vec<SenderStatus> {
    let total = |sender: &Sender<'_>| sender.pending_count() + sender.queued_count();
    let mut senders: Vec<_> = pool.senders().collect();
    senders.sort_unstable_by_key(|sender| (Reverse(total(sender)), sender.address()));
    senders
        .into_iter()
        .take(MAX_SENDERS_SHOWN)
        .map(|sender| SenderStatus {
            address: sender.address().to_checksum(None),
            is_local: sender.is_local(),
            pending: sender.pending_count(),
            queued: sender.queued_count(),
        })
        .collect()
}
