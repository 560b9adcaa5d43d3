//! The rules of a block and their names in revm.
//!
//! The fork determines the behaviour of the EVM; the engine determines only the origin of a few
//! values. On a chain that seals its own blocks PREVRANDAO is the block's difficulty (as DIFFICULTY
//! was), and everything that requires a beacon chain is optional.

use std::sync::Arc;

use actoreum_primitives::config::{BlobParams, DevSchedule};
use actoreum_primitives::{Address, B256, ChainConfig, Fork, GAS_PER_BLOB, Header, U256};
use revm::context::BlockEnv;
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::primitives::hardfork::SpecId;

/// Maximum number of blobs in a transaction from Osaka on (EIP-7594).
const MAX_BLOBS_PER_TX: u64 = 6;

/// The rules of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) fork: Fork,
    pub(crate) spec: SpecId,
    pub(crate) chain_id: u64,
    /// Whether SSTORE has the gas costs of Constantinople (EIP-1283), which revm does not support.
    pub(crate) net_metering_1283: bool,
    /// Whether EIP-158 is active without EIP-150, which only geth 1.8 permits.
    pub(crate) lacks_eip150: bool,
    /// Maximum size of a contract's code in bytes, if the config changes EIP-170's limit.
    pub(crate) code_size_limit: Option<usize>,
    /// Whether the chain's own engine made the block, not a beacon chain.
    pub(crate) self_sealed: bool,
    pub(crate) blobs: BlobParams,
    /// Whether this is a development chain, whose user may send from contracts.
    pub(crate) is_development: bool,
    /// The signers that the user of a development chain has set, and the number of the block; `None`
    /// if there are none.
    pub(crate) signers: Option<(Arc<DevSchedule>, u64)>,
}

impl Rules {
    pub(crate) fn at(config: &ChainConfig, header: &Header) -> Self {
        let fork = config.fork_of(header);
        Self {
            fork,
            spec: spec_id(fork, header.difficulty.is_zero()),
            chain_id: config.chain_id_at(header.number),
            net_metering_1283: fork == Fork::Constantinople,
            lacks_eip150: fork < Fork::Istanbul && config.lacks_eip150(header.number),
            code_size_limit: config
                .code_size_limit
                .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            self_sealed: !config.is_proof_of_stake(header),
            blobs: config
                .blob_params_at(header.number, header.timestamp)
                .unwrap_or(BlobParams::NONE),
            is_development: config.is_development,
            signers: signers(config, header.number),
        }
    }

    /// Returns true if EIP-161 is active: a touched account that is empty is deleted.
    pub(crate) fn state_clearing(&self) -> bool {
        self.fork >= Fork::SpuriousDragon
    }

    /// Returns true if EIP-7702 is active.
    pub(crate) fn delegations(&self) -> bool {
        self.fork >= Fork::Prague
    }

    pub(crate) fn blob_gas_limit(&self) -> u64 {
        self.blobs.max.saturating_mul(GAS_PER_BLOB)
    }

    pub(crate) fn max_blobs_per_tx(&self) -> u64 {
        if self.fork >= Fork::Osaka {
            self.blobs.max.min(MAX_BLOBS_PER_TX)
        } else {
            self.blobs.max
        }
    }
}

fn signers(config: &ChainConfig, number: u64) -> Option<(Arc<DevSchedule>, u64)> {
    let schedule = config.dev_rules.as_ref()?.schedule();
    (schedule.signers() > 0).then_some((schedule, number))
}

/// Returns revm's name of a fork. Paris changes one instruction, and only under a beacon chain,
/// which the header shows by a difficulty of zero.
pub(crate) fn spec_id(fork: Fork, without_difficulty: bool) -> SpecId {
    match fork {
        Fork::Frontier => SpecId::FRONTIER,
        Fork::Homestead => SpecId::HOMESTEAD,
        Fork::TangerineWhistle => SpecId::TANGERINE,
        Fork::SpuriousDragon => SpecId::SPURIOUS_DRAGON,
        Fork::Byzantium => SpecId::BYZANTIUM,
        Fork::Constantinople | Fork::Petersburg => SpecId::PETERSBURG,
        Fork::Istanbul | Fork::MuirGlacier => SpecId::ISTANBUL,
        Fork::Berlin => SpecId::BERLIN,
        Fork::London | Fork::ArrowGlacier | Fork::GrayGlacier => SpecId::LONDON,
        Fork::Paris if without_difficulty => SpecId::MERGE,
        Fork::Paris => SpecId::LONDON,
        Fork::Shanghai => SpecId::SHANGHAI,
        Fork::Cancun => SpecId::CANCUN,
        Fork::Prague => SpecId::PRAGUE,
        Fork::Osaka | Fork::Bpo1 | Fork::Bpo2 | Fork::Bpo3 | Fork::Bpo4 | Fork::Bpo5 => {
            SpecId::OSAKA
        }
    }
}

/// Returns the block's fields as its code sees them.
pub(crate) fn block_env(rules: &Rules, header: &Header, beneficiary: Address) -> BlockEnv {
    let prevrandao = if rules.self_sealed {
        B256::from(header.difficulty)
    } else {
        header.mix_hash
    };
    let blob_excess_gas_and_price = (rules.fork >= Fork::Cancun).then(|| {
        let excess_blob_gas = header.excess_blob_gas.unwrap_or(0);
        let fraction = rules.blobs.base_fee_update_fraction;
        let blob_gasprice = blob_base_fee(excess_blob_gas, fraction);
        BlobExcessGasAndPrice {
            excess_blob_gas,
            blob_gasprice,
        }
    });
    BlockEnv {
        number: U256::from(header.number),
        beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or(0),
        difficulty: header.difficulty,
        prevrandao: Some(prevrandao),
        blob_excess_gas_and_price,
        slot_num: 0,
    }
}

/// Returns the blob base fee in wei per blob gas: e to the power of `excess_blob_gas / fraction`,
/// rounded like `fake_exponential` of EIP-4844. A value that does not fit becomes 2^128 - 1, more
/// than anybody can pay. This also prevents an excess that only an invalid header has from running
/// the series for minutes.
fn blob_base_fee(excess_blob_gas: u64, fraction: u64) -> u128 {
    /// e^89 is more than 2^128.
    const MAX_EXPONENT: u64 = 89;
    let fraction = fraction.max(1);
    if excess_blob_gas / fraction >= MAX_EXPONENT {
        return u128::MAX;
    }
    let (excess, fraction) = (U256::from(excess_blob_gas), U256::from(fraction));
    let mut sum = U256::ZERO;
    let mut term = fraction;
    let mut step = U256::ZERO;
    while !term.is_zero() {
        sum = sum.saturating_add(term);
        step += U256::ONE;
        let Some(product) = term.checked_mul(excess) else {
            return u128::MAX;
        };
        term = product / (fraction * step);
    }
    u128::try_from(sum / fraction).unwrap_or(u128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actoreum_primitives::config::CliqueConfig;

    fn self_sealed(cancun_time: u64) -> ChainConfig {
        ChainConfig {
            chain_id: 1337,
            london_block: Some(0),
            shanghai_time: Some(0),
            cancun_time: Some(cancun_time),
            clique: Some(CliqueConfig {
                period: 1,
                epoch: 30_000,
            }),
            ..ChainConfig::default()
        }
    }

    #[test]
    fn a_clique_chain_runs_cancun_without_a_merge() {
        let config = self_sealed(100);
        let header = Header {
            number: 7,
            timestamp: 100,
            difficulty: U256::from(2),
            mix_hash: B256::repeat_byte(9),
            ..Header::default()
        };
        let rules = Rules::at(&config, &header);
        assert_eq!(rules.spec, SpecId::CANCUN);
        assert!(rules.self_sealed);
        assert_eq!(rules.blob_gas_limit(), 0, "no blob schedule: no blobs");
        let env = block_env(&rules, &header, Address::repeat_byte(1));
        assert_eq!(env.prevrandao, Some(B256::from(U256::from(2))));
        assert_eq!(env.beneficiary, Address::repeat_byte(1));

        let before = Header {
            timestamp: 99,
            ..header
        };
        assert_eq!(Rules::at(&config, &before).spec, SpecId::SHANGHAI);
    }

    #[test]
    fn the_blob_base_fee_follows_eip_4844_and_terminates() {
        use revm::context_interface::block::calc_blob_gasprice;
        let fraction = BlobParams::CANCUN.base_fee_update_fraction;
        for excess in [0, 1, 131_072, 2_314_057, 2_314_058, 10_485_760, 148_099_578] {
            let expected = calc_blob_gasprice(excess, fraction);
            assert_eq!(blob_base_fee(excess, fraction), expected, "excess {excess}");
        }
        assert_eq!(blob_base_fee(u64::MAX, fraction), u128::MAX);
        assert_eq!(blob_base_fee(u64::MAX, 0), u128::MAX);
        assert_eq!(blob_base_fee(u64::MAX - 1, u64::MAX), 2);
    }

    #[test]
    fn a_merged_chain_takes_prevrandao_from_the_mix_hash() {
        let config = ChainConfig {
            terminal_total_difficulty: Some(U256::ZERO),
            clique: None,
            ..self_sealed(0)
        };
        let header = Header {
            mix_hash: B256::repeat_byte(9),
            ..Header::default()
        };
        let rules = Rules::at(&config, &header);
        assert!(!rules.self_sealed);
        assert_eq!(rules.blobs, BlobParams::CANCUN);
        let env = block_env(&rules, &header, Address::ZERO);
        assert_eq!(env.prevrandao, Some(B256::repeat_byte(9)));
    }

    #[test]
    fn paris_is_recognised_by_the_header_alone() {
        let config = ChainConfig {
            london_block: Some(0),
            terminal_total_difficulty: Some(U256::from(1_000)),
            ..ChainConfig::default()
        };
        let mut header = Header {
            number: 5,
            difficulty: U256::from(17),
            ..Header::default()
        };
        assert_eq!(Rules::at(&config, &header).spec, SpecId::LONDON);
        header.difficulty = U256::ZERO;
        assert_eq!(Rules::at(&config, &header).spec, SpecId::MERGE);
    }

    #[test]
    fn constantinople_is_petersburg_with_net_metering() {
        let config = ChainConfig {
            constantinople_block: Some(5),
            petersburg_block: Some(6),
            ..ChainConfig::default()
        };
        let rules = |number| {
            Rules::at(
                &config,
                &Header {
                    number,
                    ..Header::default()
                },
            )
        };
        assert!(rules(5).net_metering_1283);
        assert!(!rules(6).net_metering_1283);
        assert_eq!(rules(5).spec, rules(6).spec);
    }
}
