//! The genesis: a chain's config, its first header and its first accounts.
//!
//! The JSON format is that of geth's `genesis.json`; Besu's files are read too.

mod besu;
mod foreign;
pub(crate) mod json;
mod networks;
mod private;
mod read;
mod system_contracts;

#[cfg(test)]
mod file_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use alloy_primitives::{Address, B64, B256, Bytes, U256};

use crate::{
    AccountChange, AccountInfo, Block, Body, ChainConfig, EMPTY_CODE_HASH, EMPTY_REQUESTS_HASH,
    EMPTY_ROOT_HASH, Fork, Header, INITIAL_BASE_FEE, SlotChange, StateDiff, keccak256,
};

pub use json::GenesisError;
pub use networks::{DevChain, DevConsensus, MAINNET_GENESIS_HASH};
pub use private::{PrivateChain, PrivateSealing};
pub use read::GenesisFile;

/// The gas limit of the first block if the genesis gives 0 (geth's `params.GenesisGasLimit`).
pub const DEFAULT_GAS_LIMIT: u64 = 4_712_388;

/// An account of the genesis state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GenesisAccount {
    /// Balance in wei.
    pub balance: U256,
    /// Nonce; usually zero.
    pub nonce: u64,
    /// Code; empty if the account is not a contract.
    pub code: Bytes,
    /// Values by slot; a zero value is the same as a missing slot.
    pub storage: BTreeMap<B256, B256>,
}

/// A chain's first block and its config.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Genesis {
    /// The chain's rules.
    pub config: ChainConfig,
    /// Nonce of the header.
    pub nonce: u64,
    /// Unix time of the header in seconds.
    pub timestamp: u64,
    /// Extra data of the header. In clique: 32 bytes of vanity, the signers, 65 bytes for a seal.
    pub extra_data: Bytes,
    /// Gas limit of the header; zero stands for [`DEFAULT_GAS_LIMIT`].
    pub gas_limit: u64,
    /// Difficulty of the header.
    pub difficulty: U256,
    /// Mix hash of the header.
    pub mix_hash: B256,
    /// Beneficiary of the header.
    pub coinbase: Address,
    /// Accounts of the genesis state.
    pub alloc: BTreeMap<Address, GenesisAccount>,
    /// Number of the header; zero except in tests.
    pub number: u64,
    /// Gas used of the header; zero except in tests.
    pub gas_used: u64,
    /// Parent hash of the header; zero except in tests.
    pub parent_hash: B256,
    /// Base fee if London is active in the first block; `None` stands for 1 gwei.
    pub base_fee_per_gas: Option<u64>,
    /// Excess blob gas if Cancun is active in the first block; `None` stands for zero.
    pub excess_blob_gas: Option<u64>,
    /// Blob gas used if Cancun is active in the first block; `None` stands for zero.
    pub blob_gas_used: Option<u64>,
}

impl Genesis {
    /// Returns the header over a state with this root, with the fields that the forks active at
    /// genesis require.
    pub fn header(&self, state_root: B256) -> Header {
        let fork = self.config.fork_at(self.number, self.timestamp);
        let since = |first: Fork| fork >= first;
        // A config may have Paris before London; the base fee begins with London (as in geth).
        let is_london = self
            .config
            .is_active(Fork::London, self.number, self.timestamp);
        Header {
            parent_hash: self.parent_hash,
            beneficiary: self.coinbase,
            state_root,
            difficulty: self.difficulty,
            number: self.number,
            gas_limit: match self.gas_limit {
                0 => DEFAULT_GAS_LIMIT,
                limit => limit,
            },
            gas_used: self.gas_used,
            timestamp: self.timestamp,
            extra_data: self.extra_data.clone(),
            mix_hash: self.mix_hash,
            nonce: B64::from(self.nonce.to_be_bytes()),
            base_fee_per_gas: is_london.then(|| self.base_fee_per_gas.unwrap_or(INITIAL_BASE_FEE)),
            withdrawals_root: since(Fork::Shanghai).then_some(EMPTY_ROOT_HASH),
            blob_gas_used: since(Fork::Cancun).then(|| self.blob_gas_used.unwrap_or(0)),
            excess_blob_gas: since(Fork::Cancun).then(|| self.excess_blob_gas.unwrap_or(0)),
            parent_beacon_block_root: since(Fork::Cancun).then_some(B256::ZERO),
            requests_hash: since(Fork::Prague).then_some(EMPTY_REQUESTS_HASH),
            ..Header::default()
        }
    }

    /// Returns the block over a state with this root.
    pub fn block(&self, state_root: B256) -> Block {
        let header = self.header(state_root);
        let withdrawals = header.withdrawals_root.map(|_| Vec::new());
        Block {
            header,
            body: Body {
                withdrawals,
                ..Body::default()
            },
        }
    }

    /// Returns the change from the empty state to the genesis state. A listed account exists even
    /// if it is empty, as in geth.
    pub fn state_diff(&self) -> StateDiff {
        let mut diff = StateDiff::default();
        for (address, account) in &self.alloc {
            let mut code_hash = EMPTY_CODE_HASH;
            if !account.code.is_empty() {
                code_hash = keccak256(&account.code);
                diff.codes.insert(code_hash, account.code.clone());
            }
            let info = AccountInfo {
                nonce: account.nonce,
                balance: account.balance,
                code_hash,
            };
            let storage = account
                .storage
                .iter()
                .filter(|(_, value)| !value.is_zero())
                .map(|(slot, value)| {
                    let change = SlotChange {
                        before: U256::ZERO,
                        after: (*value).into(),
                    };
                    ((*slot).into(), change)
                })
                .collect();
            let change = AccountChange {
                before: None,
                after: Some(info),
                storage_wiped: false,
                storage,
            };
            diff.accounts.insert(*address, change);
        }
        diff
    }
}
