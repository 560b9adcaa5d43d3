//! The readers' view of the chain.

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

/// The location of a transaction in the canonical chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionLocation {
    /// Hash of the block.
    pub block_hash: B256,
    /// Number of the block.
    pub block_number: u64,
    /// Index in the block, from zero.
    pub index: usize,
}

/// A handle for readers, which returns the newest view without a lock and without a mailbox. It may
/// outlive the writer.
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

/// The chain at one head. Its answers about the head and below stay true while the writer goes on,
/// except for blocks that a reorg removes from the canonical chain.
pub struct ChainView {
    head: SealedHeader,
    total_difficulty: U256,
    /// Accounts at the head that were read; a new head begins with none.
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

    pub(crate) fn cache_block(
        &self,
        hash: B256,
        block: Arc<Block>,
        receipts: Arc<Vec<Receipt>>,
        senders: Vec<Address>,
    ) {
        self.0.caches.blocks.lock().put(hash, block);
        self.0.caches.receipts.lock().put(hash, receipts);
        self.0.caches.senders.lock().put(hash, Arc::new(senders));
    }

    /// Returns the newest view.
    pub fn view(&self) -> Arc<ChainView> {
        self.0.current.load_full()
    }

    /// Returns the chain config.
    pub fn config(&self) -> &Arc<ChainConfig> {
        &self.0.config
    }

    /// Returns the hash of block 0.
    pub fn genesis_hash(&self) -> B256 {
        self.0.genesis_hash
    }

    /// Returns the underlying store.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Returns the newest block.
    pub fn head(&self) -> SealedHeader {
        self.0.current.load().head.clone()
    }

    /// Returns the number of the newest block.
    pub fn head_number(&self) -> u64 {
        self.0.current.load().head.number
    }

    /// Returns the number of the first block that can be the head: the fork block of a forked chain,
    /// else 0.
    pub fn first_number(&self) -> u64 {
        let remote = self.0.store.remote();
        remote.map_or(0, |remote| remote.fork_block())
    }

    /// Returns the hash of the canonical block at `number`; `None` above the head.
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

    /// Returns the header with this hash, canonical or not.
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

    /// Returns the canonical header at `number`.
    pub fn header_by_number(&self, number: u64) -> Result<Option<SealedHeader>, StorageError> {
        match self.canonical_hash(number)? {
            Some(hash) => self.header_by_hash(&hash),
            None => Ok(None),
        }
    }

    /// Returns the block with this hash, canonical or not.
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

    /// Returns the canonical block at `number`.
    pub fn block_by_number(&self, number: u64) -> Result<Option<Arc<Block>>, StorageError> {
        match self.canonical_hash(number)? {
            Some(hash) => self.block_by_hash(&hash),
            None => Ok(None),
        }
    }

    /// Returns the receipts of a block; `None` if the block was not executed.
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

    /// Returns the senders of a block's transactions. They are recovered on the first call and
    /// cached.
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

    /// Returns the total difficulty of a block: the sum of all difficulties up to and including it.
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

    /// Returns the location of a transaction in the canonical chain.
    pub fn transaction(&self, hash: &B256) -> Result<Option<TransactionLocation>, StorageError> {
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
        Ok(index.map(|index| TransactionLocation {
            block_hash,
            block_number,
            index,
        }))
    }

    /// Returns the state after the canonical block at `number`.
    pub fn state_at(&self, number: u64) -> Result<StateView, StateError> {
        Ok(self.0.store.state_at(number)?)
    }

    /// Returns an account at the head. The view caches accounts: a repeated read costs a lookup
    /// instead of a hash and a database walk.
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

    /// Returns the newest block.
    pub fn head(&self) -> &SealedHeader {
        &self.head
    }

    /// Returns the number of the head.
    pub fn head_number(&self) -> u64 {
        self.head.number
    }

    /// Returns the total difficulty of the head.
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

/// The hashes of a block's ancestors, on any branch.
pub struct Ancestors<'a> {
    reader: &'a ChainReader,
    /// Number of the first block of the batch that is being executed.
    first: u64,
    /// Hashes of the batch, in order.
    batch: &'a [B256],
    /// Hashes of the blocks between the common ancestor and the batch, newest first.
    branch: Vec<B256>,
}

impl<'a> Ancestors<'a> {
    /// Creates the ancestors of a batch of blocks that follow the canonical block before `first`.
    pub fn of_batch(reader: &'a ChainReader, first: u64, batch: &'a [B256]) -> Self {
        Self {
            reader,
            first,
            batch,
            branch: Vec::new(),
        }
    }

    /// Creates the ancestors of a child of `parent`, canonical or not.
    pub fn after(reader: &'a ChainReader, parent: &SealedHeader) -> Result<Self, StorageError> {
        let mut branch = Vec::new();
        let mut cursor = parent.clone();
        while cursor.number > 0 && reader.canonical_hash(cursor.number)? != Some(cursor.hash()) {
            branch.push(cursor.hash());
            let Some(next) = reader.header_by_hash(&cursor.parent_hash)? else {
                break;
            };
            cursor = next;
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
        let store = &self.reader.0.store;
        let hash = match (store.canonical_hash(number)?, store.remote()) {
            (None, Some(remote)) => remote.block_hash(number)?,
            (hash, _) => hash,
        };
        hash.ok_or_else(missing)
    }
}
