//! Access lists (EIP-2930).

use alloy_primitives::{Address, B256};

use crate::rlp_struct;

/// An account that a transaction says it will touch, with slots of its storage (EIP-2930).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessListItem {
    /// The account.
    pub address: Address,
    /// Slots, big-endian.
    pub storage_keys: Vec<B256>,
}

rlp_struct!(AccessListItem {
    address,
    storage_keys
});
