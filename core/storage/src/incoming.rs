//! The state of a fast sync's pivot: it arrives node by node and replaces the store's state once it
//! is complete.
//!
//! The nodes are stored under their hashes, next to the state in use. When the whole trie is
//! present, [`Store::commit_pivot_state`] rewrites the state from it: flat values, nodes by path,
//! and the head last. A record marks that the rewrite is in progress; if it was interrupted,
//! [`Store::finish_pivot_commit`] starts it again at the next opening of the store.

use actoreum_primitives::{Account, B256, EMPTY_ROOT_HASH, U256, keccak256, rlp};
use actoreum_trie::{Link, Path, links};

use crate::state::{encode_account, encode_slot, node_key};
use crate::tables::Table;
use crate::{Commit, HeadRecord, StorageError, Store};

/// Name of the record that exists while the state is being rewritten. Its value is the new head.
const PIVOT_COMMIT: &[u8] = b"adopting";

/// Maximum size of one commit in bytes.
const COMMIT_BYTES: usize = 4 << 20;

/// The tables that belong to a state and its history.
const STATE_TABLES: [Table; 7] = [
    Table::Accounts,
    Table::Slots,
    Table::AccountNodes,
    Table::SlotNodes,
    Table::AccountHistory,
    Table::SlotHistory,
    Table::Changes,
];

/// The size of a state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateSize {
    /// Number of accounts.
    pub accounts: u64,
    /// Number of slots that are not zero.
    pub slots: u64,
    /// Number of nodes of all tries.
    pub nodes: u64,
}

impl Commit {
    /// Writes a trie node of a state that is not complete yet.
    pub fn put_incoming_node(&mut self, hash: &B256, rlp: &[u8]) {
        self.put(Table::IncomingNodes, &[hash.as_slice()], rlp);
    }
}

impl Store {
    /// Returns a trie node of a state that is not complete yet.
    pub fn incoming_node(&self, hash: &B256) -> Result<Option<Vec<u8>>, StorageError> {
        let key = Table::IncomingNodes.key(&[hash.as_slice()]);
        self.database().get(&key)
    }

    /// Replaces the store's state by the one whose nodes arrived, and the head by `head`. The codes
    /// must be present. The caller must not commit anything else meanwhile.
    ///
    /// # Errors
    /// Returns [`StorageError::MissingState`] if a node is missing; nothing has changed then.
    pub fn commit_pivot_state(&self, head: HeadRecord) -> Result<StateSize, StorageError> {
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
        commit.put(Table::Meta, &[PIVOT_COMMIT], &head.encode());
        self.commit(commit)?;
        self.write_pivot_state(head)
    }

    /// Finishes a rewrite of the state that was interrupted, if there is one.
    pub fn finish_pivot_commit(&self) -> Result<Option<StateSize>, StorageError> {
        match self.database().get(&Table::Meta.key(&[PIVOT_COMMIT]))? {
            Some(record) => self
                .write_pivot_state(HeadRecord::decode(&record)?)
                .map(Some),
            None => Ok(None),
        }
    }

    fn write_pivot_state(&self, head: HeadRecord) -> Result<StateSize, StorageError> {
        for table in STATE_TABLES {
            self.clear(table)?;
        }
        let mut size = StateSize::default();
        let mut writer = BoundedWriter {
            store: self,
            commit: Commit::new(),
            bytes: 0,
        };
        self.walk_incoming(head.state_root, &mut |account, path, part| match part {
            StatePart::Node(rlp) => {
                size.nodes += 1;
                writer.put(node_key(account, path), rlp)
            }
            StatePart::Account(value) => {
                size.accounts += 1;
                let key = Table::Accounts.key(&[path.packed()]);
                writer.put(key, &encode_account(value))
            }
            StatePart::Slot(value) => {
                size.slots += 1;
                let account = account.map_or(&[][..], |account| account.as_slice());
                let key = Table::Slots.key(&[account, path.packed()]);
                writer.put(key, &encode_slot(value))
            }
        })?;
        let mut commit = std::mem::take(&mut writer.commit);
        commit.delete(Table::Meta, &[PIVOT_COMMIT]);
        commit.begin_history(head.number);
        commit.set_head(head);
        self.commit(commit)?;
        self.clear(Table::IncomingNodes)?;
        Ok(size)
    }

    /// Calls `visitor` with every node and value of a state that arrived.
    fn walk_incoming(&self, root: B256, visitor: &mut Visitor<'_>) -> Result<(), StorageError> {
        // A depth-first stack whose last element is visited next. Its size is bounded by the depth
        // of both tries times their width.
        let mut pending = vec![(None, Path::EMPTY, root)];
        while let Some((account, path, hash)) = pending.pop() {
            if hash == EMPTY_ROOT_HASH {
                continue;
            }
            let rlp = self.incoming_node(&hash)?;
            let rlp = rlp.ok_or(StorageError::MissingState(0))?;
            if keccak256(&rlp) != hash {
                return Err(StorageError::Corrupt(format!(
                    "fetched trie node {hash} does not have this hash"
                )));
            }
            visitor(account.as_ref(), &path, StatePart::Node(&rlp))?;
            for (path, link) in links(&path, &rlp)? {
                match (link, account) {
                    (Link::Node(hash), _) => pending.push((account, path, hash)),
                    (Link::Value(value), None) => {
                        let value: Account = rlp::decode_exact(&value).map_err(unreadable)?;
                        visitor(None, &path, StatePart::Account(&value))?;
                        let key = B256::try_from(path.packed());
                        let key = key.map_err(|_| {
                            StorageError::Corrupt("an account's key is truncated".into())
                        })?;
                        pending.push((Some(key), Path::EMPTY, value.storage_root));
                    }
                    (Link::Value(value), Some(_)) => {
                        let value: U256 = rlp::decode_exact(&value).map_err(unreadable)?;
                        visitor(account.as_ref(), &path, StatePart::Slot(&value))?;
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
                    if bytes < COMMIT_BYTES {
                        std::ops::ControlFlow::Continue(())
                    } else {
                        std::ops::ControlFlow::Break(())
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
    StorageError::Corrupt(format!("a value of a fetched state is unreadable: {error}"))
}

/// The visitor of a traversal. Its arguments are the account whose storage trie it is in (`None`
/// for the state trie), the path, and the part of the state.
type Visitor<'a> = dyn FnMut(Option<&B256>, &Path, StatePart<'_>) -> Result<(), StorageError> + 'a;

/// A part of a state that a traversal visits.
enum StatePart<'a> {
    Node(&'a [u8]),
    Account(&'a Account),
    Slot(&'a U256),
}

/// A writer that splits many writes into commits of bounded size.
struct BoundedWriter<'a> {
    store: &'a Store,
    commit: Commit,
    bytes: usize,
}

impl BoundedWriter<'_> {
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
