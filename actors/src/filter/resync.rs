//! Chain changes of which no event arrived: read from the chain itself, slice by slice.

use actoreum_chain::{ChainEvent, ChainReader, ExecutedBlock, SealedHeader};
use actoreum_primitives::{B256, Bloom};
use actoreum_storage::StorageError;

use super::limits::{MAX_BLOCKS_BEHIND, RESYNC_BLOCKS};

/// A block up to which subscribers were notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotifiedBlock {
    pub(super) number: u64,
    pub(super) hash: B256,
}

impl From<&SealedHeader> for NotifiedBlock {
    fn from(header: &SealedHeader) -> Self {
        Self {
            number: header.number,
            hash: header.hash(),
        }
    }
}

/// One block that left the canonical chain or joined it.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) header: SealedHeader,
    pub(super) is_removed: bool,
    /// `None` where the block has no log that a subscriber or a filter wants.
    pub(super) block: Option<ExecutedBlock>,
}

impl Step {
    /// Returns the head after this step.
    pub(super) fn end(&self) -> NotifiedBlock {
        if self.is_removed {
            NotifiedBlock {
                number: self.header.number.saturating_sub(1),
                hash: self.header.parent_hash,
            }
        } else {
            NotifiedBlock::from(&self.header)
        }
    }
}

/// Returns the steps of `events` that lead from `notified` to the head that they name; `None` where
/// they begin elsewhere, or leave blocks out.
pub(super) fn steps_of(events: &[ChainEvent], notified: NotifiedBlock) -> Option<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut at = notified;
    for event in events {
        let (block, is_removed) = match event {
            ChainEvent::Removed(block) => (block, true),
            ChainEvent::Added(block) => (block, false),
            ChainEvent::Head(head) if head.hash() == at.hash => continue,
            ChainEvent::Head(_) => return None,
            ChainEvent::Side(_) => continue,
        };
        let header = &block.header;
        let follows = if is_removed {
            header.hash() == at.hash
        } else {
            header.parent_hash == at.hash
        };
        if !follows {
            return None;
        }
        steps.push(Step {
            header: header.clone(),
            is_removed,
            block: Some(block.clone()),
        });
        at = steps.last().map_or(at, Step::end);
    }
    Some(steps)
}

/// Reason why the blocks between a block and the head cannot be sent: there are too many, or one is
/// missing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResyncError {
    #[error("{0} blocks behind")]
    TooFar(u64),
    #[error("block {0} is missing")]
    Missing(B256),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Returns the first steps from `notified` to the chain's head, at most [`RESYNC_BLOCKS`]: none
/// where `notified` is the head. Blocks are read only where their bloom may hold a wanted log.
///
/// There is no state between two slices: the next one begins where this one ends, whatever the
/// chain does meanwhile.
pub(super) fn next_steps(
    chain_reader: &ChainReader,
    notified: NotifiedBlock,
    wants_logs: impl Fn(u64, &Bloom) -> bool,
) -> Result<Vec<Step>, ResyncError> {
    let head = NotifiedBlock::from(&chain_reader.head());
    let mut steps: Vec<Step> = Vec::new();
    let mut at = notified;
    while at.hash != head.hash && steps.len() < RESYNC_BLOCKS {
        let is_canonical = chain_reader.canonical_hash(at.number)? == Some(at.hash);
        let header = if is_canonical {
            let behind = head.number.saturating_sub(at.number);
            if behind > MAX_BLOCKS_BEHIND {
                return Err(ResyncError::TooFar(behind));
            }
            chain_reader.header_by_number(at.number + 1)?
        } else {
            Some(header(chain_reader, &at.hash)?)
        };
        // The chain may move while it is read: the next slice looks again.
        let Some(header) = header else { break };
        if is_canonical && header.parent_hash != at.hash {
            break;
        }
        let block = if wants_logs(header.number, &header.logs_bloom) {
            Some(executed(chain_reader, &header)?)
        } else {
            None
        };
        let step = Step {
            is_removed: !is_canonical,
            header,
            block,
        };
        at = step.end();
        steps.push(step);
    }
    Ok(steps)
}

fn header(chain_reader: &ChainReader, hash: &B256) -> Result<SealedHeader, ResyncError> {
    chain_reader
        .header_by_hash(hash)?
        .ok_or(ResyncError::Missing(*hash))
}

fn executed(
    chain_reader: &ChainReader,
    header: &SealedHeader,
) -> Result<ExecutedBlock, ResyncError> {
    let hash = header.hash();
    let missing = || ResyncError::Missing(hash);
    Ok(ExecutedBlock {
        header: header.clone(),
        block: chain_reader.block_by_hash(&hash)?.ok_or_else(missing)?,
        receipts: chain_reader.receipts(&hash)?.ok_or_else(missing)?,
    })
}
