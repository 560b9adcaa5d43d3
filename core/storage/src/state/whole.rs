//! The whole state after a block, in the order of the hashed keys: for dumps, checks, repairs.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use actoreum_primitives::{Account, B256, EMPTY_ROOT_HASH, U256, keccak256, rlp};
use actoreum_trie::{Builder, Path, encode_uint};

use super::codec::{decode_account, decode_slot};
use super::history::ChangeList;
use crate::tables::{Table, after_prefix};
use crate::{StorageError, Store};

/// What a node takes in a map besides its bytes: its hash, a vector, the map's own.
const NODE_OVERHEAD: usize = 96;

/// Slots of one account by their hashed keys; none is zero.
pub type Slots = BTreeMap<B256, U256>;

/// The flat state, seen through what later blocks overwrote. Holds those overwritten values in
/// memory, and of the state itself one account at a time. Nothing may be committed meanwhile.
pub struct WholeState {
    store: Store,
    accounts: BTreeMap<B256, Option<Account>>,
    slots: BTreeMap<B256, Slots>,
}

impl Store {
    /// All nodes of the tries of the state with this root, which is that of block `number`, by
    /// their hashes; `None` where they take more than `most` bytes, or where a commit came between.
    /// Holds one account's slots besides.
    pub fn state_nodes(
        &self,
        number: u64,
        root: B256,
        most: usize,
    ) -> Result<Option<HashMap<B256, Vec<u8>>>, StorageError> {
        let mut nodes = HashMap::new();
        let mut bytes = 0_usize;
        let mut is_too_large = false;
        let made = self.whole_state_at(number)?.tries(|_, _, rlp| {
            bytes += rlp.len() + NODE_OVERHEAD;
            is_too_large = bytes > most;
            if is_too_large {
                return Err(StorageError::MissingState(number));
            }
            nodes.insert(keccak256(&rlp), rlp);
            Ok(())
        });
        match made {
            Ok(made) if made == root => Ok(Some(nodes)),
            _ if is_too_large => Ok(None),
            // What was read while a commit was written makes another root, or none.
            Ok(_) | Err(StorageError::Corrupt(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The whole state after block `number` of the canonical chain.
    ///
    /// # Errors
    /// [`StorageError::MissingState`] above the head, and where history was pruned.
    pub fn whole_state_at(&self, number: u64) -> Result<WholeState, StorageError> {
        let head = self.head().ok_or(StorageError::MissingState(number))?;
        if number > head.number || number < self.oldest_state() {
            return Err(StorageError::MissingState(number));
        }
        self.state_without_changes_above(number)
    }

    /// The state worked out from the flat values and every piece of history above `number`,
    /// whatever the head says: also where a commit was cut short.
    pub(crate) fn state_without_changes_above(
        &self,
        number: u64,
    ) -> Result<WholeState, StorageError> {
        let mut state = WholeState {
            store: self.clone(),
            accounts: BTreeMap::new(),
            slots: BTreeMap::new(),
        };
        for (block, list) in self.change_lists_above(number)? {
            state.see_through(block, &list)?;
        }
        Ok(state)
    }

    /// What each block above `number` changed, ascending.
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
                    let what = "the key of a change list is cut short".into();
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

    /// The state root worked out from the flat state alone, every storage root checked on the
    /// way: what `db check` compares with the head's header.
    pub fn compute_state_root(&self) -> Result<B256, StorageError> {
        self.state_without_changes_above(u64::MAX)?.root()
    }
}

impl WholeState {
    /// Takes in what block `number` overwrote, where no block before it overwrote the same.
    fn see_through(&mut self, number: u64, list: &ChangeList) -> Result<(), StorageError> {
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

    /// An account by its hashed address.
    pub fn account(&self, key: &B256) -> Result<Option<Account>, StorageError> {
        match self.accounts.get(key) {
            Some(account) => Ok(*account),
            None => self.store.flat_account(key),
        }
    }

    /// The slots of an account by its hashed address.
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

    /// The values that differ from the flat ones: accounts, then slots by account.
    pub(crate) const fn overwritten(
        &self,
    ) -> (&BTreeMap<B256, Option<Account>>, &BTreeMap<B256, Slots>) {
        (&self.accounts, &self.slots)
    }

    /// The state root; every account's storage root is checked on the way.
    pub fn root(&self) -> Result<B256, StorageError> {
        self.tries(|_, _, _| Ok(()))
    }

    /// The state root, as [`Self::root`]; each node of the tries goes to `sink`, with the hashed
    /// address whose storage it belongs to, and its path.
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
                let what = format!("the slots of account {key} do not make its storage root");
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

/// The root over an account's slots; its nodes are added to `nodes`.
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
