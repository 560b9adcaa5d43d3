//! Sealing: its flags, its section of the configuration, its place in the tree.

use std::{sync::Arc, time::Duration};

use actoreum_actors::{
    accounts::AccountsActor,
    chain::ChainActor,
    eth::EthPeers,
    miner::{MinerControl, MinerSettings, MinerSetup},
    sealer::{
        CliqueSetup, Notifier, NotifyUrl, PowSetup, SealGuard, SealerSetup, SealingMethod,
        SigningRecords,
    },
    supervision::{ActorRef, ChildSpec, Pool, Strategy, SupervisorSpec},
    txpool::TxPoolActor,
    worker::{Pace, WorkerSetup},
};
use actoreum_chain::ChainReader;
use actoreum_consensus::{Clique, Engine, Ethash, limits::MAX_EXTRA_DATA_BYTES};
use actoreum_primitives::{Address, Bytes, ChainConfig, Fork, config::EngineConfig};
use actoreum_rpc::{
    limits::{MAX_SEARCH_THREADS, MIN_RECOMMIT},
    sealing::SealingActors,
};
use actoreum_txpool::PoolReader;
use clap::Args;
use eyre::{bail, eyre};
use serde::{Deserialize, Serialize};

use crate::{duration, keys::Keys, passwords, version};

/// Restarts of sealing in [`MINER_PERIOD`] before the core is asked to begin again.
const MINER_RESTARTS: u32 = 10;
/// See [`MINER_RESTARTS`].
const MINER_PERIOD: Duration = Duration::from_secs(60);

/// Gas that blocks before London are kept at, as geth 1.8 does.
const GAS_BEFORE_LONDON: u64 = 8_000_000;
/// Gas that blocks from London on are kept at, as geth 1.13 does.
const GAS_FROM_LONDON: u64 = 30_000_000;

/// geth's `--mine` and `--miner.*`
#[derive(Debug, Default, Clone, Args)]
pub struct MinerFlags {
    /// Seal blocks
    #[arg(long, global = true, help_heading = "Sealing")]
    pub mine: bool,
    /// Threads that search for a proof of work (default: 0, none)
    #[arg(
        long = "miner.threads",
        alias = "minerthreads",
        global = true,
        value_name = "N",
        help_heading = "Sealing"
    )]
    pub miner_threads: Option<usize>,
    /// Least gas price, in wei, of a transaction that is not local (default: 1000000000)
    #[arg(
        long = "miner.gasprice",
        alias = "gasprice",
        global = true,
        value_name = "WEI",
        help_heading = "Sealing"
    )]
    pub miner_gasprice: Option<u64>,
    /// Gas limit below which blocks grow, before London (default: 8000000)
    #[arg(
        long = "miner.gastarget",
        alias = "targetgaslimit",
        global = true,
        value_name = "GAS",
        help_heading = "Sealing"
    )]
    pub miner_gastarget: Option<u64>,
    /// Gas limit above which blocks shrink (default: 8000000; 30000000 from London on)
    #[arg(
        long = "miner.gaslimit",
        global = true,
        value_name = "GAS",
        help_heading = "Sealing"
    )]
    pub miner_gaslimit: Option<u64>,
    /// Who seals, and gets the fees: an address, or a place in the list of accounts (default: 0)
    #[arg(
        long = "miner.etherbase",
        alias = "etherbase",
        global = true,
        value_name = "ADDRESS",
        help_heading = "Sealing"
    )]
    pub miner_etherbase: Option<String>,
    /// What the vanity of blocks says (default: name and version)
    #[arg(
        long = "miner.extradata",
        alias = "extradata",
        global = true,
        value_name = "TEXT",
        help_heading = "Sealing"
    )]
    pub miner_extradata: Option<String>,
    /// Time after which a search takes in newer transactions (default: 3s)
    #[arg(long = "miner.recommit", global = true, value_name = "TIME", value_parser = duration::parse, help_heading = "Sealing")]
    pub miner_recommit: Option<Duration>,
    /// Take the seals of remote miners without a look at them
    #[arg(long = "miner.noverify", global = true, help_heading = "Sealing")]
    pub miner_noverify: bool,
    /// Seal on a chain of several signers before a peer was met, whose blocks may be newer
    #[arg(long = "miner.nowait", global = true, help_heading = "Sealing")]
    pub miner_nowait: bool,
    /// Addresses that are told of new work, with commas between
    #[arg(
        long = "miner.notify",
        global = true,
        value_name = "URLS",
        value_delimiter = ',',
        help_heading = "Sealing"
    )]
    pub miner_notify: Option<Vec<String>>,
    /// Send these addresses the pending header in place of the work package
    #[arg(long = "miner.notify.full", global = true, help_heading = "Sealing")]
    pub miner_notify_full: bool,
}

/// `[Eth.Miner]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct MinerConfig {
    /// Who seals: an address, or a place in the list of accounts; empty: the first account.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub etherbase: String,
    /// Addresses that are told of new work.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<String>,
    /// Whether they are sent the pending header in place of the work package.
    pub notify_full: bool,
    /// What the vanity of blocks says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_data: Option<Bytes>,
    /// Gas limit below which blocks grow, before London.
    pub gas_floor: u64,
    /// Gas limit above which blocks shrink.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gas_ceil: Option<u64>,
    /// Least wei a gas of a transaction that is not local.
    pub gas_price: u64,
    /// Time, in nanoseconds, after which a search takes in newer transactions.
    pub recommit: u64,
    /// Take the seals of remote miners without a look at them.
    pub noverify: bool,
    /// Whether blocks are sealed from the start: of the command line alone, as in geth.
    #[serde(skip)]
    pub is_wanted: bool,
    /// Threads that search for a proof of work: of the command line alone.
    #[serde(skip)]
    pub threads: usize,
    /// Seal without meeting a peer first: of the command line alone, for it is for one start.
    #[serde(skip)]
    pub nowait: bool,
}

impl Default for MinerConfig {
    fn default() -> Self {
        Self {
            etherbase: String::new(),
            notify: Vec::new(),
            notify_full: false,
            extra_data: None,
            gas_floor: GAS_BEFORE_LONDON,
            gas_ceil: None,
            gas_price: actoreum_primitives::GWEI,
            recommit: 3_000_000_000,
            noverify: false,
            is_wanted: false,
            threads: 0,
            nowait: false,
        }
    }
}

impl MinerConfig {
    /// Lets the flags speak.
    pub fn apply(&mut self, flags: &MinerFlags) -> eyre::Result<()> {
        self.is_wanted |= flags.mine;
        self.noverify |= flags.miner_noverify;
        self.notify_full |= flags.miner_notify_full;
        self.nowait |= flags.miner_nowait;
        self.threads = flags.miner_threads.unwrap_or(self.threads);
        self.gas_price = flags.miner_gasprice.unwrap_or(self.gas_price);
        self.gas_floor = flags.miner_gastarget.unwrap_or(self.gas_floor);
        self.gas_ceil = flags.miner_gaslimit.or(self.gas_ceil);
        if let Some(etherbase) = &flags.miner_etherbase {
            self.etherbase.clone_from(etherbase);
        }
        if let Some(text) = &flags.miner_extradata {
            self.extra_data = Some(Bytes::copy_from_slice(text.as_bytes()));
        }
        if let Some(recommit) = flags.miner_recommit {
            self.recommit = u64::try_from(recommit.as_nanos()).unwrap_or(u64::MAX);
        }
        if let Some(urls) = &flags.miner_notify {
            self.notify.clone_from(urls);
        }
        self.notify_urls()?;
        if self.threads > MAX_SEARCH_THREADS {
            bail!("--miner.threads: at most {MAX_SEARCH_THREADS}");
        }
        match &self.extra_data {
            Some(extra) if extra.len() > MAX_EXTRA_DATA_BYTES => bail!(
                "--miner.extradata: {} bytes are too long, a block has room for {MAX_EXTRA_DATA_BYTES}",
                extra.len()
            ),
            _ => Ok(()),
        }
    }

    fn notify_urls(&self) -> eyre::Result<Vec<NotifyUrl>> {
        let read = |url: &String| {
            let url = url.trim().parse();
            url.map_err(|error: String| eyre!("--miner.notify: {error}"))
        };
        self.notify.iter().map(read).collect()
    }

    fn notifier(&self) -> eyre::Result<Notifier> {
        let notifier = Notifier::new(self.notify_urls()?, self.notify_full);
        notifier.map_err(|error| eyre!("--miner.notify: {error}"))
    }

    /// What is decided at the start, for a chain that goes on after a block with this number and
    /// time.
    ///
    /// # Errors
    /// Where blocks are to be sealed and nobody can.
    pub fn sealing(
        &self,
        chain: &ChainConfig,
        (number, timestamp): (u64, u64),
        keys: &Keys,
    ) -> eyre::Result<Sealing> {
        let is_london = chain.fork_at(number + 1, timestamp) >= Fork::London;
        let usual_ceiling = match is_london {
            true => GAS_FROM_LONDON,
            false => GAS_BEFORE_LONDON.max(self.gas_floor),
        };
        let settings = MinerSettings {
            etherbase: self.etherbase(chain, keys)?,
            extra_data: self.extra_data.clone().unwrap_or_else(usual_vanity),
            gas_floor: self.gas_floor,
            gas_ceiling: self.gas_ceil.unwrap_or(usual_ceiling),
            gas_price: self.gas_price,
            recommit: Duration::from_nanos(self.recommit).max(MIN_RECOMMIT),
        };
        Ok(Sealing {
            settings,
            is_wanted: self.is_wanted,
            scratch: None,
        })
    }

    fn etherbase(&self, chain: &ChainConfig, keys: &Keys) -> eyre::Result<Option<Address>> {
        let named = match self.etherbase.as_str() {
            "" => None,
            name => Some(
                passwords::resolve(&keys.directory, name)
                    .map_err(|error| eyre!("--miner.etherbase: {error}"))?
                    .0,
            ),
        };
        if !self.is_wanted {
            return Ok(named);
        }
        let must_sign = matches!(chain.engine(), EngineConfig::Clique(_));
        let accounts = keys.directory.list()?;
        match named.or_else(|| accounts.first().map(|account| account.address)) {
            None => bail!(
                "Failed to start mining: there is no account to seal with; make one with \
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
}

/// Who made the block: as many parts of name, version and platform as a header has room for.
pub fn usual_vanity() -> Bytes {
    let mut text = version::client();
    while text.len() > MAX_EXTRA_DATA_BYTES {
        let end = text.rfind('/').unwrap_or(0);
        text.truncate(end);
    }
    Bytes::from(text.into_bytes())
}

/// How this node seals.
#[derive(Debug, Clone)]
pub struct Sealing {
    /// What the operator decides.
    pub settings: MinerSettings,
    /// Whether blocks are sealed from the start.
    pub is_wanted: bool,
    /// Where the pool keeps its journal of a chain in memory: it comes back after a crash, and
    /// goes with the process.
    pub scratch: Option<std::path::PathBuf>,
}

impl Sealing {
    /// The actors that seal so; they are yet to be started.
    pub fn actors(&self, is_dev: bool) -> SealingActors {
        let control = MinerControl::new(self.settings.clone(), self.is_wanted);
        SealingActors::new(Arc::new(control), is_dev)
    }
}

/// The engine, as it seals.
pub enum Method {
    /// Signers in turn.
    Clique(Arc<Clique>),
    /// Proof of work.
    Ethash(Ethash),
}

/// What sealing needs of the rest.
pub struct MinerParts {
    /// Who prepares headers.
    pub engine: Arc<dyn Engine>,
    /// The same, as it seals.
    pub method: Method,
    /// What is pending.
    pub pending: PoolReader,
    /// Who keeps what is pending.
    pub txpool: ActorRef<TxPoolActor>,
    /// Who imports.
    pub chain: ActorRef<ChainActor>,
    /// Who signs.
    pub accounts: ActorRef<AccountsActor>,
    /// Whose blocks are ours beside the etherbase's.
    pub own: Vec<Address>,
    /// Who speaks with us.
    pub peers: EthPeers,
    /// Where it is on record what was signed; `None` on a development chain, which nobody shares.
    pub records: Option<SigningRecords>,
}

/// Puts sealing together.
///
/// ```text
/// miner               rest_for_one
/// |- seals            the thread that verifies what remote miners found, where they may
/// |- building         the threads that build blocks and write signed ones
/// |- worker           WorkerActor
/// |- sealer           SealerActor
/// `- control          MinerActor
/// ```
pub fn assemble(
    config: &MinerConfig,
    reader: &ChainReader,
    actors: &SealingActors,
    parts: MinerParts,
) -> eyre::Result<SupervisorSpec> {
    let pool = Pool::new("building", 2);
    let pace = match reader.config().engine() {
        EngineConfig::Clique(settings) if settings.period == 0 => Pace::OnDemand,
        EngineConfig::Clique(settings) => Pace::Period(settings.period),
        EngineConfig::Ethash => Pace::Search,
    };
    let (method, clique) = match parts.method {
        Method::Clique(clique) => {
            // MinerActor says so too, once it has seen that there is a key: what the user of a
            // development chain asks for does not wait for it.
            clique.set_signer(actors.control.settings().etherbase);
            let setup = CliqueSetup {
                clique: Arc::clone(&clique),
                accounts: parts.accounts.clone(),
                guard: Arc::new(SealGuard::open(reader.store().clone(), parts.records)?),
            };
            (SealingMethod::Clique(setup), Some(clique))
        }
        Method::Ethash(ethash) => {
            actors.control.set_threads(config.threads);
            let setup = PowSetup {
                ethash,
                control: Arc::clone(&actors.control),
                notify: config.notifier()?,
                is_trusting: config.noverify,
                verifying: Pool::new("seals", 1),
            };
            (SealingMethod::Ethash(setup), None)
        }
    };
    let period = match pace {
        // Without transactions no block is missing.
        Pace::Period(_) if reader.config().skips_empty_blocks => 0,
        Pace::Period(period) => period,
        Pace::OnDemand | Pace::Search => 0,
    };
    let worker = WorkerSetup {
        reader: reader.clone(),
        engine: parts.engine,
        pace,
        pool: pool.clone(),
        pending: parts.pending,
        chain: parts.chain,
        sealer: actors.sealer.clone(),
        control: Arc::clone(&actors.control),
        own: parts.own,
    };
    let sealer = SealerSetup {
        method,
        reader: reader.clone(),
        pool: pool.clone(),
        worker: actors.worker.clone(),
        control: Arc::clone(&actors.control),
    };
    let control = MinerSetup {
        control: Arc::clone(&actors.control),
        reader: reader.clone(),
        clique: clique.map(|clique| (clique, period)),
        accounts: parts.accounts,
        worker: actors.worker.clone(),
        sealer: actors.sealer.clone(),
        pool: Some(parts.txpool),
        peers: parts.peers,
    };
    let mut miner = SupervisorSpec::new("miner", Strategy::RestForOne);
    if let SealingMethod::Ethash(setup) = &sealer.method {
        miner = miner.child(setup.verifying.child());
    }
    let miner = miner
        .child(pool.child())
        .child(ChildSpec::new(&actors.worker, move || {
            worker.clone().start()
        }))
        .child(ChildSpec::new(&actors.sealer, move || {
            sealer.clone().start()
        }))
        .child(ChildSpec::new(&actors.miner, move || {
            control.clone().start()
        }))
        .intensity(MINER_RESTARTS, MINER_PERIOD);
    Ok(miner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_vanity_has_room_in_a_header() {
        let vanity = usual_vanity();
        assert!(vanity.len() <= MAX_EXTRA_DATA_BYTES, "{vanity}");
        assert!(vanity.starts_with(b"Actoreum/v"), "{vanity}");
    }

    #[test]
    fn text_without_room_crowds_of_threads_and_addresses_that_are_none_are_refused() {
        let refused = |flags: MinerFlags, part: &str| {
            let error = MinerConfig::default()
                .apply(&flags)
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{error}");
        };
        let long = MinerFlags {
            miner_extradata: Some("x".repeat(33)),
            ..MinerFlags::default()
        };
        refused(long, "--miner.extradata");
        let crowded = MinerFlags {
            miner_threads: Some(MAX_SEARCH_THREADS + 1),
            ..MinerFlags::default()
        };
        refused(crowded, "--miner.threads");
        let nowhere = MinerFlags {
            miner_notify: Some(vec!["miner:3333".into()]),
            ..MinerFlags::default()
        };
        refused(nowhere, "--miner.notify");
    }
}
