//! Built-in networks: mainnet and the development chain.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, address, b256, bytes};

use super::{Genesis, GenesisAccount, PrivateChain, PrivateSealing};
use crate::config::{BlobParams, CliqueConfig, DEFAULT_CLIQUE_EPOCH, Fork};
use crate::{ChainConfig, Header, rlp, rlp_struct};

/// The hash of mainnet's genesis.
pub const MAINNET_GENESIS_HASH: B256 =
    b256!("d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3");

/// The balances of mainnet's genesis accounts: an RLP list of pairs, compressed with zstd.
/// `data/README.md` tells how the file was made.
const MAINNET_ALLOCATIONS: &[u8] = include_bytes!("../../data/mainnet-allocations.rlp.zst");

/// Difficulty of the genesis block of a development chain of proof of work: the lowest that there is.
const DEV_DIFFICULTY: U256 = U256::from_limbs([131_072, 0, 0, 0]);

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

/// The consensus of a development chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DevConsensus {
    /// Merged blocks that the node decides itself, in place of a beacon chain.
    Merged,
    /// Proof of authority with one signer.
    Clique,
    /// Proof of work by its rules, without the work.
    Ethash,
}

/// Parameters of a development chain: every fork up to `fork` is active from genesis on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevChain {
    /// Chain id.
    pub chain_id: u64,
    /// The consensus.
    pub consensus: DevConsensus,
    /// Address of the only signer; used with clique alone.
    pub signer: Address,
    /// Seconds between blocks; with zero, a block is sealed as soon as there are transactions. It
    /// is part of the chain with clique alone.
    pub period: u64,
    /// Gas limit of the first block.
    pub gas_limit: u64,
    /// Newest active fork.
    pub fork: Fork,
    /// Unix time of the genesis in seconds.
    pub timestamp: u64,
    /// Initial balances in wei.
    pub accounts: BTreeMap<Address, U256>,
}

impl DevChain {
    /// Default chain id of a development chain.
    pub const CHAIN_ID: u64 = 1337;
    /// Default gas limit.
    pub const GAS_LIMIT: u64 = 30_000_000;
    /// Extra data of the genesis of a chain of proof of work. A chain without it needs real proofs
    /// of work.
    pub const MARKER: &'static [u8] = b"actoreum development chain";

    /// Creates a clique chain with every fork, whose signer has 10^12 ether.
    pub fn new(signer: Address) -> Self {
        let balance = U256::from(10).pow(U256::from(30));
        Self {
            consensus: DevConsensus::Clique,
            signer,
            accounts: BTreeMap::from([(signer, balance)]),
            ..Self::merged()
        }
    }

    /// Creates a merged chain with every fork, without funds.
    pub fn merged() -> Self {
        Self {
            chain_id: Self::CHAIN_ID,
            consensus: DevConsensus::Merged,
            signer: Address::ZERO,
            period: 0,
            gas_limit: Self::GAS_LIMIT,
            fork: Fork::Osaka,
            timestamp: 0,
            accounts: BTreeMap::new(),
        }
    }

    /// Returns the consensus of a chain with this config and genesis header; `None` if it can't be
    /// a development chain.
    pub fn consensus_of(config: &ChainConfig, genesis: &Header) -> Option<DevConsensus> {
        if config.terminal_total_difficulty == Some(U256::ZERO) {
            return Some(DevConsensus::Merged);
        }
        if config.clique.is_some() {
            return (config.chain_id == Self::CHAIN_ID).then_some(DevConsensus::Clique);
        }
        (genesis.extra_data.as_ref() == Self::MARKER).then_some(DevConsensus::Ethash)
    }

    /// Returns the genesis. That of a merged chain has the deterministic CREATE2 deployer.
    pub fn genesis(&self) -> Genesis {
        let chain = PrivateChain {
            chain_id: self.chain_id,
            sealing: match self.consensus {
                DevConsensus::Merged => PrivateSealing::Merged,
                DevConsensus::Clique => PrivateSealing::Clique {
                    config: CliqueConfig {
                        period: self.period,
                        epoch: DEFAULT_CLIQUE_EPOCH,
                    },
                    signers: vec![self.signer],
                },
                DevConsensus::Ethash => PrivateSealing::Ethash(DEV_DIFFICULTY),
            },
            gas_limit: self.gas_limit,
            fork: self.fork,
            timestamp: self.timestamp,
            accounts: self.accounts.clone(),
        };
        let mut genesis = chain.genesis();
        match self.consensus {
            DevConsensus::Merged => {
                let (address, account) = create2_deployer();
                genesis.alloc.insert(address, account);
            }
            DevConsensus::Ethash => genesis.extra_data = Bytes::from_static(Self::MARKER),
            DevConsensus::Clique => {}
        }
        genesis
    }
}

/// Returns the deterministic CREATE2 deployer that most public chains have at this address.
fn create2_deployer() -> (Address, GenesisAccount) {
    let account = GenesisAccount {
        nonce: 1,
        code: bytes!(
            "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035"
            "828234f58015156039578182fd5b8082525050506014600cf3"
        ),
        ..GenesisAccount::default()
    };
    let address = address!("4e59b44847b379578588920ca78fbf26c0b4956c");
    (address, account)
}
