//! An in-memory state and a chain config for the tests.

use std::collections::BTreeMap;

use actoreum_primitives::{
    AccountInfo, Address, B256, BlockHashes, Bytes, ChainConfig, Header, StateError, StateReader,
    U256, keccak256,
};

#[derive(Debug, Clone, Default)]
pub struct MemoryState {
    pub accounts: BTreeMap<Address, (AccountInfo, BTreeMap<U256, U256>)>,
    pub codes: BTreeMap<B256, Bytes>,
}

impl StateReader for MemoryState {
    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(self.accounts.get(address).map(|(info, _)| *info))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        let value = self
            .accounts
            .get(address)
            .and_then(|(_, slots)| slots.get(slot));
        Ok(value.copied().unwrap_or_default())
    }

    fn code(&self, code_hash: &B256) -> Result<Bytes, StateError> {
        Ok(self.codes.get(code_hash).cloned().unwrap_or_default())
    }

    fn has_storage(&self, address: &Address) -> Result<bool, StateError> {
        Ok(self
            .accounts
            .get(address)
            .is_some_and(|(_, slots)| !slots.is_empty()))
    }
}

/// Block hashes of the official state tests: the hash of the number in decimal.
pub struct NumberHashes;

impl BlockHashes for NumberHashes {
    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        Ok(keccak256(number.to_string()))
    }
}

/// Returns the config of a chain with every fork up to Cancun from its genesis on, and without a
/// consensus engine.
pub fn cancun_config() -> ChainConfig {
    ChainConfig {
        chain_id: 1337,
        homestead_block: Some(0),
        eip150_block: Some(0),
        eip155_block: Some(0),
        eip158_block: Some(0),
        byzantium_block: Some(0),
        constantinople_block: Some(0),
        petersburg_block: Some(0),
        istanbul_block: Some(0),
        berlin_block: Some(0),
        london_block: Some(0),
        shanghai_time: Some(0),
        cancun_time: Some(0),
        ..ChainConfig::default()
    }
}

/// Returns the header of a block at Cancun or later.
pub fn cancun_header() -> Header {
    Header {
        number: 5,
        timestamp: 1_000,
        gas_limit: 30_000_000,
        base_fee_per_gas: Some(7),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        ..Header::default()
    }
}
