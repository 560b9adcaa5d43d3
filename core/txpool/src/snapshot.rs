//! What readers see of the pool.

use std::sync::Arc;

use actoreum_primitives::{Address, B256};
use arc_swap::ArcSwapOption;
use rpds::HashTrieMapSync;

use crate::account::{Account, Lane};
use crate::best::Best;
use crate::head::Head;
use crate::transaction::PoolTx;

/// The pool at one moment. Taking one, and cloning it, costs as much as a few pointers: its maps
/// share their nodes with the pool's.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) head: Head,
    pub(crate) accounts: HashTrieMapSync<Address, Account>,
    pub(crate) by_hash: HashTrieMapSync<B256, Arc<PoolTx>>,
    pub(crate) pending: u64,
    pub(crate) queued: u64,
    pub(crate) price_limit: u64,
}

/// Where a transaction stands in the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It can be executed.
    Pending,
    /// It waits for an earlier nonce.
    Queued,
}

/// A sender's transactions.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    address: Address,
    account: &'a Account,
}

impl Snapshot {
    pub(crate) fn new(head: Head) -> Self {
        Self {
            head,
            accounts: HashTrieMapSync::new_sync(),
            by_hash: HashTrieMapSync::new_sync(),
            pending: 0,
            queued: 0,
            price_limit: 0,
        }
    }

    /// The head that it stands on.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The least tip of a transaction that is not local, in wei a gas.
    pub fn price_limit(&self) -> u64 {
        self.price_limit
    }

    /// Transactions that can be executed.
    pub fn pending_count(&self) -> u64 {
        self.pending
    }

    /// Transactions that wait for an earlier nonce.
    pub fn queued_count(&self) -> u64 {
        self.queued
    }

    /// Senders with a transaction here.
    pub fn sender_count(&self) -> usize {
        self.accounts.size()
    }

    /// The transaction with this hash.
    pub fn get(&self, hash: &B256) -> Option<&Arc<PoolTx>> {
        self.by_hash.get(hash)
    }

    /// Where the transaction with this hash stands; `None` where it is not in the pool.
    pub fn status(&self, hash: &B256) -> Option<Status> {
        let tx = self.get(hash)?;
        let account = self.accounts.get(&tx.sender())?;
        Some(match account.lane(tx.nonce()) {
            Lane::Pending => Status::Pending,
            Lane::Queued => Status::Queued,
        })
    }

    /// The nonce after a sender's pending transactions; `None` for one without any transaction
    /// here, whose next nonce is the state's.
    pub fn next_nonce(&self, sender: &Address) -> Option<u64> {
        self.accounts.get(sender).map(Account::next_nonce)
    }

    /// A sender with a transaction here.
    pub fn sender(&self, address: &Address) -> Option<Sender<'_>> {
        let account = self.accounts.get(address)?;
        Some(Sender {
            address: *address,
            account,
        })
    }

    /// All senders, in no order.
    pub fn senders(&self) -> impl Iterator<Item = Sender<'_>> {
        self.accounts.iter().map(|(address, account)| Sender {
            address: *address,
            account,
        })
    }

    /// What a sealer should take, in order: local transactions first, then by tip in a block
    /// with this base fee (wei a gas), each sender's by nonce.
    pub fn best(&self, base_fee: Option<u64>) -> Best {
        Best::new(self.clone(), base_fee)
    }
}

impl<'a> Sender<'a> {
    /// Who it is.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Whether its transactions are local ones.
    pub fn is_local(&self) -> bool {
        self.account.is_local
    }

    /// How many of its transactions can be executed.
    pub fn pending_count(&self) -> u64 {
        self.account.pending
    }

    /// How many wait for an earlier nonce.
    pub fn queued_count(&self) -> u64 {
        self.account.queued()
    }

    /// Transactions that can be executed, by nonce.
    pub fn pending(&self) -> impl Iterator<Item = &'a Arc<PoolTx>> + use<'a> {
        self.account.pending_entries().map(|entry| &entry.tx)
    }

    /// Transactions that wait for an earlier nonce, by nonce.
    pub fn queued(&self) -> impl Iterator<Item = &'a Arc<PoolTx>> + use<'a> {
        self.account.queued_entries().map(|entry| &entry.tx)
    }
}

/// A handle for readers: gives the newest snapshot, without a lock and without a mailbox. It
/// outlives every pool that publishes to it.
#[derive(Debug, Clone, Default)]
pub struct PoolReader(Arc<ArcSwapOption<Snapshot>>);

impl PoolReader {
    /// The newest snapshot; `None` before there has been a pool.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.0.load_full()
    }

    /// What readers see from now on.
    pub fn publish(&self, snapshot: Snapshot) {
        self.0.store(Some(Arc::new(snapshot)));
    }
}
