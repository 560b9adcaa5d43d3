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
    /// Takes note of blocks that are on no chain, and forgets those that are too old.
    pub(super) fn see(&mut self, events: &[ChainEvent]) {
        for event in events {
            match event {
                ChainEvent::Side(header) => self.add(header),
                ChainEvent::Removed(block) => self.add(&block.header),
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
    }

    fn add(&mut self, header: &SealedHeader) {
        self.0
            .insert((header.number, header.hash()), header.clone());
        while self.0.len() > MOST {
            self.0.pop_first();
        }
    }

    /// Those that may be included: our own first, as in geth.
    pub(super) fn candidates(&self, author: Address) -> Vec<Header> {
        let headers = || self.0.values().map(|header| Header::clone(header));
        let own = headers().filter(|header| header.beneficiary == author);
        own.chain(headers().filter(|header| header.beneficiary != author))
            .collect()
    }
}
