//! The single writer of a chain.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, atomic::AtomicBool},
};

use actoreum_consensus::Engine;
use actoreum_primitives::{B256, Block, ChainConfig, U256};
use actoreum_storage::{FlatBuffer, StorageError, Store, TrieBuffer};
use tracing::info;

use crate::{
    ChainReader, ImportStats, OpenError, SealedHeader, dev_rules, future::FutureBlocks,
    genesis::stored_config, limits::BAD_BLOCKS,
};

/// A block that was refused as invalid, with the reason.
#[derive(Debug, Clone)]
pub struct BadBlock {
    /// The block.
    pub block: Arc<Block>,
    /// Its hash.
    pub hash: B256,
    /// The error text.
    pub reason: String,
}

/// The collaborators of a chain.
#[derive(Clone)]
pub struct ChainOptions {
    /// The consensus rules: headers, seals and rewards.
    pub engine: Arc<dyn Engine>,
    /// A flag that stops a running import at the next block.
    pub interrupt: Arc<AtomicBool>,
    /// The clock, in seconds since 1970.
    pub now: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// The single writer of a chain: imports blocks, moves the head, publishes the view for readers.
///
/// There must be at most one per store. Except for queued future blocks and the recent bad blocks,
/// it holds nothing in memory that is not in the store or derived from it: after a crash, a new
/// `Chain` over the same store continues from the last commit.
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
    /// Opens a reader of the chain in a store, at its head.
    pub fn open(store: Store) -> Result<Self, OpenError> {
        let config = stored_config(&store)?;
        Self::open_with(store, config)
    }

    /// Opens a reader like [`Self::open`], of a development chain: its blocks may hold impersonated
    /// transactions and state edits.
    pub fn open_development(store: Store) -> Result<Self, OpenError> {
        let mut config = stored_config(&store)?;
        config.is_development = true;
        let (head, _) = stored_head(&store)?;
        let rules = dev_rules::load(&store, head.number)?;
        config.dev_rules = Some(Arc::new(rules));
        Self::open_with(store, config)
    }

    fn open_with(store: Store, config: ChainConfig) -> Result<Self, OpenError> {
        let config = Arc::new(config);
        if let Some(size) = store.finish_pivot_commit()? {
            info!(
                accounts = size.accounts,
                "interrupted commit of the pivot state finished"
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
    /// Opens the chain of `reader` for writing, at the head that is on disk. The reader sees every
    /// commit.
    pub fn open(reader: ChainReader, options: ChainOptions) -> Result<Self, OpenError> {
        let store = reader.store().clone();
        store.finish_pivot_commit()?;
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

    /// Returns the handle for readers.
    pub fn reader(&self) -> &ChainReader {
        &self.reader
    }

    /// Returns the consensus engine.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.options.engine
    }

    /// Returns the newest block.
    pub fn head(&self) -> &SealedHeader {
        &self.head
    }

    /// Returns the work and time of all imports by stage.
    pub fn stats(&self) -> ImportStats {
        self.stats
    }

    /// Returns the most recent bad blocks, oldest first.
    pub fn bad_blocks(&self) -> impl Iterator<Item = &BadBlock> {
        self.bad_blocks.iter()
    }

    /// Moves up to `limit` blocks that are old enough to the ancient files, and returns how many
    /// were moved.
    pub fn migrate_ancient(&mut self, limit: u64) -> Result<u64, StorageError> {
        self.store.migrate_ancient(limit)
    }

    pub(crate) fn remember_bad_block(&mut self, block: &Block, hash: B256, reason: String) {
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

    /// Discards state changes that were executed but not committed.
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
