//! Encoding of accounts and slots in the database.

use actoreum_primitives::{Account, B256, EMPTY_CODE_HASH, EMPTY_ROOT_HASH, U256};

use crate::StorageError;

const HAS_CODE: u8 = 0x10;
const HAS_STORAGE: u8 = 0x20;

/// Encodes an account: a flag byte (length of the nonce in its low half, then [`HAS_CODE`],
/// [`HAS_STORAGE`]), the balance's length, nonce, balance (both big-endian without leading zeros),
/// and the code hash and storage root unless they are those of an empty account.
pub(crate) fn encode_account(account: &Account) -> Vec<u8> {
    let nonce = significant(account.nonce.to_be_bytes());
    let balance = significant(account.balance.to_be_bytes::<32>());
    let has_code = account.code_hash != EMPTY_CODE_HASH;
    let has_storage = account.storage_root != EMPTY_ROOT_HASH;
    let mut out = Vec::with_capacity(2 + nonce.len() + balance.len() + 64);
    let flags = if has_code { HAS_CODE } else { 0 } | if has_storage { HAS_STORAGE } else { 0 };
    out.push(flags | nonce.len() as u8);
    out.push(balance.len() as u8);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&balance);
    if has_code {
        out.extend_from_slice(account.code_hash.as_slice());
    }
    if has_storage {
        out.extend_from_slice(account.storage_root.as_slice());
    }
    out
}

/// Decodes the bytes of [`encode_account`]; an empty value means that there is no account.
pub(crate) fn decode_account(bytes: &[u8]) -> Result<Option<Account>, StorageError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let read = || {
        let (head, rest) = bytes.split_at_checked(2)?;
        let (nonce, rest) = rest.split_at_checked(usize::from(head[0] & 0x0f))?;
        let (balance, rest) = rest.split_at_checked(usize::from(head[1]))?;
        let mut hashes = rest.chunks_exact(32).map(B256::from_slice);
        let mut hash = |flag, nothing| {
            if head[0] & flag == 0 {
                Some(nothing)
            } else {
                hashes.next()
            }
        };
        let account = Account {
            nonce: u64::try_from(U256::try_from_be_slice(nonce)?).ok()?,
            balance: U256::try_from_be_slice(balance)?,
            code_hash: hash(HAS_CODE, EMPTY_CODE_HASH)?,
            storage_root: hash(HAS_STORAGE, EMPTY_ROOT_HASH)?,
        };
        let is_all = hashes.next().is_none() && rest.len().is_multiple_of(32);
        (is_all && head[0] & 0xc0 == 0).then_some(account)
    };
    read()
        .map(Some)
        .ok_or_else(|| StorageError::Corrupt("an account is unreadable".into()))
}

/// Encodes a slot's value (big-endian without leading zeros); zero is an empty value.
pub(crate) fn encode_slot(value: &U256) -> Vec<u8> {
    significant(value.to_be_bytes::<32>())
}

/// Decodes the bytes of [`encode_slot`].
pub(crate) fn decode_slot(bytes: &[u8]) -> Result<U256, StorageError> {
    U256::try_from_be_slice(bytes)
        .ok_or_else(|| StorageError::Corrupt("a storage slot is longer than 32 bytes".into()))
}

fn significant<const N: usize>(big_endian: [u8; N]) -> Vec<u8> {
    let zeros = big_endian.iter().take_while(|byte| **byte == 0).count();
    big_endian[zeros..].to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn accounts_survive_a_round_trip(
            nonce: u64, balance: [u8; 32], shift in 0_usize..256, code: bool, storage: bool,
        ) {
            let account = Account {
                nonce: nonce >> (shift % 64),
                balance: U256::from_be_bytes(balance) >> shift,
                code_hash: if code { B256::from(balance) } else { EMPTY_CODE_HASH },
                storage_root: if storage { B256::from(balance) } else { EMPTY_ROOT_HASH },
            };
            let bytes = encode_account(&account);
            prop_assert_eq!(decode_account(&bytes).unwrap(), Some(account));
            for end in 1..bytes.len() {
                prop_assert!(decode_account(&bytes[..end]).is_err());
            }
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = decode_account(&bytes);
            let _ = decode_slot(&bytes);
        }
    }
}
