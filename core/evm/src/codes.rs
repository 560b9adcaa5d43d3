//! A cache of contract code with its jump table, shared by all blocks.

use std::num::NonZeroUsize;
use std::sync::LazyLock;

use actoreum_primitives::{B256, Bytes};
use lru::LruCache;
use parking_lot::Mutex;
use revm::state::Bytecode;

use crate::limits::{CODE_CACHE_BYTES, CODE_CACHE_ENTRIES};

/// A cache of analysed code by its hash. The code of a hash never changes, so one cache serves
/// every block, call and trace. The least recently used entries are evicted when the number of
/// entries or their bytes exceed the limits.
#[derive(Debug)]
pub struct CodeCache {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    codes: LruCache<B256, Bytecode>,
    bytes: usize,
    byte_limit: usize,
}

impl CodeCache {
    /// Creates a cache bounded by the number of codes (at least one) and by their bytes.
    pub fn new(entries: usize, bytes: usize) -> Self {
        let entries = NonZeroUsize::new(entries).unwrap_or(NonZeroUsize::MIN);
        let codes = LruCache::new(entries);
        Self {
            inner: Mutex::new(Inner {
                codes,
                bytes: 0,
                byte_limit: bytes,
            }),
        }
    }

    /// Returns the cache that all executions of this process share.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<CodeCache> =
            LazyLock::new(|| CodeCache::new(CODE_CACHE_ENTRIES, CODE_CACHE_BYTES));
        &SHARED
    }

    /// Returns the number of cached codes.
    pub fn len(&self) -> usize {
        self.inner.lock().codes.len()
    }

    /// Returns true if no code is cached.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the size of the cached codes in bytes, as it counts against the limit.
    pub fn bytes(&self) -> usize {
        self.inner.lock().bytes
    }

    pub(crate) fn get(&self, code_hash: &B256) -> Option<Bytecode> {
        self.inner.lock().codes.get(code_hash).cloned()
    }

    /// Analyses `code` as legacy EVM code and caches it.
    pub(crate) fn analyse(&self, code_hash: B256, code: Bytes) -> Bytecode {
        let code = Bytecode::new_legacy(code);
        self.insert(code_hash, code.clone());
        code
    }

    pub(crate) fn insert(&self, code_hash: B256, code: Bytecode) {
        let mut inner = self.inner.lock();
        inner.bytes += weight(&code);
        if let Some((_, evicted)) = inner.codes.push(code_hash, code) {
            inner.bytes -= weight(&evicted);
        }
        while inner.bytes > inner.byte_limit {
            let Some((_, evicted)) = inner.codes.pop_lru() else {
                break;
            };
            inner.bytes -= weight(&evicted);
        }
    }
}

/// Returns the size of an entry: the code and one bit per byte for its jump table.
fn weight(code: &Bytecode) -> usize {
    code.len() + code.len() / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(byte: u8, len: usize) -> (B256, Bytes) {
        (B256::repeat_byte(byte), Bytes::from(vec![byte; len]))
    }

    #[test]
    fn the_cache_stays_within_its_byte_limit() {
        let cache = CodeCache::new(100, 3_000);
        for byte in 0..50 {
            let (hash, bytes) = code(byte, 800);
            cache.analyse(hash, bytes);
        }
        assert!(cache.bytes() <= 3_000);
        assert_eq!(cache.len(), 3);
        assert!(cache.get(&B256::repeat_byte(49)).is_some());
        assert!(cache.get(&B256::repeat_byte(0)).is_none());
    }

    #[test]
    fn a_code_inserted_twice_counts_once() {
        let cache = CodeCache::new(100, 3_000);
        for _ in 0..10 {
            let (hash, bytes) = code(7, 800);
            cache.analyse(hash, bytes);
        }
        assert_eq!(cache.bytes(), 900);
    }

    #[test]
    fn the_cache_stays_within_its_entry_limit() {
        let cache = CodeCache::new(2, usize::MAX);
        for byte in 0..5 {
            let (hash, bytes) = code(byte, 8);
            cache.analyse(hash, bytes);
        }
        assert_eq!((cache.len(), cache.bytes()), (2, 18));
    }
}
