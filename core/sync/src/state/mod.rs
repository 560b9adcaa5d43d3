//! State sync: fetches a state trie, its storage tries and contract codes by hash (GetNodeData;
//! geth's `trie.Sync`).
//!
//! The trie is traversed from its root. A node with the right hash is held until everything below
//! it has been received and is then written, never before: a stored node therefore implies that all
//! of its subtree is stored, and a sync that was interrupted, or whose root has changed, requests
//! only what is missing. The deepest nodes are requested first, so that few are held at a time.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use actoreum_primitives::{Account, B256, Bytes, EMPTY_CODE_HASH, EMPTY_ROOT_HASH, keccak256, rlp};
use actoreum_trie::{Link, Path, links};

use crate::sync_peer_id::SyncPeerId;

/// The part of a state that is stored already.
pub trait StateStore {
    /// Returns true if a trie node, and with it its whole subtree, is stored.
    fn has_node(&self, hash: &B256) -> bool;
    /// Returns true if a contract's code is stored.
    fn has_code(&self, hash: &B256) -> bool;
}

/// Kind of a state value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueKind {
    /// A node of the state trie.
    AccountNode,
    /// A node of a storage trie.
    StorageNode,
    /// A contract's code.
    Code,
}

/// A state value that can be written: all values below it are stored, or come before it in the list
/// of finished values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateValue {
    /// Kind of the value.
    pub kind: ValueKind,
    /// Keccak-256 of `data`.
    pub hash: B256,
    /// The RLP encoding of the node, or the code.
    pub data: Bytes,
}

/// A value as a peer sent it, with its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedValue {
    /// Keccak-256 of `data`.
    pub hash: B256,
    /// The value.
    pub data: Bytes,
}

impl HashedValue {
    /// Hashes a value.
    pub fn new(data: Bytes) -> Self {
        Self {
            hash: keccak256(&data),
            data,
        }
    }
}

/// Error of an answer that no honest peer sends: it has values that were not requested, or that are
/// not what their parent says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unexpected state value")]
pub struct UnexpectedData;

/// Key of a value: whether it is a code, and its hash. A code and a node may have the same bytes;
/// both are requested then.
type Id = (bool, B256);

fn id(kind: ValueKind, hash: B256) -> Id {
    (kind == ValueKind::Code, hash)
}

#[derive(Debug)]
struct Wanted {
    kind: ValueKind,
    depth: u32,
    sequence: u64,
    /// The value, held while values below it are missing.
    data: Option<Bytes>,
    missing: usize,
    parents: Vec<Id>,
    tried: BTreeSet<SyncPeerId>,
}

/// The state of a sync; see the [module](self).
#[derive(Debug)]
pub struct StateSync {
    root: B256,
    wanted: HashMap<Id, Wanted>,
    /// Values that no peer is being asked for: the deepest first, then in the order in which they
    /// were found.
    queue: BTreeMap<(Reverse<u32>, u64), Id>,
    asked: usize,
    next_sequence: u64,
    finished: Vec<StateValue>,
    finished_bytes: usize,
    /// Values that are finished and not known to be written.
    unwritten: HashSet<Id>,
    pulled: u64,
}

impl StateSync {
    /// Starts the sync of the state with this root.
    pub fn new(root: B256, store: &dyn StateStore) -> Self {
        let mut sync = Self {
            root,
            wanted: HashMap::new(),
            queue: BTreeMap::new(),
            asked: 0,
            next_sequence: 0,
            finished: Vec::new(),
            finished_bytes: 0,
            unwritten: HashSet::new(),
            pulled: 0,
        };
        sync.want(ValueKind::AccountNode, root, 0, None, store);
        sync
    }

    /// Returns the state root.
    pub fn root(&self) -> B256 {
        self.root
    }

    /// Returns true if everything was received and written.
    pub fn is_done(&self) -> bool {
        self.wanted.is_empty() && self.unwritten.is_empty()
    }

    /// Returns true if everything was received.
    pub fn has_all(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Returns the number of values received.
    pub fn pulled(&self) -> u64 {
        self.pulled
    }

    /// Returns the number of values received or known to be missing.
    pub fn known(&self) -> u64 {
        self.pulled + (self.queue.len() + self.asked) as u64
    }

    /// Adds a value to the missing ones, unless it is stored or added already. Returns true if the
    /// value is missing.
    fn want(
        &mut self,
        kind: ValueKind,
        hash: B256,
        depth: u32,
        parent: Option<Id>,
        store: &dyn StateStore,
    ) -> bool {
        let is_nothing = match kind {
            ValueKind::Code => hash == EMPTY_CODE_HASH,
            ValueKind::AccountNode | ValueKind::StorageNode => hash == EMPTY_ROOT_HASH,
        };
        let id = id(kind, hash);
        if is_nothing || self.unwritten.contains(&id) {
            return false;
        }
        if let Some(wanted) = self.wanted.get_mut(&id) {
            wanted.parents.extend(parent);
            return true;
        }
        let is_there = match kind {
            ValueKind::Code => store.has_code(&hash),
            ValueKind::AccountNode | ValueKind::StorageNode => store.has_node(&hash),
        };
        if is_there {
            return false;
        }
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.queue.insert((Reverse(depth), sequence), id);
        self.wanted.insert(
            id,
            Wanted {
                kind,
                depth,
                sequence,
                data: None,
                missing: 0,
                parents: parent.into_iter().collect(),
                tried: BTreeSet::new(),
            },
        );
        true
    }

    /// Takes up to `max` hashes to request from a peer, leaving out those that the peer was asked
    /// for in vain.
    pub fn ask(&mut self, peer: SyncPeerId, max: usize) -> Vec<(ValueKind, B256)> {
        let wanted = &self.wanted;
        let is_new = |id: &Id| wanted.get(id).is_some_and(|it| !it.tried.contains(&peer));
        let chosen: Vec<((Reverse<u32>, u64), Id)> = self
            .queue
            .iter()
            .filter(|(_, id)| is_new(id))
            .take(max)
            .map(|(sequence, id)| (*sequence, *id))
            .collect();
        self.asked += chosen.len();
        chosen
            .into_iter()
            .filter_map(|(sequence, id)| {
                self.queue.remove(&sequence);
                self.wanted.get(&id).map(|wanted| (wanted.kind, id.1))
            })
            .collect()
    }

    /// Takes back the hashes of an unanswered request: any peer can be asked for them.
    pub fn requeue(&mut self, asked: &[(ValueKind, B256)]) {
        for (kind, hash) in asked {
            let id = id(*kind, *hash);
            if let Some(wanted) = self.wanted.get(&id)
                && wanted.data.is_none()
                && self
                    .queue
                    .insert((Reverse(wanted.depth), wanted.sequence), id)
                    .is_none()
            {
                self.asked = self.asked.saturating_sub(1);
            }
        }
    }

    /// Takes a peer's answer. Values that it left out are requested from others. Returns the number
    /// of values that it brought.
    ///
    /// # Errors
    /// [`UnexpectedData`] if it has values that were not requested, or that are not what their
    /// parent says. The right values before them are kept.
    pub fn deliver(
        &mut self,
        peer: SyncPeerId,
        asked: &[(ValueKind, B256)],
        values: Vec<HashedValue>,
        store: &dyn StateStore,
    ) -> Result<usize, UnexpectedData> {
        let mut open: HashMap<B256, Vec<ValueKind>> = HashMap::new();
        for (kind, hash) in asked {
            open.entry(*hash).or_default().push(*kind);
        }
        let mut taken = 0;
        let mut outcome = Ok(());
        for value in values {
            let Some(kinds) = open.remove(&value.hash) else {
                outcome = Err(UnexpectedData);
                break;
            };
            for kind in kinds {
                if self.take(kind, &value, store).is_err() {
                    outcome = Err(UnexpectedData);
                }
                taken += 1;
            }
        }
        for (hash, kinds) in open {
            for kind in kinds {
                if let Some(wanted) = self.wanted.get_mut(&id(kind, hash)) {
                    wanted.tried.insert(peer);
                }
                self.requeue(&[(kind, hash)]);
            }
        }
        outcome.map(|()| taken)
    }

    /// Takes a value whose hash is right. Fails if the value is not of the kind that its parent
    /// says; then the root is of no state.
    fn take(
        &mut self,
        kind: ValueKind,
        value: &HashedValue,
        store: &dyn StateStore,
    ) -> Result<(), UnexpectedData> {
        let id = id(kind, value.hash);
        let Some(wanted) = self.wanted.get(&id) else {
            return Ok(());
        };
        if wanted.data.is_some() {
            return Ok(());
        }
        let depth = wanted.depth;
        let sequence = wanted.sequence;
        self.queue.remove(&(Reverse(depth), sequence));
        self.asked = self.asked.saturating_sub(1);
        self.pulled += 1;
        let children = child_values(kind, &value.data)?;
        let mut missing = 0;
        for (kind, hash) in children {
            missing += usize::from(self.want(kind, hash, depth + 1, Some(id), store));
        }
        if let Some(wanted) = self.wanted.get_mut(&id) {
            wanted.data = Some(value.data.clone());
            wanted.missing = missing;
        }
        self.finish(id);
        Ok(())
    }

    /// Moves a value, and then its ancestors, to the finished ones if nothing below them is
    /// missing.
    fn finish(&mut self, id: Id) {
        let mut ids = vec![id];
        while let Some(id) = ids.pop() {
            let is_complete = |wanted: &Wanted| wanted.data.is_some() && wanted.missing == 0;
            if !self.wanted.get(&id).is_some_and(is_complete) {
                continue;
            }
            let Some(complete) = self.wanted.remove(&id) else {
                continue;
            };
            let data = complete.data.unwrap_or_default();
            self.finished_bytes += data.len() + 32;
            self.unwritten.insert(id);
            self.finished.push(StateValue {
                kind: complete.kind,
                hash: id.1,
                data,
            });
            for parent in complete.parents {
                if let Some(wanted) = self.wanted.get_mut(&parent) {
                    wanted.missing = wanted.missing.saturating_sub(1);
                    ids.push(parent);
                }
            }
        }
    }

    /// Returns the number of bytes of finished values.
    pub fn finished_bytes(&self) -> usize {
        self.finished_bytes
    }

    /// Takes the finished values. They are to be written in this order, and then reported to
    /// [`Self::written`].
    pub fn take_finished(&mut self) -> Vec<StateValue> {
        self.finished_bytes = 0;
        std::mem::take(&mut self.finished)
    }

    /// Notes that values were written.
    pub fn written(&mut self, values: &[(ValueKind, B256)]) {
        for (kind, hash) in values {
            self.unwritten.remove(&id(*kind, *hash));
        }
    }

    /// Returns true if no request is under way, and each missing value was requested from all of
    /// these peers in vain.
    pub fn is_stuck(&self, peers: &[SyncPeerId]) -> bool {
        let all_tried = |id: &Id| {
            let wanted = self.wanted.get(id);
            wanted.is_some_and(|it| peers.iter().all(|peer| it.tried.contains(peer)))
        };
        self.asked == 0 && !self.queue.is_empty() && self.queue.values().all(all_tried)
    }
}

/// Returns the values that a value refers to.
fn child_values(kind: ValueKind, data: &[u8]) -> Result<Vec<(ValueKind, B256)>, UnexpectedData> {
    if kind == ValueKind::Code {
        return Ok(Vec::new());
    }
    let mut children = Vec::new();
    for (_, link) in links(&Path::EMPTY, data).map_err(|_| UnexpectedData)? {
        match link {
            Link::Node(hash) => children.push((kind, hash)),
            Link::Value(value) if kind == ValueKind::AccountNode => {
                let account: Account = rlp::decode_exact(&value).map_err(|_| UnexpectedData)?;
                children.push((ValueKind::StorageNode, account.storage_root));
                children.push((ValueKind::Code, account.code_hash));
            }
            Link::Value(_) => {}
        }
    }
    Ok(children)
}
