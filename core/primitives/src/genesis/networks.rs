//! Built-in networks: mainnet and the development chain.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256, address, b256, bytes};

use super::{Genesis, GenesisAccount, PrivateChain, PrivateSealing};
use crate::config::{BlobParams, CliqueConfig, DEFAULT_CLIQUE_EPOCH, Fork};
use crate::{ChainConfig, rlp, rlp_struct};

/// The hash of mainnet's genesis.
pub const MAINNET_GENESIS_HASH: B256 =
    b256!("d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3");

/// The balances of mainnet's genesis accounts: an RLP list of pairs, compressed with zstd.
/// `data/README.md` tells how the file was made.
const MAINNET_ALLOCATIONS: &[u8] = include_bytes!("../../data/mainnet-allocations.rlp.zst");

/// An account and its balance in wei.
struct Allocation {
    address: Address,
    balance: U256,
}

rlp_struct!(Allocation { address, balance });

impl ChainConfig {
    /// Returns mainnet's config.
    pub fn mainnet() -> Self {
        Self {
            chain_id: 1,
            homestead_block: Some(1_150_000),
            dao_fork_block: Some(1_920_000),
            dao_fork_support: true,
            eip150_block: Some(2_463_000),
            eip155_block: Some(2_675_000),
            eip158_block: Some(2_675_000),
            byzantium_block: Some(4_370_000),
            constantinople_block: Some(7_280_000),
            petersburg_block: Some(7_280_000),
            istanbul_block: Some(9_069_000),
            muir_glacier_block: Some(9_200_000),
            berlin_block: Some(12_244_000),
            london_block: Some(12_965_000),
            arrow_glacier_block: Some(13_773_000),
            gray_glacier_block: Some(15_050_000),
            terminal_total_difficulty: Some(U256::from(58_750_000_000_000_000_000_000_u128)),
            terminal_total_difficulty_passed: true,
            shanghai_time: Some(1_681_338_455),
            cancun_time: Some(1_710_338_135),
            prague_time: Some(1_746_612_311),
            osaka_time: Some(1_764_798_551),
            bpo_times: [Some(1_765_290_071), Some(1_767_747_671), None, None, None],
            blob_schedule: BTreeMap::from([
                (Fork::Cancun, BlobParams::CANCUN),
                (Fork::Prague, BlobParams::PRAGUE),
                (Fork::Bpo1, BlobParams::BPO1),
                (Fork::Bpo2, BlobParams::BPO2),
            ]),
            deposit_contract_address: Some(address!("00000000219ab540356cbb839cbe05303d7705fa")),
            ..Self::default()
        }
    }
}

impl Genesis {
    /// Returns mainnet's genesis, with its 8,893 allocations.
    pub fn mainnet() -> Self {
        let encoded = zstd::decode_all(MAINNET_ALLOCATIONS)
            .expect("because the embedded data is a whole zstd frame");
        let allocations: Vec<Allocation> =
            rlp::decode_exact(&encoded).expect("because the embedded data is a list of pairs");
        let alloc = allocations
            .into_iter()
            .map(|Allocation { address, balance }| {
                (
                    address,
                    GenesisAccount {
                        balance,
                        ..GenesisAccount::default()
                    },
                )
            })
            .collect();
        Self {
            config: ChainConfig::mainnet(),
            nonce: 0x42,
            extra_data: bytes!("11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa"),
            gas_limit: 5_000,
            difficulty: U256::from(1_u64 << 34),
            alloc,
            ..Self::default()
        }
    }
}

/// Parameters of a development chain: chain id 1337, one clique signer, every fork up to `fork`
/// active from genesis on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevChain {
    /// Address of the only signer.
    pub signer: Address,
    /// Seconds between blocks; with zero, a block is sealed as soon as there are transactions.
    pub period: u64,
    /// Gas limit of the first block.
    pub gas_limit: u64,
    /// Newest active fork.
    pub fork: Fork,
    /// Initial balances in wei.
    pub accounts: BTreeMap<Address, U256>,
}

impl DevChain {
    /// Chain id of a development chain.
    pub const CHAIN_ID: u64 = 1337;
    /// Default gas limit.
    pub const GAS_LIMIT: u64 = 30_000_000;

    /// Creates a chain with every fork, whose signer has 10^12 ether.
    pub fn new(signer: Address) -> Self {
        let balance = U256::from(10).pow(U256::from(30));
        Self {
            signer,
            period: 0,
            gas_limit: Self::GAS_LIMIT,
            fork: Fork::Osaka,
            accounts: BTreeMap::from([(signer, balance)]),
        }
    }

    /// Returns the genesis.
    pub fn genesis(&self) -> Genesis {
        let chain = PrivateChain {
            chain_id: Self::CHAIN_ID,
            sealing: PrivateSealing::Clique {
                config: CliqueConfig {
                    period: self.period,
                    epoch: DEFAULT_CLIQUE_EPOCH,
                },
                signers: vec![self.signer],
            },
            gas_limit: self.gas_limit,
            fork: self.fork,
            timestamp: 0,
            accounts: self.accounts.clone(),
        };
        chain.genesis()
    }
}
