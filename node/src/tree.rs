//! The supervision tree of the node, put together.
//!
//! ```text
//! node                      one_for_one: a fault of the core ends the node
//! |- keys                   rest_for_one; nobody's memory rests on it, so it restarts alone
//! |   |- scrypt             the thread that derives keys from passwords
//! |   `- accounts           AccountsActor
//! |- usb                    with --usb; rest_for_one, never gives up: a broken device takes nobody down
//! |   |- devices            threads that wait for devices
//! |   `- hub                UsbHubActor
//! |- core                   rest_for_one
//! |   |- import             the threads that import blocks
//! |   |- chain              ChainActor; after a few rebuilds from disk the node stops
//! |   |- txpool             see txpool.rs
//! |   `- miner              where the chain can be sealed; see miner.rs
//! |- followers              one_for_one: they follow the chain, and nothing stands on them
//! |   |- bloom servants     the thread that reads headers
//! |   |- bloom index        BloomIndexActor
//! |   |- pending            the thread that builds the pending block, for those who want its logs
//! |   `- filters            FilterActor
//! |- eth                    what is spoken with peers, where the node runs in a network; see eth.rs
//! |- network                peers and the search for them, where the node runs as one; see network.rs
//! `- rpc                    one_for_one: never gives up, and never touches the core
//!     |- http, ws, ipc
//!     `- admin
//! ```
//!
//! Start order is top to bottom, stop order bottom to top. The servers stand beside the core and
//! not behind it, because they read through views: a chain that is being rebuilt does not take
//! them down.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use actoreum_actors::{
    accounts::{AccountsActor, AccountsSetup},
    bloom_index::BloomIndexActor,
    chain::{ChainActor, ChainSetup},
    eth::{EthPeers, EthSetup, fetcher::FetcherActor, protocol_manager::ProtocolManagerActor},
    filter::{FilterActor, PendingSource},
    kept_socket::KeptSocket,
    sealer::SigningRecords,
    supervision::{ActorRef, ChildSpec, Failure, Pool, Strategy, SupervisorSpec},
    usb::{DEVICE_THREADS, UsbHubActor, UsbSetup},
};
use actoreum_chain::ChainReader;
use actoreum_consensus::{Clique, Engine, Ethash, EthashOptions, Merge, SealCheck};
use actoreum_primitives::{ChainConfig, config::EngineConfig};
use actoreum_rpc::{
    http::Hosts,
    method::Method,
    namespaces,
    node::{GasTarget, Node, NodeSettings},
    sealing::Keys as RpcKeys,
};
use actoreum_storage::Store;
use actoreum_sync::downloader::Mode;
use actoreum_wallet::hardware::SystemBus;
use tracing::{info, warn};

use crate::{
    admin::{self, AdminActor, AdminState},
    cli::SyncModeFlag,
    config::Config,
    datadir::DataDir,
    endpoints, eth,
    keys::Keys,
    miner::{self, MinerParts, Sealing},
    network,
    snapshots::StoredSnapshots,
    txpool, version,
};

/// Rebuilds of the chain from disk in [`CHAIN_PERIOD`], after which the node stops: it must not
/// hide a broken disk.
const CHAIN_RESTARTS: u32 = 3;
/// See [`CHAIN_RESTARTS`].
const CHAIN_PERIOD: Duration = Duration::from_secs(600);
/// Restarts of a server before it gives up: it does not, its pauses only grow.
const SERVER_RESTARTS: u32 = u32::MAX;

/// Messages that may wait for FilterActor: a thousand clients that connect again at once subscribe
/// at once.
const FILTER_MAILBOX: usize = 8_192;

/// Passwords that may wait to be tried: each takes a second, and 256 MB while it runs.
const WAITING_PASSWORDS: usize = 16;

/// The tree, and what the commands need of it.
pub struct Assembled {
    /// To be started.
    pub spec: SupervisorSpec,
    /// The writer of the chain.
    pub chain: ActorRef<ChainActor>,
    /// What readers hold.
    pub reader: ChainReader,
    /// What RPC handlers hold; it wants to know the tree once it stands.
    pub node: Arc<Node>,
}

/// The engine of a chain.
pub struct ChainEngine {
    /// Who may seal, and how a header must look.
    pub engine: Arc<dyn Engine>,
    /// The same where it is clique.
    pub clique: Option<Arc<Clique>>,
    /// The same where it is ethash.
    pub ethash: Option<Ethash>,
}

/// The engine that a chain's config asks for.
pub fn engine(
    config: &ChainConfig,
    store: &Store,
    ethash: EthashOptions,
    seals: SealCheck,
) -> ChainEngine {
    let (mut clique, mut proof_of_work) = (None, None);
    let sealing: Arc<dyn Engine> = match config.engine() {
        EngineConfig::Clique(settings) => {
            let snapshots = Arc::new(StoredSnapshots(store.clone()));
            let engine = Arc::new(Clique::new(settings, Some(snapshots)));
            clique = Some(Arc::clone(&engine));
            engine
        }
        EngineConfig::Ethash => {
            let engine = Ethash::new(ethash, seals);
            proof_of_work = Some(engine.clone());
            Arc::new(engine)
        }
    };
    let engine = match config.terminal_total_difficulty {
        Some(_) => Arc::new(Merge::new(sealing)),
        None => sealing,
    };
    ChainEngine {
        engine,
        clique,
        ethash: proof_of_work,
    }
}

/// Puts the tree together over a store that holds a chain, of a node that neither seals nor talks
/// to others.
pub fn assemble(
    config: &Config,
    store: Store,
    datadir: Option<&DataDir>,
) -> eyre::Result<Assembled> {
    let keys = Keys::locked(config)?;
    assemble_all(config, store, datadir, &keys, None, false)
}

/// As [`assemble`], of a node in a network.
pub fn assemble_connected(
    config: &Config,
    store: Store,
    datadir: &DataDir,
    keys: &Keys,
    sealing: &Sealing,
) -> eyre::Result<Assembled> {
    assemble_all(config, store, Some(datadir), keys, Some(sealing), true)
}

/// As [`assemble`], of a node that seals a chain of its own.
pub fn assemble_sealing(
    config: &Config,
    store: Store,
    datadir: Option<&DataDir>,
    keys: &Keys,
    sealing: &Sealing,
) -> eyre::Result<Assembled> {
    assemble_all(config, store, datadir, keys, Some(sealing), false)
}

fn assemble_all(
    config: &Config,
    store: Store,
    datadir: Option<&DataDir>,
    keys: &Keys,
    sealing: Option<&Sealing>,
    is_connected: bool,
) -> eyre::Result<Assembled> {
    let reader = match config.dev {
        Some(_) => ChainReader::open_development(store.clone())?,
        None => ChainReader::open(store.clone())?,
    };
    let ethash = config.eth.ethash.options(datadir.map(DataDir::instance));
    let ChainEngine {
        engine,
        clique,
        ethash,
    } = engine(
        reader.config(),
        &store,
        ethash,
        config.eth.ethash.seal_check(),
    );
    let view = reader.view();
    // Nobody seals what the beacon chain decides.
    let is_merged = reader.config().is_terminal(view.total_difficulty());
    if let Some(ethash) = &ethash
        && !is_merged
    {
        // Beside the start: nobody waits for it but the first block.
        ethash.prepare_cache(view.head_number() + 1);
    }

    // Where the genesis names no chain, the network is geth 1.8's default.
    let network_id = config
        .eth
        .network_id
        .unwrap_or(reader.config().chain_id.max(1));
    let mut settings = NodeSettings::new(version::named(&config.node.user_ident), network_id);
    settings.data_dir = datadir.map(|_| config.node.data_dir.display().to_string());
    settings.is_unlocking_forbidden = config.is_unlocking_forbidden();
    config.eth.limit_rpc(&mut settings);
    settings.allows_unprotected = config.node.allow_unprotected_txs;
    if let Some(sealing) = sealing {
        settings.gas_target = GasTarget {
            floor: sealing.settings.gas_floor,
            ceiling: sealing.settings.gas_ceiling,
        };
    }
    let node = Arc::new(Node::new(
        reader.clone(),
        Arc::clone(&engine),
        clique.clone(),
        settings,
    ));

    let pool = Pool::new("import", 1);
    let chain = ActorRef::new("chain");
    let accounts = ActorRef::new("accounts");
    let mut setup = ChainSetup::new(reader.clone(), Arc::clone(&engine), pool.clone());
    setup.required.clone_from(&config.eth.whitelist);
    let (bloom, filters) = (ActorRef::new("bloom index"), ActorRef::new("filters"));
    let followers = followers_of(&node, &bloom, &filters);
    // Set once: there is one tree.
    let _ = node.writer.set(chain.clone());
    let mut follow_pool = vec![filters.recipient()];
    let mut follow_chain = vec![filters.recipient(), bloom.recipient()];
    let manager: ActorRef<ProtocolManagerActor> = ActorRef::new("protocol manager");
    let fetcher: ActorRef<FetcherActor> = ActorRef::new("fetcher");
    if is_connected {
        follow_pool.push(manager.recipient());
        follow_chain.push(manager.recipient());
        follow_chain.push(fetcher.recipient());
    }
    let (mut miner, mut worker) = (None, None);
    let method = match (&clique, &ethash) {
        (Some(clique), _) => Some(miner::Method::Clique(Arc::clone(clique))),
        (None, Some(ethash)) if !is_merged => Some(miner::Method::Ethash(ethash.clone())),
        (None, _) => None,
    };
    if let (Some(sealing), Some(_)) = (sealing, &method) {
        let actors = sealing.actors(config.dev.is_some());
        follow_pool.push(actors.worker.recipient());
        follow_chain.push(actors.worker.recipient());
        if config.dev.is_none() {
            follow_chain.push(actors.sealer.recipient());
        }
        worker = Some(actors);
    }
    let scratch = sealing.and_then(|sealing| sealing.scratch.clone());
    let instance = datadir.map(|datadir| datadir.instance().to_owned());
    let journal = instance.or(scratch);
    // An import is no takeover: on its first blocks nobody has funds yet.
    let geth = datadir.filter(|_| is_connected).map(DataDir::geth_instance);
    let txpool = txpool::assemble(
        &config.eth.tx_pool,
        journal.as_deref(),
        geth.as_deref(),
        &reader,
        follow_pool,
    );
    // The pool first: who follows after it finds it on the new head.
    setup = setup.follower(txpool.follows_chain);
    for follower in follow_chain {
        setup = setup.follower(follower);
    }
    let peers = EthPeers::default();
    if let (Some(actors), Some(method)) = (worker, method) {
        let records = datadir.filter(|_| config.dev.is_none()).map(|datadir| {
            let keystore = keys.directory.folder().to_owned();
            let instance = datadir.instance().to_owned();
            SigningRecords::new(reader.genesis_hash(), instance, keystore)
        });
        let parts = MinerParts {
            engine,
            method,
            pending: txpool.handle.reader.clone(),
            txpool: txpool.handle.actor.clone(),
            chain: chain.clone(),
            accounts: accounts.clone(),
            own: config.eth.tx_pool.locals.clone(),
            peers: peers.clone(),
            records,
        };
        miner = Some(miner::assemble(&config.eth.miner, &reader, &actors, parts)?);
        // Set once: there is one tree.
        let _ = node.sealing.set(actors);
    }
    let mut sync_followers = vec![filters.recipient()];
    if let Some(sealing) = node.sealing.get() {
        sync_followers.push(sealing.miner.recipient());
    }
    let _ = node.filters.set(filters);
    let mut eth_setup = EthSetup::new(
        reader.clone(),
        Arc::clone(&node.engine),
        chain.clone(),
        txpool.handle.clone(),
        Pool::new("serving", eth::SERVING_THREADS),
    );
    eth_setup.peers = peers;
    eth_setup.manager = manager;
    eth_setup.fetcher = fetcher;
    eth_setup.required.clone_from(&config.eth.whitelist);
    let _ = node.txpool.set(txpool.handle);
    let hub = ActorRef::new("hub");
    let usb = usb_of(config, &reader, &hub);
    let hub = usb.is_some().then_some(hub);
    let _ = node.keys.set(RpcKeys::new(accounts.clone(), hub));
    let mut core = SupervisorSpec::new("core", Strategy::RestForOne)
        .child(pool.child())
        .child(
            ChildSpec::new_async(&chain, move || setup.clone().open())
                .arbiter("chain")
                .stop_timeout(Duration::from_secs(60))
                .max_restarts(CHAIN_RESTARTS, CHAIN_PERIOD),
        )
        .child(txpool.spec)
        .intensity(CHAIN_RESTARTS, CHAIN_PERIOD);
    if let Some(miner) = miner {
        core = core.child(miner);
    }

    let mut spec = SupervisorSpec::new("node", Strategy::OneForOne)
        .child(keys_of(keys, &accounts))
        .intensity(0, CHAIN_PERIOD);
    if let Some(usb) = usb {
        spec = spec.child(usb);
    }
    spec = spec.child(core).child(followers);
    if let (Some(datadir), true) = (datadir, is_connected) {
        let mode = match config.eth.sync_mode {
            SyncModeFlag::Full => Mode::Full,
            SyncModeFlag::Fast => Mode::Fast,
        };
        let eth = eth::assemble(eth_setup, network_id, mode, sync_followers)?;
        let (network, handle) = network::assemble(config, datadir, &reader, eth.protocol)?;
        if let Some(sealing) = node.sealing.get()
            && node.clique.is_some()
            && !config.eth.miner.nowait
            && handle.settings().knows_nodes()
        {
            sealing.control.meet_a_peer_first();
        }
        spec = spec.child(eth.spec).child(network);
        // Set once: there is one tree.
        let _ = node.network.set(handle);
        let _ = node.sync.set(eth.sync);
    }
    let spec = spec.child(servers(config, &node));
    Ok(Assembled {
        spec,
        chain,
        reader,
        node,
    })
}

fn keys_of(keys: &Keys, accounts: &ActorRef<AccountsActor>) -> SupervisorSpec {
    let pool = Pool::with_queue("scrypt", 1, WAITING_PASSWORDS);
    let setup = AccountsSetup {
        keys: keys.directory.clone(),
        pool: pool.clone(),
        open: keys.open.clone(),
        held: keys.held.clone(),
    };
    SupervisorSpec::new("keys", Strategy::RestForOne)
        .child(pool.child())
        .child(ChildSpec::new_async(accounts, move || {
            setup.clone().start()
        }))
}

/// Who looks for hardware wallets, where the operator wants it.
fn usb_of(
    config: &Config,
    reader: &ChainReader,
    hub: &ActorRef<UsbHubActor>,
) -> Option<SupervisorSpec> {
    if !config.node.usb {
        return None;
    }
    let bus = match SystemBus::new() {
        Ok(bus) => bus,
        Err(error) => {
            warn!(%error, "hardware wallets can't be looked for");
            return None;
        }
    };
    info!("looking for hardware wallets");
    let pool = Pool::new("devices", DEVICE_THREADS);
    let setup = UsbSetup {
        bus: Arc::new(bus),
        pool: pool.clone(),
        chain: reader.clone(),
    };
    let hub = ChildSpec::new(hub, move || setup.clone().start());
    let spec = SupervisorSpec::new("usb", Strategy::RestForOne)
        .child(pool.child())
        .child(hub)
        .intensity(SERVER_RESTARTS, CHAIN_PERIOD);
    Some(spec)
}

/// Those who follow the chain and that nothing else stands on.
fn followers_of(
    node: &Arc<Node>,
    bloom: &ActorRef<BloomIndexActor>,
    filters: &ActorRef<FilterActor>,
) -> SupervisorSpec {
    let pool = Pool::new("bloom servants", 1);
    let (read_by_index, servants) = (node.chain.clone(), pool.clone());
    let index = move || BloomIndexActor::new(read_by_index.clone(), servants.clone());
    let (reader, node) = (node.chain.clone(), Arc::clone(node));
    let pending = PendingSource {
        pool: Pool::new("pending", 1),
        build: Arc::new(move || node.pending_block()),
    };
    let building = pending.pool.child();
    let of_filters = move || FilterActor::new(reader.clone()).with_pending(pending.clone());
    SupervisorSpec::new("followers", Strategy::OneForOne)
        .child(pool.child())
        .child(ChildSpec::new(bloom, index))
        .child(building)
        .child(ChildSpec::new(filters, of_filters).mailbox(FILTER_MAILBOX))
        .intensity(SERVER_RESTARTS, CHAIN_PERIOD)
}

fn servers(config: &Config, node: &Arc<Node>) -> SupervisorSpec {
    // The rows keep their counters over restarts of the servers.
    let methods: Arc<[Arc<Method<Node>>]> = namespaces::methods(node).into();
    let mut servers =
        SupervisorSpec::new("rpc", Strategy::OneForOne).intensity(SERVER_RESTARTS, CHAIN_PERIOD);
    servers = endpoints::add(servers, config, node, &methods);
    if let Some(ip) = config.admin_ip() {
        let address = SocketAddr::new(ip, config.actoreum.admin_port);
        let hosts = Hosts::new(&["localhost".to_owned()]);
        let state = AdminState::new(
            Arc::clone(node),
            methods,
            config.actoreum.admin_chaos,
            hosts,
        );
        let state = Arc::new(state);
        let socket = KeptSocket::default();
        let factory = move || {
            let (address, server) = admin::bind(address, &socket, Arc::clone(&state))?;
            let page = AdminActor::new(address, socket.clone(), server);
            Ok::<_, Failure>(page.beside(admin::keep_history(Arc::clone(&state))))
        };
        servers = servers.child(ChildSpec::new(&ActorRef::new("admin"), factory).arbiter("rpc"));
    }
    servers
}
