//! Withdrawals from the beacon chain (EIP-4895).

use alloy_primitives::{Address, U256};

use crate::{GWEI, rlp_struct};

/// A push of ether from the beacon chain into an account (EIP-4895).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withdrawal {
    /// Counts every withdrawal of the chain.
    pub index: u64,
    /// The validator it comes from.
    pub validator_index: u64,
    /// The account that is credited.
    pub address: Address,
    /// In gwei.
    pub amount: u64,
}

rlp_struct!(Withdrawal {
    index,
    validator_index,
    address,
    amount
});

impl Withdrawal {
    /// The amount in wei.
    pub fn amount_wei(&self) -> U256 {
        U256::from(self.amount) * U256::from(GWEI)
    }
}
