//! The order in which a sealer takes transactions.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;

use actoreum_primitives::{Address, U256};

use crate::account::{Account, Entry};
use crate::snapshot::Snapshot;
use crate::transaction::PoolTx;

/// Pending transactions by price and nonce: local ones first, then the best tip; of equal tips
/// the one that came first. Made by [`Snapshot::best`].
///
/// One whose fee does not reach the base fee is left out, with those of its sender that follow.
#[derive(Debug)]
pub struct Best {
    snapshot: Snapshot,
    base_fee: Option<u64>,
    local: BinaryHeap<Front>,
    remote: BinaryHeap<Front>,
    skipped: HashSet<Address>,
}

/// The next transaction of a sender.
#[derive(Debug)]
struct Front {
    tip: U256,
    seq: Reverse<u64>,
    tx: Arc<PoolTx>,
}

impl Best {
    pub(crate) fn new(snapshot: Snapshot, base_fee: Option<u64>) -> Self {
        let fronts = |is_local: bool| {
            let accounts = snapshot.accounts.values();
            accounts
                .filter(|account| account.is_local == is_local)
                .filter_map(|account| front(account, account.nonce, base_fee))
                .collect()
        };
        let (local, remote) = (fronts(true), fronts(false));
        Self {
            snapshot,
            base_fee,
            local,
            remote,
            skipped: HashSet::new(),
        }
    }

    /// Leaves out whatever else this sender has: its last one can't stand in the block.
    pub fn skip_sender(&mut self, sender: Address) {
        self.skipped.insert(sender);
    }
}

impl Iterator for Best {
    type Item = Arc<PoolTx>;

    fn next(&mut self) -> Option<Arc<PoolTx>> {
        loop {
            let is_local = !self.local.is_empty();
            let fronts = if is_local {
                &mut self.local
            } else {
                &mut self.remote
            };
            let tx = fronts.pop()?.tx;
            if self.skipped.contains(&tx.sender()) {
                continue;
            }
            let account = self.snapshot.accounts.get(&tx.sender());
            let next = account.and_then(|it| front(it, tx.nonce() + 1, self.base_fee));
            fronts.extend(next);
            return Some(tx);
        }
    }
}

fn front(account: &Account, nonce: u64, base_fee: Option<u64>) -> Option<Front> {
    if nonce >= account.next_nonce() {
        return None;
    }
    let Entry { tx, seq, .. } = account.txs.get(&nonce)?;
    Some(Front {
        tip: tx.transaction().effective_tip(base_fee)?,
        seq: Reverse(*seq),
        tx: Arc::clone(tx),
    })
}

impl Ord for Front {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.tip, self.seq).cmp(&(other.tip, other.seq))
    }
}

impl PartialOrd for Front {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Front {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Front {}
