//! The node database: nodes that are remembered across restarts.
//!
//! One entry per node, in a key-value store that the caller provides:
//!
//! | key | value |
//! |---|---|
//! | `version` | one byte, [`DATABASE_VERSION`]; another value empties the store |
//! | `node:` ‖ node id (32) | RLP list of [`NodeEntry`]'s fields |
//! | `seq:` ‖ node id (32) | RLP integer: the sequence number of the local node record |
//!
//! Times are seconds since 1970. An entry expires when its node has not answered a ping for
//! [`NODE_EXPIRATION`].

use std::collections::BTreeMap;
use std::net::IpAddr;

use actoreum_primitives::rlp::{self, Decode, DecodeError, Encode, List};
use actoreum_primitives::{B256, PeerId, PublicKey};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::EnodeEndpoint;
use crate::limits::{NODE_EXPIRATION, SEED_MAX_AGE};
use crate::rlp::{next_fixed, next_str, put_list};

/// Version of the entries' layout; a store of another version is emptied.
pub const DATABASE_VERSION: u8 = 1;

const VERSION_KEY: &[u8] = b"version";
const NODE_PREFIX: &[u8] = b"node:";
const SEQ_PREFIX: &[u8] = b"seq:";

/// Error of the underlying store. Discovery goes on without the database: report and continue.
#[derive(Debug, thiserror::Error)]
#[error("node database failed: {0}")]
pub struct StoreError(pub String);

/// A key-value store for the database. Values need not be durable at once: losing the last minutes
/// does no harm.
pub trait KeyValueStore {
    /// Returns the value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// Sets a key.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError>;
    /// Removes a key. A key that does not exist is no error.
    fn remove(&mut self, key: &[u8]) -> Result<(), StoreError>;
    /// Calls `visit` with every pair whose key starts with `prefix`, until it returns `false`.
    fn scan(
        &self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError>;
}

/// A store in memory, for tests and for nodes without a data directory.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(BTreeMap<Vec<u8>, Vec<u8>>);

impl KeyValueStore for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(key).cloned())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.0.insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.0.remove(key);
        Ok(())
    }

    fn scan(
        &self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        for (key, value) in self.0.range(prefix.to_vec()..) {
            if !key.starts_with(prefix) || !visit(key, value) {
                break;
            }
        }
        Ok(())
    }
}

/// Entry of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeEntry {
    /// Public key of the node.
    pub public_key: PublicKey,
    /// Endpoint at which the node was seen.
    pub endpoint: EnodeEndpoint,
    /// Time of the last pong for this node's ping, in seconds since 1970.
    pub last_pong: u64,
    /// Number of lookups in a row that the node did not answer.
    pub failures: u32,
}

impl NodeEntry {
    /// Returns the node's id.
    pub fn id(&self) -> PeerId {
        PeerId::of(&self.public_key)
    }
}

impl Encode for NodeEntry {
    fn encode(&self, out: &mut Vec<u8>) {
        put_list(out, |out| {
            rlp::encode_str(&self.public_key.to_uncompressed(), out);
            match self.endpoint.address {
                IpAddr::V4(address) => rlp::encode_str(&address.octets(), out),
                IpAddr::V6(address) => rlp::encode_str(&address.octets(), out),
            }
            self.endpoint.tcp.encode(out);
            self.endpoint.udp.encode(out);
            self.last_pong.encode(out);
            self.failures.encode(out);
        });
    }

    fn length(&self) -> usize {
        let mut out = Vec::new();
        self.encode(&mut out);
        out.len()
    }
}

impl Decode for NodeEntry {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        let mut list = List::open(buf)?;
        let public_key = PublicKey::from_uncompressed(&next_fixed(&mut list)?)
            .map_err(|_| DecodeError::Custom("invalid public key"))?;
        let address = crate::discv4::decode_address(next_str(&mut list)?)
            .ok_or(DecodeError::UnexpectedLength)?;
        let endpoint = EnodeEndpoint::new(address, list.next()?, list.next()?);
        let entry = Self {
            public_key,
            endpoint,
            last_pong: list.next()?,
            failures: list.next()?,
        };
        list.finish()?;
        Ok(entry)
    }
}

/// The node database on a key-value store.
#[derive(Debug)]
pub struct NodeDatabase<S> {
    store: S,
}

fn node_key(id: &PeerId) -> Vec<u8> {
    [NODE_PREFIX, id.0.as_slice()].concat()
}

fn seq_key(id: &PeerId) -> Vec<u8> {
    [SEQ_PREFIX, id.0.as_slice()].concat()
}

impl<S: KeyValueStore> NodeDatabase<S> {
    /// Opens the database. A store of another version is emptied first.
    pub fn open(store: S) -> Result<Self, StoreError> {
        let mut database = Self { store };
        if database.store.get(VERSION_KEY)?.as_deref() != Some(&[DATABASE_VERSION]) {
            let mut keys = Vec::new();
            database.store.scan(&[], &mut |key, _| {
                keys.push(key.to_vec());
                true
            })?;
            for key in keys {
                database.store.remove(&key)?;
            }
            database.store.put(VERSION_KEY, &[DATABASE_VERSION])?;
        }
        Ok(database)
    }

    /// Returns a reference to the underlying store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Returns the underlying store.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Returns a node's entry. An entry that does not decode counts as missing.
    pub fn node(&self, id: &PeerId) -> Result<Option<NodeEntry>, StoreError> {
        let value = self.store.get(&node_key(id))?;
        Ok(value.and_then(|value| rlp::decode_exact(&value).ok()))
    }

    /// Writes a node's entry.
    pub fn put_node(&mut self, entry: &NodeEntry) -> Result<(), StoreError> {
        self.store.put(&node_key(&entry.id()), &rlp::encode(entry))
    }

    /// Removes a node's entry.
    pub fn remove_node(&mut self, id: &PeerId) -> Result<(), StoreError> {
        self.store.remove(&node_key(id))
    }

    /// Returns the sequence number of the local node record, 0 before the first.
    pub fn local_seq(&self, id: &PeerId) -> Result<u64, StoreError> {
        let value = self.store.get(&seq_key(id))?;
        Ok(value
            .and_then(|value| rlp::decode_exact(&value).ok())
            .unwrap_or(0))
    }

    /// Stores the sequence number of the local node record.
    pub fn put_local_seq(&mut self, id: &PeerId, seq: u64) -> Result<(), StoreError> {
        self.store.put(&seq_key(id), &rlp::encode(&seq))
    }

    /// Removes the entries that have expired at `now`, and those that do not decode. Returns how
    /// many were removed.
    pub fn expire(&mut self, now: u64) -> Result<usize, StoreError> {
        let oldest = now.saturating_sub(NODE_EXPIRATION.as_secs());
        let mut expired = Vec::new();
        self.store.scan(NODE_PREFIX, &mut |key, value| {
            let fresh =
                rlp::decode_exact::<NodeEntry>(value).is_ok_and(|entry| entry.last_pong >= oldest);
            if !fresh {
                expired.push(key.to_vec());
            }
            true
        })?;
        for key in &expired {
            self.store.remove(key)?;
        }
        Ok(expired.len())
    }

    /// Returns up to `count` different seed nodes, chosen at random among those that answered
    /// within [`SEED_MAX_AGE`].
    pub fn seeds(
        &self,
        now: u64,
        count: usize,
        random: &mut impl Rng,
    ) -> Result<Vec<NodeEntry>, StoreError> {
        let oldest = now.saturating_sub(SEED_MAX_AGE.as_secs());
        let mut entries = Vec::new();
        self.store.scan(NODE_PREFIX, &mut |key, value| {
            let Ok(entry) = rlp::decode_exact::<NodeEntry>(value) else {
                return true;
            };
            if entry.last_pong >= oldest && key == node_key(&entry.id()) {
                entries.push(entry);
            }
            true
        })?;
        Ok(entries.choose_multiple(random, count).copied().collect())
    }

    /// Returns the number of entries.
    pub fn len(&self) -> Result<usize, StoreError> {
        let mut count = 0;
        self.store.scan(NODE_PREFIX, &mut |_, _| {
            count += 1;
            true
        })?;
        Ok(count)
    }

    /// Returns true if there are no entries.
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.len()? == 0)
    }
}

/// Returns the node id in a key of the store, for tools that list the database.
pub fn node_id_of_key(key: &[u8]) -> Option<PeerId> {
    let id: [u8; 32] = key.strip_prefix(NODE_PREFIX)?.try_into().ok()?;
    Some(PeerId(B256::new(id)))
}

#[cfg(test)]
mod tests {
    use actoreum_primitives::SecretKey;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const DAY: u64 = 24 * 60 * 60;
    const NOW: u64 = 1_700_000_000;

    fn entry(byte: u8, last_pong: u64) -> NodeEntry {
        NodeEntry {
            public_key: SecretKey::from_bytes(&[byte; 32]).unwrap().public_key(),
            endpoint: EnodeEndpoint::new("1.2.3.4".parse().unwrap(), 30303, 30304),
            last_pong,
            failures: 2,
        }
    }

    #[test]
    fn entries_persist_and_another_version_empties_the_store() {
        let mut database = NodeDatabase::open(MemoryStore::default()).unwrap();
        let node = entry(1, NOW);
        database.put_node(&node).unwrap();
        database.put_local_seq(&node.id(), 7).unwrap();
        let database = NodeDatabase::open(database.into_store()).unwrap();
        assert_eq!(database.node(&node.id()).unwrap(), Some(node));
        assert_eq!(database.local_seq(&node.id()).unwrap(), 7);

        let mut store = database.into_store();
        store.put(VERSION_KEY, &[DATABASE_VERSION + 1]).unwrap();
        let database = NodeDatabase::open(store).unwrap();
        assert!(database.is_empty().unwrap());
        assert_eq!(database.local_seq(&node.id()).unwrap(), 0);
    }

    #[test]
    fn old_and_malformed_entries_expire() {
        let mut database = NodeDatabase::open(MemoryStore::default()).unwrap();
        database.put_node(&entry(1, NOW - DAY)).unwrap();
        database.put_node(&entry(2, NOW - DAY - 1)).unwrap();
        database
            .store
            .put(&node_key(&entry(3, 0).id()), b"broken")
            .unwrap();
        assert_eq!(database.expire(NOW).unwrap(), 2);
        assert_eq!(database.len().unwrap(), 1);
        assert!(database.node(&entry(1, 0).id()).unwrap().is_some());
    }

    #[test]
    fn seeds_are_fresh_and_different() {
        let mut database = NodeDatabase::open(MemoryStore::default()).unwrap();
        for byte in 1..=20 {
            database.put_node(&entry(byte, NOW)).unwrap();
        }
        database.put_node(&entry(21, NOW - 5 * DAY - 1)).unwrap();
        let random = &mut StdRng::seed_from_u64(1);
        let seeds = database.seeds(NOW, 30, random).unwrap();
        assert_eq!(seeds.len(), 20);
        let few = database.seeds(NOW, 5, random).unwrap();
        assert_eq!(few.len(), 5);
        let different: std::collections::HashSet<PeerId> = few.iter().map(NodeEntry::id).collect();
        assert_eq!(different.len(), 5);
    }

    proptest! {
        #[test]
        fn entries_round_trip(
            secret in 1u8..255, address in any::<IpAddr>(), tcp: u16, udp: u16, last_pong: u64,
            failures: u32,
        ) {
            let endpoint = EnodeEndpoint::new(address, tcp, udp);
            let entry = NodeEntry { endpoint, failures, ..entry(secret, last_pong) };
            prop_assert_eq!(rlp::decode_exact::<NodeEntry>(&rlp::encode(&entry)), Ok(entry));
        }
    }
}
