//! Side blocks that a block may include as ommers.

use std::collections::BTreeMap;

use actoreum_chain::{ChainEvent, SealedHeader};
use actoreum_consensus::limits::OMMER_GENERATIONS;
use actoreum_primitives::{Address, B256, Header};

/// Maximum number of candidates; a chain does not normally have that many siblings.
const MAX_CANDIDATES: usize = 64;

/// Candidates for ommers.
#[derive(Debug, Default)]
pub(super) struct OmmerPool(BTreeMap<(u64, B256), SealedHeader>);

impl OmmerPool {
    /// Adds blocks that left or never joined the chain, and drops those that are too old. Returns
    /// whether one was added.
    pub(super) fn add_events(&mut self, events: &[ChainEvent]) -> bool {
        let mut has_new = false;
        for event in events {
            match event {
                ChainEvent::Side(header) => has_new |= self.add(header),
                ChainEvent::Removed(block) => has_new |= self.add(&block.header),
                ChainEvent::Added(block) => {
                    let key = (block.header.number, block.header.hash());
                    self.0.remove(&key);
                }
                ChainEvent::Head(head) => {
                    let oldest = head.number.saturating_sub(OMMER_GENERATIONS as u64);
                    self.0.retain(|(number, _), _| *number >= oldest);
                }
            }
        }
        has_new
    }

    fn add(&mut self, header: &SealedHeader) -> bool {
        let key = (header.number, header.hash());
        let is_new = self.0.insert(key, header.clone()).is_none();
        while self.0.len() > MAX_CANDIDATES {
            self.0.pop_first();
        }
        is_new
    }

    /// Returns the blocks that may be included: our own first, as in geth.
    pub(super) fn candidates(&self, is_own: impl Fn(&Address) -> bool) -> Vec<Header> {
        let headers = self.0.values().map(|header| Header::clone(header));
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
        assert!(pool.add_events(&[side(1, 7), side(2, 1), side(3, 8), side(3, 2)]));
        assert!(!pool.add_events(&[side(3, 2)]), "it is known");
        let own = [Address::repeat_byte(1), Address::repeat_byte(2)];
        let authors = |pool: &OmmerPool| -> Vec<u8> {
            let candidates = pool.candidates(|author| own.contains(author));
            candidates
                .iter()
                .map(|header| header.beneficiary[0])
                .collect()
        };
        assert_eq!(authors(&pool), [1, 2, 7, 8]);
        let head = |number| {
            ChainEvent::Head(SealedHeader::new(Header {
                number,
                ..Header::default()
            }))
        };
        // The next block has the number 9, and may include an ommer of number 2.
        assert!(!pool.add_events(&[head(8)]));
        assert_eq!(authors(&pool), [1, 2, 7, 8]);
        pool.add_events(&[head(9)]);
        assert_eq!(authors(&pool), [1, 2, 8]);
    }
}
