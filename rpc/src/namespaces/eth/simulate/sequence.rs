//! The numbers and times of simulated blocks, and the checks of their order.

use actoreum_chain::SealedHeader;
use actoreum_consensus::rules;
use actoreum_primitives::{
    B256, ChainConfig, EMPTY_ROOT_HASH, Fork, Header, U256, config::Activation,
};

use super::args::{BlockArgs, HeaderArgs};
use crate::error::{
    BLOCK_NUMBER_INVALID, BLOCK_TIMESTAMP_INVALID, CLIENT_LIMIT_EXCEEDED, RpcError,
};
use crate::server::limits::MAX_SIMULATED_BLOCKS;

/// Time between two blocks that are given no time, in seconds.
const BLOCK_SECONDS: u64 = 12;

/// A block to simulate, with its number and time.
pub(super) struct PlannedBlock {
    pub(super) number: u64,
    pub(super) time: u64,
    pub(super) args: BlockArgs,
}

/// Gives each block its number and time. Gaps between the numbers are filled with empty blocks.
///
/// # Errors
/// There are no blocks or too many, or numbers or times do not increase.
pub(super) fn plan(
    base: &SealedHeader,
    blocks: Vec<BlockArgs>,
) -> Result<Vec<PlannedBlock>, RpcError> {
    let too_many = || RpcError::new(CLIENT_LIMIT_EXCEEDED, "too many blocks");
    if blocks.is_empty() {
        return Err(RpcError::invalid_params("empty input"));
    }
    if blocks.len() as u64 > MAX_SIMULATED_BLOCKS {
        return Err(too_many());
    }
    let mut planned: Vec<PlannedBlock> = Vec::new();
    let (mut last_number, mut last_time) = (base.number, base.timestamp);
    for args in blocks {
        let fields = &args.header.fields;
        let next = U256::from(last_number).saturating_add(U256::ONE);
        let number = fields.number.unwrap_or(next);
        if number < next {
            return Err(RpcError::new(
                BLOCK_NUMBER_INVALID,
                format!("block numbers must be in order: {number} <= {last_number}"),
            ));
        }
        let number = u64::try_from(number).map_err(|_| too_many())?;
        if number - base.number > MAX_SIMULATED_BLOCKS {
            return Err(too_many());
        }
        while last_number + 1 < number {
            last_number += 1;
            last_time = last_time.saturating_add(BLOCK_SECONDS);
            planned.push(PlannedBlock {
                number: last_number,
                time: last_time,
                args: BlockArgs::default(),
            });
        }
        let time = fields
            .time
            .unwrap_or(last_time.saturating_add(BLOCK_SECONDS));
        if time <= last_time {
            return Err(RpcError::new(
                BLOCK_TIMESTAMP_INVALID,
                format!("block timestamps must be in order: {time} <= {last_time}"),
            ));
        }
        (last_number, last_time) = (number, time);
        planned.push(PlannedBlock { number, time, args });
    }
    Ok(planned)
}

/// Returns the header of a block as it is before the calls.
pub(super) fn header(
    config: &ChainConfig,
    block: &PlannedBlock,
    parent: &SealedHeader,
    validates: bool,
) -> Header {
    let HeaderArgs {
        fields,
        beacon_root,
        ..
    } = &block.args.header;
    let is_active = |fork| config.is_active(fork, block.number, block.time);
    let inherited = if is_merged(config, block) {
        U256::ZERO
    } else {
        parent.difficulty
    };
    let mut header = Header {
        parent_hash: parent.hash(),
        beneficiary: fields.coinbase.unwrap_or(parent.beneficiary),
        difficulty: fields.difficulty.unwrap_or(inherited),
        number: block.number,
        gas_limit: fields.gas_limit.unwrap_or(parent.gas_limit),
        timestamp: block.time,
        mix_hash: fields.random.unwrap_or_default(),
        ..Header::default()
    };
    // Without validation the base fee is zero, so that a call without a price can run.
    let by_rule = || {
        if validates {
            rules::base_fee::next_base_fee(config, parent)
        } else {
            0
        }
    };
    header.base_fee_per_gas =
        is_active(Fork::London).then(|| fields.base_fee.unwrap_or_else(by_rule));
    header.withdrawals_root = is_active(Fork::Shanghai).then_some(EMPTY_ROOT_HASH);
    if is_active(Fork::Cancun) {
        header.blob_gas_used = Some(0);
        let excess = rules::blob_gas::next_excess_blob_gas(config, &header, parent);
        header.excess_blob_gas = Some(excess);
        header.parent_beacon_block_root = Some(beacon_root.unwrap_or(B256::ZERO));
    }
    header
}

/// Returns whether a simulated block is a merged one. The total difficulty is not known here, so the
/// netsplit block and the forks after it decide, as in geth.
fn is_merged(config: &ChainConfig, block: &PlannedBlock) -> bool {
    let has_begun = |fork| {
        config
            .activation(fork)
            .is_some_and(|activation: Activation| activation.is_active(block.number, block.time))
    };
    config.terminal_total_difficulty.is_some()
        && (has_begun(Fork::Paris) || has_begun(Fork::Shanghai))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> SealedHeader {
        SealedHeader::new(Header {
            number: 54,
            timestamp: 540,
            ..Header::default()
        })
    }

    fn at(number: Option<u64>, time: Option<u64>) -> BlockArgs {
        let mut args = BlockArgs::default();
        args.header.fields.number = number.map(U256::from);
        args.header.fields.time = time;
        args
    }

    #[test]
    fn gaps_between_simulated_blocks_are_filled() {
        let blocks = plan(&base(), vec![at(Some(57), None), at(None, Some(700))]).unwrap();
        let places: Vec<_> = blocks.iter().map(|it| (it.number, it.time)).collect();
        assert_eq!(places, [(55, 552), (56, 564), (57, 576), (58, 700)]);
    }

    #[test]
    fn simulated_blocks_out_of_order_are_refused() {
        let code = |blocks| plan(&base(), blocks).map(|_| ()).unwrap_err().code;
        assert_eq!(code(vec![]), -32602);
        assert_eq!(code(vec![at(Some(54), None)]), -38020);
        assert_eq!(code(vec![at(None, Some(540))]), -38021);
        assert_eq!(code(vec![at(Some(58), Some(550))]), -38021, "after a gap");
        assert_eq!(code(vec![at(Some(54 + 257), None)]), -38026);
        assert_eq!(code(vec![at(None, None); 257]), -38026);
    }
}
