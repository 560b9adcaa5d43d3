//! A state that comes from elsewhere, node by node, and takes the place of ours when all of it is
//! there.
//!
//! Nodes wait under their hashes, beside the state that is in use. When the whole trie is there,
//! [`Store::adopt_state`] writes the state anew from it: flat values, nodes by path, and last the
//! head. A record says that this is under way; what was cut short begins again when the store is
//! opened the next time ([`Store::finish_adoption`]).

use actoreum_primitives::{Account, B256, EMPTY_ROOT_HASH, U256, keccak256, rlp};
use actoreum_trie::{Link, Path, links};

use crate::state::{encode_account, encode_slot, node_key};
use crate::tables::Table;
use crate::{Commit, HeadRecord, StorageError, Store};

/// There while a state is being written anew: the head that it belongs to.
const ADOPTING: &[u8] = b"adopting";

/// Bytes that are written in one commit.
const COMMIT_BYTES: usize = 4 << 20;

/// Every table that belongs to one state and its past.
const OF_A_STATE: [Table; 7] = [
    Table::Accounts,
    Table::Slots,
    Table::AccountNodes,
    Table::SlotNodes,
    Table::AccountHistory,
    Table::SlotHistory,
    Table::Changes,
];

/// What a state consists of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateSize {
    /// Accounts.
    pub accounts: u64,
    /// Slots that are not zero.
    pub slots: u64,
    /// Nodes of all tries.
    pub nodes: u64,
}

impl Commit {
    /// A trie node that waits until its state is whole.
    pub fn put_incoming_node(&mut self, hash: &B256, rlp: &[u8]) {
        self.put(Table::IncomingNodes, &[hash.as_slice()], rlp);
    }
}

impl Store {
    /// A trie node that waits until its state is whole.
    pub fn incoming_node(&self, hash: &B256) -> Result<Option<Vec<u8>>, StorageError> {
        let key = Table::IncomingNodes.key(&[hash.as_slice()]);
        self.database().get(&key)
    }

    /// Makes the state whose nodes have come ours, and `head` the head. The codes must be there.
    /// Nothing else may be committed meanwhile.
    ///
    /// # Errors
    /// [`StorageError::MissingState`] where a node has not come: then nothing has changed.
    pub fn adopt_state(&self, head: HeadRecord) -> Result<StateSize, StorageError> {
        let mut missing = false;
        self.walk_incoming(head.state_root, &mut |_, _, _| Ok(()))
            .or_else(|error| match error {
                StorageError::MissingState(_) => {
                    missing = true;
                    Ok(())
                }
                error => Err(error),
            })?;
        if missing {
            return Err(StorageError::MissingState(head.number));
        }
        let mut commit = Commit::new();
        commit.put(Table::Meta, &[ADOPTING], &head.encode());
        self.commit(commit)?;
        self.write_adopted(head)
    }

    /// Goes on with an adoption that was cut short, where there is one.
    pub fn finish_adoption(&self) -> Result<Option<StateSize>, StorageError> {
        match self.database().get(&Table::Meta.key(&[ADOPTING]))? {
            Some(record) => self.write_adopted(HeadRecord::decode(&record)?).map(Some),
            None => Ok(None),
        }
    }

    fn write_adopted(&self, head: HeadRecord) -> Result<StateSize, StorageError> {
        for table in OF_A_STATE {
            self.clear(table)?;
        }
        let mut size = StateSize::default();
        let mut writer = Writer {
            store: self,
            commit: Commit::new(),
            bytes: 0,
        };
        self.walk_incoming(head.state_root, &mut |account, path, part| match part {
            Part::Node(rlp) => {
                size.nodes += 1;
                writer.put(node_key(account, path), rlp)
            }
            Part::Account(value) => {
                size.accounts += 1;
                let key = Table::Accounts.key(&[path.packed()]);
                writer.put(key, &encode_account(value))
            }
            Part::Slot(value) => {
                size.slots += 1;
                let account = account.map_or(&[][..], |account| account.as_slice());
                let key = Table::Slots.key(&[account, path.packed()]);
                writer.put(key, &encode_slot(value))
            }
        })?;
        let mut commit = std::mem::take(&mut writer.commit);
        commit.delete(Table::Meta, &[ADOPTING]);
        commit.begin_history(head.number);
        commit.set_head(head);
        self.commit(commit)?;
        self.clear(Table::IncomingNodes)?;
        Ok(size)
    }

    /// Calls `visitor` with every node and value of a state that has come.
    fn walk_incoming(&self, root: B256, visitor: &mut Visitor<'_>) -> Result<(), StorageError> {
        // The next one to visit is the last: a stack as deep as both tries, times their width.
        let mut waiting = vec![(None, Path::EMPTY, root)];
        while let Some((account, path, hash)) = waiting.pop() {
            if hash == EMPTY_ROOT_HASH {
                continue;
            }
            let rlp = self.incoming_node(&hash)?;
            let rlp = rlp.ok_or(StorageError::MissingState(0))?;
            if keccak256(&rlp) != hash {
                return Err(StorageError::Corrupt(format!("incoming node {hash}")));
            }
            visitor(account.as_ref(), &path, Part::Node(&rlp))?;
            for (path, link) in links(&path, &rlp)? {
                match (link, account) {
                    (Link::Node(hash), _) => waiting.push((account, path, hash)),
                    (Link::Value(value), None) => {
                        let value: Account = rlp::decode_exact(&value).map_err(unreadable)?;
                        visitor(None, &path, Part::Account(&value))?;
                        let key = B256::try_from(path.packed());
                        let key = key.map_err(|_| {
                            StorageError::Corrupt("an account's key is cut short".into())
                        })?;
                        waiting.push((Some(key), Path::EMPTY, value.storage_root));
                    }
                    (Link::Value(value), Some(_)) => {
                        let value: U256 = rlp::decode_exact(&value).map_err(unreadable)?;
                        visitor(account.as_ref(), &path, Part::Slot(&value))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Deletes every entry of a table.
    fn clear(&self, table: Table) -> Result<(), StorageError> {
        loop {
            let mut commit = Commit::new();
            let mut bytes = 0;
            let end = crate::tables::after_prefix(&table.prefix());
            self.database()
                .visit(&table.prefix(), end.as_deref(), &mut |key, _| {
                    commit.batch.delete(&[key]);
                    bytes += key.len();
                    match bytes < COMMIT_BYTES {
                        true => std::ops::ControlFlow::Continue(()),
                        false => std::ops::ControlFlow::Break(()),
                    }
                })?;
            if commit.is_empty() {
                return Ok(());
            }
            self.commit(commit)?;
        }
    }
}

fn unreadable(error: rlp::DecodeError) -> StorageError {
    StorageError::Corrupt(format!("a value of an incoming state: {error}"))
}

/// What a walk calls, with the account whose trie it is in (none: the state's) and the path.
type Visitor<'a> = dyn FnMut(Option<&B256>, &Path, Part<'_>) -> Result<(), StorageError> + 'a;

/// What a walk comes by.
enum Part<'a> {
    Node(&'a [u8]),
    Account(&'a Account),
    Slot(&'a U256),
}

/// Writes much, in commits of a bounded size.
struct Writer<'a> {
    store: &'a Store,
    commit: Commit,
    bytes: usize,
}

impl Writer<'_> {
    fn put(&mut self, key: Vec<u8>, value: &[u8]) -> Result<(), StorageError> {
        self.bytes += key.len() + value.len();
        self.commit.batch.put(&[&key], value);
        if self.bytes >= COMMIT_BYTES {
            self.bytes = 0;
            self.store.commit(std::mem::take(&mut self.commit))?;
        }
        Ok(())
    }
}
