//! Runs the node until a signal, or until its tree gives up: the binary without a subcommand.

use std::{io, path::Path, process::ExitCode, thread, time::Duration};

use actoreum_actors::{net::transport::BindError, txpool::JournalError};
use actoreum_chain::{ChainReader, genesis};
use actoreum_primitives::{Genesis, genesis::MAINNET_GENESIS_HASH};
use actoreum_rpc::server::http;
use actoreum_rpc::server::ipc;
use actoreum_storage::Store;
use actoreum_supervision::{Exit, StartError, TreeHandle, TreeOptions};
use eyre::{WrapErr as _, bail, eyre};
use tokio::sync::oneshot;
use tracing::{debug, error, info};

use crate::{
    blobs,
    config::{Config, DevConfig},
    datadir::DataDir,
    dev, dev_state, signals,
    tree::{self, Assembled, NodeParts, Role, keys::Keys, miner::Sealing},
    version,
};

/// Interval at which `--exitwhensynced` polls the synchronisation.
const SYNC_POLL: Duration = Duration::from_millis(200);
/// Time without a sync after which a node with peers counts as synced. It is longer than the ten
/// seconds within which a sync with a peer that is ahead begins.
const IDLE_PERIOD: Duration = Duration::from_secs(15);
/// Largest age of the head at which the node counts as synced, as in geth.
const MAX_HEAD_AGE: Duration = Duration::from_secs(600);

/// Work beside a node: it begins when the node has started, and its end stops the node.
pub struct Beside {
    /// Runs on a thread of its own, and tells whether the process exits with success.
    pub work: Box<dyn FnOnce() -> eyre::Result<bool> + Send>,
    /// Whether the work uses SIGINT, so that only SIGTERM stops the node.
    pub takes_interrupts: bool,
}

/// Runs the node, and the work beside it.
pub fn run(config: &Config, beside: Option<Beside>) -> eyre::Result<ExitCode> {
    if let Some(dev) = &config.dev {
        return run_dev(config, dev, beside);
    }
    info!(version = version::NUMBER, datadir = %config.node.data_dir.display(), "starting actoreum");
    let datadir = DataDir::of(config);
    // The lock precedes every write, so that a geth that runs here is not disturbed.
    let _lock = datadir.lock()?;
    let store = open(config, &datadir)?;
    let keys = Keys::unlocked(config)?;
    let reader = ChainReader::open(store.clone())?;
    if config.requires_mainnet && reader.genesis_hash() != MAINNET_GENESIS_HASH {
        bail!(
            "database contains incompatible genesis (have {}, new {MAINNET_GENESIS_HASH}); leave \
             out --mainnet, or choose another directory with --datadir",
            reader.genesis_hash()
        );
    }
    let head = reader.head();
    let sealing = Sealing::at_start(
        &config.eth.miner,
        reader.config(),
        (head.number, head.timestamp),
        &keys,
    )?;
    let assembled = tree::assemble(NodeParts {
        config,
        store,
        datadir: Some(&datadir),
        keys: &keys,
        role: Role::Network(&sealing),
        fork: None,
    })?;
    if config.http_ip().is_none() && config.admin_ip().is_none() {
        info!("no server is enabled; use --http for JSON-RPC, --admin for the admin page");
    }
    serve(assembled, config.exits_when_synced, beside)
}

/// Runs the tree until a signal, with `exits_when_synced` until the chain is synced, or until the work
/// beside it ends.
fn serve(
    assembled: Assembled,
    exits_when_synced: bool,
    beside: Option<Beside>,
) -> eyre::Result<ExitCode> {
    if let Some(beside) = beside {
        return serve_beside(assembled, beside);
    }
    with_tree(assembled, async |assembled| {
        blobs::prepare(assembled.node.chain_reader.config());
        if exits_when_synced {
            until_synced(assembled).await;
        } else {
            std::future::pending::<()>().await;
        }
        Ok(())
    })
}

/// Runs the tree until a signal, or until the work beside it ends.
fn serve_beside(assembled: Assembled, beside: Beside) -> eyre::Result<ExitCode> {
    let signal = if beside.takes_interrupts {
        signals::listen_for_termination()?
    } else {
        signals::listen()?
    };
    let mut is_success = true;
    let code = with_tree_until(assembled, signal, async |assembled| {
        blobs::prepare(assembled.node.chain_reader.config());
        let (done, ended) = oneshot::channel();
        thread::Builder::new()
            .name("console-input".into())
            .spawn(move || {
                // The receiver is gone if a signal has stopped the node.
                let _ = done.send((beside.work)());
            })?;
        is_success = ended.await.wrap_err("the console has panicked")??;
        Ok(())
    })?;
    Ok(if is_success { code } else { ExitCode::FAILURE })
}

/// Waits until the node has the chain of its peers: a sync has ended, or the connected peers had
/// nothing to fetch for [`IDLE_PERIOD`], and the head is recent, as in geth.
async fn until_synced(assembled: &Assembled) {
    let first = assembled.reader.head().number;
    let (mut has_synced, mut idle) = (false, Duration::ZERO);
    loop {
        tokio::time::sleep(SYNC_POLL).await;
        let node = &assembled.node;
        let peers = node.network.as_ref().map_or(0, |it| it.peers().len());
        let is_syncing = node.sync.as_ref().is_some_and(|it| it.progress().is_some());
        if is_syncing || peers == 0 {
            has_synced |= is_syncing;
            idle = Duration::ZERO;
            continue;
        }
        idle += SYNC_POLL;
        let head = assembled.reader.head();
        let age = node.clock.unix_seconds().saturating_sub(head.timestamp);
        let is_done = has_synced || head.number > first || idle >= IDLE_PERIOD;
        if is_done && age < MAX_HEAD_AGE.as_secs() {
            info!(number = head.number, hash = %head.hash(), age, "synchronisation completed");
            return;
        }
    }
}

/// Runs a development chain.
fn run_dev(config: &Config, dev: &DevConfig, beside: Option<Beside>) -> eyre::Result<ExitCode> {
    let _lock = if dev.in_memory {
        None
    } else {
        Some(DataDir::of(config).lock()?)
    };
    let node = dev::open(config, dev)?;
    info!(
        version = version::NUMBER,
        in_memory = dev.in_memory,
        period = dev.period,
        "starting a development chain"
    );
    let assembled = tree::assemble(NodeParts {
        config,
        store: node.store,
        datadir: node.datadir.as_ref(),
        keys: &node.keys,
        role: Role::Development(&node.sealing),
        fork: node.fork.clone(),
    })?;
    let reader = assembled.reader.clone();
    let code = serve(assembled, config.exits_when_synced, beside)?;
    if let Some(path) = &dev.dump_state {
        dev_state::save(path, &reader)?;
    }
    Ok(code)
}

/// Opens the store with its chain. An empty store gets mainnet's genesis block.
pub fn open(config: &Config, datadir: &DataDir) -> eyre::Result<Store> {
    let store = datadir.open_store(config)?;
    if store.head().is_none() {
        refuse_geth_database(&config.node.data_dir)?;
        info!("writing mainnet's genesis block");
        genesis::init(&store, &Genesis::mainnet())?;
    }
    Ok(store)
}

/// Refuses a data directory with a database of geth: its network is the one that is meant, and only
/// its genesis file tells which one that is.
fn refuse_geth_database(data_dir: &Path) -> eyre::Result<()> {
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

/// Starts the threads of rayon's global pool, one for each core, under names that tools such as top
/// show.
fn name_compute_threads() {
    let named = rayon::ThreadPoolBuilder::new().thread_name(|index| format!("compute-{index}"));
    if let Err(error) = named.build_global() {
        debug!(%error, "the compute threads have no names");
    }
}

/// Starts the tree, runs `work`, and stops the tree in order: when the work is done, at a signal,
/// or because the tree gave up.
///
/// # Errors
/// Fails if the tree can't start or gives up, or if the work fails.
pub fn with_tree(
    assembled: Assembled,
    work: impl AsyncFnOnce(&Assembled) -> eyre::Result<()>,
) -> eyre::Result<ExitCode> {
    with_tree_until(assembled, signals::listen()?, work)
}

/// As [`with_tree`], with the signal that stops the tree.
fn with_tree_until(
    assembled: Assembled,
    signal: oneshot::Receiver<&'static str>,
    work: impl AsyncFnOnce(&Assembled) -> eyre::Result<()>,
) -> eyre::Result<ExitCode> {
    name_compute_threads();
    actoreum_supervision::block_on(async move {
        let mut options = TreeOptions::default().incidents(assembled.incidents.clone());
        if let Some(stuck_after) = assembled.stuck_after {
            options = options.probe(stuck_after / 4, stuck_after);
        }
        let tree = options
            .start(assembled.spec.clone())
            .await
            .map_err(|error| eyre!("{error}{}", start_hint(&error)))?;
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
            // The failure that ended the tree is also the cause of the unfinished work.
            _ if !outcome.is_clean() => Err(eyre!("the node stopped: {outcome}")),
            Some(failure) => Err(failure),
            None => Ok(ExitCode::SUCCESS),
        }
    })
}

/// Returns a hint for a start that failed, such as a server that could not listen; may be empty.
fn start_hint(error: &StartError) -> String {
    let StartError::Failed {
        path,
        exit: Exit::StartFailed(cause),
    } = error
    else {
        return String::new();
    };
    let io_cause = cause.downcast_ref::<io::Error>();
    if io_cause.is_some_and(|error| error.get_ref().is_some_and(|inner| inner.is::<BindError>())) {
        return "; choose another port with --port".to_owned();
    }
    if cause.is::<ipc::ListenError>() {
        return "; choose another path with --ipcpath, or start without with --ipcdisable"
            .to_owned();
    }
    if cause.is::<JournalError>() {
        return "; choose another file with --txpool.journal".to_owned();
    }
    match (
        cause.downcast_ref::<http::ListenError>(),
        path.strip_prefix("node/rpc/"),
    ) {
        (Some(http::ListenError::Bind { .. }), Some(server)) => {
            format!("; choose another address or port with --{server}.addr and --{server}.port")
        }
        _ => String::new(),
    }
}
