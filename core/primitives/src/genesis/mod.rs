//! The genesis: a chain's config, its first header and what its first accounts hold.
//!
//! Its JSON is geth's `genesis.json`; Besu's is read too.

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
pub use networks::{DevChain, MAINNET_GENESIS_HASH};
pub use private::{PrivateChain, PrivateSealing};
pub use read::GenesisFile;

/// The gas limit of a first block whose genesis gives 0 (geth's `params.GenesisGasLimit`).
pub const DEFAULT_GAS_LIMIT: u64 = 4_712_388;

/// An account of the genesis state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GenesisAccount {
    /// In wei.
    pub balance: U256,
    /// Mostly zero.
    pub nonce: u64,
    /// Empty where it is no contract.
    pub code: Bytes,
    /// Values by slot; a zero is as good as none.
    pub storage: BTreeMap<B256, B256>,
}

/// A chain's first block and its rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Genesis {
    /// The rules.
    pub config: ChainConfig,
    /// The header's nonce.
    pub nonce: u64,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// In clique: 32 bytes, the signers, 65 bytes.
    pub extra_data: Bytes,
    /// The header's gas limit; [`DEFAULT_GAS_LIMIT`] where it is zero.
    pub gas_limit: u64,
    /// The header's difficulty.
    pub difficulty: U256,
    /// The header's mix hash.
    pub mix_hash: B256,
    /// The header's beneficiary.
    pub coinbase: Address,
    /// The state's accounts.
    pub alloc: BTreeMap<Address, GenesisAccount>,
    /// Zero, save in tests.
    pub number: u64,
    /// Zero, save in tests.
    pub gas_used: u64,
    /// Zero, save in tests.
    pub parent_hash: B256,
    /// The base fee, where London is active in the first block; 1 gwei where it is `None`.
    pub base_fee_per_gas: Option<u64>,
    /// Where Cancun is active in the first block; zero where it is `None`.
    pub excess_blob_gas: Option<u64>,
    /// Where Cancun is active in the first block; zero where it is `None`.
    pub blob_gas_used: Option<u64>,
}

impl Genesis {
    /// The header over a state with this root, with the fields that the forks which are
    /// active from the start ask for.
    pub fn header(&self, state_root: B256) -> Header {
        let fork = self.config.fork_at(self.number, self.timestamp);
        let since = |first: Fork| fork >= first;
        // A config may have Paris begin before London: the base fee is London's (as in geth).
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

    /// The block over a state with this root.
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

    /// The change from nothing to the genesis state. An account that is listed exists even
    /// where it is empty, as in geth.
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
