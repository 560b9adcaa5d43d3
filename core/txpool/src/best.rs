//! The order in which a sealer takes transactions.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;

use actoreum_primitives::{Address, U256};

use crate::account::{Account, Entry};
use crate::snapshot::Snapshot;
use crate::transaction::PoolTx;

/// An iterator over pending transactions by price and nonce, made by [`Snapshot::best`]: local
/// transactions first, then the highest tip; of equal tips the earliest arrival.
///
/// A transaction whose fee cap is below the base fee is left out, with the later ones of its
/// sender.
#[derive(Debug)]
pub struct BestTransactions {
    snapshot: Snapshot,
    base_fee: Option<u64>,
    local: BinaryHeap<NextTx>,
    remote: BinaryHeap<NextTx>,
    skipped: HashSet<Address>,
}

/// The next transaction of a sender.
#[derive(Debug)]
struct NextTx {
    tip: U256,
    seq: Reverse<u64>,
    tx: Arc<PoolTx>,
}

impl Snapshot {
    /// Returns the transactions for a sealer, in order: local transactions first, then by tip in a
    /// block with this base fee (wei per gas), each sender's by nonce.
    pub fn best(&self, base_fee: Option<u64>) -> BestTransactions {
        BestTransactions::new(self.clone(), base_fee)
    }
}

impl BestTransactions {
    fn new(snapshot: Snapshot, base_fee: Option<u64>) -> Self {
        let fronts = |is_local: bool| {
            let accounts = snapshot.accounts.values();
            accounts
                .filter(|account| account.is_local == is_local)
                .filter_map(|account| next_tx(account, account.nonce, base_fee))
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

    /// Leaves out all further transactions of this sender, whose last one can't be included.
    pub fn skip_sender(&mut self, sender: Address) {
        self.skipped.insert(sender);
    }
}

impl Iterator for BestTransactions {
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
            let next = account.and_then(|it| next_tx(it, tx.nonce() + 1, self.base_fee));
            fronts.extend(next);
            return Some(tx);
        }
    }
}

/// Returns the transaction of an account at `nonce`, if it is pending and its fee cap reaches the
/// base fee.
fn next_tx(account: &Account, nonce: u64, base_fee: Option<u64>) -> Option<NextTx> {
    if nonce >= account.next_nonce() {
        return None;
    }
    let Entry { tx, seq, .. } = account.txs.get(&nonce)?;
    Some(NextTx {
        tip: tx.transaction().effective_tip(base_fee)?,
        seq: Reverse(*seq),
        tx: Arc::clone(tx),
    })
}

impl Ord for NextTx {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.tip, self.seq).cmp(&(other.tip, other.seq))
    }
}

impl PartialOrd for NextTx {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for NextTx {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for NextTx {}
