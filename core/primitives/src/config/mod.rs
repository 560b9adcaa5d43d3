//! The chain config: which rules hold from which block or time on, and who seals.
//!
//! Its JSON is the `config` of geth's `genesis.json`.

mod blob;
mod compat;
mod fork;
mod fork_id;
mod json;
mod order;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256};

use crate::Header;

pub use blob::BlobParams;
pub use compat::{ConfigCompatError, Rewind};
pub use fork::{Activation, Fork, UnknownFork};
pub use fork_id::{ForkFilter, ForkId, ForkIdError};
pub use order::ForkOrderError;

/// Blocks between clique's checkpoints where the config gives none (EIP-225).
pub const DEFAULT_CLIQUE_EPOCH: u64 = 30_000;

/// Bytes of a contract's code at most where the config does not say otherwise (EIP-170).
pub const DEFAULT_CODE_SIZE_LIMIT: u64 = 0x6000;

/// Proof of authority (EIP-225).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CliqueConfig {
    /// The least number of seconds between two blocks; with zero, blocks are sealed when
    /// there are transactions.
    pub period: u64,
    /// Blocks between two checkpoints, at which votes are reset. Never zero.
    pub epoch: u64,
}

/// Who seals a chain's blocks (before the merge, where it has one).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineConfig {
    /// Proof of work.
    Ethash,
    /// Proof of authority.
    Clique(CliqueConfig),
}

/// The rules of a chain. A fork that is `None` never comes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainConfig {
    /// Binds transactions to this chain (EIP-155).
    pub chain_id: u64,
    /// Homestead.
    pub homestead_block: Option<u64>,
    /// The DAO fork: where headers carry a marker.
    pub dao_fork_block: Option<u64>,
    /// Whether this chain moved the DAO's ether at `dao_fork_block`.
    pub dao_fork_support: bool,
    /// Tangerine Whistle.
    pub eip150_block: Option<u64>,
    /// The hash that the block at `eip150_block` must have, for a light client's sake.
    pub eip150_hash: Option<B256>,
    /// The first half of Spurious Dragon: replay protection.
    pub eip155_block: Option<u64>,
    /// The second half of Spurious Dragon: state clearing and all the rest.
    pub eip158_block: Option<u64>,
    /// Byzantium.
    pub byzantium_block: Option<u64>,
    /// Constantinople.
    pub constantinople_block: Option<u64>,
    /// Petersburg; with Constantinople where it is `None`.
    pub petersburg_block: Option<u64>,
    /// Istanbul.
    pub istanbul_block: Option<u64>,
    /// Muir Glacier.
    pub muir_glacier_block: Option<u64>,
    /// Berlin.
    pub berlin_block: Option<u64>,
    /// London.
    pub london_block: Option<u64>,
    /// Arrow Glacier.
    pub arrow_glacier_block: Option<u64>,
    /// Gray Glacier.
    pub gray_glacier_block: Option<u64>,
    /// A block after the merge by which networks tell each other apart (EIP-2124).
    pub merge_netsplit_block: Option<u64>,
    /// The total difficulty from which on the beacon chain leads; `None` where the chain
    /// seals its own blocks for ever.
    pub terminal_total_difficulty: Option<U256>,
    /// Whether the network is known to be merged.
    pub terminal_total_difficulty_passed: bool,
    /// Shanghai.
    pub shanghai_time: Option<u64>,
    /// Cancun.
    pub cancun_time: Option<u64>,
    /// Prague.
    pub prague_time: Option<u64>,
    /// Osaka.
    pub osaka_time: Option<u64>,
    /// The forks that change blob parameters alone, first to fifth (EIP-7892).
    pub bpo_times: [Option<u64>; 5],
    /// How many blobs a block takes, by the fork that says so (EIP-7840).
    pub blob_schedule: BTreeMap<Fork, BlobParams>,
    /// The contract whose logs are deposit requests (EIP-6110).
    pub deposit_contract_address: Option<Address>,
    /// Bytes of a contract's code at most, in place of EIP-170's: Besu's `contractSizeLimit`.
    pub code_size_limit: Option<u64>,
    /// Proof of authority; proof of work where it is `None`.
    pub clique: Option<CliqueConfig>,
    /// Whether clique signers seal no block without transactions: Besu's `createEmptyBlocks: false`.
    /// Other signers' empty blocks are valid.
    pub skips_empty_blocks: bool,
    /// Whether the chain's user may send in the name of others and edit the state. Set by
    /// `--dev` while it runs; neither read from a genesis nor written anywhere, so that no file
    /// can ask for it.
    pub is_development: bool,
}

impl ChainConfig {
    /// A chain of proof of work on which every fork up to `fork` (none that changes blob
    /// parameters alone) is active from genesis on, and no later one ever comes. It does not
    /// merge: for a beacon chain's, set `terminal_total_difficulty` to zero.
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
            // Left out, Petersburg would come along with Constantinople.
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

    /// Who seals the blocks (before the merge, where there is one).
    pub fn engine(&self) -> EngineConfig {
        self.clique
            .map_or(EngineConfig::Ethash, EngineConfig::Clique)
    }

    /// Settles what geth 1.8 takes and later rules can't, and says so: a sentence each.
    ///
    /// A terminal total difficulty of zero without London in the first block is left out: geth
    /// 1.8 does not know it, and such a chain cannot have merged, because the merge builds upon
    /// London.
    pub fn settle_as_geth_1_8(&mut self) -> Vec<String> {
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

    /// Whether the rules of EIP-158 hold without those of EIP-150, as only geth 1.8 has it.
    pub fn lacks_eip150(&self, number: u64) -> bool {
        let begun = |block: Option<u64>| block.is_some_and(|block| block <= number);
        begun(self.eip158_block) && !begun(self.eip150_block)
    }

    /// When a fork begins; `None` where it never does. Frontier begins with block 0. Paris
    /// begins at the netsplit block, or with block 0 where the terminal total difficulty is
    /// zero: elsewhere its block is not known beforehand.
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

    /// Whether exactly this fork has begun in a block. A fork that is scheduled by time
    /// waits for London, as in geth.
    pub fn is_active(&self, fork: Fork, number: u64, timestamp: u64) -> bool {
        let Some(activation) = self.activation(fork) else {
            return false;
        };
        let is_london = || self.london_block.is_some_and(|block| block <= number);
        activation.is_active(number, timestamp)
            && (matches!(activation, Activation::Block(_)) || is_london())
    }

    /// The newest fork that has begun in a block. A fork that the config leaves out is
    /// passed over: `fork >= Fork::MuirGlacier` holds from Berlin on even where
    /// Muir Glacier never came ([`ChainConfig::is_active`] tells).
    pub fn fork_at(&self, number: u64, timestamp: u64) -> Fork {
        Fork::ALL
            .into_iter()
            .rev()
            .find(|fork| self.is_active(*fork, number, timestamp))
            .unwrap_or(Fork::Frontier)
    }

    /// The newest fork that has begun in the block of this header: [`ChainConfig::fork_at`],
    /// and Paris where the header itself shows that the beacon chain leads.
    pub fn fork_of(&self, header: &Header) -> Fork {
        let scheduled = self.fork_at(header.number, header.timestamp);
        if self.is_proof_of_stake(header) {
            scheduled.max(Fork::Paris)
        } else {
            scheduled
        }
    }

    /// Whether EIP-155 has begun.
    pub fn is_eip155_active(&self, number: u64) -> bool {
        self.eip155_block
            .or(self.eip158_block)
            .is_some_and(|block| block <= number)
    }

    /// Whether the DAO fork has begun.
    pub fn is_dao_fork_active(&self, number: u64) -> bool {
        self.dao_fork_block.is_some_and(|block| block <= number)
    }

    /// Whether a block of this total difficulty is the last (or a later one) that the chain's
    /// own engine sealed.
    pub fn is_terminal(&self, total_difficulty: U256) -> bool {
        self.terminal_total_difficulty
            .is_some_and(|terminal| total_difficulty >= terminal)
    }

    /// Whether a beacon chain made the block of this header: the chain merges some day, and
    /// the header has no difficulty (which no engine of its own would leave out).
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
