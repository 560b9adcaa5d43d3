//! The difficulty of ethash blocks: three formulas, and six delays of the bomb.

use actoreum_primitives::{ChainConfig, EMPTY_OMMERS_HASH, Fork, Header, U256};

use crate::limits::MIN_DIFFICULTY;

/// Divisor of the parent's difficulty that gives one step.
const BOUND_DIVISOR: u64 = 2048;
/// Number of blocks after which the bomb doubles.
const BOMB_PERIOD: u64 = 100_000;
/// Maximum number of steps down per block.
const MAX_STEPS_DOWN: i128 = -99;
/// Seconds below which a Frontier block raises the difficulty.
const FRONTIER_FAST_BLOCK: i128 = 13;

/// A formula for the difficulty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formula {
    /// Up or down by one step (Yellow Paper of 2015).
    Frontier,
    /// Steps by the block's time (EIP-2).
    Homestead,
    /// Steps also by the parent's ommers (EIP-100), with the bomb delayed by a number of blocks
    /// (EIP-649, 1234, 2384, 3554, 4345, 5133).
    Delayed(u64),
}

/// The delays: fork and number of blocks, newest first.
const DELAYS: [(Fork, u64); 6] = [
    (Fork::GrayGlacier, 11_400_000),
    (Fork::ArrowGlacier, 10_700_000),
    (Fork::London, 9_700_000),
    (Fork::MuirGlacier, 9_000_000),
    (Fork::Constantinople, 5_000_000),
    (Fork::Byzantium, 3_000_000),
];

impl Formula {
    /// Returns the formula of the block at `number`. Each fork is checked by its own block number:
    /// a chain may have Berlin without Muir Glacier.
    pub fn at(config: &ChainConfig, number: u64) -> Self {
        let is_active = |fork| config.is_active(fork, number, 0);
        match DELAYS.into_iter().find(|(fork, _)| is_active(*fork)) {
            Some((_, delay)) => Self::Delayed(delay),
            None if is_active(Fork::Homestead) => Self::Homestead,
            None => Self::Frontier,
        }
    }

    /// Returns the difficulty of a block after `parent` with this timestamp.
    pub fn difficulty(self, timestamp: u64, parent: &Header) -> U256 {
        let seconds = i128::from(timestamp) - i128::from(parent.timestamp);
        let steps = match self {
            Self::Frontier if seconds < FRONTIER_FAST_BLOCK => 1,
            Self::Frontier => -1,
            Self::Homestead => (1 - seconds.div_euclid(10)).max(MAX_STEPS_DOWN),
            Self::Delayed(_) => {
                let has_ommers = parent.ommers_hash != EMPTY_OMMERS_HASH;
                (1 + i128::from(has_ommers) - seconds.div_euclid(9)).max(MAX_STEPS_DOWN)
            }
        };
        let minimum = U256::from(MIN_DIFFICULTY);
        let adjusted = adjusted(parent.difficulty, steps);
        // If the parent is below the minimum, which only a genesis can be, the minimum is not
        // applied before the bomb is added: the oldest test vectors require this.
        let is_bounded = parent.difficulty >= minimum;
        let without_bomb = if is_bounded {
            adjusted.max(minimum)
        } else {
            adjusted
        };
        without_bomb
            .saturating_add(self.bomb(parent.number))
            .max(minimum)
    }

    /// Returns the exponential part of the difficulty of the block after `parent_number`.
    fn bomb(self, parent_number: u64) -> U256 {
        let number = parent_number.saturating_add(1);
        let counted = match self {
            Self::Frontier | Self::Homestead => number,
            Self::Delayed(blocks) => number.saturating_sub(blocks),
        };
        match (counted / BOMB_PERIOD).checked_sub(2) {
            None => U256::ZERO,
            Some(exponent @ 0..=255) => U256::ONE << exponent,
            Some(_) => U256::MAX,
        }
    }
}

fn adjusted(difficulty: U256, steps: i128) -> U256 {
    let step = difficulty / U256::from(BOUND_DIVISOR);
    let distance = step.saturating_mul(U256::from(steps.unsigned_abs()));
    if steps >= 0 {
        difficulty.saturating_add(distance)
    } else {
        difficulty.saturating_sub(distance)
    }
}

/// Returns the difficulty of a block after `parent` with this timestamp.
pub fn difficulty(config: &ChainConfig, timestamp: u64, parent: &Header) -> U256 {
    Formula::at(config, parent.number.saturating_add(1)).difficulty(timestamp, parent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actoreum_primitives::B256;
    use proptest::prelude::*;

    #[test]
    fn vectors_the_fork_chooses_the_formula() {
        let config = ChainConfig {
            homestead_block: Some(10),
            byzantium_block: Some(20),
            constantinople_block: Some(30),
            berlin_block: Some(40),
            london_block: Some(50),
            gray_glacier_block: Some(60),
            ..ChainConfig::default()
        };
        for (number, formula) in [
            (9, Formula::Frontier),
            (10, Formula::Homestead),
            (20, Formula::Delayed(3_000_000)),
            (30, Formula::Delayed(5_000_000)),
            (40, Formula::Delayed(5_000_000)),
            (50, Formula::Delayed(9_700_000)),
            (60, Formula::Delayed(11_400_000)),
        ] {
            assert_eq!(Formula::at(&config, number), formula, "block {number}");
        }
    }

    prop_compose! {
        fn parents()(
            difficulty: [u8; 32], shift in 0_usize..256, number: u64, low in 0..u64::MAX / 2,
            has_ommers: bool,
        ) -> Header {
            Header {
                difficulty: U256::from_be_bytes(difficulty) >> shift,
                number: number >> (shift % 64),
                timestamp: low,
                ommers_hash: if has_ommers { B256::ZERO } else { EMPTY_OMMERS_HASH },
                ..Header::default()
            }
        }
    }

    fn formulas() -> impl Strategy<Value = Formula> {
        prop_oneof![
            Just(Formula::Frontier),
            Just(Formula::Homestead),
            prop::sample::select(DELAYS.to_vec()).prop_map(|(_, delay)| Formula::Delayed(delay)),
        ]
    }

    proptest! {
        #[test]
        fn prop_never_below_the_minimum(parent in parents(), formula in formulas(), time: u64) {
            prop_assert!(formula.difficulty(time, &parent) >= U256::from(MIN_DIFFICULTY));
        }

        #[test]
        fn prop_a_slower_block_is_never_harder(
            parent in parents(), formula in formulas(), fast in 0..5000_u64, more in 0..5000_u64,
        ) {
            let at = |seconds| formula.difficulty(parent.timestamp + seconds, &parent);
            prop_assert!(at(fast) >= at(fast + more));
        }

        #[test]
        fn prop_ommers_never_make_it_easier(parent in parents(), seconds in 0..5000_u64) {
            let with = |ommers_hash| {
                let parent = Header { ommers_hash, ..parent.clone() };
                Formula::Delayed(3_000_000).difficulty(parent.timestamp + seconds, &parent)
            };
            prop_assert!(with(B256::ZERO) >= with(EMPTY_OMMERS_HASH));
        }
    }
}
