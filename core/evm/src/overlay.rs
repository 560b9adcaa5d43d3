//! The changes of a block on top of the state of its parent.
//!
//! revm keeps the changes of one transaction in its journal and hands them over when the
//! transaction ends. [`Overlay`] is the layer below: it answers revm's reads, collects each
//! transaction's changes, and turns them into one [`StateDiff`] at the end. It reads every account
//! and slot from the state below at most once a block.

use std::collections::HashMap;

use actoreum_primitives::{
    AccountChange, AccountInfo, Address, B256, BlockHashes, Bytes, EMPTY_CODE_HASH, SlotChange,
    StateDiff, StateError, StateReader, U256,
};
use revm::Database;
use revm::database_interface::DBErrorMarker;
use revm::primitives::{AddressMap, B256Map, StorageKeyMap};
use revm::state::{Account, AccountId, AccountInfo as EvmAccountInfo, Bytecode, EvmState};

use crate::codes::CodeCache;
use crate::interrupt::InterruptCheck;

/// Error of the overlay as a database of revm, which returns it to the caller unchanged.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum OverlayError {
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The [`Interrupt`](crate::Interrupt) stopped the execution.
    #[error("execution aborted")]
    Interrupted,
}

impl DBErrorMarker for OverlayError {}

/// An account before the block and now.
#[derive(Debug, Clone)]
struct Entry {
    address: Address,
    before: Option<AccountInfo>,
    now: Option<AccountInfo>,
    /// Whether the storage in the state below is wiped for this account.
    wiped: bool,
    slots: StorageKeyMap<SlotChange>,
}

/// The changed state of a block; see the module's documentation.
pub(crate) struct Overlay<'a> {
    state: &'a dyn StateReader,
    hashes: &'a dyn BlockHashes,
    /// EIP-161: a touched account that is empty is deleted.
    state_clearing: bool,
    /// EIP-7702: code that starts with 0xef0100 refers to another account's code.
    delegations: bool,
    entries: Vec<Entry>,
    index: AddressMap<usize>,
    codes: B256Map<Bytecode>,
    deployed: HashMap<B256, Bytes>,
    block_hashes: HashMap<u64, B256>,
    pub(crate) interrupt_check: InterruptCheck<'a>,
}

impl std::fmt::Debug for Overlay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlay")
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(
        state: &'a dyn StateReader,
        hashes: &'a dyn BlockHashes,
        state_clearing: bool,
        delegations: bool,
    ) -> Self {
        Self {
            state,
            hashes,
            state_clearing,
            delegations,
            entries: Vec::new(),
            index: AddressMap::default(),
            codes: B256Map::default(),
            deployed: HashMap::new(),
            block_hashes: HashMap::new(),
            interrupt_check: InterruptCheck::default(),
        }
    }

    fn entry_index(&mut self, address: Address) -> Result<usize, StateError> {
        if let Some(&index) = self.index.get(&address) {
            return Ok(index);
        }
        let before = self.state.account(&address)?;
        let index = self.entries.len();
        self.entries.push(Entry {
            address,
            before,
            now: before,
            wiped: false,
            slots: StorageKeyMap::default(),
        });
        self.index.insert(address, index);
        Ok(index)
    }

    /// Returns the current account.
    pub(crate) fn account(&mut self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        let index = self.entry_index(address)?;
        Ok(self.entries[index].now)
    }

    /// Returns the current code of an account.
    pub(crate) fn account_code(&mut self, address: Address) -> Result<Bytecode, StateError> {
        match self.account(address)? {
            Some(account) => self.code(account.code_hash),
            None => Ok(Bytecode::default()),
        }
    }

    fn slot(&mut self, index: usize, key: U256) -> Result<U256, StateError> {
        let entry = &mut self.entries[index];
        if let Some(slot) = entry.slots.get(&key) {
            return Ok(slot.after);
        }
        let value = if entry.wiped || entry.before.is_none() {
            U256::ZERO
        } else {
            self.state.storage(&entry.address, &key)?
        };
        entry.slots.insert(
            key,
            SlotChange {
                before: value,
                after: value,
            },
        );
        Ok(value)
    }

    /// Returns the current value of a storage slot.
    pub(crate) fn storage_value(
        &mut self,
        address: Address,
        key: U256,
    ) -> Result<U256, StateError> {
        let index = self.entry_index(address)?;
        self.slot(index, key)
    }

    /// Returns true if only existing storage forbids the creation of a contract at this address
    /// (EIP-7610). revm checks nonce and code, the usual reasons.
    pub(crate) fn has_only_storage(&mut self, address: Address) -> Result<bool, StateError> {
        let index = self.entry_index(address)?;
        let entry = &self.entries[index];
        let Some(account) = entry.now else {
            return Ok(false);
        };
        if account.nonce != 0 || account.code_hash != EMPTY_CODE_HASH {
            return Ok(false);
        }
        let holds_below = !entry.wiped && self.state.has_storage(&address)?;
        Ok(holds_below || entry.slots.values().any(|slot| !slot.after.is_zero()))
    }

    /// Returns the code with this hash.
    pub(crate) fn code(&mut self, code_hash: B256) -> Result<Bytecode, StateError> {
        if code_hash == EMPTY_CODE_HASH || code_hash.is_zero() {
            return Ok(Bytecode::default());
        }
        if let Some(code) = self.codes.get(&code_hash) {
            return Ok(code.clone());
        }
        let code = match CodeCache::shared().get(&code_hash) {
            Some(code) => code,
            None => {
                let bytes = self.state.code(&code_hash)?;
                if bytes.is_empty() {
                    return Err(StateError::Corrupt(format!("code {code_hash} is missing")));
                }
                match delegation(self.delegations, &bytes) {
                    Some(delegated) => Bytecode::new_eip7702(delegated),
                    None => CodeCache::shared().analyse(code_hash, bytes),
                }
            }
        };
        self.codes.insert(code_hash, code.clone());
        Ok(code)
    }

    /// Adds `amount` wei and touches the account: from EIP-161 on, an account that is empty
    /// afterwards is deleted; before, it is created even by an amount of zero.
    ///
    /// A sum above 2^256 wraps, as in every other client.
    pub(crate) fn add_balance(&mut self, address: Address, amount: U256) -> Result<(), StateError> {
        let index = self.entry_index(address)?;
        let mut account = self.entries[index].now.unwrap_or_default();
        account.balance = account.balance.wrapping_add(amount);
        let gone = self.state_clearing && account.is_empty();
        self.replace(index, (!gone).then_some(account));
        Ok(())
    }

    /// Takes the whole balance out of an account and returns it.
    pub(crate) fn drain(&mut self, address: Address) -> Result<U256, StateError> {
        let index = self.entry_index(address)?;
        let Some(mut account) = self.entries[index].now else {
            return Ok(U256::ZERO);
        };
        let balance = std::mem::take(&mut account.balance);
        self.replace(index, Some(account));
        Ok(balance)
    }

    fn replace(&mut self, index: usize, account: Option<AccountInfo>) {
        let entry = &mut self.entries[index];
        entry.now = account;
        if account.is_none() {
            wipe(entry);
        }
    }

    /// Changes an account, for calls with state overrides.
    pub(crate) fn override_account(
        &mut self,
        address: Address,
        change: impl FnOnce(&mut AccountInfo),
    ) -> Result<(), StateError> {
        let index = self.entry_index(address)?;
        change(self.entries[index].now.get_or_insert_default());
        Ok(())
    }

    /// Sets an account's code to code that the state below need not have.
    pub(crate) fn override_code(
        &mut self,
        address: Address,
        code: Bytes,
    ) -> Result<(), StateError> {
        let code_hash = actoreum_primitives::keccak256(&code);
        if !code.is_empty() {
            self.deployed.insert(code_hash, code.clone());
            let code = match delegation(self.delegations, &code) {
                Some(delegated) => Bytecode::new_eip7702(delegated),
                None => Bytecode::new_legacy(code),
            };
            self.codes.insert(code_hash, code);
        }
        self.override_account(address, |account| account.code_hash = code_hash)
    }

    /// Sets slots of an account. With `wiped` all other slots become zero.
    pub(crate) fn override_storage(
        &mut self,
        address: Address,
        wiped: bool,
        slots: impl IntoIterator<Item = (U256, U256)>,
    ) -> Result<(), StateError> {
        let index = self.entry_index(address)?;
        if wiped {
            wipe(&mut self.entries[index]);
        }
        for (key, value) in slots {
            self.slot(index, key)?;
            if let Some(slot) = self.entries[index].slots.get_mut(&key) {
                slot.after = value;
            }
        }
        Ok(())
    }

    /// Applies the changes that one transaction (or system call) left in revm's journal. If `diff`
    /// is given, the changes are recorded there as well.
    pub(crate) fn commit(
        &mut self,
        changes: EvmState,
        mut diff: Option<&mut StateDiff>,
    ) -> Result<(), StateError> {
        for (address, account) in changes {
            if account.is_touched() {
                self.commit_account(address, account, diff.as_deref_mut())?;
            }
        }
        Ok(())
    }

    fn commit_account(
        &mut self,
        address: Address,
        account: Account,
        diff: Option<&mut StateDiff>,
    ) -> Result<(), StateError> {
        let index = self.entry_index(address)?;
        let before = self.entries[index].now;
        // Before EIP-161 revm does not mark an empty account as touched if the account must stay.
        let gone = account.is_selfdestructed() || (account.is_empty() && !account.is_created());
        let after = (!gone).then_some(AccountInfo {
            nonce: account.info.nonce,
            balance: account.info.balance,
            code_hash: account.info.code_hash,
        });
        let wiped = gone || account.is_created();

        let code_before = before.map_or(EMPTY_CODE_HASH, |info| info.code_hash);
        let mut new_code = None;
        if let Some(after) = &after
            && after.code_hash != code_before
            && after.code_hash != EMPTY_CODE_HASH
            && let Some(code) = &account.info.code
        {
            new_code = Some((after.code_hash, code.original_bytes()));
            self.codes.insert(after.code_hash, code.clone());
            if !code.is_eip7702() {
                CodeCache::shared().insert(after.code_hash, code.clone());
            }
        }

        let entry = &mut self.entries[index];
        entry.now = after;
        if wiped {
            wipe(entry);
        }
        let mut storage = HashMap::new();
        if !gone {
            for (key, slot) in account.storage {
                if !slot.is_changed() {
                    continue;
                }
                let value = slot.present_value;
                let unknown = SlotChange {
                    before: slot.original_value,
                    after: value,
                };
                entry.slots.entry(key).or_insert(unknown).after = value;
                if diff.is_some() {
                    storage.insert(key, unknown);
                }
            }
        }
        if let Some(diff) = diff {
            diff.codes.extend(new_code.clone());
            let storage_wiped = wiped && before.is_some();
            diff.accounts.insert(
                address,
                AccountChange {
                    before,
                    after,
                    storage_wiped,
                    storage,
                },
            );
        }
        self.deployed.extend(new_code);
        Ok(())
    }

    /// Returns all changes since the start. Values that changed and changed back are omitted.
    pub(crate) fn into_diff(self) -> StateDiff {
        diff_of(self.entries, self.deployed)
    }

    /// Returns the same as [`Self::into_diff`], as a copy.
    pub(crate) fn diff(&self) -> StateDiff {
        diff_of(self.entries.clone(), self.deployed.clone())
    }
}

/// Returns the changes of accounts, with the code that was deployed.
fn diff_of(entries: Vec<Entry>, codes: HashMap<B256, Bytes>) -> StateDiff {
    let mut accounts = HashMap::new();
    for entry in entries {
        let storage_wiped = entry.wiped && entry.before.is_some();
        let storage: HashMap<_, _> = entry
            .slots
            .into_iter()
            .filter(|(_, slot)| {
                if entry.wiped {
                    !slot.after.is_zero()
                } else {
                    slot.before != slot.after
                }
            })
            .collect();
        if entry.before == entry.now && !storage_wiped && storage.is_empty() {
            continue;
        }
        accounts.insert(
            entry.address,
            AccountChange {
                before: entry.before,
                after: entry.now,
                storage_wiped,
                storage,
            },
        );
    }
    StateDiff { accounts, codes }
}

fn wipe(entry: &mut Entry) {
    entry.wiped = true;
    for slot in entry.slots.values_mut() {
        slot.after = U256::ZERO;
    }
}

/// Returns the account that a code of 0xef0100 and an address delegates to (EIP-7702). Before that
/// fork the same bytes, which may occur on a chain without EIP-3541, are ordinary code.
fn delegation(enabled: bool, code: &[u8]) -> Option<Address> {
    let delegated = code.strip_prefix(&[0xef, 0x01, 0x00])?;
    (enabled && delegated.len() == Address::len_bytes()).then(|| Address::from_slice(delegated))
}

impl Database for Overlay<'_> {
    type Error = OverlayError;

    fn basic(&mut self, address: Address) -> Result<Option<EvmAccountInfo>, OverlayError> {
        let index = self.entry_index(address)?;
        let Some(account) = self.entries[index].now else {
            return Ok(None);
        };
        let code = if account.code_hash == EMPTY_CODE_HASH {
            Some(Bytecode::default())
        } else {
            self.codes.get(&account.code_hash).cloned()
        };
        Ok(Some(EvmAccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            account_id: AccountId::new(index),
            code,
        }))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, OverlayError> {
        Ok(self.code(code_hash)?)
    }

    fn storage(&mut self, address: Address, key: U256) -> Result<U256, OverlayError> {
        Ok(self.storage_value(address, key)?)
    }

    fn storage_by_account_id(
        &mut self,
        address: Address,
        account_id: AccountId,
        key: U256,
    ) -> Result<U256, OverlayError> {
        debug_assert_eq!(self.entries[account_id.get()].address, address);
        Ok(self.slot(account_id.get(), key)?)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, OverlayError> {
        if let Some(hash) = self.block_hashes.get(&number) {
            return Ok(*hash);
        }
        let hash = self.hashes.block_hash(number)?;
        self.block_hashes.insert(number, hash);
        Ok(hash)
    }
}
