//! The gas limit: its bounds, and its target for a sealer.

use std::ops::RangeInclusive;

use actoreum_primitives::{ChainConfig, Fork, Header};

use super::is_active;
use crate::{
    ConsensusError,
    limits::{GAS_LIMIT_BOUND_DIVISOR, MAX_GAS_LIMIT, MIN_GAS_LIMIT},
};

/// The factor between the gas target and the gas limit (EIP-1559).
pub const ELASTICITY_MULTIPLIER: u64 = 2;

/// Returns the limit from which the header's may differ: the parent's, doubled in the first London
/// block so that the target equals the previous limit.
fn reference_limit(config: &ChainConfig, header: &Header, parent: &Header) -> u64 {
    let begins_london =
        is_active(config, Fork::London, header) && !is_active(config, Fork::London, parent);
    if begins_london {
        parent.gas_limit.saturating_mul(ELASTICITY_MULTIPLIER)
    } else {
        parent.gas_limit
    }
}

/// Checks that the limit differs from the parent's by less than 1/1024 and is at least 5,000.
pub(crate) fn verify(
    config: &ChainConfig,
    header: &Header,
    parent: &Header,
) -> Result<(), ConsensusError> {
    let parent_limit = reference_limit(config, header, parent);
    let bound = parent_limit / GAS_LIMIT_BOUND_DIVISOR;
    // The user of a development chain chooses gas limits.
    let is_too_far = header.gas_limit.abs_diff(parent_limit) >= bound && !config.is_development;
    if is_too_far || header.gas_limit < MIN_GAS_LIMIT {
        let have = header.gas_limit;
        return Err(ConsensusError::InvalidGasLimit {
            have,
            parent: parent_limit,
            bound,
        });
    }
    Ok(())
}

/// Returns the limit of a new block, as close to `desired` as the rule allows: on a development
/// chain any.
///
/// `header` needs number and timestamp, which choose the fork.
pub fn towards(config: &ChainConfig, header: &Header, parent: &Header, desired: u64) -> u64 {
    let parent_limit = reference_limit(config, header, parent);
    let step = (parent_limit / GAS_LIMIT_BOUND_DIVISOR).saturating_sub(1);
    let desired = desired.clamp(MIN_GAS_LIMIT, MAX_GAS_LIMIT);
    if config.is_development {
        return desired;
    }
    desired.clamp(
        parent_limit.saturating_sub(step),
        parent_limit.saturating_add(step),
    )
}

/// Returns the limit that a sealer aims at within `bounds`: from London on the upper bound; before,
/// upwards while blocks are more than two thirds full, and downwards otherwise (geth's
/// `CalcGasLimit`). `timestamp` is that of the new block.
pub fn desired(
    config: &ChainConfig,
    parent: &Header,
    timestamp: u64,
    bounds: RangeInclusive<u64>,
) -> u64 {
    let (floor, ceiling) = (*bounds.start(), *bounds.end());
    if config.fork_at(parent.number.saturating_add(1), timestamp) >= Fork::London {
        return ceiling;
    }
    let decay = (parent.gas_limit / GAS_LIMIT_BOUND_DIVISOR).saturating_sub(1);
    let used = parent.gas_used.saturating_add(parent.gas_used / 2);
    let target = (parent.gas_limit - decay).saturating_add(used / GAS_LIMIT_BOUND_DIVISOR);
    target.clamp(floor.min(ceiling), ceiling)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_development_chain_has_any_gas_limit() {
        let (header, parent) = (with_limit(8, 9_000_000), with_limit(7, 30_000_000));
        let mut config = ChainConfig::default();
        assert!(verify(&config, &header, &parent).is_err());
        config.is_development = true;
        assert_eq!(verify(&config, &header, &parent), Ok(()));
        assert_eq!(towards(&config, &header, &parent, 9_000_000), 9_000_000);
        assert!(verify(&config, &with_limit(8, 100), &parent).is_err());
    }

    fn with_limit(number: u64, gas_limit: u64) -> Header {
        Header {
            number,
            gas_limit,
            ..Header::default()
        }
    }

    /// One step of geth 1.8.27's `CalcGasLimit`.
    #[test]
    fn vectors_desired() {
        let config = ChainConfig::default();
        let parent = |gas_used| Header {
            gas_used,
            ..with_limit(7, 8_000_000)
        };
        let desired = |used, bounds| desired(&config, &parent(used), 0, bounds);
        // 7,812 down, 3/2 of the gas used up.
        assert_eq!(desired(0, 1..=u64::MAX), 8_000_000 - 7_811);
        assert_eq!(desired(8_000_000, 1..=u64::MAX), 8_000_000 - 7_811 + 11_718);
        assert_eq!(desired(0, 8_000_000..=8_000_000), 8_000_000);
        assert_eq!(desired(8_000_000, 1..=8_000_000), 8_000_000);
        assert_eq!(desired(0, 9_000_000..=10_000_000), 9_000_000);
        let london = ChainConfig {
            london_block: Some(0),
            ..config.clone()
        };
        assert_eq!(
            super::desired(&london, &parent(0), 0, 1..=9_000_000),
            9_000_000
        );
    }

    #[test]
    fn vectors_bounds() {
        let config = ChainConfig {
            london_block: Some(5),
            ..ChainConfig::default()
        };
        let check = |parent, number, limit| {
            verify(
                &config,
                &with_limit(number, limit),
                &with_limit(number - 1, parent),
            )
        };
        assert!(check(1_024_000, 2, 1_024_999).is_ok());
        assert!(check(1_024_000, 2, 1_023_001).is_ok());
        let text = check(1_024_000, 2, 1_025_000).unwrap_err().to_string();
        assert_eq!(
            text,
            "invalid gas limit: have 1025000, want 1024000 += 1000"
        );
        assert!(check(1_024_000, 2, 1_023_000).is_err());
        assert!(check(5_000, 2, 5_000).is_ok());
        assert!(check(5_000, 2, 4_999).is_err());
        assert!(
            check(1_024_000, 5, 2_048_000).is_ok(),
            "doubled in the first london block"
        );
        assert!(check(1_024_000, 5, 1_024_000).is_err());
        assert!(check(1_024_000, 6, 2_048_000).is_err());
        assert!(check(u64::MAX, 5, u64::MAX).is_ok(), "no overflow");
    }

    proptest! {
        #[test]
        fn prop_towards_obeys_the_limit_rule(
            parent in 5_000..MAX_GAS_LIMIT / 2, desired: u64, number in 4..7_u64,
        ) {
            let config = ChainConfig { london_block: Some(5), ..ChainConfig::default() };
            let parent = with_limit(number - 1, parent);
            let mut header = with_limit(number, 0);
            header.gas_limit = towards(&config, &header, &parent, desired);
            prop_assert_eq!(verify(&config, &header, &parent), Ok(()));
        }
    }
}
