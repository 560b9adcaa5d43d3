//! Trie nodes of a recent state by their hashes, for peers that fast sync from this node.
//!
//! Our tries are keyed by path and hold the newest state only. A fast sync asks for the state of a
//! block some way below the head, node by node, by hash. When the root of such a state is
//! requested, all its nodes are computed from the flat state and its history, once, and cached
//! while they are requested: one state at a time, and no state that exceeds
//! [`MAX_SERVED_STATE_BYTES`].

use std::collections::HashMap;
use std::time::{Duration, Instant};

use actoreum_chain::ChainReader;
use actoreum_primitives::B256;
use actoreum_storage::StorageError;
use parking_lot::Mutex;
use tracing::{debug, info};

use super::limits::{
    MAX_SERVED_STATE_BYTES, SERVED_STATE_DEPTH, SERVED_STATE_IDLE, SERVED_STATE_PAUSE,
};

/// Timeout of a request while a state is being computed.
const LOCK_TIMEOUT: Duration = Duration::from_millis(100);

/// Cache of the nodes of one recent state; see the module. To be used on a thread pool: computing a
/// state takes seconds.
#[derive(Default)]
pub(super) struct StateNodeCache(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// State roots of the newest blocks, with their numbers.
    roots: HashMap<B256, u64>,
    /// The head that `roots` belong to.
    head: B256,
    served: Option<Served>,
    /// When a state was last computed, or was found too large.
    computed_at: Option<Instant>,
}

struct Served {
    root: B256,
    nodes: HashMap<B256, Vec<u8>>,
    used_at: Instant,
}

impl StateNodeCache {
    /// Returns a node by its hash; `None` where it does not belong to the served state.
    pub(super) fn node(
        &self,
        chain_reader: &ChainReader,
        hash: &B256,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        // The lock is held for seconds while a state is computed; other requests get no answer
        // then.
        let Some(mut inner) = self.0.try_lock_for(LOCK_TIMEOUT) else {
            return Ok(None);
        };
        if let Some(found) = inner.find(hash) {
            return Ok(Some(found));
        }
        inner.refresh_roots(chain_reader)?;
        let Some(number) = inner.roots.get(hash).copied() else {
            return Ok(None);
        };
        let pause = inner.computed_at.map(|time| time.elapsed());
        if pause.is_some_and(|pause| pause < SERVED_STATE_PAUSE) {
            return Ok(None);
        }
        inner.compute(chain_reader, *hash, number)?;
        Ok(inner.find(hash))
    }

    /// Drops the state if it has not been requested for [`SERVED_STATE_IDLE`].
    pub(super) fn forget_idle(&self) {
        let Some(mut inner) = self.0.try_lock() else {
            return;
        };
        let is_idle = |served: &mut Served| has_elapsed(served.used_at, SERVED_STATE_IDLE);
        if let Some(served) = inner.served.take_if(is_idle) {
            debug!(root = %served.root, "state no longer served");
        }
    }
}

fn has_elapsed(since: Instant, time: Duration) -> bool {
    since.elapsed() >= time
}

impl Inner {
    fn find(&mut self, hash: &B256) -> Option<Vec<u8>> {
        let served = self.served.as_mut()?;
        let node = served.nodes.get(hash).cloned()?;
        served.used_at = Instant::now();
        Some(node)
    }

    fn refresh_roots(&mut self, chain_reader: &ChainReader) -> Result<(), StorageError> {
        let head = chain_reader.head();
        if self.head == head.hash() {
            return Ok(());
        }
        let oldest = chain_reader
            .store()
            .oldest_state()
            .max(head.number.saturating_sub(SERVED_STATE_DEPTH));
        self.roots.clear();
        for number in oldest..=head.number {
            if let Some(header) = chain_reader.header_by_number(number)? {
                self.roots.insert(header.state_root, number);
            }
        }
        self.head = head.hash();
        Ok(())
    }

    fn compute(
        &mut self,
        chain_reader: &ChainReader,
        root: B256,
        number: u64,
    ) -> Result<(), StorageError> {
        // The previous state is dropped first: two are never held.
        self.served = None;
        let begun = Instant::now();
        let nodes = chain_reader
            .store()
            .state_nodes(number, root, MAX_SERVED_STATE_BYTES)?;
        self.computed_at = Some(Instant::now());
        let Some(nodes) = nodes else {
            debug!(
                number,
                "state is too large to be served by hash, or the chain advanced"
            );
            return Ok(());
        };
        info!(number, nodes = nodes.len(), elapsed = ?begun.elapsed(), "state served to peers");
        self.served = Some(Served {
            root,
            nodes,
            used_at: Instant::now(),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use actoreum_chain::genesis;
    use actoreum_primitives::{Genesis, keccak256};
    use actoreum_storage::Store;
    use actoreum_sync::downloader::SyncPeerId;
    use actoreum_sync::state::{HashedValue, StateStore, StateSync};

    use super::*;

    struct EmptyStore;

    impl StateStore for EmptyStore {
        fn has_node(&self, _: &B256) -> bool {
            false
        }

        fn has_code(&self, _: &B256) -> bool {
            false
        }
    }

    #[test]
    fn a_complete_state_can_be_fetched_by_hash() {
        let store = Store::memory();
        let header = genesis::init(&store, &Genesis::mainnet()).unwrap();
        let chain_reader = ChainReader::open(store).unwrap();
        let cache = StateNodeCache::default();
        let unknown = B256::repeat_byte(1);
        assert_eq!(cache.node(&chain_reader, &unknown).unwrap(), None);
        let mut sync = StateSync::new(header.state_root, &EmptyStore);
        let peer = SyncPeerId(0);
        while !sync.has_all() {
            let asked = sync.ask(peer, 384);
            let nodes = asked.iter().map(|(_, hash)| {
                let node = cache.node(&chain_reader, hash).unwrap().unwrap();
                assert_eq!(keccak256(&node), *hash);
                HashedValue::new(node.into())
            });
            let nodes = nodes.collect();
            sync.deliver(peer, &asked, nodes, &EmptyStore).unwrap();
        }
        assert!(
            sync.pulled() > 8_893,
            "mainnet's genesis has 8,893 accounts"
        );
        cache.forget_idle();
        assert!(
            cache
                .node(&chain_reader, &header.state_root)
                .unwrap()
                .is_some()
        );
    }
}
