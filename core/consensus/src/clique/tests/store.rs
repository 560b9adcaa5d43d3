//! Snapshots across restarts.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use actoreum_primitives::{B256, ChainConfig, Header, config::CliqueConfig};

use super::voting::{address, genesis, sealed};
use crate::{
    BatchChain, Clique, ConsensusError, Disposition, Engine, HeaderChain, SnapshotStore,
    tests::chain::MemoryChain,
};

#[derive(Default)]
struct Blobs {
    saved: Mutex<HashMap<B256, Vec<u8>>>,
    loads: AtomicUsize,
    is_full: AtomicBool,
}

impl SnapshotStore for Blobs {
    fn load(&self, block_hash: &B256) -> Result<Option<Vec<u8>>, String> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        Ok(self.saved.lock().unwrap().get(block_hash).cloned())
    }

    fn save(&self, block_hash: &B256, blob: &[u8]) -> Result<(), String> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err("no space left".to_owned());
        }
        self.saved
            .lock()
            .unwrap()
            .insert(*block_hash, blob.to_vec());
        Ok(())
    }
}

/// A chain that counts the requested headers.
struct Counting<'a> {
    chain: &'a MemoryChain,
    headers: AtomicUsize,
}

impl HeaderChain for Counting<'_> {
    fn header(&self, hash: &B256, number: u64) -> Option<Header> {
        self.headers.fetch_add(1, Ordering::Relaxed);
        self.chain.header(hash, number)
    }

    fn header_by_number(&self, number: u64) -> Option<Header> {
        self.chain.header_by_number(number)
    }

    fn ommers(&self, hash: &B256, number: u64) -> Option<Vec<Header>> {
        self.chain.ommers(hash, number)
    }

    fn total_difficulty(&self, hash: &B256, number: u64) -> Option<actoreum_primitives::U256> {
        self.chain.total_difficulty(hash, number)
    }

    fn config(&self) -> &ChainConfig {
        self.chain.config()
    }
}

/// Returns a chain of one signer, who is always in turn, and votes once for a second.
fn long_chain(length: u64) -> (MemoryChain, Vec<Header>) {
    let mut chain = MemoryChain::new(ChainConfig::default(), genesis("A"));
    let mut headers = vec![genesis("A")];
    for _ in 1..=length {
        let header = sealed(headers.last().unwrap(), "A", true);
        chain.push(header.clone());
        headers.push(header);
    }
    (chain, headers)
}

fn engine(store: &Arc<Blobs>, epoch: u64) -> Clique {
    Clique::new(
        CliqueConfig { period: 1, epoch },
        Some(Arc::clone(store) as _),
    )
}

#[test]
fn a_restart_reads_the_last_stored_snapshot() {
    let (chain, headers) = long_chain(2100);
    for in_bulk in [true, false] {
        let store = Arc::new(Blobs::default());
        let first = engine(&store, 30_000);
        if in_bulk {
            let below = MemoryChain::new(ChainConfig::default(), genesis("A"));
            first
                .verify_seals(&BatchChain::of_headers(&below, &headers[1..]))
                .unwrap();
        } else {
            first.snapshot(&chain, 2100, headers[2100].hash()).unwrap();
        }
        let mut saved: Vec<_> = store.saved.lock().unwrap().keys().copied().collect();
        let mut expected: Vec<_> = [0, 1024, 2048].map(|at: usize| headers[at].hash()).to_vec();
        saved.sort();
        expected.sort();
        assert_eq!(saved, expected, "every 1024th");

        let counting = Counting {
            chain: &chain,
            headers: AtomicUsize::new(0),
        };
        let second = engine(&store, 30_000);
        let snapshot = second
            .snapshot(&counting, 2100, headers[2100].hash())
            .unwrap();
        assert!(snapshot.signers.iter().eq([&address('A')]));
        assert_eq!(counting.headers.load(Ordering::Relaxed), 2100 - 2048);
        assert_eq!(
            snapshot,
            first.snapshot(&chain, 2100, headers[2100].hash()).unwrap()
        );
    }
}

#[test]
fn a_damaged_snapshot_is_rebuilt() {
    let (chain, headers) = long_chain(1030);
    let store = Arc::new(Blobs::default());
    let valid = engine(&store, 30_000)
        .snapshot(&chain, 1030, headers[1030].hash())
        .unwrap();
    let other = store.saved.lock().unwrap()[&headers[0].hash()].clone();
    for damage in [b"{".to_vec(), Vec::new(), other] {
        store
            .saved
            .lock()
            .unwrap()
            .insert(headers[1024].hash(), damage);
        let again = engine(&store, 30_000).snapshot(&chain, 1030, headers[1030].hash());
        assert_eq!(again.unwrap(), valid);
    }
}

#[test]
fn a_failed_save_is_an_internal_error() {
    let (_, headers) = long_chain(3);
    let store = Arc::new(Blobs::default());
    store.is_full.store(true, Ordering::Relaxed);
    let below = MemoryChain::new(ChainConfig::default(), genesis("A"));
    let error = engine(&store, 30_000)
        .verify_seals(&BatchChain::of_headers(&below, &headers[1..]))
        .unwrap_err();
    assert_eq!(
        error.error.to_string(),
        "clique snapshot store failed: no space left"
    );
    assert_eq!(error.error.disposition(), Disposition::Internal);
}

#[test]
fn only_a_checkpoint_without_ancestors_is_trusted() {
    let genesis = genesis("AB");
    let checkpoint = sealed(&genesis, "A*BC", true);
    let chain = MemoryChain::new(ChainConfig::default(), checkpoint.clone());
    let snapshot = engine(&Arc::default(), 1)
        .snapshot(&chain, 1, checkpoint.hash())
        .unwrap();
    assert!(snapshot.signers.contains(&address('C')) && snapshot.recents.is_empty());
    let error = engine(&Arc::default(), 30_000).snapshot(&chain, 1, checkpoint.hash());
    assert_eq!(error.unwrap_err(), ConsensusError::UnknownAncestor);
}
