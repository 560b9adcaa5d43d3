//! Side blocks that a block may include as ommers.

use std::collections::BTreeMap;

use actoreum_chain::{ChainEvent, SealedHeader};
use actoreum_consensus::limits::{MAX_OMMERS, OMMER_GENERATIONS};
use actoreum_primitives::{Address, B256, Header};

/// Maximum number of candidates; a chain does not normally have that many siblings.
const MAX_CANDIDATES: usize = 64;

/// Candidates for ommers.
#[derive(Debug, Default)]
pub(super) struct OmmerPool {
    candidates: BTreeMap<(u64, B256), SealedHeader>,
    /// Set where one was added since the last block was begun.
    has_new: bool,
    /// Number of ommers in the last block.
    included: usize,
}

impl OmmerPool {
    /// Adds blocks that left or never joined the chain, and drops those that are too old.
    pub(super) fn add_events(&mut self, events: &[ChainEvent]) {
        for event in events {
            match event {
                ChainEvent::Side(header) => self.add(header),
                ChainEvent::Removed(block) => self.add(&block.header),
                ChainEvent::Added(block) => {
                    let key = (block.header.number, block.header.hash());
                    self.candidates.remove(&key);
                }
                ChainEvent::Head(head) => {
                    let oldest = head.number.saturating_sub(OMMER_GENERATIONS as u64);
                    self.candidates.retain(|(number, _), _| *number >= oldest);
                }
            }
        }
    }

    fn add(&mut self, header: &SealedHeader) {
        let key = (header.number, header.hash());
        self.has_new |= self.candidates.insert(key, header.clone()).is_none();
        while self.candidates.len() > MAX_CANDIDATES {
            self.candidates.pop_first();
        }
    }

    /// Sets the number of ommers in the block that was built.
    pub(super) fn set_included(&mut self, count: usize) {
        self.included = count;
    }

    /// Returns whether a candidate was added since the last block was begun, for which a block like
    /// the last one has room.
    pub(super) fn has_room_for_new(&self) -> bool {
        self.has_new && self.included < MAX_OMMERS
    }

    /// Returns the blocks that may be included in a block that is begun: our own first, as in geth.
    pub(super) fn take_candidates(&mut self, is_own: impl Fn(&Address) -> bool) -> Vec<Header> {
        self.has_new = false;
        let headers = self.candidates.values().map(|header| Header::clone(header));
        let (mut own, others): (Vec<_>, Vec<_>) =
            headers.partition(|header| is_own(&header.beneficiary));
        own.extend(others);
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(number: u64, author: u8) -> ChainEvent {
        ChainEvent::Side(SealedHeader::new(Header {
            number,
            beneficiary: Address::repeat_byte(author),
            ..Header::default()
        }))
    }

    #[test]
    fn own_ommers_come_first_and_old_ones_are_dropped() {
        let mut pool = OmmerPool::default();
        pool.add_events(&[side(1, 7), side(2, 1), side(3, 8), side(3, 2)]);
        assert!(pool.has_room_for_new());
        let own = [Address::repeat_byte(1), Address::repeat_byte(2)];
        let authors = |pool: &mut OmmerPool| -> Vec<u8> {
            let candidates = pool.take_candidates(|author| own.contains(author));
            candidates
                .iter()
                .map(|header| header.beneficiary[0])
                .collect()
        };
        assert_eq!(authors(&mut pool), [1, 2, 7, 8]);
        pool.add_events(&[side(3, 2)]);
        assert!(!pool.has_room_for_new(), "it is known");
        let head = |number| {
            ChainEvent::Head(SealedHeader::new(Header {
                number,
                ..Header::default()
            }))
        };
        // The next block has the number 9, and may include an ommer of number 2.
        pool.add_events(&[head(8)]);
        assert_eq!(authors(&mut pool), [1, 2, 7, 8]);
        pool.add_events(&[head(9)]);
        assert_eq!(authors(&mut pool), [1, 2, 8]);
    }
}
