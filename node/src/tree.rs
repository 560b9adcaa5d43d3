//! The supervision tree of the node, put together.
//!
//! ```text
//! node                      one_for_one: a fault of the core ends the node
//! |- core                   rest_for_one
//! |   |- import             the threads that import blocks
//! |   `- chain              ChainActor; after a few rebuilds from disk the node stops
//! `- rpc                    one_for_one: never gives up, and never touches the core
//!     |- http
//!     `- admin
//! ```
//!
//! Start order is top to bottom, stop order bottom to top. The servers stand beside the core and
//! not behind it, because they read through views: a chain that is being rebuilt does not take
//! them down.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use actoreum_actors::{
    chain::{ChainActor, ChainSetup},
    supervision::{ActorRef, ChildSpec, Failure, Pool, Strategy, SupervisorSpec},
};
use actoreum_chain::ChainReader;
use actoreum_consensus::{Clique, Engine, EthashOptions, Merge, SealCheck};
use actoreum_primitives::{ChainConfig, config::EngineConfig};
use actoreum_rpc::{
    dispatch::{DispatchLimits, Dispatcher},
    http::{Hosts, HttpActor, HttpConfig, Origins},
    limits::MAX_HEAVY_WAITING,
    method::Method,
    namespaces,
    node::{Node, NodeSettings},
    pool::HeavyPool,
};
use actoreum_storage::Store;

use crate::{
    admin::{self, AdminActor, AdminState},
    config::Config,
    datadir::DataDir,
    snapshots::StoredSnapshots,
    version,
};

/// Rebuilds of the chain from disk in [`CHAIN_PERIOD`], after which the node stops: it must not
/// hide a broken disk.
const CHAIN_RESTARTS: u32 = 3;
/// See [`CHAIN_RESTARTS`].
const CHAIN_PERIOD: Duration = Duration::from_secs(600);
/// Restarts of a server before it gives up: it does not, its pauses only grow.
const SERVER_RESTARTS: u32 = u32::MAX;

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

/// The engine of a chain, and the same as clique where it is.
pub fn engine(
    config: &ChainConfig,
    store: &Store,
    datadir: Option<&DataDir>,
) -> (Arc<dyn Engine>, Option<Arc<Clique>>) {
    let mut clique = None;
    let sealing: Arc<dyn Engine> = match config.engine() {
        EngineConfig::Clique(settings) => {
            let snapshots = Arc::new(StoredSnapshots(store.clone()));
            let engine = Arc::new(Clique::new(settings, Some(snapshots)));
            clique = Some(Arc::clone(&engine));
            engine
        }
        EngineConfig::Ethash => {
            let mut options = EthashOptions::default();
            options.cache_folder = datadir.map(DataDir::ethash);
            Arc::new(actoreum_consensus::Ethash::new(options, SealCheck::Full))
        }
    };
    match config.terminal_total_difficulty {
        Some(_) => (Arc::new(Merge::new(sealing)), clique),
        None => (sealing, clique),
    }
}

/// Puts the tree together over a store that holds a chain.
pub fn assemble(
    config: &Config,
    store: Store,
    datadir: Option<&DataDir>,
) -> eyre::Result<Assembled> {
    let reader = ChainReader::open(store.clone())?;
    let (engine, clique) = engine(reader.config(), &store, datadir);

    let network_id = config.eth.network_id.unwrap_or(reader.config().chain_id);
    let mut settings = NodeSettings::new(version::client(), network_id);
    settings.data_dir = datadir.map(|_| config.node.data_dir.display().to_string());
    settings.gas_cap = config.eth.rpc_gas_cap;
    let node = Arc::new(Node::new(
        reader.clone(),
        Arc::clone(&engine),
        clique,
        settings,
    ));

    let pool = Pool::new("import", 1);
    let chain = ActorRef::new("chain");
    let setup = ChainSetup::new(reader.clone(), engine, pool.clone());
    let core = SupervisorSpec::new("core", Strategy::RestForOne)
        .child(pool.child())
        .child(
            ChildSpec::new_async(&chain, move || setup.clone().open())
                .arbiter("chain")
                .stop_timeout(Duration::from_secs(60))
                .max_restarts(CHAIN_RESTARTS, CHAIN_PERIOD),
        )
        .intensity(CHAIN_RESTARTS, CHAIN_PERIOD);

    let spec = SupervisorSpec::new("node", Strategy::OneForOne)
        .child(core)
        .child(servers(config, &node))
        .intensity(0, CHAIN_PERIOD);
    Ok(Assembled {
        spec,
        chain,
        reader,
        node,
    })
}

fn servers(config: &Config, node: &Arc<Node>) -> SupervisorSpec {
    // The rows keep their counters over restarts of the servers.
    let methods: Arc<[Arc<Method<Node>>]> = namespaces::methods(node).into();
    let mut servers =
        SupervisorSpec::new("rpc", Strategy::OneForOne).intensity(SERVER_RESTARTS, CHAIN_PERIOD);
    if let Some(ip) = config.http_ip() {
        let dispatcher = dispatcher(&config.node.http_modules, node, &methods);
        let http = HttpConfig {
            vhosts: Hosts::new(&config.node.http_virtual_hosts),
            cors_origins: Origins::new(&config.node.http_cors),
            ..HttpConfig::new(SocketAddr::new(ip, config.node.http_port))
        };
        let factory = move || HttpActor::new(http.clone(), Arc::clone(&dispatcher));
        servers = servers.child(ChildSpec::new(&ActorRef::new("http"), factory).arbiter("rpc"));
    }
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
        let factory = move || {
            let (address, server) = admin::bind(address, Arc::clone(&state))?;
            let page = AdminActor::new(address, server);
            Ok::<_, Failure>(page.beside(admin::keep_history(Arc::clone(&state))))
        };
        servers = servers.child(ChildSpec::new(&ActorRef::new("admin"), factory).arbiter("rpc"));
    }
    servers
}

fn dispatcher(
    modules: &[String],
    node: &Arc<Node>,
    methods: &[Arc<Method<Node>>],
) -> Arc<Dispatcher<Node>> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let pool = HeavyPool::new(threads, MAX_HEAVY_WAITING);
    let limits = DispatchLimits::default();
    Arc::new(Dispatcher::new(
        Arc::clone(node),
        methods,
        modules,
        pool,
        limits,
    ))
}
