//! What readers see of the chain.

use std::{num::NonZeroUsize, sync::Arc};

use actoreum_consensus::HeaderChain;
use actoreum_primitives::alloy_primitives::map::AddressMap;
use actoreum_primitives::{
    AccountInfo, Address, B256, Block, BlockHashes, Body, ChainConfig, Header, Receipt, StateError,
    StateReader as _, U256, recover_senders,
};
use actoreum_storage::{StateView, StorageError, Store};
use arc_swap::ArcSwap;
use lru::LruCache;
use parking_lot::Mutex;

use crate::{
    SealedHeader,
    limits::{BLOCK_CACHE, HEAD_ACCOUNTS, RECEIPT_CACHE},
};

/// Where a transaction stands in the canonical chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionPlace {
    /// Hash of the block that holds it.
    pub block_hash: B256,
    /// Number of that block.
    pub block_number: u64,
    /// Its place in the block, from zero.
    pub index: usize,
}

/// A handle for readers: gives the newest view, without a lock and without a mailbox. It
/// outlives whoever writes.
#[derive(Clone)]
pub struct ChainReader(Arc<Shared>);

struct Shared {
    store: Store,
    config: Arc<ChainConfig>,
    genesis_hash: B256,
    current: ArcSwap<ChainView>,
    caches: Caches,
}

struct Caches {
    blocks: Mutex<LruCache<B256, Arc<Block>>>,
    receipts: Mutex<LruCache<B256, Arc<Vec<Receipt>>>>,
    senders: Mutex<LruCache<B256, Arc<Vec<Address>>>>,
}

impl Caches {
    fn new() -> Self {
        let blocks = NonZeroUsize::new(BLOCK_CACHE).unwrap_or(NonZeroUsize::MIN);
        let receipts = NonZeroUsize::new(RECEIPT_CACHE).unwrap_or(NonZeroUsize::MIN);
        Self {
            blocks: Mutex::new(LruCache::new(blocks)),
            receipts: Mutex::new(LruCache::new(receipts)),
            senders: Mutex::new(LruCache::new(blocks)),
        }
    }
}

/// The chain at one head. What it says about the head and below stays true while a writer goes
/// on, save for blocks that a reorg takes out of the canonical chain.
pub struct ChainView {
    head: SealedHeader,
    total_difficulty: U256,
    /// Accounts at the head that were asked for. A new head begins with none.
    accounts: Mutex<AddressMap<Option<AccountInfo>>>,
}

impl ChainReader {
    pub(crate) fn new(
        store: Store,
        config: Arc<ChainConfig>,
        genesis_hash: B256,
        head: SealedHeader,
        total_difficulty: U256,
    ) -> Self {
        let current = ArcSwap::from_pointee(ChainView::new(head, total_difficulty));
        Self(Arc::new(Shared {
            store,
            config,
            genesis_hash,
            current,
            caches: Caches::new(),
        }))
    }

    pub(crate) fn publish(&self, head: SealedHeader, total_difficulty: U256) {
        let view = ChainView::new(head, total_difficulty);
        self.0.current.store(Arc::new(view));
    }

    pub(crate) fn remember(&self, hash: B256, block: Arc<Block>, receipts: Arc<Vec<Receipt>>) {
        self.0.caches.blocks.lock().put(hash, block);
        self.0.caches.receipts.lock().put(hash, receipts);
    }

    /// The newest view.
    pub fn view(&self) -> Arc<ChainView> {
        self.0.current.load_full()
    }

    /// The chain's rules.
    pub fn config(&self) -> &Arc<ChainConfig> {
        &self.0.config
    }

    /// Hash of block 0.
    pub fn genesis_hash(&self) -> B256 {
        self.0.genesis_hash
    }

    /// The store below, for its statistics.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The newest block.
    pub fn head(&self) -> SealedHeader {
        self.0.current.load().head.clone()
    }

    /// The number of the newest block.
    pub fn head_number(&self) -> u64 {
        self.0.current.load().head.number
    }

    /// The hash of the canonical block with this number; `None` above the head.
    pub fn canonical_hash(&self, number: u64) -> Result<Option<B256>, StorageError> {
        let view = self.0.current.load();
        if number > view.head.number {
            return Ok(None);
        }
        if number == view.head.number {
            return Ok(Some(view.head.hash()));
        }
        self.0.store.canonical_hash(number)
    }

    /// The header with this hash, canonical or not.
    pub fn header_by_hash(&self, hash: &B256) -> Result<Option<SealedHeader>, StorageError> {
        let view = self.0.current.load();
        if *hash == view.head.hash() {
            return Ok(Some(view.head.clone()));
        }
        let header = match self.0.store.number_of(hash)? {
            Some(number) => self.0.store.header(hash, number)?,
            None => None,
        };
        Ok(header.map(|header| SealedHeader::with_hash(header, *hash)))
    }

    /// The canonical header with this number.
    pub fn header_by_number(&self, number: u64) -> Result<Option<SealedHeader>, StorageError> {
        match self.canonical_hash(number)? {
            Some(hash) => self.header_by_hash(&hash),
            None => Ok(None),
        }
    }

    /// The block with this hash, canonical or not.
    pub fn block_by_hash(&self, hash: &B256) -> Result<Option<Arc<Block>>, StorageError> {
        if let Some(block) = self.0.caches.blocks.lock().get(hash) {
            return Ok(Some(block.clone()));
        }
        let Some(number) = self.0.store.number_of(hash)? else {
            return Ok(None);
        };
        let header = self.0.store.header(hash, number)?;
        let (Some(header), Some(body)) = (header, self.0.store.body(hash, number)?) else {
            return Ok(None);
        };
        let block = Arc::new(Block { header, body });
        self.0.caches.blocks.lock().put(*hash, block.clone());
        Ok(Some(block))
    }

    /// The canonical block with this number.
    pub fn block_by_number(&self, number: u64) -> Result<Option<Arc<Block>>, StorageError> {
        match self.canonical_hash(number)? {
            Some(hash) => self.block_by_hash(&hash),
            None => Ok(None),
        }
    }

    /// The receipts of a block that was executed.
    pub fn receipts(&self, hash: &B256) -> Result<Option<Arc<Vec<Receipt>>>, StorageError> {
        if let Some(receipts) = self.0.caches.receipts.lock().get(hash) {
            return Ok(Some(receipts.clone()));
        }
        let Some(number) = self.0.store.number_of(hash)? else {
            return Ok(None);
        };
        let Some(receipts) = self.0.store.receipts(hash, number)? else {
            return Ok(None);
        };
        let receipts = Arc::new(receipts);
        self.0.caches.receipts.lock().put(*hash, receipts.clone());
        Ok(Some(receipts))
    }

    /// The senders of a block's transactions, recovered once while the block is in use.
    pub fn senders(&self, hash: &B256) -> Result<Option<Arc<Vec<Address>>>, StorageError> {
        if let Some(senders) = self.0.caches.senders.lock().get(hash) {
            return Ok(Some(senders.clone()));
        }
        let Some(block) = self.block_by_hash(hash)? else {
            return Ok(None);
        };
        let recovered = recover_senders(&self.0.config, std::slice::from_ref(&block)).pop();
        let senders = match recovered {
            Some(Ok(senders)) => Arc::new(senders),
            _ => {
                let what = format!("block {hash} holds a transaction without a valid sender");
                return Err(StorageError::Corrupt(what));
            }
        };
        self.0.caches.senders.lock().put(*hash, senders.clone());
        Ok(Some(senders))
    }

    /// The sum of the difficulties up to this block, itself included.
    pub fn total_difficulty(&self, hash: &B256) -> Result<Option<U256>, StorageError> {
        let view = self.0.current.load();
        if *hash == view.head.hash() {
            return Ok(Some(view.total_difficulty));
        }
        match self.0.store.number_of(hash)? {
            Some(number) => self.0.store.total_difficulty(hash, number),
            None => Ok(None),
        }
    }

    /// Where a transaction stands in the canonical chain.
    pub fn transaction(&self, hash: &B256) -> Result<Option<TransactionPlace>, StorageError> {
        let Some(block_number) = self.0.store.transaction_block(hash)? else {
            return Ok(None);
        };
        let Some(block_hash) = self.canonical_hash(block_number)? else {
            return Ok(None);
        };
        let Some(block) = self.block_by_hash(&block_hash)? else {
            return Ok(None);
        };
        let index = block
            .body
            .transactions
            .iter()
            .position(|tx| tx.hash() == *hash);
        Ok(index.map(|index| TransactionPlace {
            block_hash,
            block_number,
            index,
        }))
    }

    /// The state after the canonical block with this number.
    pub fn state_at(&self, number: u64) -> Result<StateView, StateError> {
        Ok(self.0.store.state_at(number)?)
    }

    /// An account at the head. Those that are asked for again and again are not read again: a
    /// lookup instead of a hash and a walk through the database.
    pub fn head_account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError> {
        let view = self.0.current.load();
        if let Some(known) = view.accounts.lock().get(address) {
            return Ok(*known);
        }
        let account = self.state_at(view.head.number)?.account(address)?;
        let mut accounts = view.accounts.lock();
        if accounts.len() < HEAD_ACCOUNTS {
            accounts.insert(*address, account);
        }
        Ok(account)
    }
}

impl ChainView {
    fn new(head: SealedHeader, total_difficulty: U256) -> Self {
        Self {
            head,
            total_difficulty,
            accounts: Mutex::default(),
        }
    }

    /// The newest block.
    pub fn head(&self) -> &SealedHeader {
        &self.head
    }

    /// The head's number.
    pub fn head_number(&self) -> u64 {
        self.head.number
    }

    /// The sum of all difficulties up to the head.
    pub fn total_difficulty(&self) -> U256 {
        self.total_difficulty
    }
}

impl HeaderChain for ChainReader {
    fn header(&self, hash: &B256, number: u64) -> Option<Header> {
        self.0.store.header(hash, number).ok().flatten()
    }

    fn header_by_number(&self, number: u64) -> Option<Header> {
        let hash = self.0.store.canonical_hash(number).ok().flatten()?;
        self.header(&hash, number)
    }

    fn ommers(&self, hash: &B256, number: u64) -> Option<Vec<Header>> {
        let body: Option<Body> = self.0.store.body(hash, number).ok().flatten();
        body.map(|body| body.ommers)
    }

    fn total_difficulty(&self, hash: &B256, number: u64) -> Option<U256> {
        self.0.store.total_difficulty(hash, number).ok().flatten()
    }

    fn config(&self) -> &ChainConfig {
        &self.0.config
    }
}

/// The hashes of the ancestors of one block, on whichever branch it stands.
pub struct Ancestors<'a> {
    reader: &'a ChainReader,
    /// Number of the first block of the batch that is being executed.
    first: u64,
    /// Hashes of the batch, in order.
    batch: &'a [B256],
    /// Blocks between the branch's root and the batch, from newest to oldest.
    branch: Vec<B256>,
}

impl<'a> Ancestors<'a> {
    /// Of a batch of blocks that follow the canonical block before `first`.
    pub fn of_batch(reader: &'a ChainReader, first: u64, batch: &'a [B256]) -> Self {
        Self {
            reader,
            first,
            batch,
            branch: Vec::new(),
        }
    }

    /// Of whatever comes after the block `parent`, canonical or not.
    pub fn after(reader: &'a ChainReader, parent: &SealedHeader) -> Result<Self, StorageError> {
        let mut branch = Vec::new();
        let mut walk = parent.clone();
        while walk.number > 0 && reader.canonical_hash(walk.number)? != Some(walk.hash()) {
            branch.push(walk.hash());
            let Some(next) = reader.header_by_hash(&walk.parent_hash)? else {
                break;
            };
            walk = next;
        }
        Ok(Self {
            reader,
            first: parent.number + 1,
            batch: &[],
            branch,
        })
    }
}

impl BlockHashes for Ancestors<'_> {
    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        let missing = || StateError::Missing(number);
        if let Some(index) = number.checked_sub(self.first) {
            let index = usize::try_from(index).map_err(|_| missing())?;
            return self.batch.get(index).copied().ok_or_else(missing);
        }
        let above = usize::try_from(self.first - 1 - number).map_err(|_| missing())?;
        if let Some(hash) = self.branch.get(above) {
            return Ok(*hash);
        }
        self.reader
            .0
            .store
            .canonical_hash(number)?
            .ok_or_else(missing)
    }
}
