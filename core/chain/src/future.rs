//! The queue of future blocks: blocks whose timestamp is ahead of the clock.

use std::collections::{BTreeMap, HashMap};

use actoreum_consensus::{BatchChain, Disposition};
use actoreum_primitives::{B256, Block, rlp::Encode};
use tracing::debug;

use crate::{
    BlockError, Chain, Detail, ImportReport,
    limits::{FUTURE_BLOCKS, FUTURE_BYTES, FUTURE_RETRY_AHEAD, FUTURE_SECONDS},
};

/// Queued future blocks, ordered by number, so that parents come first.
#[derive(Default)]
pub(crate) struct FutureBlocks {
    blocks: BTreeMap<(u64, B256), Block>,
    numbers: HashMap<B256, u64>,
    bytes: usize,
}

impl FutureBlocks {
    fn get(&self, hash: &B256) -> Option<&Block> {
        let number = self.numbers.get(hash)?;
        self.blocks.get(&(*number, *hash))
    }

    /// Queues a block; on overflow, drops the blocks with the highest numbers.
    fn insert(&mut self, block: Block) {
        let (number, hash) = (block.header.number, block.hash());
        self.remove(&hash);
        self.bytes += block.length();
        self.numbers.insert(hash, number);
        self.blocks.insert((number, hash), block);
        while self.blocks.len() > FUTURE_BLOCKS || self.bytes > FUTURE_BYTES {
            let Some((_, last)) = self.blocks.last_key_value().map(|(key, _)| *key) else {
                break;
            };
            self.remove(&last);
        }
    }

    pub(crate) fn remove(&mut self, hash: &B256) -> Option<Block> {
        let number = self.numbers.remove(hash)?;
        let block = self.blocks.remove(&(number, *hash))?;
        self.bytes -= block.length();
        Some(block)
    }

    /// Returns the hashes of blocks with a timestamp of at most `until`, parents first.
    fn ready(&self, until: u64) -> Vec<B256> {
        let ready = self.blocks.iter();
        ready
            .filter(|(_, block)| block.header.timestamp <= until)
            .map(|((_, hash), _)| *hash)
            .collect()
    }
}

impl Chain {
    /// Returns the number of queued future blocks (at most [`FUTURE_BLOCKS`]).
    pub fn future_blocks(&self) -> usize {
        self.future.blocks.len()
    }

    /// Queues the leading blocks that are valid except for their time (at most [`FUTURE_SECONDS`]
    /// ahead), on top of the chain or of queued blocks. Returns how many were queued.
    pub(crate) fn queue_future_blocks(&mut self, blocks: &[Block]) -> usize {
        let Some(first) = blocks.first() else {
            return 0;
        };
        let now = (self.options.now)();
        let latest = now.saturating_add(FUTURE_SECONDS);
        let mut run = Vec::new();
        let mut parent = first.header.parent_hash;
        while let Some(block) = self.future.get(&parent) {
            parent = block.header.parent_hash;
            run.push(block.clone());
        }
        run.reverse();
        let below = run.len();
        let in_time = blocks
            .iter()
            .take_while(|block| block.header.timestamp <= latest);
        run.extend(in_time.cloned());
        let batch = BatchChain::of_blocks(&self.reader, &run);
        let engine = &self.options.engine;
        let headers = engine.verify_headers(&batch, latest);
        let valid = headers.map_or_else(|error| error.index, |()| run.len());
        let batch = BatchChain::of_blocks(&self.reader, &run[..valid]);
        let seals = engine.verify_seals(&batch);
        let valid = seals.map_or_else(|error| error.index, |()| valid);
        let mut queued = 0;
        for block in run.drain(..valid).skip(below) {
            debug!(
                number = block.header.number,
                ahead = block.header.timestamp.saturating_sub(now),
                "future block queued"
            );
            self.future.insert(block);
            queued += 1;
        }
        queued
    }

    /// Returns true if the block may become valid later on.
    pub(crate) fn may_become_valid(&self, error: &BlockError, block: &Block) -> bool {
        match error.disposition() {
            Disposition::Future => true,
            Disposition::UnknownAncestor => self.future.get(&block.header.parent_hash).is_some(),
            _ => false,
        }
    }

    /// Imports the queued blocks whose time has come.
    ///
    /// The caller calls this every few seconds while blocks are queued. A block that is invalid is
    /// dropped; `refused` in the report is an internal failure of this node.
    pub fn import_future(&mut self) -> ImportReport {
        let mut all = ImportReport::default();
        let until = (self.options.now)().saturating_add(FUTURE_RETRY_AHEAD);
        for hash in self.future.ready(until) {
            let Some(block) = self.future.remove(&hash) else {
                continue;
            };
            let mut report = self.import(std::slice::from_ref(&block), Detail::EveryBlock);
            all.imported += report.imported;
            all.known += report.known;
            all.events.append(&mut report.events);
            all.reorgs.append(&mut report.reorgs);
            match report.refused {
                Some(refused) if refused.error.disposition() == Disposition::Internal => {
                    self.future.insert(block);
                    all.refused = Some(refused);
                    break;
                }
                Some(refused) => debug!(%refused, "future block refused"),
                None => {}
            }
        }
        all
    }

    /// Sets the block hashes that are required at certain numbers (geth's `--whitelist`).
    pub fn require(&mut self, blocks: BTreeMap<u64, B256>) {
        self.required = blocks;
    }

    /// Returns the index and error of the first block that is not the required one at its number.
    pub(crate) fn first_whitelist_mismatch(&self, blocks: &[Block]) -> Option<(usize, BlockError)> {
        blocks.iter().enumerate().find_map(|(index, block)| {
            let number = block.header.number;
            let want = *self.required.get(&number)?;
            let have = block.hash();
            let error = BlockError::WhitelistMismatch { number, have, want };
            (have != want).then_some((index, error))
        })
    }
}
