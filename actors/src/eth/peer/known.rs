//! Bounded set of recent hashes.

use std::collections::{HashSet, VecDeque};

use actoreum_primitives::B256;

/// The last `limit` hashes. Of each hash the first eight bytes are kept: whoever crafts two hashes
/// with the same first bytes hides one of them from itself.
pub(in crate::eth) struct KnownHashes {
    hashes: HashSet<u64>,
    order: VecDeque<u64>,
    limit: usize,
}

impl KnownHashes {
    pub(in crate::eth) fn new(limit: usize) -> Self {
        Self {
            hashes: HashSet::new(),
            order: VecDeque::new(),
            limit,
        }
    }

    pub(in crate::eth) fn contains(&self, hash: &B256) -> bool {
        self.hashes.contains(&short(hash))
    }

    /// Adds a hash, and drops the oldest where there are too many. Returns false where it was
    /// known.
    pub(in crate::eth) fn insert(&mut self, hash: &B256) -> bool {
        let hash = short(hash);
        if !self.hashes.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.hashes.remove(&oldest);
        }
        true
    }
}

fn short(hash: &B256) -> u64 {
    let first = hash.first_chunk().copied();
    u64::from_be_bytes(first.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_hash_is_dropped() {
        let mut known = KnownHashes::new(3);
        let hash = |byte| B256::repeat_byte(byte);
        for byte in [1, 2, 1, 3, 4] {
            known.insert(&hash(byte));
        }
        assert!(!known.contains(&hash(1)));
        assert!([2, 3, 4].iter().all(|byte| known.contains(&hash(*byte))));
        assert_eq!((known.hashes.len(), known.order.len()), (3, 3));
    }
}
