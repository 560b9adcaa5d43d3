//! A node with a chain, whose blocks the test makes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actoreum_actors::chain::{ChainActor, ChainSetup};
use actoreum_actors::eth::downloader::{DownloaderActor, DownloaderSetup, SyncStatus};
use actoreum_actors::eth::fetcher::FetcherActor;
use actoreum_actors::eth::protocol_manager::ProtocolManagerActor;
use actoreum_actors::eth::{EthProtocol, EthSetup};
use actoreum_actors::net::settings::NetworkSettings;
use actoreum_actors::net::transport::ListenAddress;
use actoreum_actors::net::{self, NetworkHandle, nat::Nat};
use actoreum_actors::supervision::{
    ActorRef, ChildSpec, Pool, Strategy, SupervisorSpec, Tree, TreeOptions,
};
use actoreum_actors::txpool::{TxPoolHandle, TxPoolSetup};
use actoreum_chain::{BuildPlan, ChainReader, build, genesis};
use actoreum_consensus::{Engine, Ethash, EthashOptions, SealCheck};
use actoreum_messages::chain::{BlockOrigin, ImportBlocks};
use actoreum_messages::server::AddPeer;
use actoreum_primitives::genesis::Genesis;
use actoreum_primitives::{Address, B256, Block, Bytes, LegacyTx, TxPayload, U256};
use actoreum_storage::Store;
use actoreum_sync::downloader::Mode;
use actoreum_txpool::{PoolConfig, PoolReader};
use actoreum_wire::nodes::{Enode, NodeId};

use super::memory::MemoryNet;
use super::node::key;

/// The network of these nodes.
pub const NETWORK_ID: u64 = 77;

const PORT: u16 = 30303;
const MINUTE: Duration = Duration::from_secs(60);
/// Seconds between a block and its parent.
const BLOCK_TIME: u64 = 13;
/// How far the clock goes on at a time while threads may be at work.
const TICK: Duration = Duration::from_millis(5);

/// Who pays in every block.
const PAYER: u32 = 9_999;

/// A chain without proof of work, on which anybody may seal.
pub fn chain_genesis() -> Genesis {
    let template = r#"{
        "config": {"chainId": 77, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
            "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0,
            "petersburgBlock": 0, "istanbulBlock": 0, "ethash": {}},
        "difficulty": "0x20000", "gasLimit": "0x800000",
        "alloc": {"PAYER": {"balance": "0xffffffffffffffffff"}}}"#;
    let payer = key(PAYER).address().to_string();
    Genesis::from_json(&template.replace("PAYER", &payer)).unwrap()
}

/// Keeps a paused clock from running ahead of the threads of nodes' pools: it goes on by
/// [`TICK`] at a time, and not while one of them has work.
#[derive(Clone, Default)]
pub struct Warden(Arc<Mutex<Vec<Pool>>>);

impl Warden {
    /// Begins to watch. Call it in the test's system, with its clock paused.
    pub fn start() -> Self {
        let warden = Self::default();
        let watching = warden.clone();
        actix::spawn(async move {
            loop {
                while watching.is_busy() {
                    std::thread::sleep(Duration::from_micros(50));
                    tokio::task::yield_now().await;
                }
                tokio::time::sleep(TICK).await;
            }
        });
        warden
    }

    fn is_busy(&self) -> bool {
        let pools = self.0.lock().unwrap();
        pools.iter().any(|pool| !pool.is_idle())
    }

    fn pool(&self, name: &str) -> Pool {
        let pool = Pool::new(name, 1);
        self.0.lock().unwrap().push(pool.clone());
        pool
    }
}

/// A node that runs.
pub struct FullNode {
    /// Its address.
    pub address: IpAddr,
    /// Its chain.
    pub reader: ChainReader,
    /// Who imports.
    pub chain: ActorRef<ChainActor>,
    /// Its transaction pool.
    pub txpool: TxPoolHandle,
    /// What others hold of its network.
    pub network: NetworkHandle,
    /// How far its sync is.
    pub sync: SyncStatus,
    engine: Arc<dyn Engine>,
    author: Address,
    tree: Tree,
}

impl FullNode {
    /// A node with a number: its key and its address come from it. It looks for nobody.
    pub async fn start(
        net: &MemoryNet,
        warden: &Warden,
        number: u32,
        change: impl FnOnce(&mut NetworkSettings),
    ) -> Self {
        let store = Store::memory();
        genesis::init(&store, &chain_genesis()).unwrap();
        let reader = ChainReader::open(store).unwrap();
        let ethash = Ethash::new(EthashOptions::default(), SealCheck::None);
        let engine: Arc<dyn Engine> = Arc::new(ethash);
        let (chain, pool) = (ActorRef::new("chain"), ActorRef::new("pool"));
        let (import, signatures) = (warden.pool("import"), warden.pool("signatures"));
        let pending = PoolReader::default();
        let txpool = TxPoolHandle::new(
            pool.clone(),
            pending.clone(),
            reader.clone(),
            signatures.clone(),
        );
        let serving = warden.pool("serving");
        let mut eth = EthSetup::new(
            reader.clone(),
            Arc::clone(&engine),
            chain.clone(),
            txpool.clone(),
            serving.clone(),
        );
        let downloader: ActorRef<DownloaderActor> = ActorRef::new("downloader");
        eth.followers.push(downloader.recipient());
        let sync = SyncStatus::default();
        let of_downloader = DownloaderSetup {
            reader: reader.clone(),
            chain: chain.clone(),
            peers: eth.peers.clone(),
            pool: serving.clone(),
            status: sync.clone(),
            mode: Mode::Full,
            followers: Vec::new(),
        };

        let address = IpAddr::V4(Ipv4Addr::new(50, 0, number as u8, 1));
        let mut settings = NetworkSettings::new(key(number), format!("test/{number}"));
        settings.listen = ListenAddress {
            ip: Some(address),
            port: PORT,
        };
        settings.nat = Nat::External(address);
        settings.is_discovering = false;
        change(&mut settings);
        let protocol = EthProtocol::new(eth.clone(), NETWORK_ID).unwrap();
        let host = Arc::new(net.host(address));
        let (network_spec, network) = net::assemble(settings, host, Arc::new(protocol));

        let chain_setup = ChainSetup::new(reader.clone(), Arc::clone(&engine), import.clone())
            .follower(pool.recipient())
            .follower(eth.manager.recipient());
        let pool_setup = TxPoolSetup::new(reader.clone(), pending, PoolConfig::default())
            .follower(eth.manager.recipient());
        let core = SupervisorSpec::new("core", Strategy::RestForOne)
            .child(import.child())
            .child(ChildSpec::new_async(&chain, move || {
                chain_setup.clone().open()
            }))
            .child(signatures.child())
            .child(ChildSpec::new(&pool, move || pool_setup.clone().open()))
            .intensity(1000, MINUTE);
        let (of_manager, of_fetcher) = (eth.clone(), eth.clone());
        let manager = ChildSpec::new(&eth.manager, move || {
            ProtocolManagerActor::new(of_manager.clone())
        });
        let fetcher = ChildSpec::new(&eth.fetcher, move || FetcherActor::new(of_fetcher.clone()));
        let eth_spec = SupervisorSpec::new("eth", Strategy::RestForOne)
            .child(serving.child())
            .child(manager)
            .child(fetcher)
            .child(ChildSpec::new(&downloader, move || of_downloader.make()))
            .intensity(1000, MINUTE);
        let spec = SupervisorSpec::new("node", Strategy::OneForOne)
            .child(core)
            .child(eth_spec)
            .child(network_spec);
        let tree = TreeOptions::default().single_thread().start(spec).await;
        Self {
            address,
            reader,
            chain,
            txpool,
            network,
            sync,
            engine,
            author: key(number).address(),
            tree: tree.unwrap(),
        }
    }

    /// Its URL.
    pub fn enode(&self) -> Enode {
        self.network.local().enode
    }

    /// Where it takes connections.
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, PORT)
    }

    /// Its id.
    pub fn id(&self) -> NodeId {
        self.network.local().id
    }

    /// Asks it to stay connected with another.
    pub async fn add_peer(&self, other: Enode) {
        let server = self.network.server();
        server.ask(AddPeer(other)).await.unwrap();
    }

    /// The hash of its head.
    pub fn head(&self) -> B256 {
        self.reader.head().hash()
    }

    /// How heavy its chain is.
    pub fn total_difficulty(&self) -> U256 {
        self.reader.view().total_difficulty()
    }

    /// A block on its head that nobody else makes, with a payment in it.
    pub fn next_block(&self) -> Block {
        let parent = self.reader.head();
        let payer = key(PAYER);
        let payment = LegacyTx {
            nonce: parent.number,
            gas_price: U256::from(1),
            gas_limit: 21_000,
            to: Some(self.author),
            value: U256::from(1),
            ..LegacyTx::default()
        };
        let payment = TxPayload::Legacy(payment).sign(&payer);
        let plan = BuildPlan {
            time: parent.timestamp + BLOCK_TIME,
            gas_limit: parent.gas_limit,
            extra_data: Bytes::new(),
            author: self.author,
            edit: None,
            parent,
        };
        let (reader, engine) = (&self.reader, self.engine.as_ref());
        let block = build(reader, engine, plan, |_, builder, body| {
            builder.try_transaction(&payment, payer.address()).unwrap();
            body.transactions.push(payment.clone());
            Ok(())
        });
        block.unwrap()
    }

    /// Seals a block on its head, which its network hears of.
    pub async fn seal(&self) {
        let import = ImportBlocks {
            blocks: vec![self.next_block()],
            origin: BlockOrigin::Live,
        };
        let imported = self.chain.ask(import).await.unwrap();
        assert_eq!(imported.unwrap().imported, 1);
    }

    /// Makes the actor at a path below `node/` panic. False where it is down.
    pub fn crash(&self, path: &str) -> bool {
        self.tree.handle().crash(&format!("node/{path}")).is_ok()
    }

    /// Stops it in order. The clock must go on by itself: a pool's threads end in their own
    /// time.
    pub async fn stop(self) {
        let outcome = self.tree.shutdown().await;
        assert!(outcome.is_clean(), "{outcome}");
    }
}
