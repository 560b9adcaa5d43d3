//! Status of the blocks that were sealed here.

use actoreum_chain::ChainReader;
use actoreum_primitives::B256;
use actoreum_sealing::worker::CONFIRMATION_DEPTH;
use actoreum_storage::StorageError;
use tracing::{info, warn};

use super::WorkerActor;

/// Status of a sealed block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BlockStatus {
    Canonical,
    Ommer,
    Lost,
}

impl WorkerActor {
    /// Logs whether a block that was sealed here is in the chain, an ommer, or lost.
    pub(super) fn report_status(&self, number: u64, hash: B256) {
        match status(&self.setup.chain_reader, number, hash) {
            Ok(BlockStatus::Canonical) => info!(number, %hash, "block reached canonical chain"),
            Ok(BlockStatus::Ommer) => info!(number, %hash, "block became an ommer"),
            Ok(BlockStatus::Lost) => info!(number, %hash, "block lost"),
            Err(error) => warn!(number, %hash, %error, "status of a sealed block not read"),
        }
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
