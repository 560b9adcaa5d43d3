//! The rules of headers and blocks that do not depend on the engine.

pub mod base_fee;
pub mod blob_gas;
pub mod dao;
pub mod difficulty;
pub mod fork_fields;
pub mod gas_limit;
pub mod ommers;
pub mod rewards;

use actoreum_primitives::{ChainConfig, Fork, Header};

use crate::{ConsensusError, limits};

/// Checks gas limit, gas used and base fee, which every kind of header shares, in geth's order.
pub(crate) fn verify_gas_and_base_fee(
    config: &ChainConfig,
    header: &Header,
    parent: &Header,
) -> Result<(), ConsensusError> {
    if header.gas_limit > limits::MAX_GAS_LIMIT {
        let (have, max) = (header.gas_limit, limits::MAX_GAS_LIMIT);
        return Err(ConsensusError::GasLimitTooHigh { have, max });
    }
    if header.gas_used > header.gas_limit {
        let (have, limit) = (header.gas_used, header.gas_limit);
        return Err(ConsensusError::GasUsedAboveLimit { have, limit });
    }
    gas_limit::verify(config, header, parent)?;
    base_fee::verify(config, header, parent)
}

/// Checks that the number is the parent's plus one.
pub(crate) fn verify_number(header: &Header, parent: &Header) -> Result<(), ConsensusError> {
    if parent.number.checked_add(1) == Some(header.number) {
        Ok(())
    } else {
        Err(ConsensusError::InvalidNumber)
    }
}

/// Checks that the block at the EIP-150 fork is the configured one, if one is configured. Ommers
/// are exempt: they may be the block that lost.
pub(crate) fn verify_fork_hash(
    config: &ChainConfig,
    header: &Header,
) -> Result<(), ConsensusError> {
    let Some(want) = config.eip150_hash.filter(|hash| !hash.is_zero()) else {
        return Ok(());
    };
    if config.eip150_block != Some(header.number) {
        return Ok(());
    }
    let have = header.hash();
    if have == want {
        Ok(())
    } else {
        Err(ConsensusError::WrongForkHash { have, want })
    }
}

/// Checks the RLP size of a whole block, from Osaka on (EIP-7934).
pub fn verify_block_size(
    config: &ChainConfig,
    header: &Header,
    rlp_bytes: usize,
) -> Result<(), ConsensusError> {
    let max = limits::MAX_BLOCK_RLP_BYTES;
    if is_active(config, Fork::Osaka, header) && rlp_bytes > max {
        return Err(ConsensusError::BlockTooLarge {
            have: rlp_bytes,
            max,
        });
    }
    Ok(())
}

/// Returns true if this fork is active in the header's block.
pub(crate) fn is_active(config: &ChainConfig, fork: Fork, header: &Header) -> bool {
    config.is_active(fork, header.number, header.timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actoreum_primitives::B256;

    #[test]
    fn vectors_block_size() {
        let config = ChainConfig {
            london_block: Some(0),
            osaka_time: Some(10),
            ..ChainConfig::default()
        };
        let before = Header {
            timestamp: 9,
            ..Header::default()
        };
        let after = Header {
            timestamp: 10,
            ..Header::default()
        };
        assert_eq!(limits::MAX_BLOCK_RLP_BYTES, 8_388_608);
        assert!(verify_block_size(&config, &before, 8_388_609).is_ok());
        assert!(verify_block_size(&config, &after, 8_388_608).is_ok());
        let error = verify_block_size(&config, &after, 8_388_609).unwrap_err();
        assert_eq!(
            error,
            ConsensusError::BlockTooLarge {
                have: 8_388_609,
                max: 8_388_608
            }
        );
    }

    #[test]
    fn the_eip150_block_is_pinned_by_hash() {
        let header = Header {
            number: 7,
            ..Header::default()
        };
        let pinned = |hash| ChainConfig {
            eip150_block: Some(7),
            eip150_hash: Some(hash),
            ..ChainConfig::default()
        };
        assert!(verify_fork_hash(&pinned(header.hash()), &header).is_ok());
        assert!(verify_fork_hash(&pinned(B256::ZERO), &header).is_ok());
        assert!(verify_fork_hash(&pinned(B256::repeat_byte(1)), &header).is_err());
        let other = Header {
            number: 8,
            ..Header::default()
        };
        assert!(verify_fork_hash(&pinned(B256::repeat_byte(1)), &other).is_ok());
    }

    #[test]
    fn numbers_do_not_wrap() {
        let at = |number| Header {
            number,
            ..Header::default()
        };
        assert!(verify_number(&at(8), &at(7)).is_ok());
        assert!(verify_number(&at(7), &at(7)).is_err());
        assert!(verify_number(&at(0), &at(u64::MAX)).is_err());
    }
}
