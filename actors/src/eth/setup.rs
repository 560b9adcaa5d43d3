//! What the actors and conversations of the eth protocol have in common.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use actoreum_chain::ChainReader;
use actoreum_consensus::Engine;
use actoreum_messages::downloader::PeersChanged;
use actoreum_messages::fetcher::TransactionsArrived;
use actoreum_primitives::B256;

use super::fetcher::FetcherActor;
use super::peer::EthPeer;
use super::peers::EthPeers;
use super::protocol_manager::ProtocolManagerActor;
use super::transactions;
use crate::chain::ChainActor;
use crate::supervision::{ActorRef, Chance, Pool, Recipient};
use crate::txpool::{Submitted, TxPoolHandle};

/// What every generation of the eth protocol's actors is made from. It outlives them.
#[derive(Clone)]
pub struct EthSetup {
    /// Our chain.
    pub chain: ChainReader,
    /// How a header must look.
    pub engine: Arc<dyn Engine>,
    /// Who imports.
    pub writer: ActorRef<ChainActor>,
    /// Our pool.
    pub pool: TxPoolHandle,
    /// The threads that read, decode and check for peers.
    pub serving: Pool,
    /// Who speaks with us.
    pub peers: EthPeers,
    /// Who tells peers of blocks and transactions.
    pub manager: ActorRef<ProtocolManagerActor>,
    /// Who fetches what they announce.
    pub fetcher: ActorRef<FetcherActor>,
    /// Hashes that blocks with these numbers must have (`--whitelist`).
    pub required: BTreeMap<u64, B256>,
    /// Who hears that peers came, went, or have a better block.
    pub followers: Vec<Recipient<PeersChanged>>,
    /// What decides by chance: who gets what whole, who is asked first.
    pub chance: Chance,
    /// How many announced transactions FetcherActor waits for.
    pub(super) announced: Arc<AtomicUsize>,
}

impl EthSetup {
    /// A setup without required blocks and followers.
    pub fn new(
        chain: ChainReader,
        engine: Arc<dyn Engine>,
        writer: ActorRef<ChainActor>,
        pool: TxPoolHandle,
        serving: Pool,
    ) -> Self {
        Self {
            chain,
            engine,
            writer,
            pool,
            serving,
            peers: EthPeers::default(),
            manager: ActorRef::new("protocol manager"),
            fetcher: ActorRef::new("fetcher"),
            required: BTreeMap::new(),
            followers: Vec::new(),
            chance: Chance::default(),
            announced: Arc::default(),
        }
    }

    /// Whether transactions of peers are taken: not before our chain was up with that of the
    /// peers once, since against an old state they cannot be judged.
    pub fn takes_transactions(&self) -> bool {
        if self.peers.has_caught_up() {
            return true;
        }
        let ours = self.chain.view().total_difficulty();
        let best = self.peers.best();
        let is_synced = best.is_none_or(|peer| peer.head().total_difficulty <= ours);
        if is_synced {
            self.synced();
        }
        is_synced
    }

    /// Our chain is up with that of the peers.
    pub fn synced(&self) {
        self.peers.caught_up();
    }

    /// Tells FetcherActor what has come, where it waits for something.
    pub(super) fn tell_arrived(&self, peer: &EthPeer, submitted: &[Submitted]) {
        if submitted.is_empty() || self.announced.load(Relaxed) == 0 {
            return;
        }
        let (peer, transactions) = (peer.id(), transactions::described(submitted));
        // Where it is down, it looks at the pool before it asks.
        let _ = self
            .fetcher
            .tell(TransactionsArrived { peer, transactions });
    }
}
