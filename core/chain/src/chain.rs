//! The one writer of a chain.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, atomic::AtomicBool},
};

use actoreum_consensus::Engine;
use actoreum_primitives::{B256, Block, ChainConfig, U256};
use actoreum_storage::{FlatBuffer, StorageError, Store, TrieBuffer};
use tracing::info;

use crate::{
    ChainReader, ImportStats, OpenError, SealedHeader, future::FutureBlocks,
    genesis::stored_config, limits::BAD_BLOCKS,
};

/// A block that was refused, with the reason.
#[derive(Debug, Clone)]
pub struct BadBlock {
    /// The block.
    pub block: Arc<Block>,
    /// Its hash.
    pub hash: B256,
    /// Why it was refused.
    pub reason: String,
}

/// What a chain is opened over.
#[derive(Clone)]
pub struct ChainOptions {
    /// Who may seal, and how a header must look.
    pub engine: Arc<dyn Engine>,
    /// Set to make a running import stop at the next block.
    pub interrupt: Arc<AtomicBool>,
    /// The clock: seconds since 1970.
    pub now: fn() -> u64,
}

/// The one writer of a chain: imports blocks, moves the head, publishes what readers see.
///
/// There must be one at a time for a store. Beside blocks that wait for their time and those that
/// were refused it keeps nothing that is not in the store or can't be worked out from it: after a
/// crash, a new one over the same store goes on.
pub struct Chain {
    pub(crate) store: Store,
    pub(crate) config: Arc<ChainConfig>,
    pub(crate) options: ChainOptions,
    pub(crate) reader: ChainReader,
    pub(crate) head: SealedHeader,
    pub(crate) total_difficulty: U256,
    pub(crate) flat: FlatBuffer,
    pub(crate) trie: TrieBuffer,
    pub(crate) bad_blocks: VecDeque<BadBlock>,
    pub(crate) future: FutureBlocks,
    pub(crate) required: BTreeMap<u64, B256>,
    pub(crate) stats: ImportStats,
}

impl ChainReader {
    /// A reader of the chain in a store, at its head.
    pub fn open(store: Store) -> Result<Self, OpenError> {
        let config = stored_config(&store)?;
        Self::open_with(store, config)
    }

    /// As [`Self::open`], of a development chain whose user is at work: it may hold
    /// transactions in the name of others and edits of the state.
    pub fn open_development(store: Store) -> Result<Self, OpenError> {
        let mut config = stored_config(&store)?;
        config.is_development = true;
        Self::open_with(store, config)
    }

    fn open_with(store: Store, config: ChainConfig) -> Result<Self, OpenError> {
        let config = Arc::new(config);
        if let Some(size) = store.finish_adoption()? {
            info!(
                accounts = size.accounts,
                "state adopted that was being adopted"
            );
        }
        let (head, total_difficulty) = stored_head(&store)?;
        let genesis_hash = store.canonical_hash(0)?.ok_or(OpenError::Empty)?;
        Ok(Self::new(
            store,
            config,
            genesis_hash,
            head,
            total_difficulty,
        ))
    }
}

impl Chain {
    /// Opens the chain that `reader` reads, for writing, at the head that is on disk. The reader
    /// sees what the chain does.
    pub fn open(reader: ChainReader, options: ChainOptions) -> Result<Self, OpenError> {
        let store = reader.store().clone();
        store.finish_adoption()?;
        let (head, total_difficulty) = stored_head(&store)?;
        reader.publish(head.clone(), total_difficulty);
        Ok(Self {
            config: reader.config().clone(),
            options,
            reader,
            head,
            total_difficulty,
            flat: FlatBuffer::new(store.clone()),
            trie: TrieBuffer::new(store.clone()),
            store,
            bad_blocks: VecDeque::new(),
            future: FutureBlocks::default(),
            required: BTreeMap::new(),
            stats: ImportStats::default(),
        })
    }

    /// What readers hold.
    pub fn reader(&self) -> &ChainReader {
        &self.reader
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.options.engine
    }

    /// The newest block.
    pub fn head(&self) -> &SealedHeader {
        &self.head
    }

    /// Where the time of all imports went.
    pub fn stats(&self) -> ImportStats {
        self.stats
    }

    /// The last blocks that were refused, oldest first.
    pub fn bad_blocks(&self) -> impl Iterator<Item = &BadBlock> {
        self.bad_blocks.iter()
    }

    /// Moves up to `limit` blocks that are old enough to the ancient files.
    pub fn migrate_ancient(&mut self, limit: u64) -> Result<u64, StorageError> {
        self.store.migrate_ancient(limit)
    }

    pub(crate) fn remember_bad(&mut self, block: &Block, hash: B256, reason: String) {
        if self.bad_blocks.iter().any(|bad| bad.hash == hash) {
            return;
        }
        if self.bad_blocks.len() == BAD_BLOCKS {
            self.bad_blocks.pop_front();
        }
        self.bad_blocks.push_back(BadBlock {
            block: Arc::new(block.clone()),
            hash,
            reason,
        });
    }

    /// Forgets what was executed and not committed.
    pub(crate) fn drop_buffers(&mut self) {
        self.flat = FlatBuffer::new(self.store.clone());
        self.trie = TrieBuffer::new(self.store.clone());
    }
}

fn stored_head(store: &Store) -> Result<(SealedHeader, U256), OpenError> {
    let head = store.head().ok_or(OpenError::Empty)?;
    let lost = |what| StorageError::Corrupt(format!("the {what} of the head block is not there"));
    let header = store
        .header(&head.hash, head.number)?
        .ok_or_else(|| lost("header"))?;
    let total = store.total_difficulty(&head.hash, head.number)?;
    let total = total.ok_or_else(|| lost("total difficulty"))?;
    Ok((SealedHeader::with_hash(header, head.hash), total))
}
