//! References that the sessions and the actors of the eth protocol share.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use actoreum_chain::ChainReader;
use actoreum_consensus::Engine;
use actoreum_supervision::Pool;

use super::peers::EthPeers;
use crate::clock::ChainClock;
use crate::txpool::TxPoolHandle;

/// References that the sessions and the actors of the eth protocol share. They survive restarts,
/// and contain none of these actors: each gets the references that it needs with its own set-up.
/// Cheap to clone.
#[derive(Clone)]
pub struct EthShared {
    /// Read access to our chain.
    pub chain_reader: ChainReader,
    /// Verifies headers and seals.
    pub engine: Arc<dyn Engine>,
    /// The chain's clock.
    pub clock: ChainClock,
    /// Our transaction pool.
    pub txpool: TxPoolHandle,
    /// The threads that read, decode and check for peers.
    pub threads: Pool,
    /// The peers that speak eth.
    pub peers: EthPeers,
    /// Number of announced transactions that FetcherActor waits for.
    pub(super) announced: Arc<AtomicUsize>,
}

impl EthShared {
    /// Collects the references.
    pub fn new(
        chain_reader: ChainReader,
        engine: Arc<dyn Engine>,
        clock: ChainClock,
        txpool: TxPoolHandle,
        threads: Pool,
        peers: EthPeers,
    ) -> Self {
        Self {
            chain_reader,
            engine,
            clock,
            txpool,
            threads,
            peers,
            announced: Arc::default(),
        }
    }

    /// Returns whether transactions of peers are accepted: not before our chain has once reached
    /// that of the peers, since an old state cannot judge them.
    pub(super) fn takes_transactions(&self) -> bool {
        if self.peers.has_caught_up() {
            return true;
        }
        let ours = self.chain_reader.view().total_difficulty();
        let best = self.peers.best();
        let is_synced = best.is_none_or(|peer| peer.head().total_difficulty <= ours);
        if is_synced {
            self.peers.set_caught_up();
        }
        is_synced
    }
}
