//! What the chain did while it was not told: read from the chain itself, slice by slice.

use actoreum_chain::{ChainEvent, ChainReader, ExecutedBlock, SealedHeader};
use actoreum_primitives::{B256, Bloom};
use actoreum_storage::StorageError;

use super::limits::{MAX_BLOCKS_BEHIND, RESYNC_BLOCKS};

/// A block that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) number: u64,
    pub(super) hash: B256,
}

impl From<&SealedHeader> for Told {
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
    /// `None` where it holds no log that somebody wants.
    pub(super) block: Option<ExecutedBlock>,
}

impl Step {
    /// What is told last once this step is told.
    pub(super) fn end(&self) -> Told {
        match self.is_removed {
            false => Told::from(&self.header),
            true => Told {
                number: self.header.number.saturating_sub(1),
                hash: self.header.parent_hash,
            },
        }
    }
}

/// The steps of events that lead from `told` to the head that they name; `None` where they begin
/// elsewhere, or leave blocks out.
pub(super) fn steps_of(events: &[ChainEvent], told: Told) -> Option<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut at = told;
    for event in events {
        let (block, is_removed) = match event {
            ChainEvent::Removed(block) => (block, true),
            ChainEvent::Added(block) => (block, false),
            ChainEvent::Head(head) if head.hash() == at.hash => continue,
            ChainEvent::Head(_) => return None,
            ChainEvent::Side(_) => continue,
        };
        let header = &block.header;
        let follows = match is_removed {
            true => header.hash() == at.hash,
            false => header.parent_hash == at.hash,
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

/// The way from a block to the head cannot be told: it is too long, or a block is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("{0} blocks behind")]
    TooFar(u64),
    #[error("block {0} is not there")]
    Missing(B256),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The first steps of the way from `told` to the chain's head, at most [`RESYNC_BLOCKS`]: none
/// where it is the head. Blocks are read whose bloom may hold a log that somebody wants.
///
/// Nothing is held over: the next slice begins where this one ends, whatever the chain does
/// meanwhile.
pub(super) fn next_steps(
    reader: &ChainReader,
    told: Told,
    wants_logs: impl Fn(u64, &Bloom) -> bool,
) -> Result<Vec<Step>, Lost> {
    let head = Told::from(&reader.head());
    let mut steps: Vec<Step> = Vec::new();
    let mut at = told;
    while at.hash != head.hash && steps.len() < RESYNC_BLOCKS {
        let is_canonical = reader.canonical_hash(at.number)? == Some(at.hash);
        let header = match is_canonical {
            true => {
                let behind = head.number.saturating_sub(at.number);
                if behind > MAX_BLOCKS_BEHIND {
                    return Err(Lost::TooFar(behind));
                }
                reader.header_by_number(at.number + 1)?
            }
            false => Some(header(reader, &at.hash)?),
        };
        // The chain may move while it is read: the next slice looks again.
        let Some(header) = header else { break };
        if is_canonical && header.parent_hash != at.hash {
            break;
        }
        let block = match wants_logs(header.number, &header.logs_bloom) {
            true => Some(executed(reader, &header)?),
            false => None,
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

fn header(reader: &ChainReader, hash: &B256) -> Result<SealedHeader, Lost> {
    reader.header_by_hash(hash)?.ok_or(Lost::Missing(*hash))
}

fn executed(reader: &ChainReader, header: &SealedHeader) -> Result<ExecutedBlock, Lost> {
    let hash = header.hash();
    let missing = || Lost::Missing(hash);
    Ok(ExecutedBlock {
        header: header.clone(),
        block: reader.block_by_hash(&hash)?.ok_or_else(missing)?,
        receipts: reader.receipts(&hash)?.ok_or_else(missing)?,
    })
}
