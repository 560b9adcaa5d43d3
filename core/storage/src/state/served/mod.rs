//! A recent state as peers fetch it (snap/1): ranges of accounts and slots with proofs, and trie nodes
//! by path.
//!
//! There is no second copy of a state. What is held in memory is the difference from the newest state:
//! the values that later blocks have overwritten, and the nodes of the state trie that contain them.
//! Everything else is read from the tables of the newest state. A commit changes these, so that a
//! [`ServedState`] is of no use after it, and notices that.

mod nodes;
mod ranges;
mod scan;

use std::collections::HashMap;

use actoreum_primitives::{Account, B256, EMPTY_ROOT_HASH, rlp};
use actoreum_trie::{Fetched, NodeSource, Path, TrieError, encode_uint, update};

use super::StateSnapshot;
use super::nodes::{NodeMap, node_key};
use crate::limits::MAX_SERVED_CHANGES;
use crate::{StorageError, Store};

pub use nodes::NodePaths;
pub use ranges::{AccountRange, StorageRanges};

/// Number of attempts to compute a state while commits disturb it.
const ATTEMPTS: usize = 4;

/// The state after one block, for peers that fetch it. See the module.
///
/// Each answer is `None` if a commit has happened since the state was computed; then the caller needs
/// a new one from [`Store::served_state`].
pub struct ServedState {
    store: Store,
    number: u64,
    root: B256,
    /// Values that later blocks have overwritten.
    snapshot: StateSnapshot,
    /// Nodes of the state trie that differ from the newest ones.
    nodes: NodeMap,
    /// Number of commits when the state was computed.
    commits: u64,
}

impl Store {
    /// Returns the state after canonical block `number`, whose root is `root`, for peers.
    ///
    /// Returns `None` if that state is not available: its history was pruned, the root is another, too
    /// much has changed since, commits disturb it, or the chain is a fork of a remote one. The cost
    /// grows with the number of accounts that later blocks have changed.
    pub fn served_state(
        &self,
        number: u64,
        root: B256,
    ) -> Result<Option<ServedState>, StorageError> {
        if self.remote().is_some() {
            return Ok(None);
        }
        for _ in 0..ATTEMPTS {
            let commits = self.commits_begun();
            self.wait_for_commit();
            let computed = self.compute_served(number, root, commits);
            if self.commits_begun() == commits {
                return computed;
            }
        }
        Ok(None)
    }

    fn compute_served(
        &self,
        number: u64,
        root: B256,
        commits: u64,
    ) -> Result<Option<ServedState>, StorageError> {
        let head = self.head().filter(|head| number <= head.number);
        let Some(head) = head.filter(|_| number >= self.oldest_state()) else {
            return Ok(None);
        };
        let lists = self.change_lists_above(number)?;
        let of_account = |account: &super::history::ChangedAccount| 1 + account.slots.len();
        let changes: usize = lists
            .iter()
            .flat_map(|(_, list)| &list.accounts)
            .map(of_account)
            .sum();
        if changes > MAX_SERVED_CHANGES {
            return Ok(None);
        }
        let snapshot = self.state_without(&lists)?;
        let changes: Vec<_> = snapshot
            .overwritten()
            .0
            .iter()
            .map(|(key, account)| (*key, account.as_ref().map(rlp::encode)))
            .collect();
        let newest = Source {
            store: self,
            account: None,
            changed: None,
        };
        let updated = update(&newest, head.state_root, &changes)?;
        Ok((updated.root == root).then(|| ServedState {
            store: self.clone(),
            number,
            root,
            snapshot,
            nodes: updated.nodes.into_iter().collect(),
            commits,
        }))
    }
}

impl ServedState {
    /// Returns the number of the block.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Returns the state's root.
    pub const fn root(&self) -> B256 {
        self.root
    }

    /// Returns true if no commit has begun since the state was computed.
    pub fn is_current(&self) -> bool {
        self.store.commits_begun() == self.commits
    }

    /// Returns what `read` returned, or `None` if a commit may have disturbed it.
    fn undisturbed<T>(
        &self,
        read: impl FnOnce() -> Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        if !self.is_current() {
            return Ok(None);
        }
        let result = read();
        if !self.is_current() {
            return Ok(None);
        }
        result.map(Some)
    }

    /// Returns the source of the nodes of the state trie.
    fn accounts(&self) -> Source<'_> {
        Source {
            store: &self.store,
            account: None,
            changed: Some(&self.nodes),
        }
    }

    /// Returns the source of the nodes of an account's storage trie, of which `changed` are the nodes
    /// from [`Self::storage_nodes`].
    fn slots<'s>(&'s self, key: &B256, changed: &'s NodeMap) -> Source<'s> {
        Source {
            store: &self.store,
            account: Some(*key),
            changed: Some(changed),
        }
    }

    /// Returns the nodes of an account's storage trie that differ from the newest ones.
    fn storage_nodes(&self, key: &B256, account: &Account) -> Result<NodeMap, StorageError> {
        let newest = self.store.flat_account(key)?;
        let newest = newest.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let slots = self.snapshot.overwritten().1.get(key);
        let changes: Vec<_> = slots
            .into_iter()
            .flatten()
            .map(|(slot, value)| {
                let leaf = (!value.is_zero()).then(|| encode_uint(&value.to_be_bytes::<32>()));
                (*slot, leaf)
            })
            .collect();
        let source = Source {
            store: &self.store,
            account: Some(*key),
            changed: None,
        };
        let updated = update(&source, newest, &changes)?;
        if updated.root != account.storage_root {
            let what = format!("the slots of account {key} do not match its storage root");
            return Err(StorageError::Corrupt(what));
        }
        Ok(updated.nodes.into_iter().collect())
    }
}

/// Changed nodes of the storage tries that one answer needs, by hashed address: each is computed once,
/// however often the peer names the account.
type StorageTries = HashMap<B256, Option<NodeMap>>;

/// The nodes of one trie: changed ones, and those of the newest state.
struct Source<'s> {
    store: &'s Store,
    account: Option<B256>,
    changed: Option<&'s NodeMap>,
}

impl NodeSource for Source<'_> {
    fn node(&self, path: &Path) -> Result<Option<Fetched<'_>>, TrieError> {
        if let Some(known) = self.changed.and_then(|changed| changed.get(path)) {
            return Ok(known.as_ref().map(|rlp| Fetched {
                rlp: rlp.into(),
                verified: true,
            }));
        }
        let key = node_key(self.account.as_ref(), path);
        let stored = self
            .store
            .database()
            .get(&key)
            .map_err(|error| TrieError::Backend(error.to_string()))?;
        Ok(stored.map(|rlp| Fetched {
            rlp: rlp.into(),
            verified: false,
        }))
    }
}
