//! Rendered blocks, kept for the next reader.

use std::sync::Arc;

use actoreum_primitives::B256;
use lru::LruCache;
use parking_lot::Mutex;

/// The JSON of blocks by hash, bounded by its size. A block never changes, so an
/// entry is never wrong; it only leaves to make room.
#[derive(Debug)]
pub struct BlockCache {
    entries: Mutex<Entries>,
    limit: usize,
}

#[derive(Debug)]
struct Entries {
    by_key: LruCache<Key, Arc<[u8]>>,
    bytes: usize,
}

/// A block, and whether its transactions are shown whole.
type Key = (B256, bool);

impl BlockCache {
    /// A cache that holds at most `limit` bytes of JSON.
    pub fn new(limit: usize) -> Self {
        let entries = Entries {
            by_key: LruCache::unbounded(),
            bytes: 0,
        };
        Self {
            entries: Mutex::new(entries),
            limit,
        }
    }

    /// The JSON of a block, where it is kept.
    pub fn get(&self, hash: B256, whole: bool) -> Option<Arc<[u8]>> {
        self.entries.lock().by_key.get(&(hash, whole)).cloned()
    }

    /// Keeps the JSON of a block, and returns it; what was not read for longest makes room.
    pub fn put(&self, hash: B256, whole: bool, json: Vec<u8>) -> Arc<[u8]> {
        let json: Arc<[u8]> = json.into();
        if json.len() > self.limit {
            return json;
        }
        let mut entries = self.entries.lock();
        entries.bytes += json.len();
        if let Some((_, replaced)) = entries.by_key.push((hash, whole), Arc::clone(&json)) {
            entries.bytes -= replaced.len();
        }
        while entries.bytes > self.limit {
            let Some((_, oldest)) = entries.by_key.pop_lru() else {
                break;
            };
            entries.bytes -= oldest.len();
        }
        json
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.entries.lock().bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_stays_within_its_limit_and_keeps_what_was_read_last() {
        let cache = BlockCache::new(100);
        let hash = B256::repeat_byte;
        cache.put(hash(1), true, vec![1; 40]);
        cache.put(hash(2), true, vec![2; 40]);
        assert!(cache.get(hash(1), true).is_some());
        cache.put(hash(3), true, vec![3; 40]);
        assert!(cache.get(hash(2), true).is_none());
        assert_eq!(cache.get(hash(1), true).as_deref(), Some(&[1; 40][..]));
        assert!(cache.get(hash(1), false).is_none());
        cache.put(hash(3), true, vec![3; 10]);
        assert_eq!(cache.bytes(), 50);
        cache.put(hash(4), true, vec![4; 101]);
        assert_eq!(cache.bytes(), 50);
    }
}
