//! What the chain did while nobody told: read from the chain itself.

use actoreum_chain::{ChainEvent, ChainReader, ExecutedBlock, SealedHeader};
use actoreum_primitives::B256;

use super::limits::RESYNC_BLOCKS;

/// The events cannot be told any more: there are too many, or a block is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost;

/// The events that lead from a head to the chain's own, in the order in which they would have
/// been told.
pub(super) fn missed(reader: &ChainReader, told: &SealedHeader) -> Result<Vec<ChainEvent>, Lost> {
    let head = reader.head();
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    let (mut old, mut new) = (told.clone(), head.clone());
    while old.hash() != new.hash() {
        if removed.len() + added.len() >= RESYNC_BLOCKS {
            return Err(Lost);
        }
        // At equal heights both branches go down, the old one first.
        if old.number >= new.number {
            removed.push(ChainEvent::Removed(executed(reader, &old.hash())?));
            old = header(reader, &old.parent_hash)?;
        } else {
            added.push(ChainEvent::Added(executed(reader, &new.hash())?));
            new = header(reader, &new.parent_hash)?;
        }
    }
    if removed.is_empty() && added.is_empty() {
        return Ok(Vec::new());
    }
    let events = removed.into_iter().chain(added.into_iter().rev());
    Ok(events.chain([ChainEvent::Head(head)]).collect())
}

fn header(reader: &ChainReader, hash: &B256) -> Result<SealedHeader, Lost> {
    reader.header_by_hash(hash).ok().flatten().ok_or(Lost)
}

fn executed(reader: &ChainReader, hash: &B256) -> Result<ExecutedBlock, Lost> {
    let header = header(reader, hash)?;
    let block = reader.block_by_hash(hash).ok().flatten().ok_or(Lost)?;
    let receipts = reader.receipts(hash).ok().flatten().ok_or(Lost)?;
    Ok(ExecutedBlock {
        header,
        block,
        receipts,
    })
}
