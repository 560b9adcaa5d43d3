//! The state of a recent block by the hashes of its nodes, for peers that begin with it.
//!
//! Our tries are keyed by path, and hold the newest state alone. What a peer asks for is the state
//! of a block some way below the head, node by node, by hash. When the root of such a block is
//! asked for, all nodes of its state are worked out from the flat state and its history, once, and
//! held while they are asked for: one state at a time, and no state that is too large to be held.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use actoreum_chain::ChainReader;
use actoreum_primitives::B256;
use actoreum_storage::StorageError;
use parking_lot::Mutex;
use tracing::{debug, info};

use super::limits::{
    SERVED_STATE_BYTES, SERVED_STATE_DEPTH, SERVED_STATE_IDLE, SERVED_STATE_PAUSE,
};

/// How long an answer waits for another that is being made.
const BUSY: Duration = Duration::from_millis(100);

/// See the module. To be used on a pool: working a state out takes seconds.
#[derive(Default)]
pub(super) struct StateLibrary(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// State roots of the newest blocks, with their numbers.
    roots: HashMap<B256, u64>,
    /// The head that `roots` belong to.
    head: B256,
    served: Option<Served>,
    /// When a state was last worked out, or was found too large.
    worked_at: Option<Instant>,
}

struct Served {
    root: B256,
    nodes: HashMap<B256, Vec<u8>>,
    used_at: Instant,
}

impl StateLibrary {
    /// A node by its hash; `None` where it is not of a state that is served.
    pub(super) fn node(
        &self,
        chain: &ChainReader,
        hash: &B256,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        // Who works a state out holds the lock for seconds: others have nothing to say meanwhile.
        let Some(mut inner) = self.0.try_lock_for(BUSY) else {
            return Ok(None);
        };
        if let Some(found) = inner.find(hash) {
            return Ok(Some(found));
        }
        inner.look_at_head(chain)?;
        let Some(number) = inner.roots.get(hash).copied() else {
            return Ok(None);
        };
        let pause = inner.worked_at.map(|time| time.elapsed());
        if pause.is_some_and(|pause| pause < SERVED_STATE_PAUSE) {
            return Ok(None);
        }
        inner.work_out(chain, *hash, number)?;
        Ok(inner.find(hash))
    }

    /// Lets go of a state that nobody asks for any more.
    pub(super) fn forget_idle(&self) {
        let Some(mut inner) = self.0.try_lock() else {
            return;
        };
        let is_idle = |served: &mut Served| is_over(served.used_at, SERVED_STATE_IDLE);
        if let Some(served) = inner.served.take_if(is_idle) {
            debug!(root = %served.root, "state no longer served");
        }
    }
}

fn is_over(since: Instant, time: Duration) -> bool {
    since.elapsed() >= time
}

impl Inner {
    fn find(&mut self, hash: &B256) -> Option<Vec<u8>> {
        let served = self.served.as_mut()?;
        let node = served.nodes.get(hash).cloned()?;
        served.used_at = Instant::now();
        Some(node)
    }

    fn look_at_head(&mut self, chain: &ChainReader) -> Result<(), StorageError> {
        let head = chain.head();
        if self.head == head.hash() {
            return Ok(());
        }
        let oldest = chain
            .store()
            .oldest_state()
            .max(head.number.saturating_sub(SERVED_STATE_DEPTH));
        self.roots.clear();
        for number in oldest..=head.number {
            if let Some(header) = chain.header_by_number(number)? {
                self.roots.insert(header.state_root, number);
            }
        }
        self.head = head.hash();
        Ok(())
    }

    fn work_out(
        &mut self,
        chain: &ChainReader,
        root: B256,
        number: u64,
    ) -> Result<(), StorageError> {
        // The one before goes first: no two are held.
        self.served = None;
        let begun = Instant::now();
        let nodes = chain
            .store()
            .state_nodes(number, root, SERVED_STATE_BYTES)?;
        self.worked_at = Some(Instant::now());
        let Some(nodes) = nodes else {
            debug!(
                number,
                "state is too large to be served by hash, or the chain went on"
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
    use actoreum_sync::downloader::PeerKey;
    use actoreum_sync::state::{HashedValue, StateStore, StateSync};

    use super::*;

    struct Nothing;

    impl StateStore for Nothing {
        fn has_node(&self, _: &B256) -> bool {
            false
        }

        fn has_code(&self, _: &B256) -> bool {
            false
        }
    }

    #[test]
    fn a_whole_state_can_be_fetched_by_the_hashes_of_its_nodes() {
        let store = Store::memory();
        let header = genesis::init(&store, &Genesis::mainnet()).unwrap();
        let chain = ChainReader::open(store).unwrap();
        let library = StateLibrary::default();
        let unknown = B256::repeat_byte(1);
        assert_eq!(library.node(&chain, &unknown).unwrap(), None);
        let mut sync = StateSync::new(header.state_root, &Nothing);
        let peer = PeerKey(0);
        while !sync.has_all() {
            let asked = sync.ask(peer, 384);
            let nodes = asked.iter().map(|(_, hash)| {
                let node = library.node(&chain, hash).unwrap().unwrap();
                assert_eq!(keccak256(&node), *hash);
                HashedValue::new(node.into())
            });
            let nodes = nodes.collect();
            sync.deliver(peer, &asked, nodes, &Nothing).unwrap();
        }
        assert!(
            sync.pulled() > 8_893,
            "mainnet's genesis has 8,893 accounts"
        );
        library.forget_idle();
        assert!(library.node(&chain, &header.state_root).unwrap().is_some());
    }
}
