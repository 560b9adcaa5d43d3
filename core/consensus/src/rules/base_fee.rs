//! The base fee of EIP-1559.

use actoreum_primitives::{ChainConfig, Fork, Header, INITIAL_BASE_FEE};

use super::{gas_limit::ELASTICITY_MULTIPLIER, is_active};
use crate::ConsensusError;

/// Divisor of the maximum change of the base fee per block.
const CHANGE_DENOMINATOR: u128 = 8;

/// Returns the base fee in wei of the block after `parent`; the initial base fee if `parent` is
/// before London. Saturates.
pub fn next_base_fee(config: &ChainConfig, parent: &Header) -> u64 {
    if !is_active(config, Fork::London, parent) {
        return INITIAL_BASE_FEE;
    }
    let base_fee = parent.base_fee_per_gas.unwrap_or(INITIAL_BASE_FEE);
    let target = parent.gas_limit / ELASTICITY_MULTIPLIER;
    if parent.gas_used == target || target == 0 {
        return base_fee;
    }
    let distance = u128::from(parent.gas_used.abs_diff(target));
    let change = u128::from(base_fee) * distance / u128::from(target) / CHANGE_DENOMINATOR;
    let change = u64::try_from(change).unwrap_or(u64::MAX);
    if parent.gas_used > target {
        base_fee.saturating_add(change.max(1))
    } else {
        base_fee.saturating_sub(change)
    }
}

/// Returns a base fee after which a block without transactions leads to the base fee `next`: the
/// inverse of [`next_base_fee`] for an idle block. Saturates.
pub fn base_fee_before_idle(next: u64) -> u64 {
    let divisor = CHANGE_DENOMINATOR;
    let next = u128::from(next);
    let mut before = next * divisor / (divisor - 1);
    while before - before / divisor < next {
        before += 1;
    }
    u64::try_from(before).unwrap_or(u64::MAX)
}

pub(crate) fn verify(
    config: &ChainConfig,
    header: &Header,
    parent: &Header,
) -> Result<(), ConsensusError> {
    match (
        is_active(config, Fork::London, header),
        header.base_fee_per_gas,
    ) {
        (false, None) => Ok(()),
        (false, Some(base_fee)) => Err(ConsensusError::UnexpectedBaseFee(base_fee)),
        (true, None) => Err(ConsensusError::MissingBaseFee),
        (true, Some(have)) => {
            let want = next_base_fee(config, parent);
            // The user of a development chain chooses base fees.
            if have == want || config.is_development {
                return Ok(());
            }
            Err(ConsensusError::InvalidBaseFee {
                have,
                want,
                parent: parent.base_fee_per_gas.unwrap_or(0),
                parent_gas_used: parent.gas_used,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn london() -> ChainConfig {
        ChainConfig {
            london_block: Some(5),
            ..ChainConfig::default()
        }
    }

    #[test]
    fn a_development_chain_has_any_base_fee() {
        let parent = parent(7, 10_000, 5_000, 1_000);
        let header = Header {
            number: 8,
            base_fee_per_gas: Some(1),
            ..Header::default()
        };
        let mut config = london();
        assert!(verify(&config, &header, &parent).is_err());
        config.is_development = true;
        assert_eq!(verify(&config, &header, &parent), Ok(()));
    }

    proptest! {
        #[test]
        fn an_idle_block_leads_to_the_base_fee_after_it(next in 0..=u64::MAX / 2) {
            let before = base_fee_before_idle(next);
            prop_assert_eq!(next_base_fee(&london(), &parent(7, 10_000, 0, before)), next);
        }
    }

    fn parent(number: u64, gas_limit: u64, gas_used: u64, base_fee: u64) -> Header {
        let base_fee_per_gas = (number >= 5).then_some(base_fee);
        Header {
            number,
            gas_limit,
            gas_used,
            base_fee_per_gas,
            ..Header::default()
        }
    }

    #[test]
    fn vectors_next_base_fee() {
        for (limit, used, base_fee, want) in [
            (20_000_000, 10_000_000, 1_000_000_000, 1_000_000_000),
            (20_000_000, 9_000_000, 1_000_000_000, 987_500_000),
            (20_000_000, 11_000_000, 1_000_000_000, 1_012_500_000),
            (20_000_000, 20_000_000, 1, 2),
            (20_000_000, 0, 7, 7),
            (0, 0, 7, 7),
            (2, u64::MAX, u64::MAX, u64::MAX),
        ] {
            let parent = parent(6, limit, used, base_fee);
            assert_eq!(
                next_base_fee(&london(), &parent),
                want,
                "used {used} of {limit}"
            );
        }
        assert_eq!(
            next_base_fee(&london(), &parent(4, 20_000_000, 0, 0)),
            1_000_000_000
        );
    }

    #[test]
    fn the_base_fee_is_present_from_london_on() {
        let header = |number, base_fee_per_gas| Header {
            number,
            base_fee_per_gas,
            ..Header::default()
        };
        let check = |number: u64, fee| {
            verify(
                &london(),
                &header(number, fee),
                &parent(number - 1, 20_000, 10_000, 9),
            )
        };
        assert!(check(4, None).is_ok());
        assert_eq!(check(4, Some(9)), Err(ConsensusError::UnexpectedBaseFee(9)));
        assert_eq!(check(5, None), Err(ConsensusError::MissingBaseFee));
        assert!(check(5, Some(INITIAL_BASE_FEE)).is_ok());
        assert!(check(6, Some(9)).is_ok());
        let text = check(6, Some(8)).unwrap_err().to_string();
        assert_eq!(
            text,
            "invalid baseFee: have 8, want 9, parentBaseFee 9, parentGasUsed 10000"
        );
    }

    proptest! {
        #[test]
        fn prop_the_base_fee_moves_by_an_eighth_at_most(
            limit in 2..u64::MAX, share in 0.0..=1.0_f64, base_fee in 0..u64::MAX / 2,
        ) {
            let used = (limit as f64 * share) as u64;
            let next = next_base_fee(&london(), &parent(6, limit, used.min(limit), base_fee));
            // The target is rounded down, so that a full odd limit is just over twice the target.
            let max_change = base_fee / 8 + base_fee / (limit / 2) / 8 + 2;
            prop_assert!(next.abs_diff(base_fee) <= max_change);
        }
    }
}
