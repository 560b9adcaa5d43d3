//! Access lists (EIP-2930).

use alloy_primitives::{Address, B256};

use crate::rlp_struct;

/// An account, with slots of its storage, that a transaction declares to access (EIP-2930).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessListItem {
    /// Address of the account.
    pub address: Address,
    /// Storage slots, big-endian.
    pub storage_keys: Vec<B256>,
}

rlp_struct!(AccessListItem {
    address,
    storage_keys
});
