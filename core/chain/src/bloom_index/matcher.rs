//! Search for the blocks of a section that may hold certain logs.

use std::collections::HashMap;

use actoreum_primitives::{B256, keccak256};

use super::BlockSet;
use crate::LogCriteria;

/// The three bloom bits that one value sets.
type Bits = [u16; 3];

/// [`LogCriteria`] as bloom bits.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// Groups of alternatives: every group must match, each by one of its alternatives.
    groups: Vec<Vec<Bits>>,
}

impl Matcher {
    /// Converts `criteria` to bloom bits.
    pub fn new(criteria: &LogCriteria) -> Self {
        let addresses = criteria.addresses.iter().map(keccak256);
        let mut groups = vec![addresses.map(bits).collect()];
        for alternatives in &criteria.topics {
            groups.push(alternatives.iter().map(keccak256).map(bits).collect());
        }
        groups.retain(|group: &Vec<Bits>| !group.is_empty());
        Self { groups }
    }

    /// Returns true if every block matches: the index can't narrow the search then.
    pub fn matches_all(&self) -> bool {
        self.groups.is_empty()
    }

    /// Returns the blocks of a section that may match. `read` returns the blocks whose bloom has a
    /// given bit; it is called at most once per bit.
    pub fn blocks<E>(
        &self,
        mut read: impl FnMut(u16) -> Result<BlockSet, E>,
    ) -> Result<BlockSet, E> {
        let mut known: HashMap<u16, BlockSet> = HashMap::new();
        let mut found = BlockSet::all();
        for group in &self.groups {
            let mut any = BlockSet::default();
            for bits in group {
                let mut all = found.clone();
                for bit in bits {
                    if !known.contains_key(bit) {
                        known.insert(*bit, read(*bit)?);
                    }
                    if let Some(set) = known.get(bit) {
                        all.intersect(set);
                    }
                    if all.is_empty() {
                        break;
                    }
                }
                any.unite(&all);
            }
            found = any;
            if found.is_empty() {
                break;
            }
        }
        Ok(found)
    }
}

/// Returns the bloom bits of a value with this hash: the lower eleven bits of each of the first
/// three pairs of bytes (yellow paper, 4.3.1).
fn bits(hash: B256) -> Bits {
    let pair = |at: usize| u16::from_be_bytes([hash[at], hash[at + 1]]) & 0x7ff;
    [pair(0), pair(2), pair(4)]
}
