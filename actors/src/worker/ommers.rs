//! Blocks that are not on the chain and that a block may include as ommers.

use std::collections::BTreeMap;

use actoreum_chain::{ChainEvent, SealedHeader};
use actoreum_consensus::limits::OMMER_GENERATIONS;
use actoreum_primitives::{Address, B256, Header};

/// Blocks that are kept: a chain with more siblings than that has other worries.
const MOST: usize = 64;

/// Candidates for ommers.
#[derive(Debug, Default)]
pub(super) struct OmmerPool(BTreeMap<(u64, B256), SealedHeader>);

impl OmmerPool {
    /// Takes note of blocks that are on no chain, and forgets those that are too old. Whether one
    /// came.
    pub(super) fn see(&mut self, events: &[ChainEvent]) -> bool {
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
        while self.0.len() > MOST {
            self.0.pop_first();
        }
        is_new
    }

    /// Those that may be included: our own first, as in geth.
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
    fn our_own_go_first_and_the_old_go() {
        let mut pool = OmmerPool::default();
        assert!(pool.see(&[side(1, 7), side(2, 1), side(3, 8), side(3, 2)]));
        assert!(!pool.see(&[side(3, 2)]), "it is known");
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
        // The next block has the number 9, and may include one of 2.
        assert!(!pool.see(&[head(8)]));
        assert_eq!(authors(&pool), [1, 2, 7, 8]);
        pool.see(&[head(9)]);
        assert_eq!(authors(&pool), [1, 2, 8]);
    }
}
