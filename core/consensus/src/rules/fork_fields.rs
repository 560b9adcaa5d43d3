//! The header fields of the forks from Shanghai on.
//!
//! Without a beacon chain, the fields that it would fill are fixed: see
//! `docs/self-sealing-forks.md`.

use actoreum_primitives::{B256, ChainConfig, EMPTY_REQUESTS_HASH, EMPTY_ROOT_HASH, Fork, Header};

use super::{base_fee::next_base_fee, blob_gas, is_active};
use crate::ConsensusError;

/// The sealer of a block, which determines its beacon fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealer {
    /// This chain's own engine: the beacon fields are fixed.
    Engine,
    /// A beacon chain, which sets the beacon fields.
    BeaconChain,
}

/// Verifies the presence of each field by its fork, and the values that do not depend on the body.
pub(crate) fn verify(
    config: &ChainConfig,
    header: &Header,
    parent: &Header,
    sealer: Sealer,
) -> Result<(), ConsensusError> {
    let shanghai = is_active(config, Fork::Shanghai, header);
    verify_presence(
        shanghai,
        header.withdrawals_root.is_some(),
        "withdrawalsHash",
    )?;
    let cancun = is_active(config, Fork::Cancun, header);
    verify_presence(cancun, header.excess_blob_gas.is_some(), "excessBlobGas")?;
    verify_presence(cancun, header.blob_gas_used.is_some(), "blobGasUsed")?;
    verify_presence(
        cancun,
        header.parent_beacon_block_root.is_some(),
        "parentBeaconRoot",
    )?;
    let prague = is_active(config, Fork::Prague, header);
    verify_presence(prague, header.requests_hash.is_some(), "requestsHash")?;
    if sealer == Sealer::Engine {
        verify_fixed("withdrawalsHash", header.withdrawals_root, EMPTY_ROOT_HASH)?;
        verify_fixed(
            "parentBeaconRoot",
            header.parent_beacon_block_root,
            B256::ZERO,
        )?;
    }
    if cancun {
        blob_gas::verify(config, header, parent)?;
    }
    Ok(())
}

fn verify_presence(
    is_required: bool,
    is_present: bool,
    field: &'static str,
) -> Result<(), ConsensusError> {
    match (is_required, is_present) {
        (true, false) => Err(ConsensusError::MissingField(field)),
        (false, true) => Err(ConsensusError::UnexpectedField(field)),
        _ => Ok(()),
    }
}

fn verify_fixed(field: &'static str, have: Option<B256>, want: B256) -> Result<(), ConsensusError> {
    match have {
        Some(have) if have != want => Err(ConsensusError::WrongFixedField { field, have, want }),
        _ => Ok(()),
    }
}

/// Fills every field of a fork in a header that this chain's engine will seal: base fee and excess
/// blob gas from the parent, the fixed beacon fields, no blobs and no requests yet (the execution
/// of the block fills these).
///
/// `header` needs number and timestamp, which choose the forks.
pub fn fill(config: &ChainConfig, header: &mut Header, parent: &Header) {
    let london = is_active(config, Fork::London, header);
    header.base_fee_per_gas = london.then(|| next_base_fee(config, parent));
    let shanghai = is_active(config, Fork::Shanghai, header);
    header.withdrawals_root = shanghai.then_some(EMPTY_ROOT_HASH);
    let cancun = is_active(config, Fork::Cancun, header);
    header.blob_gas_used = cancun.then_some(0);
    let excess = cancun.then(|| blob_gas::next_excess_blob_gas(config, header, parent));
    header.excess_blob_gas = excess;
    header.parent_beacon_block_root = cancun.then_some(B256::ZERO);
    let prague = is_active(config, Fork::Prague, header);
    header.requests_hash = prague.then_some(EMPTY_REQUESTS_HASH);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ChainConfig {
        ChainConfig {
            london_block: Some(0),
            shanghai_time: Some(10),
            cancun_time: Some(20),
            prague_time: Some(30),
            osaka_time: Some(40),
            ..ChainConfig::default()
        }
    }

    fn filled(timestamp: u64) -> (Header, Header) {
        let mut parent = Header {
            number: 1,
            timestamp: timestamp - 1,
            ..Header::default()
        };
        fill(&config(), &mut parent, &Header::default());
        let mut header = Header {
            number: 2,
            timestamp,
            ..Header::default()
        };
        fill(&config(), &mut header, &parent);
        (header, parent)
    }

    #[test]
    fn filled_fields_are_valid_in_every_fork() {
        for timestamp in 5..50 {
            let (header, parent) = filled(timestamp);
            for sealer in [Sealer::Engine, Sealer::BeaconChain] {
                assert_eq!(
                    verify(&config(), &header, &parent, sealer),
                    Ok(()),
                    "at {timestamp}"
                );
            }
            assert_eq!(header.withdrawals_root.is_some(), timestamp >= 10);
            assert_eq!(header.excess_blob_gas.is_some(), timestamp >= 20);
            assert_eq!(header.requests_hash.is_some(), timestamp >= 30);
        }
    }

    #[test]
    fn a_field_is_required_from_its_fork_on_only() {
        type Change = fn(&mut Header, bool);
        let fields: [(u64, &str, Change); 5] = [
            (10, "withdrawalsHash", |header, set| {
                header.withdrawals_root = set.then_some(EMPTY_ROOT_HASH);
            }),
            (20, "excessBlobGas", |header, set| {
                header.excess_blob_gas = set.then_some(0)
            }),
            (20, "blobGasUsed", |header, set| {
                header.blob_gas_used = set.then_some(0)
            }),
            (20, "parentBeaconRoot", |header, set| {
                header.parent_beacon_block_root = set.then_some(B256::ZERO);
            }),
            (30, "requestsHash", |header, set| {
                header.requests_hash = set.then_some(B256::ZERO)
            }),
        ];
        for (time, name, change) in fields {
            for sealer in [Sealer::Engine, Sealer::BeaconChain] {
                let (mut early, parent) = filled(time - 1);
                change(&mut early, true);
                let error = verify(&config(), &early, &parent, sealer).unwrap_err();
                assert_eq!(error, ConsensusError::UnexpectedField(name));
                let (mut late, parent) = filled(time + 1);
                change(&mut late, false);
                let error = verify(&config(), &late, &parent, sealer).unwrap_err();
                assert_eq!(error, ConsensusError::MissingField(name));
            }
        }
    }

    #[test]
    fn beacon_fields_are_fixed_if_the_engine_seals() {
        let (valid, parent) = filled(40);
        let mut with_root = valid.clone();
        with_root.parent_beacon_block_root = Some(B256::repeat_byte(1));
        let mut with_withdrawals = valid;
        with_withdrawals.withdrawals_root = Some(B256::repeat_byte(1));
        for header in [with_root, with_withdrawals] {
            let check = |sealer| verify(&config(), &header, &parent, sealer);
            assert!(matches!(
                check(Sealer::Engine),
                Err(ConsensusError::WrongFixedField { .. })
            ));
            assert!(check(Sealer::BeaconChain).is_ok());
        }
    }
}
