//! Assembles the supervision tree of the node.
//!
//! ```text
//! node                      one_for_one; when the core gives up, the node ends
//! |- keys                   rest_for_one; restarts alone, no other actor depends on its state
//! |   |- scrypt             thread that derives keys from passwords
//! |   `- accounts           AccountsActor
//! |- usb                    with --usb; rest_for_one, never gives up because of a broken device
//! |   |- devices            threads that wait for devices
//! |   `- hub                UsbHubActor
//! |- core                   rest_for_one
//! |   |- import             thread that imports blocks
//! |   |- chain              ChainActor; after a few rebuilds from disk the node stops
//! |   |- txpool             see `txpool`
//! |   `- miner              if the chain can be sealed; see `miner`
//! |- followers              one_for_one; they follow the chain, and no actor depends on them
//! |   |- bloom workers      thread that reads headers
//! |   |- bloom index        BloomIndexActor
//! |   |- pending            thread that builds the pending block, for subscriptions to its logs
//! |   `- filters            FilterActor
//! |- eth                    the eth protocol, if the node joins a network; see `eth`
//! |- network                peers and discovery, if the node joins a network; see `network`
//! `- rpc                    one_for_one, never gives up; independent of the core
//!     |- heavy              threads for calls, traces and log queries
//!     |- gzip               threads that compress long answers, if HTTP is served
//!     |- http, ws
//!     |- ipc                one_for_one; a listener, and an actor for each client
//!     `- admin
//! ```
//!
//! Children start from top to bottom and stop from bottom to top. The servers do not restart with
//! the core, because they read through published views and can do so while the chain is rebuilt.

mod core;
mod eth;
mod followers;
pub mod keys;
pub mod miner;
pub mod network;
mod references;
mod rpc;
pub mod snapshots;
mod txpool;
mod usb;

use std::{path::PathBuf, sync::Arc, time::Duration};

use actoreum_actors::{
    chain::{ChainActor, ChainSetup},
    clock::ChainClock,
    eth::{EthPeers, EthShared, downloader::SyncStatus},
    net::NetworkHandle,
};
use actoreum_chain::ChainReader;
use actoreum_consensus::{ChainEngine, Clique, EngineOptions, SealCheck, engine_for};
use actoreum_rpc::{
    fork::Fork,
    namespaces::sealing::Keys as RpcKeys,
    node::{Node, NodeHandles},
};
use actoreum_storage::{StorageError, Store};
use actoreum_supervision::{ActorRef, IncidentLog, Pool, Strategy, SupervisorSpec};
use actoreum_sync::downloader::Mode;

use self::{
    keys::Keys,
    miner::{MinerParts, Sealing, SealingEngine},
    references::References,
    snapshots::StoredSnapshots,
};
use crate::{
    config::{Config, node::SyncModeFlag},
    datadir::DataDir,
    incident_file,
};

/// Period in which the restarts of a subtree are counted.
const RESTART_PERIOD: Duration = Duration::from_secs(600);
/// Restarts of a subtree that never gives up: only its backoff grows.
const UNLIMITED_RESTARTS: u32 = u32::MAX;

/// Parts that the tree of a node is assembled from.
pub struct NodeParts<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The database, which holds a chain.
    pub store: Store,
    /// The data directory; `None` for a chain in memory.
    pub datadir: Option<&'a DataDir>,
    /// The key files and the unlocked keys.
    pub keys: &'a Keys,
    /// The work of the node.
    pub role: Role<'a>,
    /// The remote chain that a development chain is forked off.
    pub fork: Option<Arc<Fork>>,
}

/// The work of a node.
#[derive(Clone, Copy)]
pub enum Role<'a> {
    /// Import blocks from files: no sealing, no network.
    Import,
    /// Seal a development chain, without a network.
    Development(&'a Sealing),
    /// Join a network, and seal if the operator starts it. Needs a data directory.
    Network(&'a Sealing),
}

impl<'a> Role<'a> {
    fn sealing(self) -> Option<&'a Sealing> {
        match self {
            Self::Import => None,
            Self::Development(sealing) | Self::Network(sealing) => Some(sealing),
        }
    }

    /// Creates the clock of the node. The user of a development chain may have moved it before a
    /// restart.
    fn clock(self, store: &Store) -> Result<ChainClock, StorageError> {
        match self {
            Self::Development(_) => ChainClock::restore(store),
            Self::Import | Self::Network(_) => Ok(ChainClock::default()),
        }
    }

    /// Returns the seconds between blocks of a development chain, if it is one.
    fn dev_period(self) -> Option<u64> {
        match self {
            Self::Development(sealing) => Some(sealing.dev_period),
            Self::Import | Self::Network(_) => None,
        }
    }

    fn is_connected(self) -> bool {
        matches!(self, Self::Network(_))
    }
}

/// The assembled tree, and the handles that the commands need.
pub struct Assembled {
    /// Specification of the tree, to be started.
    pub spec: SupervisorSpec,
    /// The log of the tree's incidents, kept in the data directory if there is one.
    pub incidents: IncidentLog,
    /// Time after which an actor that holds its thread is stuck; `None`: the default.
    pub stuck_after: Option<Duration>,
    /// The writer of the chain.
    pub chain: ActorRef<ChainActor>,
    /// Read access to the chain.
    pub reader: ChainReader,
    /// Shared state of the RPC handlers. The tree is set in it once it has started.
    pub node: Arc<Node>,
}

/// Checks the values of the configuration that the actors parse.
///
/// # Errors
/// Fails if a value is not valid; the error names its flag or key.
pub fn check(config: &Config) -> eyre::Result<()> {
    miner::notify_urls(&config.eth.miner)?;
    network::check(&config.node.p2p, config.dev.is_none())
}

/// Returns the consensus engine of the chain, as the configuration of the node sets it up.
fn engine(
    config: &Config,
    store: &Store,
    datadir: Option<&DataDir>,
    reader: &ChainReader,
) -> ChainEngine {
    let options = EngineOptions {
        ethash: config.eth.ethash.options(datadir.map(DataDir::instance)),
        seals: match config.dev {
            Some(_) => SealCheck::None,
            None => config.eth.ethash.seal_check(),
        },
        snapshots: Some(Arc::new(StoredSnapshots(store.clone()))),
        seals_merged: config.dev.is_some(),
    };
    engine_for(reader.config(), options)
}

fn open_chain(config: &Config, store: &Store) -> eyre::Result<ChainReader> {
    let reader = match config.dev {
        Some(_) => ChainReader::open_development(store.clone())?,
        None => ChainReader::open(store.clone())?,
    };
    Ok(reader)
}

/// Returns the configured network id, or the chain id. For a genesis without a chain id it is geth
/// 1.8's default.
fn network_id(config: &Config, reader: &ChainReader) -> u64 {
    let chain_id = reader.config().chain_id.max(1);
    config.eth.network_id.unwrap_or(chain_id)
}

/// Returns the folder of the pool's journal, and that of geth's journal, which is imported once.
fn journal_folders(
    datadir: Option<&DataDir>,
    role: Role<'_>,
) -> (Option<PathBuf>, Option<PathBuf>) {
    let scratch = role.sealing().and_then(|sealing| sealing.scratch.clone());
    let instance = datadir.map(|datadir| datadir.instance().to_owned());
    // Importing a file does not take over geth's journal: at its first blocks no sender has funds
    // yet.
    let geth = datadir
        .filter(|_| role.is_connected())
        .map(DataDir::geth_instance);
    (instance.or(scratch), geth)
}

/// The assembled eth protocol and network.
struct NetworkParts {
    /// Subtree of the eth protocol.
    eth: SupervisorSpec,
    /// Subtree of the network.
    network: SupervisorSpec,
    /// The network, as other parts of the node use it.
    handle: NetworkHandle,
    /// The progress of the synchronisation.
    sync: SyncStatus,
}

/// Assembles the subtrees of the eth protocol and of the network.
fn assemble_network(
    config: &Config,
    datadir: &DataDir,
    reader: &ChainReader,
    args: eth::EthArgs,
) -> eyre::Result<NetworkParts> {
    let eth = eth::assemble(args)?;
    let (network, handle) = network::assemble(config, datadir, reader, eth.protocol)?;
    Ok(NetworkParts {
        eth: eth.spec,
        network,
        handle,
        sync: eth.sync,
    })
}

/// Returns whether sealing waits for the first peer: a signer of several does if it knows other
/// nodes.
fn waits_for_peer(config: &Config, clique: Option<&Arc<Clique>>, network: &NetworkHandle) -> bool {
    clique.is_some() && !config.eth.miner.nowait && network.settings().knows_nodes()
}

/// Assembles the tree of a node.
///
/// # Errors
/// Fails if the chain, the files of the sealer or the settings of the network can't be read.
pub fn assemble(parts: NodeParts<'_>) -> eyre::Result<Assembled> {
    let NodeParts {
        config,
        store,
        datadir,
        keys,
        role,
        fork,
    } = parts;
    let reader = open_chain(config, &store)?;
    let clock = role.clock(&store)?;
    let ChainEngine {
        engine,
        clique,
        ethash,
    } = engine(config, &store, datadir, &reader);
    let view = reader.view();
    let is_merged = reader.config().is_terminal(view.total_difficulty());
    if let Some(ethash) = &ethash
        && !is_merged
    {
        // In the background: only the verification of the first block waits for the cache.
        ethash.prepare_cache(view.head_number() + 1);
    }
    let network_id = network_id(config, &reader);
    let references = References::new();
    let dev_period = role.dev_period();
    let method = SealingEngine::of(clique.as_ref(), ethash.as_ref(), is_merged, dev_period);
    let period = method.as_ref().and_then(|method| method.period(&reader));
    let mines_on_arrival = dev_period.is_some() && period == Some(0);
    let sealing = role.sealing().zip(method).map(|(sealing, method)| {
        let dev = config.dev.as_ref().map(|dev| dev.answers_as);
        (sealing.actors(clock.clone(), dev), method)
    });

    let follow = references.followers(config, role, sealing.as_ref().map(|(actors, _)| actors));
    let References {
        chain,
        accounts,
        bloom,
        filters,
        manager,
        fetcher,
    } = references;

    let (journal, geth_journal) = journal_folders(datadir, role);
    let txpool = txpool::assemble(
        &config.eth.tx_pool,
        journal.as_deref(),
        geth_journal.as_deref(),
        &reader,
        clock.clone(),
        follow.pool,
    );
    let import = Pool::new("import", 1);
    let mut setup = ChainSetup::new(
        reader.clone(),
        Arc::clone(&engine),
        import.clone(),
        clock.clone(),
    );
    setup.required.clone_from(&config.eth.whitelist);
    // The pool comes first, so that the followers after it find it on the new head.
    setup = setup.follower(txpool.chain_follower);
    for follower in follow.chain {
        setup = setup.follower(follower);
    }

    let peers = EthPeers::default();
    let (mut miner, mut sealing_actors) = (None, None);
    if let Some((actors, method)) = sealing {
        let records = datadir
            .filter(|_| config.dev.is_none())
            .map(|datadir| miner::signing_records(datadir, keys, &reader));
        let parts = MinerParts {
            engine: Arc::clone(&engine),
            method,
            clock: clock.clone(),
            pending: txpool.handle.reader.clone(),
            txpool: txpool.handle.actor.clone(),
            chain: chain.clone(),
            accounts: accounts.clone(),
            own: config.eth.tx_pool.locals.clone(),
            peers: peers.clone(),
            records,
        };
        miner = Some(miner::assemble(&config.eth.miner, &reader, &actors, parts)?);
        sealing_actors = Some(actors);
    }
    let mut network = None;
    if let (Some(datadir), Role::Network(_)) = (datadir, role) {
        let shared = EthShared::new(
            reader.clone(),
            Arc::clone(&engine),
            clock.clone(),
            txpool.handle.clone(),
            Pool::new("serving", eth::SERVING_THREADS),
            peers,
        );
        let args = eth::EthArgs {
            shared,
            chain_actor: chain.clone(),
            manager,
            fetcher,
            required: config.eth.whitelist.clone(),
            network_id,
            mode: match config.eth.sync_mode {
                SyncModeFlag::Full => Mode::Full,
                SyncModeFlag::Fast => Mode::Fast,
            },
            follow_sync: follow.sync,
        };
        let parts = assemble_network(config, datadir, &reader, args)?;
        if let Some(sealing) = &sealing_actors
            && waits_for_peer(config, clique.as_ref(), &parts.handle)
        {
            sealing.control.wait_for_first_peer();
        }
        network = Some(parts);
    }
    let hub = ActorRef::new("hub");
    let usb = usb::assemble(config, &reader, &hub);
    let hub = usb.is_some().then_some(hub);

    let handles = NodeHandles {
        chain_reader: reader.clone(),
        engine,
        clique,
        clock,
        chain_actor: chain.clone(),
        filters: filters.clone(),
        txpool: txpool.handle,
        keys: RpcKeys::new(accounts.clone(), hub),
        network: network.as_ref().map(|parts| parts.handle.clone()),
        sync: network.as_ref().map(|parts| parts.sync.clone()),
        sealing: sealing_actors,
        fork,
    };
    let settings = rpc::settings(
        config,
        network_id,
        datadir.is_some(),
        role.sealing(),
        mines_on_arrival,
    );
    let node = Arc::new(Node::new(handles, settings));

    let mut spec = SupervisorSpec::new("node", Strategy::OneForOne)
        .child(keys::assemble(keys, &accounts))
        .intensity(0, RESTART_PERIOD);
    if let Some(usb) = usb {
        spec = spec.child(usb);
    }
    spec = spec
        .child(core::assemble(&import, &chain, setup, txpool.spec, miner))
        .child(followers::assemble(&node, &bloom, &filters));
    if let Some(parts) = network {
        spec = spec.child(parts.eth).child(parts.network);
    }
    let spec = spec.child(rpc::assemble(config, &node));
    let incidents = datadir.map(|datadir| incident_file::open(datadir.instance()));
    Ok(Assembled {
        spec,
        incidents: incidents.unwrap_or_default(),
        stuck_after: config.stuck_after,
        chain,
        reader,
        node,
    })
}
