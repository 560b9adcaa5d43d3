//! A node with a chain: what a block and a transaction pass on their way, of the real actors.

use std::sync::Arc;
use std::time::Duration;

use actoreum_actors::chain::{ChainActor, ChainSetup};
use actoreum_actors::eth::downloader::{DownloaderActor, DownloaderSetup, SyncStatus};
use actoreum_actors::eth::{
    EthProtocol, EthSetup, fetcher::FetcherActor, protocol_manager::ProtocolManagerActor,
};
use actoreum_actors::filter::FilterActor;
use actoreum_actors::supervision::{ActorRef, ChildSpec, Pool, Strategy, SupervisorSpec};
use actoreum_actors::txpool::{self, SubmitError, TxPoolHandle, TxPoolSetup};
use actoreum_chain::{ChainReader, genesis};
use actoreum_messages::chain::{BlockOrigin, ImportBlocks};
use actoreum_primitives::{B256, LegacyTx, PooledTransaction, SecretKey, TxPayload, U256};
use actoreum_storage::Store;
use actoreum_sync::downloader::Mode;
use actoreum_txpool::{PoolConfig, PoolReader};

use super::chain::{Maker, NETWORK_ID, PAID, Sealers};
use super::memory::MemoryNet;
use super::node::{TestNode, key};

/// Restarts of one actor: tests crash them at random.
const RESTARTS: u32 = 1_000;
/// See [`RESTARTS`].
const PERIOD: Duration = Duration::from_secs(60);

/// A node that runs.
pub struct FullNode {
    /// The node on the network.
    pub node: TestNode,
    /// Its chain.
    pub reader: ChainReader,
    /// Who imports.
    pub chain: ActorRef<ChainActor>,
    /// Its pool.
    pub pool: TxPoolHandle,
    /// Its filters and subscriptions.
    pub filters: ActorRef<FilterActor>,
    /// Its part of the eth protocol.
    pub eth: EthSetup,
    /// How far its sync is.
    pub sync: SyncStatus,
    maker: Maker,
    key: SecretKey,
    _journal: tempfile::TempDir,
}

impl FullNode {
    /// A node with a number, on the chain of these sealers. It looks for nobody.
    pub async fn start(net: &MemoryNet, number: u32, sealers: &Sealers) -> Self {
        let store = Store::memory();
        genesis::init(&store, &sealers.genesis()).unwrap();
        let reader = ChainReader::open(store).unwrap();
        let key = key(number);
        let maker = Maker::new(&reader, key.clone());
        let engine = Arc::clone(&maker.engine);

        // The clock of a simulation does not wait for other threads.
        let (import, signatures) = (Pool::inline("import"), Pool::inline("signatures"));
        let (chain, pool) = (ActorRef::new("chain"), ActorRef::new("pool"));
        let filters: ActorRef<FilterActor> = ActorRef::new("filters");
        let pool_reader = PoolReader::default();
        let handle = TxPoolHandle::new(
            pool.clone(),
            pool_reader.clone(),
            reader.clone(),
            signatures.clone(),
        );
        let mut eth = EthSetup::new(
            reader.clone(),
            Arc::clone(&engine),
            chain.clone(),
            handle.clone(),
            Pool::inline("serving"),
        );
        eth.chance = net.chance(number);
        let chain_setup = ChainSetup::new(reader.clone(), engine, import.clone())
            .follower(pool.recipient())
            .follower(filters.recipient())
            .follower(eth.manager.recipient())
            .follower(eth.fetcher.recipient());
        let mut pool_setup = TxPoolSetup::new(reader.clone(), pool_reader, PoolConfig::default())
            .follower(eth.manager.recipient());
        let journal = tempfile::tempdir().unwrap();
        pool_setup.journal = Some(journal.path().join("transactions.rlp"));
        let txpool = SupervisorSpec::new("txpool", Strategy::RestForOne)
            .child(signatures.child())
            .child(ChildSpec::new(&pool, move || pool_setup.clone().open()))
            .backoff(txpool::BACKOFF)
            .intensity(RESTARTS, PERIOD);
        let core = SupervisorSpec::new("core", Strategy::RestForOne)
            .child(import.child())
            .child(ChildSpec::new_async(&chain, move || {
                chain_setup.clone().open()
            }))
            .child(txpool)
            .intensity(RESTARTS, PERIOD);
        let sync = SyncStatus::default();
        let followed = reader.clone();
        let followers =
            SupervisorSpec::new("followers", Strategy::OneForOne)
                .child(ChildSpec::new(&filters, move || {
                    FilterActor::new(followed.clone())
                }));
        let eth_spec = eth_of(&mut eth, &sync, &filters);
        let below = vec![core, followers, eth_spec];
        let handler = EthProtocol::new(eth.clone(), NETWORK_ID).unwrap();
        let node = TestNode::speaking(net, number, Arc::new(handler), below).await;
        Self {
            node,
            reader,
            chain,
            pool: handle,
            filters,
            eth,
            sync,
            maker,
            key,
            _journal: journal,
        }
    }

    /// Makes a block of what its pool has, and imports it. False where it is not its turn, or the
    /// chain is down.
    pub async fn seal(&self) -> bool {
        let Some(snapshot) = self.pool.snapshot() else {
            return false;
        };
        let Some(block) = self.maker.make_block(&self.reader, &snapshot) else {
            return false;
        };
        let import = ImportBlocks {
            blocks: vec![block],
            origin: BlockOrigin::Live,
        };
        matches!(self.chain.ask(import).await, Ok(Ok(_)))
    }

    /// A transfer of its own account.
    pub fn transfer(&self, nonce: u64) -> PooledTransaction {
        let payload = LegacyTx {
            nonce,
            gas_price: U256::from(1_000_000_000),
            gas_limit: 30_000,
            to: Some(PAID),
            value: U256::from(1),
            chain_id: Some(NETWORK_ID),
            ..LegacyTx::default()
        };
        PooledTransaction {
            transaction: TxPayload::Legacy(payload).sign(&self.key),
            sidecar: None,
        }
    }

    /// Submits a transfer of its own account here.
    ///
    /// # Errors
    /// What whoever submits it is told.
    pub async fn pay(&self, nonce: u64) -> Result<B256, SubmitError> {
        self.pool.submit(self.transfer(nonce)).await
    }

    /// The nonce of its account's next transfer.
    pub fn next_nonce(&self) -> u64 {
        let address = self.key.address();
        let snapshot = self.pool.snapshot();
        let pending = snapshot.and_then(|it| it.next_nonce(&address));
        let account = self.reader.head_account(&address).unwrap();
        pending
            .unwrap_or_default()
            .max(account.map_or(0, |it| it.nonce))
    }

    /// Its head.
    pub fn head(&self) -> B256 {
        self.reader.head().hash()
    }

    /// How heavy its chain is.
    pub fn total_difficulty(&self) -> U256 {
        self.reader.view().total_difficulty()
    }

    /// Makes the actor at a path below `node/` panic. False where it is down already.
    pub fn crash(&self, path: &str) -> bool {
        self.node.try_crash(path)
    }

    /// Stops it in order.
    pub async fn stop(self) {
        self.node.stop().await;
    }
}

/// The eth protocol's part of the tree.
fn eth_of(
    setup: &mut EthSetup,
    sync: &SyncStatus,
    filters: &ActorRef<FilterActor>,
) -> SupervisorSpec {
    let downloader: ActorRef<DownloaderActor> = ActorRef::new("downloader");
    setup.followers.push(downloader.recipient());
    let of_downloader = DownloaderSetup {
        reader: setup.chain.clone(),
        chain: setup.writer.clone(),
        peers: setup.peers.clone(),
        pool: setup.serving.clone(),
        status: sync.clone(),
        mode: Mode::Full,
        followers: vec![filters.recipient()],
    };
    let (of_manager, of_fetcher) = (setup.clone(), setup.clone());
    SupervisorSpec::new("eth", Strategy::RestForOne)
        .child(setup.serving.child())
        .child(ChildSpec::new(&setup.manager, move || {
            ProtocolManagerActor::new(of_manager.clone())
        }))
        .child(ChildSpec::new(&setup.fetcher, move || {
            FetcherActor::new(of_fetcher.clone())
        }))
        .child(ChildSpec::new(&downloader, move || of_downloader.make()))
        .intensity(RESTARTS, PERIOD)
}
