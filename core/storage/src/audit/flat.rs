//! Repair of the flat values from the tries.

use std::collections::{BTreeMap, BTreeSet};

use actoreum_primitives::{Account, B256, EMPTY_ROOT_HASH, U256, rlp};
use actoreum_trie::leaves;

use crate::db::WriteBatch;
use crate::state::{Slots, encode_account, encode_slot, storage_root};
use crate::tables::Table;
use crate::{StorageError, Store, TrieBuffer};

use super::block::none_if_damaged;

impl Store {
    /// Returns the writes that make the flat values equal to the tries below the head's state root;
    /// `None` if a trie is damaged too.
    pub(super) fn flat_from_tries(&self) -> Result<Option<WriteBatch>, StorageError> {
        let tries = TrieBuffer::new(self.clone());
        let mut accounts: BTreeMap<B256, Account> = BTreeMap::new();
        let mut is_complete = true;
        let walked = leaves(&tries.source(None), tries.root(), &mut |key, value| match (
            B256::try_from(key),
            rlp::decode_exact(value),
        ) {
            (Ok(key), Ok(account)) => drop(accounts.insert(key, account)),
            _ => is_complete = false,
        });
        if walked.is_err() || !is_complete {
            return Ok(None);
        }
        let mut batch = WriteBatch::default();
        self.visit_prefix(&Table::Accounts.prefix(), |key, _| {
            let account = key.get(1..).and_then(|key| B256::try_from(key).ok());
            if account.is_none_or(|account| !accounts.contains_key(&account)) {
                batch.delete(&[key]);
            }
            Ok(())
        })?;
        for (key, account) in &accounts {
            if none_if_damaged(self.flat_account(key))? != Some(Some(*account)) {
                let key: &[&[u8]] = &[&Table::Accounts.prefix(), key.as_slice()];
                batch.put(key, &encode_account(account));
            }
            if account.storage_root == EMPTY_ROOT_HASH {
                continue;
            }
            let flat = none_if_damaged(self.flat_slots(key))?;
            let root = flat.map(|slots| storage_root(&slots, &mut Vec::new()));
            if root.transpose()? == Some(account.storage_root) {
                continue;
            }
            let Some(slots) = slots_of_trie(&tries, *key, account.storage_root) else {
                return Ok(None);
            };
            self.visit_prefix(&Table::Slots.key(&[key.as_slice()]), |key, _| {
                batch.delete(&[key]);
                Ok(())
            })?;
            for (slot, value) in slots {
                let parts: &[&[u8]] = &[&Table::Slots.prefix(), key.as_slice(), slot.as_slice()];
                batch.put(parts, &encode_slot(&value));
            }
        }
        Ok(Some(batch))
    }

    /// Returns the keys of slots whose account does not exist. They must be removed, because an
    /// account that is created later would inherit them.
    pub(super) fn orphan_slots(&self) -> Result<Vec<Vec<u8>>, StorageError> {
        let mut orphans = Vec::new();
        let mut owners: BTreeSet<B256> = BTreeSet::new();
        let mut non_owners: BTreeSet<B256> = BTreeSet::new();
        self.visit_prefix(&Table::Slots.prefix(), |key, _| {
            let owner = key.get(1..33).map(B256::from_slice).unwrap_or_default();
            if !owners.contains(&owner) && !non_owners.contains(&owner) {
                let account = none_if_damaged(self.flat_account(&owner))?.flatten();
                let side = match account {
                    Some(account) if account.storage_root != EMPTY_ROOT_HASH => &mut owners,
                    _ => &mut non_owners,
                };
                side.insert(owner);
            }
            if non_owners.contains(&owner) {
                orphans.push(key.to_vec());
            }
            Ok(())
        })?;
        Ok(orphans)
    }
}

fn slots_of_trie(tries: &TrieBuffer, account: B256, root: B256) -> Option<Slots> {
    let mut slots = Slots::new();
    let mut is_complete = true;
    leaves(
        &tries.source(Some(account)),
        root,
        &mut |key, value| match (B256::try_from(key), rlp::decode_exact::<U256>(value)) {
            (Ok(key), Ok(value)) => drop(slots.insert(key, value)),
            _ => is_complete = false,
        },
    )
    .ok()?;
    is_complete.then_some(slots)
}
