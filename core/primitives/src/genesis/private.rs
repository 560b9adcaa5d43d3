//! Genesis of private chains.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};

use super::{Genesis, GenesisAccount, system_contracts};
use crate::config::{BlobParams, CliqueConfig, Fork};
use crate::{ChainConfig, INITIAL_BASE_FEE};

/// The consensus engine of a private chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivateSealing {
    /// Proof of authority: these signers seal in turn.
    Clique {
        /// Clique's period and epoch.
        config: CliqueConfig,
        /// Addresses of the signers; at least one.
        signers: Vec<Address>,
    },
    /// Proof of work with this initial difficulty.
    Ethash(U256),
    /// Merged from the genesis block on, with mainnet's blob parameters of each fork.
    Merged,
}

/// Parameters of a private chain. Every fork up to `fork` is active from the first block on, and
/// the system contracts of these forks are in the genesis state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateChain {
    /// Chain id.
    pub chain_id: u64,
    /// Consensus engine.
    pub sealing: PrivateSealing,
    /// Gas limit of the first block.
    pub gas_limit: u64,
    /// Newest active fork.
    pub fork: Fork,
    /// Unix time of the genesis in seconds.
    pub timestamp: u64,
    /// Initial balances in wei.
    pub accounts: BTreeMap<Address, U256>,
}

impl PrivateChain {
    /// Returns the genesis. Precompiled contracts hold one wei, so that calls to them cost the same
    /// as on a chain where they were used.
    pub fn genesis(&self) -> Genesis {
        let mut config = ChainConfig::active_from_genesis(self.chain_id, self.fork);
        let (difficulty, extra_data) = match &self.sealing {
            PrivateSealing::Clique {
                config: clique,
                signers,
            } => {
                config.clique = Some(*clique);
                let mut signers = signers.clone();
                signers.sort_unstable();
                (U256::ONE, clique_extra_data(&signers))
            }
            PrivateSealing::Ethash(difficulty) => (*difficulty, Vec::new()),
            PrivateSealing::Merged => {
                config.terminal_total_difficulty = Some(U256::ZERO);
                config.terminal_total_difficulty_passed = true;
                config.blob_schedule = blob_schedule(self.fork);
                (U256::ZERO, Vec::new())
            }
        };
        let wei = |balance| GenesisAccount {
            balance,
            ..GenesisAccount::default()
        };
        let mut alloc: BTreeMap<Address, GenesisAccount> = (1..=9)
            .map(|last_byte| (Address::with_last_byte(last_byte), wei(U256::ONE)))
            .collect();
        alloc.extend(system_contracts::accounts_until(self.fork));
        for (address, balance) in &self.accounts {
            alloc.entry(*address).or_default().balance = *balance;
        }
        Genesis {
            config,
            extra_data: extra_data.into(),
            gas_limit: self.gas_limit,
            difficulty,
            timestamp: self.timestamp,
            alloc,
            base_fee_per_gas: (self.fork >= Fork::London).then_some(INITIAL_BASE_FEE),
            ..Genesis::default()
        }
    }
}

/// Returns mainnet's blob parameters of the forks up to `fork`.
fn blob_schedule(fork: Fork) -> BTreeMap<Fork, BlobParams> {
    let all = [
        (Fork::Cancun, BlobParams::CANCUN),
        (Fork::Prague, BlobParams::PRAGUE),
        (Fork::Osaka, BlobParams::PRAGUE),
    ];
    let begun = all.into_iter().filter(|(since, _)| *since <= fork);
    begun.collect()
}

/// Returns clique's extra data: 32 bytes of vanity, the signers, 65 bytes for a seal.
fn clique_extra_data(signers: &[Address]) -> Vec<u8> {
    let mut extra_data = vec![0; 32];
    extra_data.extend(signers.iter().flatten());
    extra_data.extend([0; 65]);
    extra_data
}
