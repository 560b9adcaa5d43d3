//! `prestateTracer`: the accounts and slots that a transaction accessed, with their earlier values.

use std::collections::BTreeMap;

use actoreum_primitives::{Address, B256, Bytes, StateError, U256};
use revm::state::{Account, AccountInfo, EvmState};
use serde::Serialize;

use crate::overlay::Overlay;

/// An account in a prestate trace. Fields that are `None` are omitted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PrestateAccount {
    /// Balance in wei.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<U256>,
    /// Code of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Bytes>,
    /// Nonce of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<u64>,
    /// Storage slots with their values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<BTreeMap<B256, B256>>,
}

type Accounts = BTreeMap<Address, PrestateAccount>;

/// The result of `prestateTracer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PrestateTrace {
    /// Accessed accounts, with their values before the transaction.
    Pre(Accounts),
    /// Changed accounts.
    Diff {
        /// The changed parts after the transaction.
        post: Accounts,
        /// The changed accounts before the transaction.
        pre: Accounts,
    },
}

pub(crate) fn finish(
    diff_mode: bool,
    changes: &EvmState,
    overlay: &mut Overlay<'_>,
) -> Result<PrestateTrace, StateError> {
    let mut pre = Accounts::new();
    let mut post = Accounts::new();
    for (address, account) in changes {
        let before = account.original_info();
        let code_before = code(&before, overlay)?;
        // An account that the transaction itself creates did not exist before.
        let is_new = account.is_created() && before.is_empty();
        if !diff_mode {
            if !is_new {
                let slots = account
                    .storage
                    .iter()
                    .map(|(key, slot)| (key, slot.original_value));
                pre.insert(
                    *address,
                    to_prestate_account(&before, code_before, storage(slots)),
                );
            }
            continue;
        }
        let slots = account
            .changed_storage_slots()
            .map(|(key, slot)| (key, slot.original_value));
        let slots_before = storage(slots.filter(|(_, value)| !value.is_zero()));
        let is_deleted = account.is_selfdestructed();
        let after = changed(account, &before, &code_before, overlay)?;
        if after.is_none() && !is_deleted {
            continue;
        }
        if !is_new {
            pre.insert(
                *address,
                to_prestate_account(&before, code_before, slots_before),
            );
        }
        if let Some(after) = after
            && !is_deleted
        {
            post.insert(*address, after);
        }
    }
    Ok(if diff_mode {
        PrestateTrace::Diff { post, pre }
    } else {
        PrestateTrace::Pre(pre)
    })
}

/// Returns the parts of an account that differ; `None` if there are none.
fn changed(
    account: &Account,
    before: &AccountInfo,
    code_before: &Bytes,
    overlay: &mut Overlay<'_>,
) -> Result<Option<PrestateAccount>, StateError> {
    let now = &account.info;
    let code_now = code(now, overlay)?;
    let is_changed = now.balance != before.balance
        || now.nonce != before.nonce
        || code_now != *code_before
        || account.changed_storage_slots().next().is_some();
    let slots = account
        .changed_storage_slots()
        .map(|(key, slot)| (key, slot.present_value));
    let slots = storage(slots.filter(|(_, value)| !value.is_zero()));
    Ok(is_changed.then(|| PrestateAccount {
        balance: (now.balance != before.balance).then_some(now.balance),
        nonce: (now.nonce != before.nonce).then_some(now.nonce),
        code: (code_now != *code_before).then_some(code_now),
        storage: slots,
    }))
}

fn to_prestate_account(
    info: &AccountInfo,
    code: Bytes,
    storage: Option<BTreeMap<B256, B256>>,
) -> PrestateAccount {
    PrestateAccount {
        balance: Some(info.balance),
        code: (!code.is_empty()).then_some(code),
        nonce: (info.nonce != 0).then_some(info.nonce),
        storage,
    }
}

fn storage<'s>(slots: impl Iterator<Item = (&'s U256, U256)>) -> Option<BTreeMap<B256, B256>> {
    let slots: BTreeMap<B256, B256> = slots
        .map(|(key, value)| (B256::from(*key), B256::from(value)))
        .collect();
    (!slots.is_empty()).then_some(slots)
}

fn code(info: &AccountInfo, overlay: &mut Overlay<'_>) -> Result<Bytes, StateError> {
    if let Some(code) = &info.code {
        return Ok(code.original_bytes());
    }
    Ok(overlay.code(info.code_hash)?.original_bytes())
}
