//! A node with a chain: the real actors that a block and a transaction pass through.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actoreum_actors::chain::{ChainActor, ChainSetup};
use actoreum_actors::eth::downloader::{DownloaderActor, DownloaderSetup, SyncStatus};
use actoreum_actors::eth::{
    EthPeers, EthProtocol, EthShared,
    fetcher::{FetcherActor, FetcherSetup},
    protocol_manager::{ProtocolManagerActor, ProtocolManagerSetup},
};
use actoreum_actors::filter::FilterActor;
use actoreum_actors::txpool::{self, SubmitError, TxPoolHandle, TxPoolSetup};
use actoreum_chain::{ChainReader, genesis};
use actoreum_messages::chain::{BlockOrigin, ImportBlocks};
use actoreum_primitives::{B256, LegacyTx, PooledTransaction, SecretKey, TxPayload, U256};
use actoreum_storage::Store;
use actoreum_supervision::{ActorRef, ChildSpec, Pool, SeededRng, Strategy, SupervisorSpec};
use actoreum_sync::downloader::Mode;
use actoreum_txpool::{PoolConfig, PoolReader};

use super::chain::{BlockMaker, NETWORK_ID, PAYMENT_CONTRACT, Sealers};
use super::memory::MemoryNet;
use super::node::{TestNode, key};

/// Maximum number of restarts of one actor in [`PERIOD`]: tests crash actors at random.
const RESTARTS: u32 = 1_000;
/// See [`RESTARTS`].
const PERIOD: Duration = Duration::from_secs(60);

/// References of a node's eth protocol.
pub struct EthRefs {
    /// The peers that speak eth.
    pub peers: EthPeers,
    /// Propagates blocks and transactions.
    pub manager: ActorRef<ProtocolManagerActor>,
    /// Fetches what peers announce.
    pub fetcher: ActorRef<FetcherActor>,
}

/// A running node with a chain.
pub struct FullNode {
    /// The node on the network.
    pub node: TestNode,
    /// Its chain.
    pub chain_reader: ChainReader,
    /// Imports blocks.
    pub chain_actor: ActorRef<ChainActor>,
    /// Its transaction pool.
    pub txpool: TxPoolHandle,
    /// Its filters and subscriptions.
    pub filters: ActorRef<FilterActor>,
    /// Its part of the eth protocol.
    pub eth: EthRefs,
    /// Progress of its sync.
    pub sync: SyncStatus,
    block_maker: BlockMaker,
    key: SecretKey,
    _journal: tempfile::TempDir,
}

impl FullNode {
    /// Starts the node with this number, on the chain of these sealers. It does not search for
    /// other nodes.
    pub async fn start(net: &MemoryNet, number: u32, sealers: &Sealers) -> Self {
        let store = Store::memory();
        genesis::init(&store, &sealers.genesis()).unwrap();
        let chain_reader = ChainReader::open(store).unwrap();
        let key = key(number);
        let block_maker = BlockMaker::new(&chain_reader, key.clone());
        let engine = Arc::clone(&block_maker.engine);
        let clock = block_maker.clock.clone();

        // A simulation's clock does not wait for other threads, so jobs run inline.
        let (import, signatures) = (Pool::inline("import"), Pool::inline("signatures"));
        let (chain_actor, txpool_actor) = (ActorRef::new("chain"), ActorRef::new("pool"));
        let filters: ActorRef<FilterActor> = ActorRef::new("filters");
        let pool_reader = PoolReader::default();
        let handle = TxPoolHandle::new(
            txpool_actor.clone(),
            pool_reader.clone(),
            chain_reader.clone(),
            signatures.clone(),
        );
        let shared = EthShared::new(
            chain_reader.clone(),
            Arc::clone(&engine),
            clock.clone(),
            handle.clone(),
            Pool::inline("serving"),
            EthPeers::default(),
        );
        let eth = EthRefs {
            peers: shared.peers.clone(),
            manager: ActorRef::new("protocol manager"),
            fetcher: ActorRef::new("fetcher"),
        };
        let chain_setup =
            ChainSetup::new(chain_reader.clone(), engine, import.clone(), clock.clone())
                .follower(txpool_actor.recipient())
                .follower(filters.recipient())
                .follower(eth.manager.recipient())
                .follower(eth.fetcher.recipient());
        let mut pool_setup = TxPoolSetup::new(
            chain_reader.clone(),
            pool_reader,
            PoolConfig::default(),
            clock,
        )
        .follower(eth.manager.recipient());
        let journal = tempfile::tempdir().unwrap();
        pool_setup.journal = Some(journal.path().join("transactions.rlp"));
        let txpool = SupervisorSpec::new("txpool", Strategy::RestForOne)
            .child(signatures.child())
            .child(ChildSpec::new(&txpool_actor, move || {
                pool_setup.clone().start()
            }))
            .backoff(txpool::BACKOFF)
            .intensity(RESTARTS, PERIOD);
        let core = SupervisorSpec::new("core", Strategy::RestForOne)
            .child(import.child())
            .child(ChildSpec::new_async(&chain_actor, move || {
                chain_setup.clone().start()
            }))
            .child(txpool)
            .intensity(RESTARTS, PERIOD);
        let sync = SyncStatus::default();
        let followed = chain_reader.clone();
        let followers =
            SupervisorSpec::new("followers", Strategy::OneForOne)
                .child(ChildSpec::new(&filters, move || {
                    FilterActor::new(followed.clone())
                }));
        let eth_spec = eth_spec(
            &shared,
            &eth,
            &chain_actor,
            net.rng(number),
            &sync,
            &filters,
        );
        let below = vec![core, followers, eth_spec];
        let (manager, fetcher) = (eth.manager.clone(), eth.fetcher.clone());
        let handler = EthProtocol::new(shared, manager, fetcher, NETWORK_ID).unwrap();
        let node = TestNode::with_protocol(net, number, Arc::new(handler), below).await;
        Self {
            node,
            chain_reader,
            chain_actor,
            txpool: handle,
            filters,
            eth,
            sync,
            block_maker,
            key,
            _journal: journal,
        }
    }

    /// Makes a block with the transactions of the node's pool, and imports it. Returns false where
    /// it is not its turn, or the chain is down.
    pub async fn seal(&self) -> bool {
        let Some(snapshot) = self.txpool.snapshot() else {
            return false;
        };
        let Some(block) = self.block_maker.make_block(&self.chain_reader, &snapshot) else {
            return false;
        };
        let import = ImportBlocks {
            blocks: vec![block],
            origin: BlockOrigin::Live,
        };
        matches!(self.chain_actor.ask(import).await, Ok(Ok(_)))
    }

    /// Returns a transfer of the node's own account.
    pub fn transfer(&self, nonce: u64) -> PooledTransaction {
        let payload = LegacyTx {
            nonce,
            gas_price: U256::from(1_000_000_000),
            gas_limit: 30_000,
            to: Some(PAYMENT_CONTRACT),
            value: U256::from(1),
            chain_id: Some(NETWORK_ID),
            ..LegacyTx::default()
        };
        PooledTransaction {
            transaction: TxPayload::Legacy(payload).sign(&self.key),
            sidecar: None,
        }
    }

    /// Submits a transfer of the node's own account.
    ///
    /// # Errors
    /// The pool's error.
    pub async fn pay(&self, nonce: u64) -> Result<B256, SubmitError> {
        self.txpool.submit(self.transfer(nonce)).await
    }

    /// Returns the nonce of the account's next transfer.
    pub fn next_nonce(&self) -> u64 {
        let address = self.key.address();
        let snapshot = self.txpool.snapshot();
        let pending = snapshot.and_then(|it| it.next_nonce(&address));
        let account = self.chain_reader.head_account(&address).unwrap();
        pending
            .unwrap_or_default()
            .max(account.map_or(0, |it| it.nonce))
    }

    /// Returns the hash of the head.
    pub fn head(&self) -> B256 {
        self.chain_reader.head().hash()
    }

    /// Returns the total difficulty of the chain.
    pub fn total_difficulty(&self) -> U256 {
        self.chain_reader.view().total_difficulty()
    }

    /// Makes the actor at a path below `node/` panic. Returns false where it is down already.
    pub fn crash(&self, path: &str) -> bool {
        self.node.try_crash(path)
    }

    /// Shuts the node down.
    pub async fn stop(self) {
        self.node.stop().await;
    }
}

/// Returns the eth protocol's part of the tree.
fn eth_spec(
    shared: &EthShared,
    eth: &EthRefs,
    chain_actor: &ActorRef<ChainActor>,
    rng: SeededRng,
    sync: &SyncStatus,
    filters: &ActorRef<FilterActor>,
) -> SupervisorSpec {
    let downloader: ActorRef<DownloaderActor> = ActorRef::new("downloader");
    let manager_setup = ProtocolManagerSetup {
        chain_reader: shared.chain_reader.clone(),
        txpool: shared.txpool.reader.clone(),
        peers: shared.peers.clone(),
        required: BTreeMap::new(),
        followers: vec![downloader.recipient()],
        rng: rng.clone(),
    };
    let fetcher_setup = FetcherSetup {
        shared: shared.clone(),
        chain_actor: chain_actor.clone(),
        manager: eth.manager.recipient(),
        rng,
    };
    let downloader_setup = DownloaderSetup {
        chain_reader: shared.chain_reader.clone(),
        chain_actor: chain_actor.clone(),
        peers: shared.peers.clone(),
        threads: shared.threads.clone(),
        status: sync.clone(),
        mode: Mode::Full,
        followers: vec![filters.recipient()],
    };
    SupervisorSpec::new("eth", Strategy::RestForOne)
        .child(shared.threads.child())
        .child(ChildSpec::new(&eth.manager, move || {
            ProtocolManagerActor::new(manager_setup.clone())
        }))
        .child(ChildSpec::new(&eth.fetcher, move || {
            FetcherActor::new(fetcher_setup.clone())
        }))
        .child(ChildSpec::new(&downloader, move || {
            downloader_setup.start()
        }))
        .intensity(RESTARTS, PERIOD)
}
