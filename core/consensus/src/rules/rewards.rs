//! Block rewards of ethash.

use actoreum_primitives::{Address, ChainConfig, ETHER, Fork, Header, U256};

/// Returns the reward of a block without ommers, in wei: 5 ether, 3 from Byzantium on (EIP-649), 2
/// from Constantinople on (EIP-1234).
pub fn block_reward(config: &ChainConfig, number: u64) -> U256 {
    let is_active = |fork| config.is_active(fork, number, 0);
    let ether = if is_active(Fork::Constantinople) {
        2
    } else if is_active(Fork::Byzantium) {
        3
    } else {
        5
    };
    U256::from(ether) * U256::from(ETHER)
}

/// Returns the recipients of the block reward with their amounts in wei, in geth's order, ommers
/// first: each ommer's miner gets `(8 - age) / 8` of the reward, and the block's miner gets the
/// reward and 1/32 of it per ommer.
pub fn ethash_rewards(
    config: &ChainConfig,
    header: &Header,
    ommers: &[Header],
) -> Vec<(Address, U256)> {
    let reward = block_reward(config, header.number);
    let of_ommer = |ommer: &Header| {
        let age = header.number.saturating_sub(ommer.number);
        let eighths = 8_u64.saturating_sub(age);
        (
            ommer.beneficiary,
            U256::from(eighths) * reward / U256::from(8),
        )
    };
    let own = reward + U256::from(ommers.len()) * (reward / U256::from(32));
    ommers
        .iter()
        .map(of_ommer)
        .chain([(header.beneficiary, own)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_rewards() {
        let config = ChainConfig {
            byzantium_block: Some(100),
            constantinople_block: Some(200),
            ..ChainConfig::default()
        };
        let block = |number, miner: u8| Header {
            number,
            beneficiary: Address::repeat_byte(miner),
            ..Header::default()
        };
        for (number, ether) in [(99, 5), (100, 3), (199, 3), (200, 2), (5000, 2)] {
            let reward = U256::from(ether) * U256::from(ETHER);
            assert_eq!(block_reward(&config, number), reward, "block {number}");
        }
        let ommers = [block(9, 2), block(4, 3)];
        let wei = |milliether: u64| U256::from(milliether) * U256::from(ETHER / 100_000);
        let rewards = ethash_rewards(&config, &block(10, 1), &ommers);
        let expected = [
            (Address::repeat_byte(2), wei(437_500)),
            (Address::repeat_byte(3), wei(125_000)),
            (Address::repeat_byte(1), wei(531_250)),
        ];
        assert_eq!(rewards, expected);
        assert_eq!(
            ethash_rewards(&config, &block(10, 1), &[block(11, 2)])[0].1,
            wei(500_000)
        );
    }
}
