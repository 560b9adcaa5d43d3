//! Range queries over an account's slots at a block.

use actoreum_primitives::{B256, U256};

use super::view::StateView;
use crate::limits::MAX_RANGE_STEPS;
use crate::tables::Table;
use crate::{StorageError, Store};

impl Store {
    /// Returns the first `limit` slots of an account that are not zero in `view`, from the hashed
    /// slot `start` on, as `debug_storageRangeAt` shows them. `account` is the hashed address.
    ///
    /// A slot can be in the flat table, in the history, or in both; one that is only in the history
    /// became zero later. If the query meets too many slots that are zero at this block, it returns
    /// fewer.
    pub fn slots_from(
        &self,
        view: &StateView,
        account: &B256,
        start: B256,
        limit: usize,
    ) -> Result<Vec<(B256, U256)>, StorageError> {
        let mut found = Vec::new();
        let mut from = Some(start);
        for _ in 0..MAX_RANGE_STEPS.max(limit) {
            let Some(start) = from.filter(|_| found.len() < limit) else {
                break;
            };
            let flat = self.next_slot(Table::Slots, account, &start)?;
            let old = self.next_slot(Table::SlotHistory, account, &start)?;
            let Some(slot) = flat.into_iter().chain(old).min() else {
                break;
            };
            let value = view.hashed_slot(account, &slot)?;
            if !value.is_zero() {
                found.push((slot, value));
            }
            from = U256::from_be_bytes(slot.0)
                .checked_add(U256::from(1))
                .map(B256::from);
        }
        Ok(found)
    }

    /// Returns the first slot of an account in a table from `start` on.
    fn next_slot(
        &self,
        table: Table,
        account: &B256,
        start: &B256,
    ) -> Result<Option<B256>, StorageError> {
        let prefix = table.key(&[account.as_slice()]);
        let entry = self
            .database()
            .seek(&table.key(&[account.as_slice(), start.as_slice()]))?;
        Ok(entry
            .filter(|(key, _)| key.starts_with(&prefix))
            .and_then(|(key, _)| key.get(33..65).map(B256::from_slice)))
    }
}
