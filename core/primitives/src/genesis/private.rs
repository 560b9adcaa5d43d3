//! Chains that somebody begins for a few nodes.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};

use super::{Genesis, GenesisAccount, system_contracts};
use crate::config::{CliqueConfig, Fork};
use crate::{ChainConfig, INITIAL_BASE_FEE};

/// Who seals a private chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivateSealing {
    /// These signers, which sign in turn.
    Clique {
        /// Period and epoch.
        config: CliqueConfig,
        /// At least one.
        signers: Vec<Address>,
    },
    /// Whoever finds a proof of work of this difficulty at first.
    Ethash(U256),
}

/// What a private chain starts with: every fork up to `fork` is active from its first block on,
/// and the contracts that these forks ask for are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateChain {
    /// The chain id.
    pub chain_id: u64,
    /// Who seals.
    pub sealing: PrivateSealing,
    /// The gas limit of the first block.
    pub gas_limit: u64,
    /// The newest fork that is active.
    pub fork: Fork,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// Accounts that hold ether from the start, in wei.
    pub accounts: BTreeMap<Address, U256>,
}

impl PrivateChain {
    /// The genesis. Precompiled contracts hold one wei, so that calls to them cost the same
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

/// 32 bytes of vanity, the signers, 65 bytes for a seal.
fn clique_extra_data(signers: &[Address]) -> Vec<u8> {
    let mut extra_data = vec![0; 32];
    extra_data.extend(signers.iter().flatten());
    extra_data.extend([0; 65]);
    extra_data
}
