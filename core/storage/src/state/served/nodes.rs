//! Trie nodes by path, and codes by hash.

use std::collections::hash_map::Entry;

use actoreum_primitives::{B256, Bytes, EMPTY_CODE_HASH};
use actoreum_trie::{NodeSource, Path};

use super::{ServedState, Source, StorageTries};
use crate::limits::{MAX_SERVED_BYTES, MAX_SERVED_CODES, MAX_SERVED_NODES};
use crate::{StorageError, Store};

/// Paths of trie nodes of one account, in the hex-prefix form.
#[derive(Debug, Clone)]
pub struct NodePaths<'p> {
    /// Path in the state trie; the hashed address if there are paths of slots.
    pub account: &'p [u8],
    /// Paths in the account's storage trie. If there are none, a node of the state trie is meant.
    pub slots: Vec<&'p [u8]>,
}

impl ServedState {
    /// Returns trie nodes until their size exceeds `bytes` or `is_late` returns true. A path to no node
    /// gives an empty one; paths of an account that does not exist give nothing, as by geth.
    pub fn trie_nodes(
        &self,
        sets: &[NodePaths<'_>],
        bytes: u64,
        is_late: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<Vec<u8>>>, StorageError> {
        let bytes = bytes.min(MAX_SERVED_BYTES);
        self.undisturbed(|| {
            let mut answer = NodeAnswer {
                nodes: Vec::new(),
                size: 0,
                lookups: 0,
            };
            let mut tries = StorageTries::new();
            for set in sets {
                answer.lookups += 1;
                if set.slots.is_empty() {
                    answer.push(&self.accounts(), set.account)?;
                } else {
                    self.push_storage_nodes(set, &mut tries, bytes, is_late, &mut answer)?;
                }
                if answer.is_full(bytes) || is_late() {
                    break;
                }
            }
            Ok(answer.nodes)
        })
    }

    fn push_storage_nodes(
        &self,
        set: &NodePaths<'_>,
        tries: &mut StorageTries,
        bytes: u64,
        is_late: &dyn Fn() -> bool,
        answer: &mut NodeAnswer,
    ) -> Result<(), StorageError> {
        let Ok(key) = B256::try_from(set.account) else {
            return Ok(());
        };
        let changed = match tries.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => {
                let account = self.snapshot.account(&key)?;
                let nodes = account.map(|account| self.storage_nodes(&key, &account));
                vacant.insert(nodes.transpose()?)
            }
        };
        let Some(changed) = changed.as_ref() else {
            return Ok(());
        };
        let source = self.slots(&key, changed);
        for path in &set.slots {
            answer.lookups += 1;
            answer.push(&source, path)?;
            if answer.is_full(bytes) || is_late() {
                break;
            }
        }
        Ok(())
    }
}

struct NodeAnswer {
    nodes: Vec<Vec<u8>>,
    size: u64,
    lookups: usize,
}

impl NodeAnswer {
    /// Adds the node at a path, or an empty one.
    fn push(&mut self, source: &Source<'_>, path: &[u8]) -> Result<(), StorageError> {
        let node = match Path::from_hex_prefix(path) {
            Some(path) => source.node(&path)?,
            None => None,
        };
        let node = node.map_or(Vec::new(), |node| node.rlp.into_owned());
        self.size += node.len() as u64;
        self.nodes.push(node);
        Ok(())
    }

    fn is_full(&self, bytes: u64) -> bool {
        self.size > bytes || self.lookups >= MAX_SERVED_NODES
    }
}

impl Store {
    /// Returns codes in the order of their hashes until their size exceeds `bytes`. Unknown ones are
    /// left out.
    pub fn codes_for_peer(&self, hashes: &[B256], bytes: u64) -> Result<Vec<Bytes>, StorageError> {
        let bytes = bytes.min(MAX_SERVED_BYTES);
        let mut codes = Vec::new();
        let mut size = 0;
        for hash in hashes.iter().take(MAX_SERVED_CODES) {
            let code = if *hash == EMPTY_CODE_HASH {
                Some(Bytes::new())
            } else {
                self.find_code(hash)?
            };
            size += code.as_ref().map_or(0, |code| code.len() as u64);
            codes.extend(code);
            if size > bytes {
                break;
            }
        }
        Ok(codes)
    }
}
