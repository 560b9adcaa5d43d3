//! Blocks that were sealed here and that a reorg may still take out of the chain.

use std::collections::VecDeque;

use actoreum_chain::ChainReader;
use actoreum_consensus::limits::OMMER_GENERATIONS;
use actoreum_primitives::B256;
use actoreum_storage::StorageError;
use tracing::{info, warn};

/// Blocks above a sealed one after which it is said what became of it: later it is no ommer either.
const DEPTH: u64 = OMMER_GENERATIONS as u64;

/// Blocks that are kept. The head leaves them behind; only a development chain that is taken back
/// again and again seals more.
const MOST: usize = 64;

/// The set, oldest first.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed(VecDeque<(u64, B256)>);

/// What became of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Canonical,
    Ommer,
    Lost,
}

impl Unconfirmed {
    /// Takes note of a block that was sealed here.
    pub(super) fn add(&mut self, number: u64, hash: B256) {
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back((number, hash));
    }

    /// Says what became of those that are deep enough.
    pub(super) fn settle(&mut self, reader: &ChainReader) {
        let head = reader.head_number();
        self.0.retain(|(number, hash)| {
            if number + DEPTH > head {
                return true;
            }
            match fate(reader, *number, *hash) {
                Ok(Fate::Canonical) => info!(number, %hash, "block reached canonical chain"),
                Ok(Fate::Ommer) => info!(number, %hash, "block became an ommer"),
                Ok(Fate::Lost) => info!(number, %hash, "block lost"),
                Err(error) => warn!(number, %hash, %error, "sealed block not looked up"),
            }
            false
        });
    }
}

fn fate(reader: &ChainReader, number: u64, hash: B256) -> Result<Fate, StorageError> {
    if reader.canonical_hash(number)? == Some(hash) {
        return Ok(Fate::Canonical);
    }
    for above in number + 1..=number + DEPTH {
        let block = reader.block_by_number(above)?;
        let mut ommers = block.iter().flat_map(|block| &block.body.ommers);
        if ommers.any(|ommer| ommer.hash() == hash) {
            return Ok(Fate::Ommer);
        }
    }
    Ok(Fate::Lost)
}
