//! Requests of the snap protocol, without their ids.

use actoreum_primitives::B256;
use actoreum_primitives::rlp::{DecodeError, EMPTY_STRING, Encode, List, decode_str, encode_str};
use bytes::Bytes;

use crate::limits::{MAX_REQUEST_HASHES, MAX_TRIE_PATH_SIZE, MAX_TRIE_PATHS};
use crate::rlp::{TOO_MANY_ELEMENTS, count_bounded, decode_bounded, put_list};

/// Asks for consecutive accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetAccountRange {
    /// Root of the state.
    pub root: B256,
    /// Hashed address from which on accounts are returned.
    pub origin: B256,
    /// Hashed address at or after which the answer ends. The first account is returned in any case.
    pub limit: B256,
    /// Soft limit on the size of the answer in bytes.
    pub bytes: u64,
}

/// Asks for the slots of accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetStorageRanges {
    /// Root of the state.
    pub root: B256,
    /// Hashed addresses.
    pub accounts: Vec<B256>,
    /// Hashed slot from which on slots of the first account are returned; the first one if absent.
    pub origin: Option<B256>,
    /// Hashed slot at or after which the first account's slots end; the last one if absent.
    pub limit: Option<B256>,
    /// Soft limit on the size of the answer in bytes.
    pub bytes: u64,
}

/// Asks for codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetByteCodes {
    /// Hashes of the codes.
    pub hashes: Vec<B256>,
    /// Soft limit on the size of the answer in bytes.
    pub bytes: u64,
}

/// Asks for trie nodes by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetTrieNodes {
    /// Root of the state.
    pub root: B256,
    /// Paths, by account.
    pub paths: Vec<TriePathSet>,
    /// Soft limit on the size of the answer in bytes.
    pub bytes: u64,
}

/// Paths of trie nodes of one account. Paths are in the hex-prefix form of the yellow paper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriePathSet {
    /// Path in the state trie; the hashed address if there are paths of slots.
    pub account: Bytes,
    /// Paths in the account's storage trie. If there are none, a node of the state trie is meant.
    pub slots: Vec<Bytes>,
}

impl GetAccountRange {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        self.root.encode(out);
        self.origin.encode(out);
        self.limit.encode(out);
        self.bytes.encode(out);
    }

    pub(super) fn read(list: &mut List<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            root: list.next()?,
            origin: list.next()?,
            limit: list.next()?,
            bytes: list.next()?,
        })
    }
}

impl GetStorageRanges {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        self.root.encode(out);
        self.accounts.encode(out);
        for bound in [&self.origin, &self.limit] {
            match bound {
                Some(bound) => bound.encode(out),
                None => out.push(EMPTY_STRING),
            }
        }
        self.bytes.encode(out);
    }

    pub(super) fn read(list: &mut List<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            root: list.next()?,
            accounts: decode_bounded(list.next_list()?, MAX_REQUEST_HASHES)?,
            origin: next_bound(list)?,
            limit: next_bound(list)?,
            bytes: list.next()?,
        })
    }
}

impl GetByteCodes {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        self.hashes.encode(out);
        self.bytes.encode(out);
    }

    pub(super) fn read(list: &mut List<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            hashes: decode_bounded(list.next_list()?, MAX_REQUEST_HASHES)?,
            bytes: list.next()?,
        })
    }
}

impl GetTrieNodes {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        self.root.encode(out);
        put_list(out, |out| {
            for set in &self.paths {
                put_list(out, |out| {
                    encode_str(&set.account, out);
                    set.slots.iter().for_each(|path| encode_str(path, out));
                });
            }
        });
        self.bytes.encode(out);
    }

    pub(super) fn read(message: &Bytes, list: &mut List<'_>) -> Result<Self, DecodeError> {
        let root = list.next()?;
        let mut sets = list.next_list()?;
        let mut paths = Vec::with_capacity(count_bounded(&sets, MAX_TRIE_PATHS)?);
        let mut left = MAX_TRIE_PATHS;
        while !sets.is_empty() {
            let mut set = sets.next_list()?;
            let count = count_bounded(&set, left)?;
            left = left.checked_sub(count).ok_or(TOO_MANY_ELEMENTS)?;
            // An empty set has no account: the error ends the connection, as in geth.
            let account = next_path(message, &mut set)?;
            let mut slots = Vec::with_capacity(count.saturating_sub(1));
            while !set.is_empty() {
                slots.push(next_path(message, &mut set)?);
            }
            paths.push(TriePathSet { account, slots });
        }
        Ok(Self {
            root,
            paths,
            bytes: list.next()?,
        })
    }
}

fn next_path(message: &Bytes, list: &mut List<'_>) -> Result<Bytes, DecodeError> {
    let path = decode_str(&mut list.next_raw()?)?;
    if path.len() > MAX_TRIE_PATH_SIZE {
        return Err(DecodeError::Custom("trie path is too long"));
    }
    // An empty slice may lie outside of the message.
    if path.is_empty() {
        return Ok(Bytes::new());
    }
    Ok(message.slice_ref(path))
}

/// Reads a bound of a range, which is absent or has 32 bytes.
fn next_bound(list: &mut List<'_>) -> Result<Option<B256>, DecodeError> {
    let content = decode_str(&mut list.next_raw()?)?;
    if content.is_empty() {
        return Ok(None);
    }
    B256::try_from(content)
        .map(Some)
        .map_err(|_| DecodeError::UnexpectedLength)
}
