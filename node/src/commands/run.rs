//! Without a subcommand: the node runs until a signal, or until its tree gives up.

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actoreum_actors::supervision::{Tree, TreeHandle};
use actoreum_chain::{ChainReader, genesis};
use actoreum_primitives::{Genesis, genesis::MAINNET_GENESIS_HASH};
use actoreum_storage::Store;
use eyre::{bail, eyre};
use tracing::{error, info};

use crate::{
    blobs,
    config::{Config, DevConfig},
    datadir::DataDir,
    dev,
    keys::Keys,
    signals,
    tree::{self, Assembled},
    version,
};

/// How often `--exitwhensynced` looks at the sync.
const SYNC_POLL: Duration = Duration::from_millis(200);
/// How long peers have nothing to fetch before the node counts as synced: longer than the ten
/// seconds after which a sync with a peer that is ahead begins at the latest.
const IDLE_PERIOD: Duration = Duration::from_secs(15);
/// The age of the head up to which the node counts as synced, as in geth.
const MAX_HEAD_AGE: Duration = Duration::from_secs(600);

/// Runs the node.
pub fn run(config: &Config) -> eyre::Result<ExitCode> {
    if let Some(dev) = &config.dev {
        return run_dev(config, dev);
    }
    info!(version = version::NUMBER, datadir = %config.node.data_dir.display(), "starting actoreum");
    let datadir = DataDir::of(config);
    // Before anything is written: a geth that runs here keeps what it has.
    let _lock = datadir.lock()?;
    let store = open(config, &datadir)?;
    let keys = Keys::unlocked(config)?;
    let reader = ChainReader::open(store.clone())?;
    if config.is_mainnet_wanted && reader.genesis_hash() != MAINNET_GENESIS_HASH {
        bail!(
            "database contains incompatible genesis (have {}, new {MAINNET_GENESIS_HASH}); leave \
             out --mainnet, or choose another directory with --datadir",
            reader.genesis_hash()
        );
    }
    let head = reader.head();
    let sealing =
        config
            .eth
            .miner
            .sealing(reader.config(), (head.number, head.timestamp), &keys)?;
    let assembled = tree::assemble_connected(config, store, &datadir, &keys, &sealing)?;
    if config.http_ip().is_none() && config.admin_ip().is_none() {
        info!("no server is open; start with --http for JSON-RPC, with --admin for the admin page");
    }
    serve(assembled, config.exits_when_synced)
}

/// Runs the tree until a signal, or until the chain is synced where `exits_when_synced` asks for it.
fn serve(assembled: Assembled, exits_when_synced: bool) -> eyre::Result<ExitCode> {
    with_tree(assembled, async |assembled| {
        blobs::prepare(assembled.node.chain.config());
        match exits_when_synced {
            true => until_synced(assembled).await,
            false => std::future::pending::<()>().await,
        }
        Ok(())
    })
}

/// Waits until the node has the chain of its peers: a sync is over, or there was nothing to fetch
/// for [`IDLE_PERIOD`] from peers that are there, and the head is recent, as in geth.
async fn until_synced(assembled: &Assembled) {
    let first = assembled.reader.head().number;
    let (mut has_synced, mut idle) = (false, Duration::ZERO);
    loop {
        tokio::time::sleep(SYNC_POLL).await;
        let node = &assembled.node;
        let peers = node.network.get().map_or(0, |it| it.peers().len());
        let is_syncing = node.sync.get().is_some_and(|it| it.progress().is_some());
        if is_syncing || peers == 0 {
            has_synced |= is_syncing;
            idle = Duration::ZERO;
            continue;
        }
        idle += SYNC_POLL;
        let head = assembled.reader.head();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let age = now
            .unwrap_or_default()
            .as_secs()
            .saturating_sub(head.timestamp);
        let is_done = has_synced || head.number > first || idle >= IDLE_PERIOD;
        if is_done && age < MAX_HEAD_AGE.as_secs() {
            info!(number = head.number, hash = %head.hash(), age, "synchronisation completed");
            return;
        }
    }
}

/// Runs a development chain.
fn run_dev(config: &Config, dev: &DevConfig) -> eyre::Result<ExitCode> {
    let _lock = match dev.in_memory {
        true => None,
        false => Some(DataDir::of(config).lock()?),
    };
    let node = dev::open(config, dev)?;
    info!(
        version = version::NUMBER,
        in_memory = dev.in_memory,
        period = dev.period,
        "starting a development chain"
    );
    let datadir = node.datadir.as_ref();
    let assembled = tree::assemble_sealing(config, node.store, datadir, &node.keys, &node.sealing)?;
    serve(assembled, config.exits_when_synced)
}

/// The store with a chain in it: mainnet's, where there was none.
pub fn open(config: &Config, datadir: &DataDir) -> eyre::Result<Store> {
    let store = datadir.open_store(config)?;
    if store.head().is_none() {
        refuse_to_guess(&config.node.data_dir)?;
        info!("writing mainnet's genesis block");
        genesis::init(&store, &Genesis::mainnet())?;
    }
    Ok(store)
}

/// Where geth ran, its network is meant, and only its genesis says which one that is.
fn refuse_to_guess(data_dir: &Path) -> eyre::Result<()> {
    let of_geth = data_dir.join("geth").join("chaindata");
    if of_geth.exists() {
        bail!(
            "{} is a database of geth's, which actoreum does not read; give it the network's \
             genesis file with actoreum init, then its blocks (geth export, actoreum import) or \
             its peers; or choose another directory with --datadir",
            of_geth.display()
        );
    }
    Ok(())
}

/// Starts the tree, does `work`, and stops the tree in order: when the work is done, at a
/// signal, or because the tree gave up. The exit code tells whether all of it went well.
pub fn with_tree(
    assembled: Assembled,
    work: impl AsyncFnOnce(&Assembled) -> eyre::Result<()>,
) -> eyre::Result<ExitCode> {
    let signal = signals::listen()?;
    actix::System::new().block_on(async move {
        let tree = Tree::start(assembled.spec.clone())
            .await
            .map_err(|error| eyre!("{error}{}", way_out(&error.to_string())))?;
        let handle: TreeHandle = tree.handle().clone();
        // Set once: there is one tree.
        let _ = assembled.node.tree.set(handle.clone());
        let ended = tree.wait();
        tokio::pin!(ended);
        let mut failure = None;
        let outcome = tokio::select! {
            outcome = &mut ended => outcome,
            done = work(&assembled) => {
                failure = done.err();
                handle.stop();
                ended.await
            }
            _ = signal => {
                handle.stop();
                ended.await
            }
        };
        if let (Some(failure), false) = (&failure, outcome.is_clean()) {
            error!(%failure, "not done");
        }
        match failure {
            // What ended the tree is also what kept the work from its end.
            _ if !outcome.is_clean() => Err(eyre!("the node stopped: {outcome}")),
            Some(failure) => Err(failure),
            None => Ok(ExitCode::SUCCESS),
        }
    })
}

/// How to mend a start that failed, where its server could not listen.
fn way_out(error: &str) -> String {
    if error.starts_with("node/network/") && error.contains(": bind: ") {
        return "; choose another port with --port".to_owned();
    }
    if error.starts_with("node/rpc/ipc ") && error.contains("cannot listen at ") {
        return "; choose another path with --ipcpath, or start without with --ipcdisable"
            .to_owned();
    }
    if error.contains("transaction journal ") {
        return "; choose another file with --txpool.journal".to_owned();
    }
    let server = ["http", "ws", "admin"].into_iter().find(|server| {
        error.starts_with(&format!("node/rpc/{server} ")) && error.contains("listen tcp")
    });
    server.map_or_else(String::new, |server| {
        format!("; choose another address or port with --{server}.addr and --{server}.port")
    })
}
