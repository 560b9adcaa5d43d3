//! Blob gas: EIP-4844, with the schedules of EIP-7840 and EIP-7892 and the reserve price of
//! EIP-7918.

use actoreum_primitives::{
    ChainConfig, Fork, GAS_PER_BLOB, Header, U256, alloy_primitives::U512, config::BlobParams,
};

use super::is_active;
use crate::ConsensusError;

/// Minimum price of blob gas, in wei.
const MIN_BLOB_BASE_FEE: u64 = 1;
/// Gas whose price at the base fee is the minimum price of a blob (EIP-7918).
const BLOB_BASE_COST: u64 = 1 << 13;
/// The exponent above which e^x exceeds 256 bits.
const MAX_EXPONENT: u64 = 178;

/// Returns the blob parameters of the header's block; without blobs on a self-sealing chain that
/// has no blob schedule.
fn params(config: &ChainConfig, header: &Header) -> BlobParams {
    config
        .blob_params_at(header.number, header.timestamp)
        .unwrap_or(BlobParams::NONE)
}

/// Returns the price of blob gas in wei that follows from the excess. Saturates.
pub fn blob_base_fee(excess_blob_gas: u64, update_fraction: u64) -> U256 {
    fake_exponential(MIN_BLOB_BASE_FEE, excess_blob_gas, update_fraction)
}

/// Returns `factor * e ^ (numerator / denominator)` by the Taylor series of EIP-4844.
fn fake_exponential(factor: u64, numerator: u64, denominator: u64) -> U256 {
    if denominator == 0 || numerator / denominator >= MAX_EXPONENT {
        return U256::MAX;
    }
    // No term is above 2^64 * e^178 * 2^64, so that 512 bits hold each of them, times another
    // 64-bit number.
    let (numerator, denominator) = (U512::from(numerator), U512::from(denominator));
    let mut sum = U512::ZERO;
    let mut term = U512::from(factor) * denominator;
    let mut index = U512::ONE;
    while !term.is_zero() {
        sum += term;
        term = term * numerator / denominator / index;
        index += U512::ONE;
    }
    let value: U512 = sum / denominator;
    U256::saturating_from(value)
}

/// Returns the excess blob gas of a block after `parent`, given a header with the block's number
/// and timestamp.
pub fn next_excess_blob_gas(config: &ChainConfig, header: &Header, parent: &Header) -> u64 {
    let params = params(config, header);
    let parent_excess = parent.excess_blob_gas.unwrap_or(0);
    let parent_used = parent.blob_gas_used.unwrap_or(0);
    let target = params.target.saturating_mul(GAS_PER_BLOB);
    let sum = parent_excess.saturating_add(parent_used);
    if sum < target {
        return 0;
    }
    if is_active(config, Fork::Osaka, header) && params.max > 0 {
        let base_fee = U256::from(parent.base_fee_per_gas.unwrap_or(0));
        let reserve = U256::from(BLOB_BASE_COST).saturating_mul(base_fee);
        let fee = blob_base_fee(parent_excess, params.base_fee_update_fraction);
        if reserve > U256::from(GAS_PER_BLOB).saturating_mul(fee) {
            let above_target = u128::from(params.max.saturating_sub(params.target));
            let share = u128::from(parent_used) * above_target / u128::from(params.max);
            return parent_excess.saturating_add(u64::try_from(share).unwrap_or(u64::MAX));
        }
    }
    sum - target
}

/// Verifies the two blob fields of a Cancun header.
pub(crate) fn verify(
    config: &ChainConfig,
    header: &Header,
    parent: &Header,
) -> Result<(), ConsensusError> {
    let have_excess = header
        .excess_blob_gas
        .ok_or(ConsensusError::MissingField("excessBlobGas"))?;
    let have = header
        .blob_gas_used
        .ok_or(ConsensusError::MissingField("blobGasUsed"))?;
    let max = params(config, header).max.saturating_mul(GAS_PER_BLOB);
    if have > max {
        return Err(ConsensusError::BlobGasAboveMaximum { have, max });
    }
    if !have.is_multiple_of(GAS_PER_BLOB) {
        return Err(ConsensusError::BlobGasNotWhole(have));
    }
    let want = next_excess_blob_gas(config, header, parent);
    if have_excess != want {
        return Err(ConsensusError::InvalidExcessBlobGas {
            have: have_excess,
            want,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BLOB: u64 = GAS_PER_BLOB;

    fn cancun(schedule: Option<BlobParams>) -> ChainConfig {
        let mut config = ChainConfig {
            london_block: Some(0),
            shanghai_time: Some(0),
            cancun_time: Some(0),
            ..ChainConfig::default()
        };
        config
            .blob_schedule
            .extend(schedule.map(|params| (Fork::Cancun, params)));
        config
    }

    fn osaka(schedule: Option<BlobParams>) -> ChainConfig {
        ChainConfig {
            prague_time: Some(0),
            osaka_time: Some(0),
            ..cancun(schedule)
        }
    }

    fn header(used: u64, excess: u64, base_fee: u64) -> Header {
        Header {
            number: 1,
            blob_gas_used: Some(used),
            excess_blob_gas: Some(excess),
            base_fee_per_gas: Some(base_fee),
            ..Header::default()
        }
    }

    /// The table of EIP-4844's reference tests.
    #[test]
    fn vectors_fake_exponential() {
        for (factor, numerator, denominator, want) in [
            (1, 0, 1, 1),
            (38_493, 0, 1000, 38_493),
            (0, 1234, 2345, 0),
            (1, 2, 1, 6),
            (1, 4, 2, 6),
            (1, 3, 1, 16),
            (1, 6, 2, 18),
            (1, 4, 1, 49),
            (1, 8, 2, 50),
            (10, 8, 2, 542),
            (11, 8, 2, 596),
            (1, 5, 1, 136),
            (1, 5, 2, 11),
            (2, 5, 2, 23),
            (1, 50_000_000, 2_225_652, 5_709_098_764_u64),
        ] {
            let have = fake_exponential(factor, numerator, denominator);
            assert_eq!(have, U256::from(want), "{factor} {numerator} {denominator}");
        }
        assert_eq!(fake_exponential(1, u64::MAX, 1), U256::MAX);
        assert_eq!(fake_exponential(1, 1, 0), U256::MAX);
    }

    #[test]
    fn vectors_excess_before_osaka() {
        let config = cancun(Some(BlobParams::CANCUN));
        for (excess, used, want) in [
            (0, 0, 0),
            (0, 3 * BLOB, 0),
            (0, 4 * BLOB, BLOB),
            (BLOB, 3 * BLOB, BLOB),
            (3 * BLOB - 1, 0, 0),
            (3 * BLOB, 0, 0),
            (4 * BLOB, 2 * BLOB, 3 * BLOB),
        ] {
            let have = next_excess_blob_gas(&config, &header(0, 0, 7), &header(used, excess, 7));
            assert_eq!(have, want, "excess {excess}, used {used}");
        }
    }

    /// EIP-7918: while a blob is cheaper than 2^13 gas, the excess does not fall.
    #[test]
    fn vectors_reserve_price_in_osaka() {
        let config = osaka(Some(BlobParams::PRAGUE));
        let next = |base_fee, excess, used| {
            next_excess_blob_gas(&config, &header(0, 0, 7), &header(used, excess, base_fee))
        };
        assert_eq!(next(16, 6 * BLOB, 0), 0, "2^13 * 16 is not above 2^17 * 1");
        assert_eq!(next(17, 6 * BLOB, 0), 6 * BLOB);
        assert_eq!(
            next(17, 6 * BLOB, 9 * BLOB),
            9 * BLOB,
            "a third of what was used"
        );
        assert_eq!(
            next(1_000_000_000, 5 * BLOB, 0),
            0,
            "below the target the excess is zero"
        );
        assert_eq!(
            next(17, 5_007_716 * 20, 6 * BLOB),
            5_007_716 * 20,
            "expensive blobs: as before"
        );
    }

    #[test]
    fn vectors_header_checks() {
        let config = cancun(Some(BlobParams::CANCUN));
        let parent = header(0, 0, 7);
        let check = |header: &Header| verify(&config, header, &parent);
        assert!(check(&header(6 * BLOB, 0, 7)).is_ok());
        let text = check(&header(7 * BLOB, 0, 7)).unwrap_err().to_string();
        assert_eq!(
            text,
            "blob gas used 917504 exceeds maximum allowance 786432"
        );
        assert_eq!(
            check(&header(1, 0, 7)),
            Err(ConsensusError::BlobGasNotWhole(1))
        );
        let want = Err(ConsensusError::InvalidExcessBlobGas { have: 1, want: 0 });
        assert_eq!(check(&header(0, 1, 7)), want);
        let missing = Header {
            excess_blob_gas: None,
            ..header(0, 0, 7)
        };
        assert_eq!(
            check(&missing),
            Err(ConsensusError::MissingField("excessBlobGas"))
        );
        let missing = Header {
            blob_gas_used: None,
            ..header(0, 0, 7)
        };
        assert_eq!(
            check(&missing),
            Err(ConsensusError::MissingField("blobGasUsed"))
        );
    }

    #[test]
    fn a_self_sealing_chain_without_schedule_has_no_blobs() {
        for config in [cancun(None), osaka(None)] {
            let parent = header(0, 0, 7);
            assert!(verify(&config, &header(0, 0, 7), &parent).is_ok());
            assert!(verify(&config, &header(BLOB, 0, 7), &parent).is_err());
        }
    }

    proptest! {
        #[test]
        fn prop_fee_never_falls_with_the_excess(low: u64, more: u64, fraction in 1..u64::MAX) {
            let high = low.saturating_add(more);
            prop_assert!(blob_base_fee(low, fraction) <= blob_base_fee(high, fraction));
            prop_assert!(blob_base_fee(low, fraction) >= U256::ONE);
        }

        #[test]
        fn prop_excess_blob_gas_never_overflows(used: u64, excess: u64, base_fee: u64, max: u64) {
            let params = BlobParams { target: max / 2, max, base_fee_update_fraction: 5_007_716 };
            let parent = header(used, excess, base_fee);
            next_excess_blob_gas(&osaka(Some(params)), &header(0, 0, 7), &parent);
        }
    }
}
