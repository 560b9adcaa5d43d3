//! The records of nodes that this node has met or heard of.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use actoreum_primitives::{B256, PeerId, keccak256};
use lru::LruCache;

use crate::limits::MAX_RECORDS;
use crate::nodes::{Enr, EnrError};

/// Verified records, the newest of each node. Above [`MAX_RECORDS`] those that were not used for
/// longest are dropped.
pub(super) struct Records {
    records: LruCache<PeerId, Arc<Enr>>,
    /// The nodes by the hash of their records: most records of an answer are known, and need not be
    /// verified again.
    by_encoding: HashMap<B256, PeerId>,
}

impl Records {
    pub(super) fn new() -> Self {
        let capacity = NonZeroUsize::new(MAX_RECORDS).unwrap_or(NonZeroUsize::MIN);
        Self {
            records: LruCache::new(capacity),
            by_encoding: HashMap::new(),
        }
    }

    pub(super) fn get(&self, id: &PeerId) -> Option<&Arc<Enr>> {
        self.records.peek(id)
    }

    /// Decodes a record, and verifies it unless it is known.
    pub(super) fn decode(&self, encoded: &[u8]) -> Result<Arc<Enr>, EnrError> {
        let known = self
            .by_encoding
            .get(&keccak256(encoded))
            .and_then(|id| self.get(id));
        match known {
            Some(record) => Ok(Arc::clone(record)),
            None => Enr::decode(encoded).map(Arc::new),
        }
    }

    /// Returns the sequence number of a node's record; 0 without one.
    pub(super) fn seq(&self, id: &PeerId) -> u64 {
        self.get(id).map_or(0, |record| record.seq())
    }

    /// Stores a record if none, or an older one, is known. Returns true if it was stored.
    /// `is_kept` is true for nodes whose records are not to be dropped; they are fewer than
    /// [`MAX_RECORDS`].
    pub(super) fn insert(&mut self, record: Arc<Enr>, is_kept: impl Fn(&PeerId) -> bool) -> bool {
        let id = record.node_id();
        if let Some(known) = self.records.get(&id) {
            if known.seq() >= record.seq() {
                return false;
            }
            self.by_encoding.remove(&keccak256(known.encoded()));
        }
        self.make_room(is_kept);
        self.by_encoding.insert(keccak256(record.encoded()), id);
        self.records.put(id, record);
        true
    }

    fn make_room(&mut self, is_kept: impl Fn(&PeerId) -> bool) {
        // Bounded, even if all were kept.
        for _ in 0..MAX_RECORDS {
            if self.records.len() < MAX_RECORDS {
                return;
            }
            if let Some((id, record)) = self.records.pop_lru() {
                if is_kept(&id) {
                    self.records.put(id, record);
                } else {
                    self.by_encoding.remove(&keccak256(record.encoded()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actoreum_primitives::SecretKey;

    use super::*;
    use crate::nodes::EnrBuilder;

    fn record(number: u32, seq: u64) -> Arc<Enr> {
        let mut bytes = [1; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let key = SecretKey::from_bytes(&bytes).unwrap();
        Arc::new(EnrBuilder::new().sign(seq, &key).unwrap())
    }

    #[test]
    fn a_newer_record_replaces_an_older_one() {
        let mut records = Records::new();
        let id = record(1, 5).node_id();
        assert_eq!(records.seq(&id), 0);
        assert!(records.insert(record(1, 5), |_| false));
        assert!(!records.insert(record(1, 5), |_| false));
        assert!(!records.insert(record(1, 4), |_| false));
        assert!(records.insert(record(1, 6), |_| false));
        assert_eq!(records.seq(&id), 6);
    }

    #[test]
    fn a_known_record_is_not_verified_again() {
        let mut records = Records::new();
        let known = record(1, 5);
        assert!(records.insert(Arc::clone(&known), |_| false));
        let decoded = records.decode(known.encoded()).unwrap();
        assert!(Arc::ptr_eq(&decoded, &known));
        let mut forged = known.encoded().to_vec();
        *forged.last_mut().unwrap() ^= 1;
        assert!(records.decode(&forged).is_err());
        // A newer record takes its place.
        let newer = record(1, 6);
        assert!(records.insert(Arc::clone(&newer), |_| false));
        let decoded = records.decode(known.encoded()).unwrap();
        assert!(!Arc::ptr_eq(&decoded, &known));
        assert_eq!(records.by_encoding.len(), 1);
    }

    #[test]
    fn records_of_nodes_in_the_table_are_not_dropped() {
        let mut records = Records::new();
        let kept = record(0, 1).node_id();
        records.insert(record(0, 1), |id| *id == kept);
        let filler = record(1, 1);
        for number in 0..2 * MAX_RECORDS {
            records.make_room(|id| *id == kept);
            let id = PeerId(keccak256(number.to_be_bytes()));
            records.records.put(id, Arc::clone(&filler));
        }
        assert!(records.get(&kept).is_some());
        assert_eq!(records.records.len(), MAX_RECORDS);
    }
}
