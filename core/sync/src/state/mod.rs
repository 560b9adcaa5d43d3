//! Fetching a state by the hashes of its nodes.
//!
//! The trie is gone through from its root. A node whose hash is right is kept until everything
//! below it has come; then it is written, and never before: a node that is in the store therefore
//! stands for all that is below it, and a fetch that was cut short, or whose root has changed,
//! asks only for what is not there. What is deep goes first, so that little waits at a time.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use actoreum_primitives::{Account, B256, Bytes, EMPTY_CODE_HASH, EMPTY_ROOT_HASH, keccak256, rlp};
use actoreum_trie::{Link, Path, links};

use crate::downloader::PeerKey;

/// What is there already of a state that is being fetched.
pub trait StateStore {
    /// Whether a trie node, and with it everything below, is there.
    fn has_node(&self, hash: &B256) -> bool;
    /// Whether a contract's code is there.
    fn has_code(&self, hash: &B256) -> bool;
}

/// What a hash stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A node of the state trie.
    AccountNode,
    /// A node of a storage trie.
    StorageNode,
    /// A contract's code.
    Code,
}

/// A piece of a state that can be written: all that is below it can be written before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: Kind,
    /// Its hash.
    pub hash: B256,
    /// The node or the code.
    pub data: Bytes,
}

/// A value with its hash, as a peer sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedValue {
    /// Keccak-256 of `data`.
    pub hash: B256,
    /// What was sent.
    pub data: Bytes,
}

impl HashedValue {
    /// Takes the hash.
    pub fn new(data: Bytes) -> Self {
        Self {
            hash: keccak256(&data),
            data,
        }
    }
}

/// Why values were refused: no honest peer sends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a state value that nobody asked for")]
pub struct Junk;

/// A code and a node may have the same bytes: both are wanted then.
type Id = (bool, B256);

fn id(kind: Kind, hash: B256) -> Id {
    (kind == Kind::Code, hash)
}

#[derive(Debug)]
struct Wanted {
    kind: Kind,
    depth: u32,
    place: u64,
    /// What came, while something below it is missing.
    data: Option<Bytes>,
    missing: usize,
    parents: Vec<Id>,
    tried: BTreeSet<PeerKey>,
}

/// See the module.
#[derive(Debug)]
pub struct StateSync {
    root: B256,
    wanted: HashMap<Id, Wanted>,
    /// What nobody is asked for: the deepest first, then in the order in which it was found.
    queue: BTreeMap<(Reverse<u32>, u64), Id>,
    asked: usize,
    next_place: u64,
    finished: Vec<Piece>,
    finished_bytes: usize,
    /// Finished, and not known to be written.
    unwritten: HashSet<Id>,
    pulled: u64,
}

impl StateSync {
    /// Of the state with this root.
    pub fn new(root: B256, store: &dyn StateStore) -> Self {
        let mut sync = Self {
            root,
            wanted: HashMap::new(),
            queue: BTreeMap::new(),
            asked: 0,
            next_place: 0,
            finished: Vec::new(),
            finished_bytes: 0,
            unwritten: HashSet::new(),
            pulled: 0,
        };
        sync.want(Kind::AccountNode, root, 0, None, store);
        sync
    }

    /// The root.
    pub fn root(&self) -> B256 {
        self.root
    }

    /// Whether everything has come and was written.
    pub fn is_done(&self) -> bool {
        self.wanted.is_empty() && self.unwritten.is_empty()
    }

    /// Whether everything has come.
    pub fn has_all(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Values that came.
    pub fn pulled(&self) -> u64 {
        self.pulled
    }

    /// Values that came or are known to be missing.
    pub fn known(&self) -> u64 {
        self.pulled + (self.queue.len() + self.asked) as u64
    }

    /// Wants something, where it is not there and not wanted already. True: it is missing.
    fn want(
        &mut self,
        kind: Kind,
        hash: B256,
        depth: u32,
        parent: Option<Id>,
        store: &dyn StateStore,
    ) -> bool {
        let is_nothing = match kind {
            Kind::Code => hash == EMPTY_CODE_HASH,
            Kind::AccountNode | Kind::StorageNode => hash == EMPTY_ROOT_HASH,
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
            Kind::Code => store.has_code(&hash),
            Kind::AccountNode | Kind::StorageNode => store.has_node(&hash),
        };
        if is_there {
            return false;
        }
        let place = self.next_place;
        self.next_place += 1;
        self.queue.insert((Reverse(depth), place), id);
        self.wanted.insert(
            id,
            Wanted {
                kind,
                depth,
                place,
                data: None,
                missing: 0,
                parents: parent.into_iter().collect(),
                tried: BTreeSet::new(),
            },
        );
        true
    }

    /// Up to `most` hashes to ask a peer for, of those that it was not asked for in vain.
    pub fn ask(&mut self, peer: PeerKey, most: usize) -> Vec<(Kind, B256)> {
        let wanted = &self.wanted;
        let is_new = |id: &Id| wanted.get(id).is_some_and(|it| !it.tried.contains(&peer));
        let chosen: Vec<((Reverse<u32>, u64), Id)> = self
            .queue
            .iter()
            .filter(|(_, id)| is_new(id))
            .take(most)
            .map(|(place, id)| (*place, *id))
            .collect();
        self.asked += chosen.len();
        chosen
            .into_iter()
            .filter_map(|(place, id)| {
                self.queue.remove(&place);
                self.wanted.get(&id).map(|wanted| (wanted.kind, id.1))
            })
            .collect()
    }

    /// A request was not answered: its hashes can be asked of anybody.
    pub fn give_back(&mut self, asked: &[(Kind, B256)]) {
        for (kind, hash) in asked {
            let id = id(*kind, *hash);
            if let Some(wanted) = self.wanted.get(&id)
                && wanted.data.is_none()
                && self
                    .queue
                    .insert((Reverse(wanted.depth), wanted.place), id)
                    .is_none()
            {
                self.asked = self.asked.saturating_sub(1);
            }
        }
    }

    /// A peer's answer. What it left out is asked of others. How many values it brought.
    ///
    /// # Errors
    /// [`Junk`]: it has values that were not asked for. What was right before them is taken.
    pub fn deliver(
        &mut self,
        peer: PeerKey,
        asked: &[(Kind, B256)],
        values: Vec<HashedValue>,
        store: &dyn StateStore,
    ) -> Result<usize, Junk> {
        let mut open: HashMap<B256, Vec<Kind>> = HashMap::new();
        for (kind, hash) in asked {
            open.entry(*hash).or_default().push(*kind);
        }
        let mut taken = 0;
        let mut outcome = Ok(());
        for value in values {
            let Some(kinds) = open.remove(&value.hash) else {
                outcome = Err(Junk);
                break;
            };
            for kind in kinds {
                if self.take(kind, &value, store).is_err() {
                    outcome = Err(Junk);
                }
                taken += 1;
            }
        }
        for (hash, kinds) in open {
            for kind in kinds {
                if let Some(wanted) = self.wanted.get_mut(&id(kind, hash)) {
                    wanted.tried.insert(peer);
                }
                self.give_back(&[(kind, hash)]);
            }
        }
        outcome.map(|()| taken)
    }

    /// Takes a value whose hash is right. An error: it is not what its parent says that it is; the
    /// root is of no state then.
    fn take(
        &mut self,
        kind: Kind,
        value: &HashedValue,
        store: &dyn StateStore,
    ) -> Result<(), Junk> {
        let id = id(kind, value.hash);
        let Some(wanted) = self.wanted.get(&id) else {
            return Ok(());
        };
        if wanted.data.is_some() {
            return Ok(());
        }
        let depth = wanted.depth;
        let place = wanted.place;
        self.queue.remove(&(Reverse(depth), place));
        self.asked = self.asked.saturating_sub(1);
        self.pulled += 1;
        let below = below(kind, &value.data)?;
        let mut missing = 0;
        for (kind, hash) in below {
            missing += usize::from(self.want(kind, hash, depth + 1, Some(id), store));
        }
        if let Some(wanted) = self.wanted.get_mut(&id) {
            wanted.data = Some(value.data.clone());
            wanted.missing = missing;
        }
        self.finish(id);
        Ok(())
    }

    /// Puts what is whole, and then what was waiting for it, among what can be written.
    fn finish(&mut self, id: Id) {
        let mut ids = vec![id];
        while let Some(id) = ids.pop() {
            let is_whole = |wanted: &Wanted| wanted.data.is_some() && wanted.missing == 0;
            if !self.wanted.get(&id).is_some_and(is_whole) {
                continue;
            }
            let Some(whole) = self.wanted.remove(&id) else {
                continue;
            };
            let data = whole.data.unwrap_or_default();
            self.finished_bytes += data.len() + 32;
            self.unwritten.insert(id);
            self.finished.push(Piece {
                kind: whole.kind,
                hash: id.1,
                data,
            });
            for parent in whole.parents {
                if let Some(wanted) = self.wanted.get_mut(&parent) {
                    wanted.missing = wanted.missing.saturating_sub(1);
                    ids.push(parent);
                }
            }
        }
    }

    /// Bytes that can be written.
    pub fn finished_bytes(&self) -> usize {
        self.finished_bytes
    }

    /// Takes what can be written; it is to be written in this order, and told then
    /// ([`Self::written`]).
    pub fn take_finished(&mut self) -> Vec<Piece> {
        self.finished_bytes = 0;
        std::mem::take(&mut self.finished)
    }

    /// These were written.
    pub fn written(&mut self, pieces: &[(Kind, B256)]) {
        for (kind, hash) in pieces {
            self.unwritten.remove(&id(*kind, *hash));
        }
    }

    /// Whether nothing is on its way, and there is something that none of these peers has.
    pub fn is_stuck(&self, peers: &[PeerKey]) -> bool {
        let all_tried = |id: &Id| {
            let wanted = self.wanted.get(id);
            wanted.is_some_and(|it| peers.iter().all(|peer| it.tried.contains(peer)))
        };
        self.asked == 0 && !self.queue.is_empty() && self.queue.values().all(all_tried)
    }
}

/// What a value names.
fn below(kind: Kind, data: &[u8]) -> Result<Vec<(Kind, B256)>, Junk> {
    if kind == Kind::Code {
        return Ok(Vec::new());
    }
    let mut below = Vec::new();
    for (_, link) in links(&Path::EMPTY, data).map_err(|_| Junk)? {
        match link {
            Link::Node(hash) => below.push((kind, hash)),
            Link::Value(value) if kind == Kind::AccountNode => {
                let account: Account = rlp::decode_exact(&value).map_err(|_| Junk)?;
                below.push((Kind::StorageNode, account.storage_root));
                below.push((Kind::Code, account.code_hash));
            }
            Link::Value(_) => {}
        }
    }
    Ok(below)
}
