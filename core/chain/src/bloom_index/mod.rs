//! The bloom index: narrows down the blocks that may hold a log, without reading each of them.
//!
//! ```text
//!   4,096 headers, each with a bloom of 2,048 bits        one section, turned on its side
//!
//!   block 0    1 0 0 1 ...                                bit 0      1 0 1 ... (4,096 blocks)
//!   block 1    0 0 0 1 ...          ------->              bit 1      0 0 0 ...  not stored
//!   block 2    1 0 0 0 ...                                bit 3      1 1 0 ...
//! ```
//!
//! A value sets three bits of a bloom; the blocks that may hold it are the AND of three vectors of
//! 512 bytes. Alternatives are ORed, positions ANDed.
//!
//! A section is stored under the hash of its last block. It is valid only while that block is
//! canonical: after a reorg the section counts as missing until it is built again.

mod matcher;
mod section;
#[cfg(test)]
mod tests;
mod verify;

use actoreum_primitives::B256;
use actoreum_storage::{Commit, StorageError};

use crate::ChainReader;

pub use matcher::Matcher;
pub use section::{BlockSet, SectionBuilder};
pub use verify::damaged_sections;

/// Number of blocks in a section (geth's `BloomBitsBlocks`).
pub const SECTION_BLOCKS: u64 = 4_096;

/// Number of blocks above a section before it is built (geth's `BloomConfirms`): hardly any reorg
/// is deeper, so that sections are rarely built twice.
pub const SECTION_CONFIRMS: u64 = 256;

/// The reason why a section was not built.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A canonical block is missing, or a reorg changed the section while it was read.
    #[error("the chain changed while section {0} was read")]
    Changed(u64),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Returns the number of complete sections of a chain with this head number.
pub const fn due_sections(head: u64) -> u64 {
    (head + 1).saturating_sub(SECTION_CONFIRMS) / SECTION_BLOCKS
}

/// Returns the numbers of a section's first and last block.
const fn bounds(section: u64) -> (u64, u64) {
    let first = section * SECTION_BLOCKS;
    (first, first + (SECTION_BLOCKS - 1))
}

/// Returns true if a section is stored and matches the canonical chain.
pub fn is_indexed(reader: &ChainReader, section: u64) -> Result<bool, StorageError> {
    let Some(stored) = reader.store().bloom_section(section)? else {
        return Ok(false);
    };
    let (_, last) = bounds(section);
    Ok(reader.canonical_hash(last)? == Some(stored))
}

/// Reads a section's headers and stores its bit vectors. Takes some tens of milliseconds.
pub fn index_section(reader: &ChainReader, section: u64) -> Result<(), IndexError> {
    let (first, last) = bounds(section);
    let changed = || IndexError::Changed(section);
    let mut builder = SectionBuilder::default();
    let mut parent: Option<B256> = None;
    for number in first..=last {
        let header = reader.header_by_number(number)?.ok_or_else(changed)?;
        if parent.is_some_and(|parent| parent != header.parent_hash) {
            return Err(changed());
        }
        parent = Some(header.hash());
        builder.add(&header.logs_bloom);
    }
    let mut commit = Commit::new();
    commit.put_bloom_section(section, &parent.ok_or_else(changed)?);
    for bit in 0..=u16::MAX {
        let Some(blocks) = builder.blocks_with(bit) else {
            break;
        };
        if blocks.is_empty() {
            // A vector from before a reorg may be stored there.
            commit.remove_bloom_bits(bit, section);
        } else {
            commit.put_bloom_bits(bit, section, &blocks.encode());
        }
    }
    reader.store().commit(commit)?;
    Ok(())
}

/// Returns the blocks of a section that may match, ascending; `None` if the section is not indexed.
pub fn candidates(
    reader: &ChainReader,
    section: u64,
    matcher: &Matcher,
) -> Result<Option<Vec<u64>>, StorageError> {
    if !is_indexed(reader, section)? {
        return Ok(None);
    }
    let (first, _) = bounds(section);
    let blocks = matcher.blocks(|bit| match reader.store().bloom_bits(bit, section)? {
        Some(record) => BlockSet::decode(&record).ok_or_else(|| {
            StorageError::Corrupt(format!(
                "bloom bits {bit} of section {section} are unreadable"
            ))
        }),
        None => Ok(BlockSet::default()),
    })?;
    Ok(Some(blocks.iter().map(|block| first + block).collect()))
}
