//! The chain config: fork activations, consensus engine and chain id.
//!
//! Its JSON is the `config` object of geth's `genesis.json`.

mod blob;
mod compat;
mod development;
mod fork;
mod fork_id;
mod json;
mod order;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::{Address, B256, U256};

use crate::Header;

pub use blob::BlobParams;
pub use compat::{ConfigCompatError, Rewind};
pub use development::{DevRules, DevSchedule, SignatureBytes};
pub use fork::{Activation, Fork, UnknownFork};
pub use fork_id::{ForkFilter, ForkId, ForkIdError};
pub use order::ForkOrderError;

/// Number of blocks between clique's checkpoints if the config gives none (EIP-225).
pub const DEFAULT_CLIQUE_EPOCH: u64 = 30_000;

/// Maximum size of a contract's code in bytes if the config does not set another (EIP-170).
pub const DEFAULT_CODE_SIZE_LIMIT: u64 = 0x6000;

/// The parameters of clique, the proof-of-authority engine (EIP-225).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CliqueConfig {
    /// Minimum number of seconds between two blocks. With zero, a block is sealed only if there are
    /// transactions.
    pub period: u64,
    /// Number of blocks between two checkpoints, at which votes are reset. Never zero.
    pub epoch: u64,
}

/// The consensus engine that seals a chain's blocks (before the merge, if the chain merges).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineConfig {
    /// Proof of work (ethash).
    Ethash,
    /// Proof of authority (clique).
    Clique(CliqueConfig),
}

/// The rules of a chain. A fork whose activation is `None` never begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainConfig {
    /// Chain id that replay-protected transactions are bound to (EIP-155).
    pub chain_id: u64,
    /// Block at which Homestead begins.
    pub homestead_block: Option<u64>,
    /// Block of the DAO fork; headers from there on carry a marker in their extra data.
    pub dao_fork_block: Option<u64>,
    /// Whether the chain moved the DAO's ether at `dao_fork_block`.
    pub dao_fork_support: bool,
    /// Block at which Tangerine Whistle begins.
    pub eip150_block: Option<u64>,
    /// Hash that the block at `eip150_block` must have; it is meant for light clients.
    pub eip150_hash: Option<B256>,
    /// Block of the first half of Spurious Dragon: replay protection.
    pub eip155_block: Option<u64>,
    /// Block of the second half of Spurious Dragon: state clearing and the other changes.
    pub eip158_block: Option<u64>,
    /// Block at which Byzantium begins.
    pub byzantium_block: Option<u64>,
    /// Block at which Constantinople begins.
    pub constantinople_block: Option<u64>,
    /// Block at which Petersburg begins; the same as Constantinople's if it is `None`.
    pub petersburg_block: Option<u64>,
    /// Block at which Istanbul begins.
    pub istanbul_block: Option<u64>,
    /// Block at which Muir Glacier begins.
    pub muir_glacier_block: Option<u64>,
    /// Block at which Berlin begins.
    pub berlin_block: Option<u64>,
    /// Block at which London begins.
    pub london_block: Option<u64>,
    /// Block at which Arrow Glacier begins.
    pub arrow_glacier_block: Option<u64>,
    /// Block at which Gray Glacier begins.
    pub gray_glacier_block: Option<u64>,
    /// Block after the merge by which networks tell each other apart (EIP-2124).
    pub merge_netsplit_block: Option<u64>,
    /// Total difficulty at which the beacon chain takes over; `None` for a chain that always seals
    /// its own blocks.
    pub terminal_total_difficulty: Option<U256>,
    /// Whether the network is known to have merged.
    pub terminal_total_difficulty_passed: bool,
    /// Unix time at which Shanghai begins.
    pub shanghai_time: Option<u64>,
    /// Unix time at which Cancun begins.
    pub cancun_time: Option<u64>,
    /// Unix time at which Prague begins.
    pub prague_time: Option<u64>,
    /// Unix time at which Osaka begins.
    pub osaka_time: Option<u64>,
    /// Unix times of the forks that change only blob parameters, first to fifth (EIP-7892).
    pub bpo_times: [Option<u64>; 5],
    /// Blob parameters by the fork that introduces them (EIP-7840).
    pub blob_schedule: BTreeMap<Fork, BlobParams>,
    /// Address of the contract whose logs are deposit requests (EIP-6110).
    pub deposit_contract_address: Option<Address>,
    /// Maximum size of a contract's code in bytes, instead of EIP-170's: Besu's
    /// `contractSizeLimit`.
    pub code_size_limit: Option<u64>,
    /// Parameters of proof of authority; `None` on a chain of proof of work.
    pub clique: Option<CliqueConfig>,
    /// Whether clique signers seal no block without transactions: Besu's `createEmptyBlocks:
    /// false`. Empty blocks of other signers are valid.
    pub skips_empty_blocks: bool,
    /// Whether the RPC user may send transactions from any account and edit the state. `--dev` sets
    /// it at run time. It is neither read from a genesis nor stored, so that no file can enable it.
    pub is_development: bool,
    /// The changes of the rules by the user of a development chain. They are stored beside the
    /// config; a chain opens with it if `is_development` is set.
    pub dev_rules: Option<Arc<DevRules>>,
}

impl ChainConfig {
    /// Returns the config of a proof-of-work chain on which every fork up to `fork` is active from
    /// genesis on (except those that change only blob parameters) and no later fork ever begins.
    /// The chain does not merge; set `terminal_total_difficulty` to zero for a chain under a beacon
    /// chain.
    pub fn active_from_genesis(chain_id: u64, fork: Fork) -> Self {
        let since = |first: Fork| (fork >= first).then_some(0);
        Self {
            chain_id,
            homestead_block: since(Fork::Homestead),
            eip150_block: since(Fork::TangerineWhistle),
            eip155_block: since(Fork::SpuriousDragon),
            eip158_block: since(Fork::SpuriousDragon),
            byzantium_block: since(Fork::Byzantium),
            constantinople_block: since(Fork::Constantinople),
            // Without this value Petersburg would begin together with Constantinople.
            petersburg_block: match fork {
                Fork::Constantinople => Some(u64::MAX),
                _ => since(Fork::Petersburg),
            },
            istanbul_block: since(Fork::Istanbul),
            muir_glacier_block: since(Fork::MuirGlacier),
            berlin_block: since(Fork::Berlin),
            london_block: since(Fork::London),
            arrow_glacier_block: since(Fork::ArrowGlacier),
            gray_glacier_block: since(Fork::GrayGlacier),
            shanghai_time: since(Fork::Shanghai),
            cancun_time: since(Fork::Cancun),
            prague_time: since(Fork::Prague),
            osaka_time: since(Fork::Osaka),
            ..Self::default()
        }
    }

    /// Returns the chain id of a block: [`ChainConfig::chain_id`], unless the user of a development
    /// chain has changed it.
    pub fn chain_id_at(&self, number: u64) -> u64 {
        let changed = self.dev_rules.as_ref();
        let changed = changed.and_then(|rules| rules.schedule().chain_id_at(number));
        changed.unwrap_or(self.chain_id)
    }

    /// Returns the consensus engine that seals the blocks (before the merge, if there is one).
    pub fn engine(&self) -> EngineConfig {
        self.clique
            .map_or(EngineConfig::Ethash, EngineConfig::Clique)
    }

    /// Adjusts a config that geth 1.8 accepts and later versions refuse, and returns one warning, a
    /// sentence, for each adjustment.
    ///
    /// A terminal total difficulty of zero without London at genesis is removed: geth 1.8 does not
    /// know that setting, and such a chain cannot have merged, because the merge requires London.
    pub fn adjust_as_geth_1_8(&mut self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.chain_id == 0 {
            warnings.push(
                "config.chainId is missing: transactions are bound to chain 0, as in geth 1.8; \
                 give the network's id with --networkid (geth's was 1 by default)"
                    .to_owned(),
            );
        }
        let is_eip150_missing = self.eip150_block.is_none() && self.eip158_block.is_some();
        if is_eip150_missing {
            warnings.push(
                "config.eip150Block is missing: as in geth 1.8, contracts are created with all \
                 gas that is left and SELFDESTRUCT is free; later geths refuse this file"
                    .to_owned(),
            );
        }
        if self.terminal_total_difficulty == Some(U256::ZERO) && self.london_block != Some(0) {
            self.terminal_total_difficulty = None;
            self.terminal_total_difficulty_passed = false;
            warnings.push(
                "config.terminalTotalDifficulty is 0, but London does not begin with the first \
                 block: it is left out, as in geth 1.8, and the chain seals its own blocks"
                    .to_owned(),
            );
        }
        warnings
    }

    /// Returns true if EIP-158 is active without EIP-150, which only geth 1.8 permits.
    pub fn lacks_eip150(&self, number: u64) -> bool {
        let begun = |block: Option<u64>| block.is_some_and(|block| block <= number);
        begun(self.eip158_block) && !begun(self.eip150_block)
    }

    /// Returns the activation of a fork; `None` if it never begins. Frontier begins with block 0.
    /// Paris begins at the netsplit block, or with block 0 if the terminal total difficulty is
    /// zero; otherwise its block is not known in advance.
    pub fn activation(&self, fork: Fork) -> Option<Activation> {
        let block = match fork {
            Fork::Frontier => Some(0),
            Fork::Homestead => self.homestead_block,
            Fork::TangerineWhistle => self.eip150_block,
            Fork::SpuriousDragon => self.eip158_block,
            Fork::Byzantium => self.byzantium_block,
            Fork::Constantinople => self.effective_constantinople_block(),
            Fork::Petersburg => self.effective_petersburg_block(),
            Fork::Istanbul => self.istanbul_block,
            Fork::MuirGlacier => self.muir_glacier_block,
            Fork::Berlin => self.berlin_block,
            Fork::London => self.london_block,
            Fork::ArrowGlacier => self.arrow_glacier_block,
            Fork::GrayGlacier => self.gray_glacier_block,
            Fork::Paris => self.paris_block(),
            Fork::Shanghai => return self.shanghai_time.map(Activation::Time),
            Fork::Cancun => return self.cancun_time.map(Activation::Time),
            Fork::Prague => return self.prague_time.map(Activation::Time),
            Fork::Osaka => return self.osaka_time.map(Activation::Time),
            Fork::Bpo1 => return self.bpo_times[0].map(Activation::Time),
            Fork::Bpo2 => return self.bpo_times[1].map(Activation::Time),
            Fork::Bpo3 => return self.bpo_times[2].map(Activation::Time),
            Fork::Bpo4 => return self.bpo_times[3].map(Activation::Time),
            Fork::Bpo5 => return self.bpo_times[4].map(Activation::Time),
        };
        block.map(Activation::Block)
    }

    /// Returns true if exactly this fork has begun in a block. A fork that is scheduled by time
    /// also requires London, as in geth.
    pub fn is_active(&self, fork: Fork, number: u64, timestamp: u64) -> bool {
        let Some(activation) = self.activation(fork) else {
            return false;
        };
        let is_london = || self.london_block.is_some_and(|block| block <= number);
        activation.is_active(number, timestamp)
            && (matches!(activation, Activation::Block(_)) || is_london())
    }

    /// Returns the newest fork that has begun in a block. Forks that the config leaves out are
    /// skipped: `fork >= Fork::MuirGlacier` holds from Berlin on even if Muir Glacier never began
    /// (use [`ChainConfig::is_active`] to ask for a single fork).
    pub fn fork_at(&self, number: u64, timestamp: u64) -> Fork {
        Fork::ALL
            .into_iter()
            .rev()
            .find(|fork| self.is_active(*fork, number, timestamp))
            .unwrap_or(Fork::Frontier)
    }

    /// Returns the newest fork that has begun in the block of this header:
    /// [`ChainConfig::fork_at`], or at least Paris if the header shows that it came from a beacon
    /// chain.
    pub fn fork_of(&self, header: &Header) -> Fork {
        let scheduled = self.fork_at(header.number, header.timestamp);
        if self.is_proof_of_stake(header) {
            scheduled.max(Fork::Paris)
        } else {
            scheduled
        }
    }

    /// Returns true if EIP-155 is active in the block with this number.
    pub fn is_eip155_active(&self, number: u64) -> bool {
        self.eip155_block
            .or(self.eip158_block)
            .is_some_and(|block| block <= number)
    }

    /// Returns true if the block with this number is at or after the DAO fork.
    pub fn is_dao_fork_active(&self, number: u64) -> bool {
        self.dao_fork_block.is_some_and(|block| block <= number)
    }

    /// Returns true if a block of this total difficulty is the last (or a later) block that the
    /// chain's own engine seals.
    pub fn is_terminal(&self, total_difficulty: U256) -> bool {
        self.terminal_total_difficulty
            .is_some_and(|terminal| total_difficulty >= terminal)
    }

    /// Returns true if a beacon chain produced the block of this header: the chain is configured to
    /// merge, and the header's difficulty is zero (which the chain's own engine never produces).
    pub fn is_proof_of_stake(&self, header: &Header) -> bool {
        self.terminal_total_difficulty.is_some() && header.difficulty.is_zero()
    }

    fn effective_constantinople_block(&self) -> Option<u64> {
        self.constantinople_block.or(self.petersburg_block)
    }

    fn effective_petersburg_block(&self) -> Option<u64> {
        self.petersburg_block.or(self.constantinople_block)
    }

    fn paris_block(&self) -> Option<u64> {
        if self.terminal_total_difficulty == Some(U256::ZERO) {
            return Some(0);
        }
        self.merge_netsplit_block
    }
}
