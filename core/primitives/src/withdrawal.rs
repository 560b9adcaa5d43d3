//! Withdrawals from the beacon chain (EIP-4895).

use alloy_primitives::{Address, U256};

use crate::{GWEI, rlp_struct};

/// A push of ether from the beacon chain into an account (EIP-4895).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withdrawal {
    /// Index of the withdrawal in the whole chain, counted from zero.
    pub index: u64,
    /// Index of the validator whose ether is withdrawn.
    pub validator_index: u64,
    /// Account that is credited.
    pub address: Address,
    /// Amount in gwei.
    pub amount: u64,
}

rlp_struct!(Withdrawal {
    index,
    validator_index,
    address,
    amount
});

impl Withdrawal {
    /// Returns the amount in wei.
    pub fn amount_wei(&self) -> U256 {
        U256::from(self.amount) * U256::from(GWEI)
    }
}
