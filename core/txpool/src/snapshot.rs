//! The readers' view of the pool.

use std::sync::Arc;

use actoreum_primitives::{Address, B256};
use arc_swap::ArcSwapOption;
use rpds::HashTrieMapSync;

use crate::account::{Account, SubPool};
use crate::head::Head;
use crate::transaction::PoolTx;

/// The pool at one moment. Creating and cloning a snapshot costs a few pointers: its maps share
/// their nodes with the pool's.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) head: Head,
    pub(crate) accounts: HashTrieMapSync<Address, Account>,
    pub(crate) by_hash: HashTrieMapSync<B256, Arc<PoolTx>>,
    pub(crate) pending: u64,
    pub(crate) queued: u64,
    pub(crate) price_limit: u64,
}

/// The status of a transaction in the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Executable.
    Pending,
    /// Waiting for an earlier nonce.
    Queued,
}

/// A sender with its transactions.
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

    /// Returns the pool's head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Returns the minimum tip of a transaction that is not local, in wei per gas.
    pub fn price_limit(&self) -> u64 {
        self.price_limit
    }

    /// Returns the number of executable transactions.
    pub fn pending_count(&self) -> u64 {
        self.pending
    }

    /// Returns the number of transactions that wait for an earlier nonce.
    pub fn queued_count(&self) -> u64 {
        self.queued
    }

    /// Returns the number of senders with transactions in the pool.
    pub fn sender_count(&self) -> usize {
        self.accounts.size()
    }

    /// Returns the transaction with this hash.
    pub fn get(&self, hash: &B256) -> Option<&Arc<PoolTx>> {
        self.by_hash.get(hash)
    }

    /// Returns the status of the transaction with this hash; `None` if it is not in the pool.
    pub fn status(&self, hash: &B256) -> Option<Status> {
        let tx = self.get(hash)?;
        let account = self.accounts.get(&tx.sender())?;
        Some(match account.sub_pool(tx.nonce()) {
            SubPool::Pending => Status::Pending,
            SubPool::Queued => Status::Queued,
        })
    }

    /// Returns the nonce after a sender's pending transactions; `None` for a sender without
    /// transactions in the pool, whose next nonce is the state's.
    pub fn next_nonce(&self, sender: &Address) -> Option<u64> {
        self.accounts.get(sender).map(Account::next_nonce)
    }

    /// Returns a sender; `None` if it has no transaction in the pool.
    pub fn sender(&self, address: &Address) -> Option<Sender<'_>> {
        let account = self.accounts.get(address)?;
        Some(Sender {
            address: *address,
            account,
        })
    }

    /// Returns all senders, in no particular order.
    pub fn senders(&self) -> impl Iterator<Item = Sender<'_>> {
        self.accounts.iter().map(|(address, account)| Sender {
            address: *address,
            account,
        })
    }
}

impl<'a> Sender<'a> {
    /// Returns the sender's address.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Returns true if the sender's transactions are local.
    pub fn is_local(&self) -> bool {
        self.account.is_local
    }

    /// Returns the number of executable transactions.
    pub fn pending_count(&self) -> u64 {
        self.account.pending
    }

    /// Returns the number of transactions that wait for an earlier nonce.
    pub fn queued_count(&self) -> u64 {
        self.account.queued()
    }

    /// Returns the executable transactions, by nonce.
    pub fn pending(&self) -> impl Iterator<Item = &'a Arc<PoolTx>> + use<'a> {
        self.account.pending_entries().map(|entry| &entry.tx)
    }

    /// Returns the transactions that wait for an earlier nonce, by nonce.
    pub fn queued(&self) -> impl Iterator<Item = &'a Arc<PoolTx>> + use<'a> {
        self.account.queued_entries().map(|entry| &entry.tx)
    }
}

/// A handle for readers, which returns the newest snapshot without a lock and without a mailbox. It
/// may outlive every pool that publishes to it.
#[derive(Debug, Clone, Default)]
pub struct PoolReader(Arc<ArcSwapOption<Snapshot>>);

impl PoolReader {
    /// Returns the newest snapshot; `None` before the first pool published one.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.0.load_full()
    }

    /// Publishes a snapshot to all readers.
    pub fn publish(&self, snapshot: Snapshot) {
        self.0.store(Some(Arc::new(snapshot)));
    }
}
