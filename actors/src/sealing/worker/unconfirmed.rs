//! Blocks that were sealed here and that a reorg may still remove from the chain.

use std::collections::VecDeque;

use actoreum_chain::ChainReader;
use actoreum_consensus::limits::OMMER_GENERATIONS;
use actoreum_primitives::B256;
use actoreum_storage::StorageError;
use tracing::{info, warn};

/// Number of blocks above a sealed one after which its status is logged: later it cannot become an
/// ommer either.
const CONFIRMATION_DEPTH: u64 = OMMER_GENERATIONS as u64;

/// Maximum number of blocks in the set. The head leaves them behind; only a development chain that
/// is rewound again and again seals more.
const MAX_BLOCKS: usize = 64;

/// The set, oldest first.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed(VecDeque<(u64, B256)>);

/// Status of a sealed block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BlockStatus {
    Canonical,
    Ommer,
    Lost,
}

impl Unconfirmed {
    /// Adds a block that was sealed here.
    pub(super) fn add(&mut self, number: u64, hash: B256) {
        if self.0.len() >= MAX_BLOCKS {
            self.0.pop_front();
        }
        self.0.push_back((number, hash));
    }

    /// Logs and removes the blocks that are deep enough.
    pub(super) fn report_confirmed(&mut self, chain_reader: &ChainReader) {
        let head = chain_reader.head_number();
        self.0.retain(|(number, hash)| {
            if number + CONFIRMATION_DEPTH > head {
                return true;
            }
            match status(chain_reader, *number, *hash) {
                Ok(BlockStatus::Canonical) => info!(number, %hash, "block reached canonical chain"),
                Ok(BlockStatus::Ommer) => info!(number, %hash, "block became an ommer"),
                Ok(BlockStatus::Lost) => info!(number, %hash, "block lost"),
                Err(error) => warn!(number, %hash, %error, "status of a sealed block not read"),
            }
            false
        });
    }
}

fn status(
    chain_reader: &ChainReader,
    number: u64,
    hash: B256,
) -> Result<BlockStatus, StorageError> {
    if chain_reader.canonical_hash(number)? == Some(hash) {
        return Ok(BlockStatus::Canonical);
    }
    for above in number + 1..=number + CONFIRMATION_DEPTH {
        let block = chain_reader.block_by_number(above)?;
        let mut ommers = block.iter().flat_map(|block| &block.body.ommers);
        if ommers.any(|ommer| ommer.hash() == hash) {
            return Ok(BlockStatus::Ommer);
        }
    }
    Ok(BlockStatus::Lost)
}
