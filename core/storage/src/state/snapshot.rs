//! Snapshots of the whole state after a block, in the order of the hashed keys: for dumps, checks
//! and repairs.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use actoreum_primitives::{Account, B256, EMPTY_ROOT_HASH, U256, keccak256, rlp};
use actoreum_trie::{Builder, Path, encode_uint};

use super::codec::{decode_account, decode_slot};
use super::history::ChangeList;
use crate::tables::{Table, after_prefix};
use crate::{StorageError, Store};

/// Memory of a node in a map in addition to its bytes: its hash, its vector and the map's own
/// overhead.
const NODE_OVERHEAD: usize = 96;

/// Slots of one account by their hashed keys; none is zero.
pub type Slots = BTreeMap<B256, U256>;

/// The whole state after a block: the flat state with the values that later blocks overwrote. It
/// holds those overwritten values in memory, and of the state itself one account at a time. Nothing
/// may be committed meanwhile.
pub struct StateSnapshot {
    store: Store,
    accounts: BTreeMap<B256, Option<Account>>,
    slots: BTreeMap<B256, Slots>,
}

impl Store {
    /// Returns all trie nodes of the state of block `number`, by their hashes. `root` is that
    /// state's root. Returns `None` if the nodes take more than `max_bytes`, or if a commit
    /// happened meanwhile. It also holds one account's slots in memory.
    pub fn state_nodes(
        &self,
        number: u64,
        root: B256,
        max_bytes: usize,
    ) -> Result<Option<HashMap<B256, Vec<u8>>>, StorageError> {
        let mut nodes = HashMap::new();
        let mut bytes = 0_usize;
        let mut is_too_large = false;
        let made = self.state_snapshot_at(number)?.tries(|_, _, rlp| {
            bytes += rlp.len() + NODE_OVERHEAD;
            is_too_large = bytes > max_bytes;
            if is_too_large {
                return Err(StorageError::MissingState(number));
            }
            nodes.insert(keccak256(&rlp), rlp);
            Ok(())
        });
        match made {
            Ok(made) if made == root => Ok(Some(nodes)),
            _ if is_too_large => Ok(None),
            // Data that were read during a commit give another root or none.
            Ok(_) | Err(StorageError::Corrupt(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the whole state after block `number` of the canonical chain.
    ///
    /// # Errors
    /// Returns [`StorageError::MissingState`] above the head and where history was pruned.
    pub fn state_snapshot_at(&self, number: u64) -> Result<StateSnapshot, StorageError> {
        let head = self.head().ok_or(StorageError::MissingState(number))?;
        if number > head.number || number < self.oldest_state() {
            return Err(StorageError::MissingState(number));
        }
        self.state_without_changes_above(number)
    }

    /// Computes the state from the flat values and all history above `number`. It ignores the head
    /// record, so that it also works after an interrupted commit.
    pub(crate) fn state_without_changes_above(
        &self,
        number: u64,
    ) -> Result<StateSnapshot, StorageError> {
        self.state_without(&self.change_lists_above(number)?)
    }

    /// Computes the state before the blocks of `lists`, which are all blocks from one up to the newest
    /// one, in ascending order.
    pub(crate) fn state_without(
        &self,
        lists: &[(u64, ChangeList)],
    ) -> Result<StateSnapshot, StorageError> {
        let mut state = StateSnapshot {
            store: self.clone(),
            accounts: BTreeMap::new(),
            slots: BTreeMap::new(),
        };
        for (block, list) in lists {
            state.add_overwritten(*block, list)?;
        }
        Ok(state)
    }

    /// Returns the list of changes of each block above `number`, in ascending order.
    pub(crate) fn change_lists_above(
        &self,
        number: u64,
    ) -> Result<Vec<(u64, ChangeList)>, StorageError> {
        let Some(above) = number.checked_add(1) else {
            return Ok(Vec::new());
        };
        let end = after_prefix(&Table::Changes.prefix());
        let mut lists = Vec::new();
        let mut outcome = Ok(());
        let mut visitor = |key: &[u8], value: &[u8]| {
            let block = key.get(1..9).and_then(|digits| digits.try_into().ok());
            let block = block.map(u64::from_be_bytes);
            match (block, ChangeList::decode(value)) {
                (Some(block), Ok(list)) => {
                    lists.push((block, list));
                    return ControlFlow::Continue(());
                }
                (_, Err(error)) => outcome = Err(error),
                (None, Ok(_)) => {
                    let what = "the key of a change list is truncated".into();
                    outcome = Err(StorageError::Corrupt(what));
                }
            }
            ControlFlow::Break(())
        };
        let start = ChangeList::key(above);
        self.database()
            .visit(&start, end.as_deref(), &mut visitor)?;
        outcome.map(|()| lists)
    }

    /// Computes the state root from the flat state alone and checks every storage root. `db check`
    /// compares the result with the head's header.
    pub fn compute_state_root(&self) -> Result<B256, StorageError> {
        self.state_without_changes_above(u64::MAX)?.root()
    }
}

impl StateSnapshot {
    /// Adds the values that block `number` overwrote, except those that an earlier block overwrote.
    fn add_overwritten(&mut self, number: u64, list: &ChangeList) -> Result<(), StorageError> {
        let missing = || StorageError::Corrupt(format!("history of block {number} is missing"));
        let block = number.to_be_bytes();
        let database = self.store.database();
        for changed in &list.accounts {
            if changed.has_changed && !self.accounts.contains_key(&changed.key) {
                let key = Table::AccountHistory.key(&[changed.key.as_slice(), &block]);
                let old = database.get(&key)?.ok_or_else(missing)?;
                self.accounts.insert(changed.key, decode_account(&old)?);
            }
            for slot in &changed.slots {
                let of_account = self.slots.entry(changed.key).or_default();
                if of_account.contains_key(slot) {
                    continue;
                }
                let parts: &[&[u8]] = &[changed.key.as_slice(), slot.as_slice(), &block];
                let old = database.get(&Table::SlotHistory.key(parts))?;
                of_account.insert(*slot, decode_slot(&old.ok_or_else(missing)?)?);
            }
        }
        Ok(())
    }

    /// Calls `visitor` with each account, by hashed address, and its slots.
    pub fn visit(
        &self,
        mut visitor: impl FnMut(B256, &Account, &Slots) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut show = |key: &B256, account: &Option<Account>| match account {
            Some(account) => visitor(*key, account, &self.slots_of(key)?),
            None => Ok(()),
        };
        let mut overwritten = self.accounts.iter().peekable();
        self.store.visit_accounts(|key, flat| {
            while let Some((old_key, old)) = overwritten.next_if(|(old_key, _)| **old_key < key) {
                show(old_key, old)?;
            }
            match overwritten.next_if(|(old_key, _)| **old_key == key) {
                Some((_, old)) => show(&key, old),
                None => show(&key, &Some(flat)),
            }
        })?;
        overwritten.try_for_each(|(key, account)| show(key, account))
    }

    /// Returns an account by its hashed address.
    pub fn account(&self, key: &B256) -> Result<Option<Account>, StorageError> {
        match self.accounts.get(key) {
            Some(account) => Ok(*account),
            None => self.store.flat_account(key),
        }
    }

    /// Returns the slots of an account by its hashed address.
    pub fn slots_of(&self, account: &B256) -> Result<Slots, StorageError> {
        let mut slots = self.store.flat_slots(account)?;
        for (slot, value) in self.slots.get(account).into_iter().flatten() {
            if value.is_zero() {
                slots.remove(slot);
            } else {
                slots.insert(*slot, *value);
            }
        }
        Ok(slots)
    }

    /// Returns the values that differ from the flat ones: accounts, then slots by account.
    pub(crate) const fn overwritten(
        &self,
    ) -> (&BTreeMap<B256, Option<Account>>, &BTreeMap<B256, Slots>) {
        (&self.accounts, &self.slots)
    }

    /// Returns the state root. Every account's storage root is checked.
    pub fn root(&self) -> Result<B256, StorageError> {
        self.tries(|_, _, _| Ok(()))
    }

    /// Returns the state root like [`Self::root`]. Each node of the tries is passed to `sink`, with
    /// the hashed address for a storage trie, and with its path.
    pub(crate) fn tries(
        &self,
        mut sink: impl FnMut(Option<&B256>, &Path, Vec<u8>) -> Result<(), StorageError>,
    ) -> Result<B256, StorageError> {
        let mut nodes: Vec<(Path, Vec<u8>)> = Vec::new();
        let pending = std::cell::RefCell::new(Vec::new());
        let mut builder = Builder::new(|path: &Path, rlp| pending.borrow_mut().push((*path, rlp)));
        self.visit(|key, account, slots| {
            let root = storage_root(slots, &mut nodes)?;
            if root != account.storage_root {
                let what = format!("the slots of account {key} do not match its storage root");
                return Err(StorageError::Corrupt(what));
            }
            for (path, rlp) in nodes.drain(..) {
                sink(Some(&key), &path, rlp)?;
            }
            builder.push(key.as_slice(), &rlp::encode(account))?;
            for (path, rlp) in pending.borrow_mut().drain(..) {
                sink(None, &path, rlp)?;
            }
            Ok(())
        })?;
        let root = builder.finish()?;
        for (path, rlp) in pending.into_inner() {
            sink(None, &path, rlp)?;
        }
        Ok(root)
    }
}

/// Returns the root over an account's slots, and adds the trie's nodes to `nodes`.
pub(crate) fn storage_root(
    slots: &Slots,
    nodes: &mut Vec<(Path, Vec<u8>)>,
) -> Result<B256, StorageError> {
    if slots.is_empty() {
        return Ok(EMPTY_ROOT_HASH);
    }
    let mut builder = Builder::new(|path: &Path, rlp| nodes.push((*path, rlp)));
    for (slot, value) in slots {
        builder.push(
            slot.as_slice(),
            &encode_uint(&value.to_be_bytes_trimmed_vec()),
        )?;
    }
    Ok(builder.finish()?)
}
