//! A cache of rendered blocks.

use std::sync::Arc;

use actoreum_primitives::B256;
use lru::LruCache;
use parking_lot::Mutex;

/// The JSON of blocks by hash, bounded by its size. A block never changes, so an entry is never
/// stale and leaves only to make room.
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

/// The hash of a block, and whether its transactions are shown in full.
type Key = (B256, bool);

impl BlockCache {
    /// Creates a cache that holds at most `limit` bytes of JSON.
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

    /// Returns the JSON of a block if it is in the cache.
    pub fn get(&self, hash: B256, full: bool) -> Option<Arc<[u8]>> {
        self.entries.lock().by_key.get(&(hash, full)).cloned()
    }

    /// Stores the JSON of a block and returns it. The least recently used entries make room.
    pub fn put(&self, hash: B256, full: bool, json: Vec<u8>) -> Arc<[u8]> {
        let json: Arc<[u8]> = json.into();
        if json.len() > self.limit {
            return json;
        }
        let mut entries = self.entries.lock();
        entries.bytes += json.len();
        if let Some((_, replaced)) = entries.by_key.push((hash, full), Arc::clone(&json)) {
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

    /// Returns the size of the cached JSON, in bytes.
    pub fn bytes(&self) -> usize {
        self.entries.lock().bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_evicts_the_least_recently_used_block() {
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
