//! Ranges of accounts and slots with their proofs.

use std::ops::ControlFlow;

use actoreum_primitives::rlp::{Encode, list_length};
use actoreum_primitives::{Account, B256, EMPTY_CODE_HASH, EMPTY_ROOT_HASH, U256};
use actoreum_trie::prove;

use super::scan::scan;
use super::{ServedState, Source};
use crate::StorageError;
use crate::limits::{MAX_SERVED_BYTES, SERVED_SLOTS_SLACK};
use crate::state::codec::{decode_account, decode_slot};
use crate::tables::Table;

/// Consecutive accounts with the trie nodes that prove the range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountRange {
    /// Accounts by hashed address, in ascending order.
    pub accounts: Vec<(B256, Account)>,
    /// Nodes on the paths to the start of the range and to the last account.
    pub proof: Vec<Vec<u8>>,
}

/// Consecutive slots of accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageRanges {
    /// Slots of each account by hashed slot, in ascending order; accounts without slots are left out.
    pub ranges: Vec<Vec<(B256, U256)>>,
    /// Nodes on the paths to the start of the last range and to its last slot, unless the range has all
    /// slots of the account.
    pub proof: Vec<Vec<u8>>,
}

impl ServedState {
    /// Returns the accounts from `origin` to the first one at or above `limit`, or until their size
    /// exceeds `bytes`; at least one, if there is one from `origin` on. The proof is attached in any
    /// case, as by geth.
    pub fn account_range(
        &self,
        origin: B256,
        limit: B256,
        bytes: u64,
    ) -> Result<Option<AccountRange>, StorageError> {
        self.undisturbed(|| self.read_accounts(origin, limit, bytes.min(MAX_SERVED_BYTES)))
    }

    fn read_accounts(
        &self,
        origin: B256,
        limit: B256,
        bytes: u64,
    ) -> Result<AccountRange, StorageError> {
        let mut accounts = Vec::new();
        let mut size = 0;
        let changed = self.snapshot.overwritten().0.range(origin..);
        scan(
            &self.store,
            &Table::Accounts.prefix(),
            &origin,
            changed.map(|(key, account)| (*key, *account)),
            decode_account,
            |key, account| {
                size += 32 + slim_length(&account);
                accounts.push((key, account));
                if key >= limit || size > bytes {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        )?;
        let last = accounts.last().map(|(key, _)| key);
        let proof = prove_range(&self.accounts(), self.root, &origin, last)?;
        Ok(AccountRange { accounts, proof })
    }

    /// Returns the slots of accounts, by hashed address, until their size exceeds `bytes`. `origin` and
    /// `limit` bound the slots of the first account, like those of [`Self::account_range`].
    ///
    /// If the last range does not have all slots of its account, it has a proof. If an account does not
    /// exist, the answer is empty.
    pub fn storage_ranges(
        &self,
        accounts: &[B256],
        origin: Option<B256>,
        limit: Option<B256>,
        bytes: u64,
    ) -> Result<Option<StorageRanges>, StorageError> {
        let bytes = bytes.min(MAX_SERVED_BYTES);
        self.undisturbed(|| self.read_storages(accounts, origin, limit, bytes))
    }

    fn read_storages(
        &self,
        accounts: &[B256],
        origin: Option<B256>,
        limit: Option<B256>,
        bytes: u64,
    ) -> Result<StorageRanges, StorageError> {
        let mut answer = StorageRanges::default();
        let (mut origin, mut limit) = (origin, limit);
        let mut size = 0;
        for key in accounts {
            if size > 0 && size >= bytes {
                break;
            }
            let Some(account) = self.snapshot.account(key)? else {
                return Ok(StorageRanges::default());
            };
            let start = origin.take().unwrap_or_default();
            let end = limit.take();
            if account.storage_root == EMPTY_ROOT_HASH {
                continue;
            }
            let hard_limit = bytes + bytes / SERVED_SLOTS_SLACK;
            let range = self.read_slots(key, start, end, hard_limit, &mut size)?;
            let is_whole = start.is_zero() && range.is_complete;
            if !is_whole {
                let nodes = self.storage_nodes(key, &account)?;
                let source = self.slots(key, &nodes);
                let last = range.slots.last().map(|(slot, _)| slot);
                answer.proof = prove_range(&source, account.storage_root, &start, last)?;
            }
            if !range.slots.is_empty() {
                answer.ranges.push(range.slots);
            }
            if !is_whole {
                break;
            }
        }
        Ok(answer)
    }

    /// Reads slots of an account until `size`, to which theirs are added, reaches `hard_limit`.
    fn read_slots(
        &self,
        key: &B256,
        start: B256,
        end: Option<B256>,
        hard_limit: u64,
        size: &mut u64,
    ) -> Result<Slots, StorageError> {
        let mut slots = Vec::new();
        let mut is_complete = true;
        let mut is_at_end = false;
        let changed = self.snapshot.overwritten().1.get(key);
        let changed = changed.into_iter().flat_map(|slots| slots.range(start..));
        scan(
            &self.store,
            &Table::Slots.key(&[key.as_slice()]),
            &start,
            changed.map(|(slot, value)| (*slot, present(*value))),
            |bytes| decode_slot(bytes).map(present),
            |slot, value| {
                let is_full = *size > 0 && *size >= hard_limit;
                if is_at_end || is_full {
                    is_complete = false;
                    return ControlFlow::Break(());
                }
                *size += 32 + value.length() as u64;
                slots.push((slot, value));
                is_at_end = end.is_some_and(|end| slot >= end);
                ControlFlow::Continue(())
            },
        )?;
        Ok(Slots { slots, is_complete })
    }
}

/// Slots of one account.
struct Slots {
    slots: Vec<(B256, U256)>,
    /// Whether no slot follows.
    is_complete: bool,
}

fn present(value: U256) -> Option<U256> {
    (!value.is_zero()).then_some(value)
}

/// Returns the size of an account in the slim form of the protocol, which leaves out the hash of empty
/// code and the root of an empty trie.
fn slim_length(account: &Account) -> u64 {
    let hash = |hash: &B256, empty: &B256| if hash == empty { 1 } else { 33 };
    let payload = account.nonce.length()
        + account.balance.length()
        + hash(&account.storage_root, &EMPTY_ROOT_HASH)
        + hash(&account.code_hash, &EMPTY_CODE_HASH);
    list_length(payload) as u64
}

/// Returns the nodes on the paths to both keys, each once.
fn prove_range(
    source: &Source<'_>,
    root: B256,
    start: &B256,
    last: Option<&B256>,
) -> Result<Vec<Vec<u8>>, StorageError> {
    let mut proof = prove(source, root, start.as_slice())?;
    if let Some(last) = last {
        for node in prove(source, root, last.as_slice())? {
            if !proof.contains(&node) {
                proof.push(node);
            }
        }
    }
    Ok(proof)
}
