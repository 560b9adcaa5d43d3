//! Layers of trie nodes above the database: nodes not yet committed, and recently committed ones.

use std::borrow::Cow;
use std::sync::Arc;

use actoreum_primitives::B256;
use actoreum_trie::{Fetched, NodeChange, NodeSource, Path, TrieError};
use rustc_hash::FxHashMap;

use crate::Store;
use crate::tables::Table;

/// Changed nodes of one trie; `None` for a removed node.
pub(crate) type NodeMap = FxHashMap<Path, Option<Vec<u8>>>;

/// Changed nodes of the state trie, and of storage tries by hashed address.
#[derive(Debug, Default)]
pub(crate) struct TrieNodes {
    pub(crate) accounts: NodeMap,
    pub(crate) storages: FxHashMap<B256, NodeMap>,
}

impl TrieNodes {
    fn get(&self, account: Option<&B256>, path: &Path) -> Option<Option<&[u8]>> {
        let nodes = match account {
            None => &self.accounts,
            Some(account) => self.storages.get(account)?,
        };
        nodes.get(path).map(Option::as_deref)
    }

    /// Adds the nodes that an update changed.
    pub(crate) fn put(&mut self, account: Option<B256>, changes: Vec<NodeChange>) {
        if changes.is_empty() {
            return;
        }
        match account {
            None => self.accounts.extend(changes),
            Some(account) => self.storages.entry(account).or_default().extend(changes),
        }
    }

    fn bytes(&self) -> usize {
        let count = |nodes: &NodeMap| -> usize {
            nodes
                .values()
                .map(|node| 64 + node.as_ref().map_or(0, Vec::len))
                .sum()
        };
        count(&self.accounts) + self.storages.values().map(count).sum::<usize>()
    }

    fn merge(&mut self, newer: Arc<Self>) {
        let newer = Arc::try_unwrap(newer).unwrap_or_else(|shared| Self {
            accounts: shared.accounts.clone(),
            storages: shared.storages.clone(),
        });
        self.accounts.extend(newer.accounts);
        for (account, nodes) in newer.storages {
            self.storages.entry(account).or_default().extend(nodes);
        }
    }
}

/// A cache of nodes that are in the database too. It has two generations: when the young one is
/// full, the old one is dropped. A node that was not written for long is then read again.
#[derive(Debug, Default)]
pub(crate) struct CleanNodes {
    young: TrieNodes,
    young_bytes: usize,
    old: TrieNodes,
}

impl CleanNodes {
    fn get(&self, account: Option<&B256>, path: &Path) -> Option<Option<&[u8]>> {
        self.young
            .get(account, path)
            .or_else(|| self.old.get(account, path))
    }

    /// Adds nodes that were just committed.
    pub(crate) fn insert(&mut self, nodes: Arc<TrieNodes>, limit: usize) {
        self.young_bytes += nodes.bytes();
        self.young.merge(nodes);
        if self.young_bytes > limit / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

/// The source of one trie's nodes. The newest layer that knows a path wins.
pub(crate) struct LayeredSource<'b> {
    pub(crate) store: &'b Store,
    pub(crate) dirty: &'b TrieNodes,
    pub(crate) frozen: Option<&'b TrieNodes>,
    pub(crate) clean: &'b CleanNodes,
    /// Account whose storage trie this is; `None` for the state trie.
    pub(crate) account: Option<B256>,
}

impl NodeSource for LayeredSource<'_> {
    fn node(&self, path: &Path) -> Result<Option<Fetched<'_>>, TrieError> {
        let account = self.account.as_ref();
        let known = self
            .dirty
            .get(account, path)
            .or_else(|| self.frozen?.get(account, path))
            .or_else(|| self.clean.get(account, path));
        if let Some(known) = known {
            return Ok(known.map(|rlp| Fetched {
                rlp: Cow::Borrowed(rlp),
                verified: true,
            }));
        }
        let stored = self
            .store
            .database()
            .get(&node_key(account, path))
            .map_err(|error| TrieError::Backend(error.to_string()))?;
        Ok(stored.map(|rlp| Fetched {
            rlp: Cow::Owned(rlp),
            verified: false,
        }))
    }
}

/// Returns the database key of a node.
pub(crate) fn node_key(account: Option<&B256>, path: &Path) -> Vec<u8> {
    let mut key = match account {
        None => Table::AccountNodes.key(&[]),
        Some(account) => Table::SlotNodes.key(&[account.as_slice()]),
    };
    path.append_to(&mut key);
    key
}
