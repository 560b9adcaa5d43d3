//! A node with a chain: what a block and a transaction pass on their way, of the real actors.

use std::sync::Arc;
use std::time::Duration;

use actoreum_actors::chain::{ChainActor, ChainSetup};
use actoreum_actors::eth::downloader::{DownloaderActor, DownloaderSetup, SyncStatus};
use actoreum_actors::eth::{
    EthProtocol, EthSetup, fetcher::FetcherActor, protocol_manager::ProtocolManagerActor,
};
use actoreum_actors::supervision::{ActorRef, ChildSpec, Pool, Strategy, SupervisorSpec};
use actoreum_actors::txpool::{SubmitError, TxPoolHandle, TxPoolSetup};
use actoreum_chain::{BuildPlan, ChainReader, build, genesis};
use actoreum_consensus::{Clique, CliqueError, Engine};
use actoreum_messages::chain::{BlockOrigin, ImportBlocks};
use actoreum_primitives::config::EngineConfig;
use actoreum_primitives::{
    Address, B256, Block, Bytes, Genesis, LegacyTx, PooledTransaction, SecretKey, TxPayload, U256,
};
use actoreum_storage::Store;
use actoreum_sync::downloader::Mode;
use actoreum_txpool::{PoolConfig, PoolReader};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::memory::MemoryNet;
use super::node::{TestNode, key};

/// The network that everybody is in.
const NETWORK: u64 = 1337;

/// Restarts of one actor: tests crash them at random.
const RESTARTS: u32 = 1_000;
/// See [`RESTARTS`].
const PERIOD: Duration = Duration::from_secs(60);

/// Who may seal: the nodes with these numbers, by their keys. All of them hold ether.
pub struct Signers(pub Vec<u32>);

impl Signers {
    /// A clique chain that began long ago, so that blocks can be made without waiting.
    pub fn genesis(&self) -> Genesis {
        let mut addresses: Vec<Address> = self.0.iter().map(|it| key(*it).address()).collect();
        addresses.sort_unstable();
        let listed: String = addresses.iter().map(hex::encode).collect();
        let funded = addresses.iter().map(|it| {
            format!(
                "\"{}\":{{\"balance\":\"0xd3c21bcecceda1000000\"}}",
                hex::encode(it)
            )
        });
        let alloc: Vec<String> = funded.collect();
        let json = format!(
            r#"{{"config":{{"chainId":{NETWORK},"homesteadBlock":0,"eip150Block":0,"eip155Block":0,
                "eip158Block":0,"byzantiumBlock":0,"constantinopleBlock":0,"petersburgBlock":0,
                "clique":{{"period":1,"epoch":30000}}}},"difficulty":"0x1","gasLimit":"0x800000",
                "timestamp":"0x5c000000","extraData":"0x{}{listed}{}","alloc":{{{}}}}}"#,
            "00".repeat(32),
            "00".repeat(65),
            alloc.join(",")
        );
        Genesis::from_json(&json).unwrap()
    }
}

/// A node with a chain.
pub struct EthNode {
    /// The node on the network.
    pub node: TestNode,
    /// Its chain.
    pub reader: ChainReader,
    /// Who imports.
    pub chain: ActorRef<ChainActor>,
    /// Its pool.
    pub pool: TxPoolHandle,
    /// Its part of the eth protocol.
    pub eth: EthSetup,
    engine: Arc<Clique>,
    key: SecretKey,
    _journal: tempfile::TempDir,
}

impl EthNode {
    /// A node with a number, on the chain of these signers.
    pub async fn start(net: &MemoryNet, number: u32, signers: &Signers) -> Self {
        let store = Store::memory();
        genesis::init(&store, &signers.genesis()).unwrap();
        let reader = ChainReader::open(store).unwrap();
        let EngineConfig::Clique(settings) = reader.config().engine() else {
            panic!("the genesis says clique");
        };
        let clique = Arc::new(Clique::new(settings, None));
        let key = key(number);
        clique.set_signer(Some(key.address()));
        let engine: Arc<dyn Engine> = clique.clone();

        let (import, signatures) = (Pool::inline("import"), Pool::inline("signatures"));
        let (chain, pool) = (ActorRef::new("chain"), ActorRef::new("pool"));
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
        let chain_setup = ChainSetup::new(reader.clone(), engine, import.clone())
            .follower(pool.recipient())
            .follower(eth.manager.recipient());
        let mut pool_setup = TxPoolSetup::new(reader.clone(), pool_reader, PoolConfig::default())
            .follower(eth.manager.recipient());
        let journal = tempfile::tempdir().unwrap();
        pool_setup.journal = Some(journal.path().join("transactions.rlp"));
        let txpool = SupervisorSpec::new("txpool", Strategy::RestForOne)
            .child(signatures.child())
            .child(ChildSpec::new(&pool, move || pool_setup.clone().open()))
            .intensity(RESTARTS, PERIOD);
        let core = SupervisorSpec::new("core", Strategy::RestForOne)
            .child(import.child())
            .child(ChildSpec::new_async(&chain, move || {
                chain_setup.clone().open()
            }))
            .child(txpool)
            .intensity(RESTARTS, PERIOD);
        let below = vec![core, eth_of(&mut eth)];
        let handler = EthProtocol::new(eth.clone(), NETWORK).unwrap();
        let node = TestNode::speaking(net, number, Arc::new(handler), below).await;
        Self {
            node,
            reader,
            chain,
            pool: handle,
            eth,
            engine: clique,
            key,
            _journal: journal,
        }
    }

    /// A block on its head, sealed with its key, with what its pool has; `None` where it is not
    /// its turn to seal.
    pub fn make_block(&self) -> Option<Block> {
        let parent = self.reader.head();
        let snapshot = self.pool.snapshot().unwrap();
        let plan = BuildPlan {
            time: 0,
            gas_limit: parent.gas_limit,
            extra_data: Bytes::new(),
            author: self.key.address(),
            edit: None,
            parent,
        };
        let engine = self.engine.as_ref();
        let mut block = build(&self.reader, engine, plan, |_, builder, body| {
            for offer in snapshot.best(None) {
                if builder
                    .try_transaction(offer.transaction(), offer.sender())
                    .is_ok()
                {
                    body.transactions.push(offer.transaction().clone());
                }
            }
            Ok(())
        })
        .unwrap();
        let now = actoreum_actors::clock::now();
        let mut random = StdRng::seed_from_u64(1);
        engine
            .plan_seal(&self.reader, &block.header, true, now, &mut random)
            .ok()?;
        let sign = |hash: B256| Ok::<_, CliqueError>(self.key.sign(hash));
        engine.seal(&mut block.header, sign).unwrap();
        Some(block)
    }

    /// Makes a block and imports it. False where it is not its turn, or the chain is down.
    pub async fn seal(&self) -> bool {
        let Some(block) = self.make_block() else {
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
            gas_limit: 21_000,
            to: Some(Address::repeat_byte(0x77)),
            value: U256::from(1),
            chain_id: Some(NETWORK),
            ..LegacyTx::default()
        };
        PooledTransaction {
            transaction: TxPayload::Legacy(payload).sign(&self.key),
            sidecar: None,
        }
    }

    /// Submits a transfer of its own account here.
    pub async fn pay(&self, nonce: u64) -> Result<B256, SubmitError> {
        self.pool.submit(self.transfer(nonce)).await
    }

    /// Its head.
    pub fn head(&self) -> B256 {
        self.reader.head().hash()
    }
}

/// The eth protocol's part of the tree.
fn eth_of(setup: &mut EthSetup) -> SupervisorSpec {
    let downloader: ActorRef<DownloaderActor> = ActorRef::new("downloader");
    setup.followers.push(downloader.recipient());
    let of_downloader = DownloaderSetup {
        reader: setup.chain.clone(),
        chain: setup.writer.clone(),
        peers: setup.peers.clone(),
        pool: setup.serving.clone(),
        status: SyncStatus::default(),
        followers: Vec::new(),
        mode: Mode::Full,
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
