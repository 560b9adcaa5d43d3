//! Blocks whose time has not come yet.

use std::collections::{BTreeMap, HashMap};

use actoreum_consensus::{BatchChain, Disposition};
use actoreum_primitives::{B256, Block, rlp::Encode};
use tracing::debug;

use crate::{
    BlockError, Chain, Detail, ImportReport,
    limits::{FUTURE_BLOCKS, FUTURE_BYTES, FUTURE_SECONDS, FUTURE_TRIED_AHEAD},
};

/// The queue: by number, so that parents come first.
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

    /// Keeps a block; where there is no room, those furthest ahead go.
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

    /// Blocks whose time is `until` at the latest, parents first.
    fn ready(&self, until: u64) -> Vec<B256> {
        let ready = self.blocks.iter();
        ready
            .filter(|(_, block)| block.header.timestamp <= until)
            .map(|((_, hash), _)| *hash)
            .collect()
    }
}

impl Chain {
    /// Blocks that wait for their time, of at most 256.
    pub fn future_blocks(&self) -> usize {
        self.future.blocks.len()
    }

    /// Keeps those of the first blocks that nothing but their time (30 s ahead at most) speaks
    /// against, on top of the chain or of what is kept already; how many.
    pub(crate) fn keep_for_later(&mut self, blocks: &[Block]) -> usize {
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
        let sound = headers.map_or_else(|error| error.index, |()| run.len());
        let batch = BatchChain::of_blocks(&self.reader, &run[..sound]);
        let seals = engine.verify_seals(&batch);
        let sound = seals.map_or_else(|error| error.index, |()| sound);
        let mut kept = 0;
        for block in run.drain(..sound).skip(below) {
            debug!(
                number = block.header.number,
                ahead = block.header.timestamp.saturating_sub(now),
                "block kept until its time comes"
            );
            self.future.insert(block);
            kept += 1;
        }
        kept
    }

    /// Whether an error means that a block may be right later on.
    pub(crate) fn may_come_later(&self, error: &BlockError, block: &Block) -> bool {
        match error.disposition() {
            Disposition::Future => true,
            Disposition::UnknownAncestor => self.future.get(&block.header.parent_hash).is_some(),
            _ => false,
        }
    }

    /// Imports the kept blocks whose time has come; to be called every few seconds while there
    /// are any. One that is refused is forgotten. What the report refuses is a fault of this node.
    pub fn import_future(&mut self) -> ImportReport {
        let mut all = ImportReport::default();
        let until = (self.options.now)().saturating_add(FUTURE_TRIED_AHEAD);
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
                Some(refused) => debug!(%refused, "block that waited for its time"),
                None => {}
            }
        }
        all
    }

    /// Blocks that may stand at these numbers, and no others (geth's `--whitelist`).
    pub fn require(&mut self, blocks: BTreeMap<u64, B256>) {
        self.required = blocks;
    }

    /// The first block that is not the one required at its number.
    pub(crate) fn first_unwanted(&self, blocks: &[Block]) -> Option<(usize, BlockError)> {
        blocks.iter().enumerate().find_map(|(index, block)| {
            let number = block.header.number;
            let want = *self.required.get(&number)?;
            let have = block.hash();
            let error = BlockError::Unwanted { number, have, want };
            (have != want).then_some((index, error))
        })
    }
}
