//! All flags of the node, with geth's names and categories, and those that belong to no component.

use std::{net::SocketAddr, path::PathBuf};

use actoreum_primitives::{B256, DevConsensus, Fork};
use actoreum_rpc::namespaces::dev::DevIdentity;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::{
    accounts::AccountFlags,
    admin::AdminFlags,
    console::ConsoleFlags,
    ethash::EthashConfig,
    fork::ForkFlags,
    given::Given,
    logging::LogFlags,
    miner::MinerConfig,
    network::{P2pConfig, parse_dns_server},
    rpc::{RpcFlags, ServerFlags},
    telemetry::TelemetryConfig,
    txpool::TxPoolConfig,
};

/// Every flag of the node. A flag that is not given is `None`, so that the value of `--config` is
/// used.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Node")]
pub struct NodeFlags {
    /// TOML configuration file; flags override it
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data directory for the databases and keystore (default: ~/.ethereum)
    #[arg(long, global = true, value_name = "DIR")]
    pub datadir: Option<PathBuf>,
    /// Root directory for ancient data: a path, or a name inside the datadir (default: inside
    /// chaindata)
    #[arg(long = "datadir.ancient", global = true, value_name = "DIR")]
    pub datadir_ancient: Option<PathBuf>,
    /// Ethereum mainnet: refuse the data directory of another network
    #[arg(long, global = true, conflicts_with = "dev")]
    pub mainnet: bool,
    /// Explicitly set network id (default: the chain id of the genesis; 1 for mainnet)
    #[arg(long, global = true, value_name = "N")]
    pub networkid: Option<u64>,
    /// Custom node name, added to the client version
    #[arg(long, global = true, value_name = "NAME")]
    pub identity: Option<String>,
    /// Development chain (chain id 1337) with ten pre-funded accounts, mining enabled; in memory
    /// unless --datadir is given
    #[arg(long, global = true)]
    pub dev: bool,
    /// Block period to use in developer mode, in seconds; 0: mine only if transaction pending
    /// (default: 0)
    #[arg(
        long = "dev.period",
        global = true,
        value_name = "SECONDS",
        requires = "dev"
    )]
    pub dev_period: Option<u64>,
    /// Block gas limit of the development chain (default: 30000000)
    #[arg(long = "dev.gaslimit", global = true, value_name = "GAS", requires = "dev", value_parser = clap::value_parser!(u64).range(5_000..=i64::MAX as u64))]
    pub dev_gaslimit: Option<u64>,
    /// Consensus of the development chain (default: merged; clique for forks before paris)
    #[arg(
        long = "dev.consensus",
        global = true,
        value_name = "CONSENSUS",
        requires = "dev"
    )]
    pub dev_consensus: Option<DevConsensusFlag>,
    /// Chain id of a new development chain (default: 1337)
    #[arg(long = "dev.chainid", alias = "chain-id", global = true, value_name = "ID", requires = "dev", value_parser = clap::value_parser!(u64).range(1..=MAX_CHAIN_ID))]
    pub dev_chainid: Option<u64>,
    /// Number of pre-funded accounts of the mnemonic "test test ... junk" (default: 10; 0 with
    /// clique)
    #[arg(long = "dev.accounts", global = true, value_name = "N", requires = "dev", value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub dev_accounts: Option<u32>,
    /// Newest fork of the development chain, active from the genesis block (default: osaka)
    #[arg(long = "dev.fork", global = true, value_name = "FORK", requires = "dev", value_parser = parse_fork)]
    pub dev_fork: Option<Fork>,
    /// Node whose development methods are answered, with its units and results, and by whose name
    /// tools know this one (default: anvil)
    #[arg(long = "dev.as", global = true, value_name = "NODE", requires = "dev")]
    pub dev_as: Option<DevAsFlag>,
    /// File with accounts of a new development chain, as --dump-state or anvil wrote it
    #[arg(long, global = true, value_name = "FILE", requires = "dev")]
    pub load_state: Option<PathBuf>,
    /// File that the state of the development chain is written to when the node stops
    #[arg(long, global = true, value_name = "FILE", requires = "dev")]
    pub dump_state: Option<PathBuf>,
    /// File for both --load-state, if it exists, and --dump-state
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        requires = "dev",
        conflicts_with_all = ["load_state", "dump_state"]
    )]
    pub state: Option<PathBuf>,
    /// Flags of a fork.
    #[command(flatten)]
    pub fork: ForkFlags,
    /// Allow core dumps, which contain unlocked keys, and let debuggers attach
    #[arg(long, global = true)]
    pub allow_core_dumps: bool,
    /// Backing database implementation of a new data directory (default: sled)
    #[arg(long = "db.engine", global = true, value_name = "ENGINE")]
    pub db_engine: Option<EngineFlag>,
    /// Blockchain garbage collection mode: keep recent states or all of them (default: full)
    #[arg(long, global = true, value_name = "MODE")]
    pub gcmode: Option<GcModeFlag>,
    /// Blockchain sync mode: execute every block, or begin with a recent state of the peers
    /// (default: full)
    #[arg(long, global = true, value_name = "MODE")]
    pub syncmode: Option<SyncModeFlag>,
    /// Exit after block synchronisation completes
    #[arg(long, global = true)]
    pub exitwhensynced: bool,
    /// Megabytes of memory allocated to the database's cache (default: 256, less on a small
    /// machine; with --dev 8, or 1 without --datadir)
    #[arg(long, global = true, value_name = "MB")]
    pub cache: Option<u64>,

    /// Hashes that the blocks with these numbers must have.
    #[arg(help = "Comma separated block number-to-hash mappings to enforce (<number>=<hash>)")]
    #[arg(long, alias = "eth.requiredblocks", global = true, value_name = "NUMBER=HASH,...", value_delimiter = ',', value_parser = parse_required)]
    pub whitelist: Option<Vec<(u64, B256)>>,

    /// Comma separated enrtree:// URLs of trees of nodes in DNS; "": none (default: mainnet's, on
    /// mainnet)
    #[arg(
        long = "discovery.dns",
        global = true,
        value_name = "URLS",
        value_delimiter = ',',
        help_heading = "Networking"
    )]
    pub discovery_dns: Option<Vec<String>>,
    /// Comma separated DNS servers for these trees, each IP or IP:PORT (default: those of the system)
    #[arg(
        long = "discovery.dns.server",
        global = true,
        value_name = "SERVERS",
        value_delimiter = ',',
        value_parser = parse_dns_server,
        help_heading = "Networking"
    )]
    pub discovery_dns_server: Option<Vec<SocketAddr>>,

    /// Flags of accounts.
    #[command(flatten)]
    pub accounts: AccountFlags,

    /// Flags of logging.
    #[command(flatten)]
    pub logging: LogFlags,

    /// Flags of the JSON-RPC servers.
    #[command(flatten)]
    pub servers: ServerFlags,

    /// Limits of JSON-RPC.
    #[command(flatten)]
    pub rpc: RpcFlags,

    /// Flags of traces.
    #[command(flatten)]
    pub telemetry: Given<TelemetryConfig>,

    /// Flags of the admin page.
    #[command(flatten)]
    pub admin: AdminFlags,

    /// Flags of the JavaScript console.
    #[command(flatten)]
    pub console: ConsoleFlags,

    /// Flags of the transaction pool.
    #[command(flatten)]
    pub txpool: Given<TxPoolConfig>,

    /// Flags of sealing.
    #[command(flatten)]
    pub miner: Given<MinerConfig>,

    /// Flags of ethash.
    #[command(flatten)]
    pub ethash: Given<EthashConfig>,

    /// Flags of the network.
    #[command(flatten)]
    pub network: Given<P2pConfig>,
}

/// Largest chain id that the recovery id of a legacy signature leaves room for (EIP-155).
const MAX_CHAIN_ID: u64 = (u64::MAX - 36) / 2;

/// `--dev.consensus`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DevConsensusFlag {
    /// As after the merge, without a beacon chain
    Merged,
    /// Proof of authority with one signer
    Clique,
    /// Proof of work by its rules, without the work
    Ethash,
}

impl DevConsensusFlag {
    /// Returns the consensus that is meant.
    pub fn consensus(self) -> DevConsensus {
        match self {
            Self::Merged => DevConsensus::Merged,
            Self::Clique => DevConsensus::Clique,
            Self::Ethash => DevConsensus::Ethash,
        }
    }
}

/// `--db.engine`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineFlag {
    /// The default
    Sled,
    /// A single file, smaller on disk
    Redb,
}

/// `--syncmode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncModeFlag {
    /// Execute every block.
    #[default]
    Full,
    /// Fetch blocks, receipts and the state of a recent block; continue as with full.
    #[value(alias = "snap")]
    #[serde(alias = "snap")]
    Fast,
}

/// `--gcmode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GcModeFlag {
    /// Keep the states of recent blocks
    Full,
    /// Keep the states of all blocks
    Archive,
}

/// Parses one entry of `--whitelist`.
fn parse_required(entry: &str) -> Result<(u64, B256), String> {
    let (number, hash) = entry
        .trim()
        .split_once('=')
        .ok_or("it takes NUMBER=HASH entries, with commas between")?;
    let number = number
        .parse()
        .map_err(|_| format!("{number:?} is not a block number"))?;
    let hash = hash
        .parse()
        .map_err(|_| format!("{hash:?} is not a block hash of 32 bytes in hex"))?;
    Ok((number, hash))
}

/// Value of `--dev.as`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DevAsFlag {
    /// Foundry's anvil.
    Anvil,
    /// Hardhat Network.
    Hardhat,
    /// This node itself, as a geth with development methods.
    Geth,
}

impl From<DevAsFlag> for DevIdentity {
    fn from(flag: DevAsFlag) -> Self {
        match flag {
            DevAsFlag::Anvil => Self::Anvil,
            DevAsFlag::Hardhat => Self::Hardhat,
            DevAsFlag::Geth => Self::Geth,
        }
    }
}

/// Parses the value of `--dev.fork`.
pub fn parse_fork(name: &str) -> Result<Fork, String> {
    let fork = name.parse::<Fork>().map_err(|_| {
        let names: Vec<&str> = Fork::ALL.iter().map(|fork| fork.name()).collect();
        format!(
            "{name:?} is not a fork; it takes one of {}",
            names.join(", ")
        )
    })?;
    if fork > Fork::Osaka {
        return Err("forks after osaka change blob parameters only".to_owned());
    }
    Ok(fork)
}
