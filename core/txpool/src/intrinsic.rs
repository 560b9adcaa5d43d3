//! The intrinsic gas of a transaction: its cost before the first instruction.

use actoreum_primitives::{Fork, Transaction};

/// Gas of every transaction (Yellow Paper, G_transaction).
const TX: u64 = 21_000;
/// Additional gas of a contract creation, from Homestead on (EIP-2).
const CREATE: u64 = 32_000;
/// Gas of a zero byte of data (Yellow Paper, G_txdatazero).
const ZERO_BYTE: u64 = 4;
/// Gas of a non-zero byte of data, before Istanbul.
const NON_ZERO_BYTE_FRONTIER: u64 = 68;
/// Gas of a non-zero byte of data, from Istanbul on (EIP-2028).
const NON_ZERO_BYTE: u64 = 16;
/// Gas of 32 bytes of init code, from Shanghai on (EIP-3860).
const INITCODE_WORD: u64 = 2;
/// Gas of an address in the access list (EIP-2930).
const ACCESS_LIST_ADDRESS: u64 = 2_400;
/// Gas of a storage key in the access list (EIP-2930).
const ACCESS_LIST_KEY: u64 = 1_900;
/// Gas of an authorization (EIP-7702, PER_EMPTY_ACCOUNT_COST).
const AUTHORIZATION: u64 = 25_000;
/// Minimum gas of a token of data, from Prague on (EIP-7623).
const FLOOR_TOKEN: u64 = 10;
/// Tokens of a non-zero byte (EIP-7623).
const TOKENS_NON_ZERO_BYTE: u64 = 4;

/// The number of zero and non-zero bytes of a transaction's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DataBytes {
    zero: u64,
    non_zero: u64,
}

impl DataBytes {
    pub(crate) fn of(transaction: &Transaction) -> Self {
        let input = transaction.input();
        let zero = input.iter().filter(|byte| **byte == 0).count() as u64;
        Self {
            zero,
            non_zero: input.len() as u64 - zero,
        }
    }

    /// Returns the intrinsic gas. It can't overflow, because [`crate::limits::MAX_TX_BYTES`] bounds
    /// the sizes.
    pub(crate) fn intrinsic_gas(self, transaction: &Transaction, fork: Fork) -> u64 {
        let non_zero = if fork >= Fork::Istanbul {
            NON_ZERO_BYTE
        } else {
            NON_ZERO_BYTE_FRONTIER
        };
        let mut gas = TX + self.zero * ZERO_BYTE + self.non_zero * non_zero;
        if transaction.is_create() && fork >= Fork::Homestead {
            gas += CREATE;
        }
        if transaction.is_create() && fork >= Fork::Shanghai {
            gas += (self.zero + self.non_zero).div_ceil(32) * INITCODE_WORD;
        }
        for item in transaction.access_list() {
            gas += ACCESS_LIST_ADDRESS + item.storage_keys.len() as u64 * ACCESS_LIST_KEY;
        }
        gas + transaction.authorization_list().len() as u64 * AUTHORIZATION
    }

    /// Returns the floor gas of the transaction's data (EIP-7623); zero before Prague.
    pub(crate) fn floor_gas(self, fork: Fork) -> u64 {
        if fork < Fork::Prague {
            return 0;
        }
        TX + (self.zero + self.non_zero * TOKENS_NON_ZERO_BYTE) * FLOOR_TOKEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actoreum_primitives::{Address, LegacyTx, SecretKey, TxPayload};

    fn gas(input: Vec<u8>, to: Option<Address>, fork: Fork) -> (u64, u64) {
        let payload = LegacyTx {
            to,
            input: input.into(),
            ..LegacyTx::default()
        };
        let transaction = TxPayload::Legacy(payload).sign(&SecretKey::random());
        let data = DataBytes::of(&transaction);
        (data.intrinsic_gas(&transaction, fork), data.floor_gas(fork))
    }

    #[test]
    fn gas_of_data_and_creation_follows_the_fork() {
        let call = Some(Address::ZERO);
        assert_eq!(gas(vec![], call, Fork::Frontier), (21_000, 0));
        assert_eq!(gas(vec![0, 1], call, Fork::Byzantium), (21_072, 0));
        assert_eq!(gas(vec![0, 1], call, Fork::Istanbul), (21_020, 0));
        assert_eq!(gas(vec![0, 1], call, Fork::Prague), (21_020, 21_050));
        assert_eq!(gas(vec![], None, Fork::Frontier), (21_000, 0));
        assert_eq!(gas(vec![], None, Fork::Homestead), (53_000, 0));
        assert_eq!(gas(vec![0; 33], None, Fork::Shanghai), (53_136, 0));
    }
}
