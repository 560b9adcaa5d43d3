//! Which blocks of a section may hold the logs that somebody looks for.

use std::collections::HashMap;

use actoreum_primitives::{B256, keccak256};

use super::BlockSet;
use crate::LogCriteria;

/// The bits of a bloom that one value sets.
type Bits = [u16; 3];

/// [`LogCriteria`] as bits of blooms.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// All must hold; of each, one alternative.
    groups: Vec<Vec<Bits>>,
}

impl Matcher {
    /// Looks for what `criteria` describe.
    pub fn new(criteria: &LogCriteria) -> Self {
        let addresses = criteria.addresses.iter().map(keccak256);
        let mut groups = vec![addresses.map(bits).collect()];
        for alternatives in &criteria.topics {
            groups.push(alternatives.iter().map(keccak256).map(bits).collect());
        }
        groups.retain(|group: &Vec<Bits>| !group.is_empty());
        Self { groups }
    }

    /// Whether every block may hold what is looked for: the index tells nothing then.
    pub fn is_anything(&self) -> bool {
        self.groups.is_empty()
    }

    /// The blocks of a section that may hold what is looked for. `read` gives the blocks whose
    /// bloom has a bit; it is asked at most once for each.
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

/// The bits that a value with this hash sets: of each of the first three pairs of bytes, the
/// lower eleven bits (yellow paper, 4.3.1).
fn bits(hash: B256) -> Bits {
    let pair = |at: usize| u16::from_be_bytes([hash[at], hash[at + 1]]) & 0x7ff;
    [pair(0), pair(2), pair(4)]
}
