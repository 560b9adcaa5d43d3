//! Blocks that were sealed here and that a reorg may still remove from the chain.

use std::collections::VecDeque;

use actoreum_consensus::limits::OMMER_GENERATIONS;
use actoreum_primitives::B256;

/// Number of blocks above a sealed one after which its status is logged: later it cannot become an
/// ommer either.
pub const CONFIRMATION_DEPTH: u64 = OMMER_GENERATIONS as u64;

/// Maximum number of blocks in the set. The head leaves them behind; only a development chain that
/// is rewound again and again seals more.
const MAX_BLOCKS: usize = 64;

/// The set, oldest first.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed(VecDeque<(u64, B256)>);

impl Unconfirmed {
    /// Adds a block that was sealed here.
    pub(super) fn add(&mut self, number: u64, hash: B256) {
        if self.0.len() >= MAX_BLOCKS {
            self.0.pop_front();
        }
        self.0.push_back((number, hash));
    }

    /// Removes and returns the blocks that are deep enough below the head.
    pub(super) fn take_deep(&mut self, head: u64) -> Vec<(u64, B256)> {
        let mut deep = Vec::new();
        self.0.retain(|block| {
            let is_deep = block.0.saturating_add(CONFIRMATION_DEPTH) <= head;
            if is_deep {
                deep.push(*block);
            }
            !is_deep
        });
        deep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_confirmed_once_and_at_their_depth() {
        let mut set = Unconfirmed::default();
        let block = |number: u64| (number, B256::repeat_byte(u8::try_from(number).unwrap()));
        for number in [1, 3, 2] {
            set.add(number, block(number).1);
        }
        assert!(set.take_deep(7).is_empty());
        assert_eq!(set.take_deep(9), [block(1), block(2)]);
        assert!(set.take_deep(9).is_empty());
        assert_eq!(set.take_deep(u64::MAX), [block(3)]);
    }

    #[test]
    fn the_set_is_bounded() {
        let mut set = Unconfirmed::default();
        for number in 0..1_000 {
            set.add(number, B256::ZERO);
        }
        let deep = set.take_deep(u64::MAX);
        assert_eq!(
            (deep.len(), deep[0].0),
            (MAX_BLOCKS, 1_000 - MAX_BLOCKS as u64)
        );
    }
}
