//! Subtree of sealing.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc, thread, time::Duration};

use actoreum_actors::{
    accounts::AccountsActor,
    chain::ChainActor,
    clock::ChainClock,
    dev::DevSetup,
    eth::EthPeers,
    sealing::{
        control::{DevSettings, MinerControl, MinerSettings, MinerSetup},
        sealer::{
            CliqueSetup, Notifier, NotifyUrl, PowSetup, SealGuard, SealerSetup, SealingMethod,
            SearchThreads, SigningRecords, UnsealedSetup,
        },
        worker::{Pace, WorkerSetup},
    },
    txpool::TxPoolActor,
};
use actoreum_chain::ChainReader;
use actoreum_consensus::{Clique, Engine, Ethash};
use actoreum_primitives::{Address, ChainConfig, Fork, config::EngineConfig};
use actoreum_rpc::{
    namespaces::{
        dev::DevIdentity,
        sealing::{DevHandle, SealingActors},
    },
    server::limits::MIN_RECOMMIT,
};
use actoreum_supervision::{ActorRef, ChildSpec, Pool, Strategy, SupervisorSpec, WhenStuck};
use actoreum_txpool::PoolReader;
use eyre::{bail, eyre};

use super::keys::Keys;
use crate::{
    config::miner::{GAS_BEFORE_LONDON, GAS_FROM_LONDON, MinerConfig, default_extra_data},
    datadir::DataDir,
    passwords,
};

/// Restarts of the miner subtree in [`MINER_PERIOD`] after which the core restarts.
const MINER_RESTARTS: u32 = 10;
/// Period of [`MINER_RESTARTS`].
const MINER_PERIOD: Duration = Duration::from_secs(60);

/// Sealing settings of this node.
#[derive(Debug, Clone)]
pub struct Sealing {
    /// Settings that the operator chooses.
    pub settings: MinerSettings,
    /// Whether blocks are sealed from the start.
    pub is_enabled: bool,
    /// Seconds between the blocks of a development chain that has no period of its own; zero: a
    /// block is sealed when there are transactions.
    pub dev_period: u64,
    /// Folder of the pool's journal for a chain in memory. The pool is restored from it after a
    /// crash of the actor; the folder is removed with the process.
    pub scratch: Option<PathBuf>,
}

impl Sealing {
    /// Returns the settings of sealing at the start, for a chain whose head has this number and
    /// timestamp.
    ///
    /// # Errors
    /// Fails if blocks are to be sealed and there is no account that can seal.
    pub fn at_start(
        config: &MinerConfig,
        chain: &ChainConfig,
        (number, timestamp): (u64, u64),
        keys: &Keys,
    ) -> eyre::Result<Self> {
        let is_london = chain.fork_at(number + 1, timestamp) >= Fork::London;
        let default_ceiling = if is_london {
            GAS_FROM_LONDON
        } else {
            GAS_BEFORE_LONDON.max(config.gas_floor)
        };
        let settings = MinerSettings {
            etherbase: etherbase(config, chain, keys)?,
            extra_data: config.extra_data.clone().unwrap_or_else(default_extra_data),
            gas_floor: config.gas_floor,
            gas_ceiling: config.gas_ceil.unwrap_or(default_ceiling),
            gas_price: config.gas_price,
            recommit: Duration::from_nanos(config.recommit).max(MIN_RECOMMIT),
            dev: DevSettings::default(),
        };
        Ok(Self {
            settings,
            is_enabled: config.is_enabled,
            dev_period: 0,
            scratch: None,
        })
    }

    /// Returns the references of the sealing actors, which are not started yet.
    /// `dev` is the node that a development chain answers as.
    pub fn actors(&self, clock: ChainClock, dev: Option<DevIdentity>) -> SealingActors {
        let control = MinerControl::new(self.settings.clone(), self.is_enabled);
        SealingActors::new(Arc::new(control), clock, dev.map(DevHandle::new))
    }
}

/// Returns the account that seals, if there is one.
fn etherbase(
    config: &MinerConfig,
    chain: &ChainConfig,
    keys: &Keys,
) -> eyre::Result<Option<Address>> {
    let named = match config.etherbase.as_str() {
        "" => None,
        name => Some(
            passwords::resolve(&keys.directory, name)
                .map_err(|error| eyre!("--miner.etherbase: {error}"))?
                .0,
        ),
    };
    if !config.is_enabled {
        return Ok(named);
    }
    let must_sign = matches!(chain.engine(), EngineConfig::Clique(_));
    let accounts = keys.directory.list()?;
    match named.or_else(|| accounts.first().map(|account| account.address)) {
        None => bail!(
            "Failed to start mining: there is no account to seal with; create one with \
             actoreum account new, or name one with --miner.etherbase"
        ),
        Some(address)
            if must_sign && !accounts.iter().any(|account| account.address == address) =>
        {
            bail!("Failed to start mining: signer missing: there is no key file of {address}")
        }
        found => Ok(found),
    }
}

/// Returns the URLs that are notified of new work.
///
/// # Errors
/// Fails if one of them is not valid.
pub fn notify_urls(config: &MinerConfig) -> eyre::Result<Vec<NotifyUrl>> {
    let read = |url: &String| {
        let url = url.trim().parse();
        url.map_err(|error: String| eyre!("--miner.notify: {error}"))
    };
    config.notify.iter().map(read).collect()
}

fn notifier(config: &MinerConfig) -> eyre::Result<Notifier> {
    let notifier = Notifier::new(notify_urls(config)?, config.notify_full);
    notifier.map_err(|error| eyre!("--miner.notify: {error}"))
}

/// Consensus engine as the sealer uses it.
pub enum SealingEngine {
    /// Clique: proof of authority.
    Clique(Arc<Clique>),
    /// Proof of work.
    Ethash(Ethash),
    /// Blocks without a seal, on a development chain.
    Unsealed {
        /// Seconds between blocks; zero: a block is built when there are transactions.
        period: u64,
    },
}

impl SealingEngine {
    /// Returns the engine that seals the blocks of a chain. A chain of ethash after the merge
    /// (`is_merged`) has none: its blocks are decided by the beacon chain. A development chain, whose
    /// period is given, has the engine without seals.
    pub fn of(
        clique: Option<&Arc<Clique>>,
        ethash: Option<&Ethash>,
        is_merged: bool,
        dev_period: Option<u64>,
    ) -> Option<Self> {
        match (clique, ethash) {
            (Some(clique), _) => Some(Self::Clique(Arc::clone(clique))),
            (None, Some(ethash)) => match dev_period {
                Some(period) => Some(Self::Unsealed { period }),
                None => (!is_merged).then(|| Self::Ethash(ethash.clone())),
            },
            (None, None) => None,
        }
    }
}

impl SealingEngine {
    /// Returns the seconds between blocks; zero if a block is built when there are transactions.
    /// `None` for proof of work.
    pub fn period(&self, reader: &ChainReader) -> Option<u64> {
        match (self, reader.config().engine()) {
            (Self::Unsealed { period }, _) => Some(*period),
            (_, EngineConfig::Clique(settings)) => Some(settings.period),
            (_, EngineConfig::Ethash) => None,
        }
    }
}

/// Parts of the node that sealing depends on.
pub struct MinerParts {
    /// Engine that prepares headers.
    pub engine: Arc<dyn Engine>,
    /// The same engine, as the sealer uses it.
    pub method: SealingEngine,
    /// The chain's clock.
    pub clock: ChainClock,
    /// Read access to the pending transactions.
    pub pending: PoolReader,
    /// TxPoolActor.
    pub txpool: ActorRef<TxPoolActor>,
    /// ChainActor, which imports sealed blocks.
    pub chain: ActorRef<ChainActor>,
    /// AccountsActor, which signs.
    pub accounts: ActorRef<AccountsActor>,
    /// Addresses besides the etherbase whose blocks count as this node's own.
    pub own: Vec<Address>,
    /// The eth peers.
    pub peers: EthPeers,
    /// Record files of the blocks that were signed; `None` on a development chain, which no other
    /// node shares.
    pub records: Option<SigningRecords>,
}

/// Returns the record files of the blocks that the keys of this node have signed.
pub fn signing_records(datadir: &DataDir, keys: &Keys, reader: &ChainReader) -> SigningRecords {
    let keystore = keys.directory.folder().to_owned();
    let instance = datadir.instance().to_owned();
    SigningRecords::new(reader.genesis_hash(), instance, keystore)
}

/// Returns the number of threads that can search for seals: one for each core, which `miner_start` can
/// ask for, or more where the operator wants more.
fn search_threads(config: &MinerConfig) -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    config.threads.max(cores)
}

/// Assembles the subtree of sealing.
///
/// ```text
/// miner               rest_for_one
/// |- seals            thread that verifies the seals of remote miners; with ethash
/// |- search           threads that search for seals; with ethash
/// |- building         threads that build blocks and write signed ones
/// |- worker           WorkerActor
/// |- sealer           SealerActor
/// |- control          MinerActor
/// `- development      DevActor, on a development chain
/// ```
pub fn assemble(
    config: &MinerConfig,
    reader: &ChainReader,
    actors: &SealingActors,
    parts: MinerParts,
) -> eyre::Result<SupervisorSpec> {
    let threads = Pool::new("building", 2);
    let pace = match parts.method.period(reader) {
        Some(0) => Pace::OnDemand,
        Some(period) => Pace::Period(period),
        None => Pace::Search,
    };
    let (method, clique) = match parts.method {
        SealingEngine::Clique(clique) => {
            // MinerActor sets the signer too, once it has seen that there is a key. Setting it here
            // spares the requests to a development chain from waiting for that.
            clique.set_signer(actors.control.settings().etherbase);
            let setup = CliqueSetup {
                clique: Arc::clone(&clique),
                accounts: parts.accounts.clone(),
                guard: Arc::new(SealGuard::open(reader.store().clone(), parts.records)?),
            };
            (SealingMethod::Clique(setup), Some(clique))
        }
        SealingEngine::Ethash(ethash) => {
            actors.control.set_threads(config.threads);
            let setup = PowSetup {
                ethash,
                control: Arc::clone(&actors.control),
                search: SearchThreads::new(search_threads(config)),
                notify: notifier(config)?,
                no_verify: config.noverify,
                verify_threads: Pool::new("seals", 1),
            };
            (SealingMethod::Ethash(setup), None)
        }
        SealingEngine::Unsealed { period } => {
            let waits_for_time = period > 0;
            let setup = UnsealedSetup { waits_for_time };
            (SealingMethod::Unsealed(setup), None)
        }
    };
    let period = match pace {
        // A signer that waits for transactions is not late without them.
        Pace::Period(_) if reader.config().skips_empty_blocks => 0,
        Pace::Period(period) => period,
        Pace::OnDemand | Pace::Search => 0,
    };
    let worker = WorkerSetup {
        chain_reader: reader.clone(),
        clock: parts.clock.clone(),
        engine: parts.engine,
        pace,
        threads: threads.clone(),
        txpool: parts.pending,
        chain_actor: parts.chain,
        sealer: actors.sealer.clone(),
        control: Arc::clone(&actors.control),
        own: parts.own,
    };
    let sealer = SealerSetup {
        method,
        chain_reader: reader.clone(),
        clock: parts.clock.clone(),
        threads: threads.clone(),
        worker: actors.worker.clone(),
        control: Arc::clone(&actors.control),
    };
    let dev = actors.dev.as_ref().map(|dev| {
        let setup = DevSetup {
            control: Arc::clone(&dev.control),
            chain_reader: reader.clone(),
            clock: parts.clock.clone(),
            worker: actors.worker.clone(),
            miner: actors.miner.clone(),
            txpool_actor: parts.txpool.clone(),
        };
        ChildSpec::new(&dev.actor, move || setup.clone().start())
    });
    let control = MinerSetup {
        control: Arc::clone(&actors.control),
        chain_reader: reader.clone(),
        clock: parts.clock,
        clique: clique.map(|clique| (clique, period)),
        accounts: parts.accounts,
        worker: actors.worker.clone(),
        sealer: actors.sealer.clone(),
        txpool_actor: Some(parts.txpool),
        peers: parts.peers,
    };
    let mut miner = SupervisorSpec::new("miner", Strategy::RestForOne);
    if let SealingMethod::Ethash(setup) = &sealer.method {
        miner = miner
            .child(setup.verify_threads.child())
            .child(setup.search.child());
    }
    let building = ChildSpec::new(&actors.worker, move || worker.clone().start());
    let sealing = ChildSpec::new(&actors.sealer, move || sealer.clone().start());
    let controlling = ChildSpec::new(&actors.miner, move || control.clone().start());
    let mut miner = miner
        .child(threads.child())
        .child(building.when_stuck(WhenStuck::Replace))
        .child(sealing.when_stuck(WhenStuck::Replace))
        .child(controlling.when_stuck(WhenStuck::Replace))
        .intensity(MINER_RESTARTS, MINER_PERIOD);
    if let Some(dev) = dev {
        miner = miner.child(dev);
    }
    Ok(miner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_notify_url_is_refused() {
        let config = MinerConfig {
            notify: vec!["miner:3333".into()],
            ..MinerConfig::default()
        };
        let error = notify_urls(&config).unwrap_err().to_string();
        assert!(error.contains("--miner.notify"), "{error}");
    }
}
