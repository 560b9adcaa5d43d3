//! Accounts in the slim form: the hash of empty code and the root of an empty trie are empty strings.

use actoreum_primitives::rlp::{
    Decode, DecodeError, EMPTY_STRING, Encode, List, decode_str, list_length,
};
use actoreum_primitives::{Account, B256, EMPTY_CODE_HASH, EMPTY_ROOT_HASH};

use crate::eth::WireItem;
use crate::limits::{MAX_RANGE_ACCOUNTS, MIN_RANGE_ACCOUNT_SIZE};
use crate::rlp::put_list;

/// An account of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeAccount {
    /// Hashed address: keccak(address).
    pub hash: B256,
    /// The account.
    pub account: Account,
}

impl RangeAccount {
    fn body_length(&self) -> usize {
        let Account {
            nonce,
            balance,
            storage_root,
            code_hash,
        } = &self.account;
        nonce.length()
            + balance.length()
            + slim_length(storage_root, &EMPTY_ROOT_HASH)
            + slim_length(code_hash, &EMPTY_CODE_HASH)
    }

    /// Returns the size that geth counts towards the limit of a response: that of the hashed address
    /// and of the slim account, in bytes.
    pub fn counted_size(&self) -> usize {
        32 + list_length(self.body_length())
    }
}

impl Encode for RangeAccount {
    fn encode(&self, out: &mut Vec<u8>) {
        put_list(out, |out| {
            self.hash.encode(out);
            put_list(out, |out| {
                self.account.nonce.encode(out);
                self.account.balance.encode(out);
                put_slim(&self.account.storage_root, &EMPTY_ROOT_HASH, out);
                put_slim(&self.account.code_hash, &EMPTY_CODE_HASH, out);
            });
        });
    }

    fn length(&self) -> usize {
        list_length(self.hash.length() + list_length(self.body_length()))
    }
}

impl Decode for RangeAccount {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        let mut entry = List::open(buf)?;
        let hash = entry.next()?;
        let mut body = entry.next_list()?;
        entry.finish()?;
        let account = Account {
            nonce: body.next()?,
            balance: body.next()?,
            storage_root: next_slim(&mut body, &EMPTY_ROOT_HASH)?,
            code_hash: next_slim(&mut body, &EMPTY_CODE_HASH)?,
        };
        body.finish()?;
        Ok(Self { hash, account })
    }
}

impl WireItem for RangeAccount {
    const LIMIT: usize = MAX_RANGE_ACCOUNTS;
    const MIN_SIZE: usize = MIN_RANGE_ACCOUNT_SIZE;
}

fn slim_length(hash: &B256, empty: &B256) -> usize {
    if hash == empty { 1 } else { hash.length() }
}

fn put_slim(hash: &B256, empty: &B256, out: &mut Vec<u8>) {
    if hash == empty {
        out.push(EMPTY_STRING);
    } else {
        hash.encode(out);
    }
}

/// Reads a hash of the slim form, in which `empty` is never written.
fn next_slim(list: &mut List<'_>, empty: &B256) -> Result<B256, DecodeError> {
    let content = decode_str(&mut list.next_raw()?)?;
    if content.is_empty() {
        return Ok(*empty);
    }
    let hash = B256::try_from(content).map_err(|_| DecodeError::UnexpectedLength)?;
    if hash == *empty {
        return Err(DecodeError::Custom("account is not in the slim form"));
    }
    Ok(hash)
}
