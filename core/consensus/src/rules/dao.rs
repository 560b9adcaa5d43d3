//! The extra data marker of the ten blocks from the DAO fork on.

use actoreum_primitives::{Bytes, ChainConfig, Header};

use crate::ConsensusError;

/// The marker: "dao-hard-fork".
pub const DAO_FORK_EXTRA: &[u8; 13] = b"dao-hard-fork";
/// Number of blocks with the marker, the fork block first.
pub const DAO_FORK_EXTRA_BLOCKS: u64 = 10;

fn is_in_range(config: &ChainConfig, number: u64) -> bool {
    config
        .dao_fork_block
        .and_then(|fork| number.checked_sub(fork))
        .is_some_and(|blocks| blocks < DAO_FORK_EXTRA_BLOCKS)
}

/// Writes the marker into the extra data if the block requires it, and clears it if the block
/// forbids it.
pub(crate) fn mark(config: &ChainConfig, header: &mut Header) {
    match verify(config, header) {
        Err(ConsensusError::BadDaoProForkExtra) => {
            header.extra_data = DAO_FORK_EXTRA.as_slice().into();
        }
        Err(_) => header.extra_data = Bytes::new(),
        Ok(()) => {}
    }
}

pub(crate) fn verify(config: &ChainConfig, header: &Header) -> Result<(), ConsensusError> {
    if !is_in_range(config, header.number) {
        return Ok(());
    }
    let is_marked = header.extra_data.as_ref() == DAO_FORK_EXTRA;
    match (config.dao_fork_support, is_marked) {
        (true, false) => Err(ConsensusError::BadDaoProForkExtra),
        (false, true) => Err(ConsensusError::BadDaoNoForkExtra),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_marker_range() {
        for support in [true, false] {
            let config = ChainConfig {
                dao_fork_block: Some(100),
                dao_fork_support: support,
                ..ChainConfig::default()
            };
            for number in 95..115 {
                let check = |extra: &'static [u8]| {
                    let extra_data = extra.into();
                    verify(
                        &config,
                        &Header {
                            number,
                            extra_data,
                            ..Header::default()
                        },
                    )
                    .is_ok()
                };
                let mut marked = Header {
                    number,
                    ..Header::default()
                };
                mark(&config, &mut marked);
                assert!(verify(&config, &marked).is_ok());
                let in_range = (100..110).contains(&number);
                assert_eq!(
                    check(DAO_FORK_EXTRA),
                    support || !in_range,
                    "block {number}"
                );
                assert_eq!(check(b"else"), !support || !in_range, "block {number}");
            }
        }
    }
}
