//! The list of a block's changes, which is needed to revert the block and to prune its history.

use actoreum_primitives::B256;

use super::diff::HashedDiff;
use crate::StorageError;
use crate::tables::Table;

/// The accounts that a block changed, each with its changed slots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ChangeList {
    pub(crate) accounts: Vec<ChangedAccount>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChangedAccount {
    pub(crate) key: B256,
    pub(crate) has_changed: bool,
    pub(crate) slots: Vec<B256>,
}

impl ChangeList {
    pub(crate) fn key(number: u64) -> Vec<u8> {
        Table::Changes.key(&[&number.to_be_bytes()])
    }

    pub(crate) fn of(diff: &HashedDiff) -> Self {
        let accounts = diff
            .accounts
            .iter()
            .map(|account| ChangedAccount {
                key: account.key,
                has_changed: account.before != account.after,
                slots: account.slots.iter().map(|slot| slot.key).collect(),
            })
            .filter(|account| account.has_changed || !account.slots.is_empty())
            .collect();
        Self { accounts }
    }

    /// Encodes for each account: its key, the number of slots (4 bytes, big-endian, the top bit set
    /// if the account itself changed), the slots' keys.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let keys: usize = self
            .accounts
            .iter()
            .map(|account| 1 + account.slots.len())
            .sum();
        let mut out = Vec::with_capacity(keys * 32 + self.accounts.len() * 4);
        for account in &self.accounts {
            out.extend_from_slice(account.key.as_slice());
            let flag = if account.has_changed {
                ACCOUNT_CHANGED
            } else {
                0
            };
            out.extend_from_slice(&(account.slots.len() as u32 | flag).to_be_bytes());
            for slot in &account.slots {
                out.extend_from_slice(slot.as_slice());
            }
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StorageError> {
        let mut rest = bytes;
        let mut take = |length: usize| {
            let (taken, after) = rest.split_at_checked(length).ok_or_else(|| {
                StorageError::Corrupt("a block's change list is truncated".into())
            })?;
            rest = after;
            Ok::<_, StorageError>((taken, after.is_empty()))
        };
        let mut accounts = Vec::new();
        let mut is_done = bytes.is_empty();
        while !is_done {
            let key = B256::from_slice(take(32)?.0);
            let (count, is_last) = take(4)?;
            let count = count
                .iter()
                .fold(0, |count, byte| count << 8 | u32::from(*byte));
            let length = (count & !ACCOUNT_CHANGED) as usize * 32;
            let (slots, is_last_slot) = if length == 0 {
                (&[][..], is_last)
            } else {
                take(length)?
            };
            accounts.push(ChangedAccount {
                key,
                has_changed: count & ACCOUNT_CHANGED != 0,
                slots: slots.chunks_exact(32).map(B256::from_slice).collect(),
            });
            is_done = is_last_slot;
        }
        Ok(Self { accounts })
    }

    /// Returns the keys of all history entries of block `number`.
    pub(crate) fn history_keys(&self, number: u64) -> Vec<Vec<u8>> {
        let block = number.to_be_bytes();
        let mut keys = Vec::new();
        for account in &self.accounts {
            if account.has_changed {
                keys.push(Table::AccountHistory.key(&[account.key.as_slice(), &block]));
            }
            let slot_key = |slot: &B256| {
                Table::SlotHistory.key(&[account.key.as_slice(), slot.as_slice(), &block])
            };
            keys.extend(account.slots.iter().map(slot_key));
        }
        keys
    }
}

const ACCOUNT_CHANGED: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lists_survive_a_round_trip(accounts in vec((any::<[u8; 32]>(), any::<bool>(), vec(any::<[u8; 32]>(), 0..4)), 0..5)) {
            let accounts = accounts
                .into_iter()
                .map(|(key, has_changed, slots)| ChangedAccount {
                    key: key.into(),
                    has_changed,
                    slots: slots.into_iter().map(B256::from).collect(),
                })
                .collect();
            let list = ChangeList { accounts };
            prop_assert_eq!(ChangeList::decode(&list.encode()).unwrap(), list);
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = ChangeList::decode(&bytes);
        }
    }
}
