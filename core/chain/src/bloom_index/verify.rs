//! Verification of the stored sections against the headers.

use actoreum_storage::StorageError;

use super::{BlockSet, SectionBuilder, bounds, due_sections, is_indexed};
use crate::ChainReader;

/// Returns the stored sections of the canonical chain that do not match its headers. Reads every
/// header of every stored section.
pub fn damaged_sections(reader: &ChainReader) -> Result<Vec<u64>, StorageError> {
    let mut damaged = Vec::new();
    for section in 0..due_sections(reader.head_number()) {
        if is_indexed(reader, section)? && !is_valid(reader, section)? {
            damaged.push(section);
        }
    }
    Ok(damaged)
}

fn is_valid(reader: &ChainReader, section: u64) -> Result<bool, StorageError> {
    let (first, last) = bounds(section);
    let mut builder = SectionBuilder::default();
    for number in first..=last {
        let Some(header) = reader.header_by_number(number)? else {
            return Ok(false);
        };
        builder.add(&header.logs_bloom);
    }
    for bit in 0..=u16::MAX {
        let Some(blocks) = builder.blocks_with(bit) else {
            break;
        };
        let stored = reader.store().bloom_bits(bit, section)?;
        let stored = stored.as_deref().map(BlockSet::decode);
        let is_same = match stored {
            Some(Some(stored)) => stored == *blocks,
            Some(None) => false,
            None => blocks.is_empty(),
        };
        if !is_same {
            return Ok(false);
        }
    }
    Ok(true)
}
