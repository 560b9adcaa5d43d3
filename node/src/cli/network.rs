//! Command line of `network`.

use std::path::PathBuf;

use actoreum_primitives::Fork;
use clap::{Args, Subcommand, ValueEnum};

/// `network <what>`
#[derive(Debug, Args)]
pub struct NetworkArgs {
    /// Subcommand
    #[command(subcommand)]
    pub what: NetworkCommand,
}

/// The subcommands of `network`.
#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    /// Create the files of a private network: genesis, keys, data directories, start scripts
    ///
    /// Values that are not given are asked for at a terminal; without one, defaults are used.
    New(NewNetworkArgs),
}

/// `network new`
#[derive(Debug, Clone, Args)]
pub struct NewNetworkArgs {
    /// Folder of the network; it must be empty or not exist
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Consensus engine (default: clique)
    #[arg(long, value_name = "ENGINE")]
    pub engine: Option<SealingFlag>,
    /// Number of nodes that seal (default: 3)
    #[arg(long, alias = "miners", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub signers: Option<u16>,
    /// Number of pre-funded accounts (default: 10)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub accounts: Option<u32>,
    /// Newest fork, active from the genesis block (default: osaka)
    #[arg(long, alias = "fork", value_name = "FORK", value_parser = crate::config::node::parse_fork)]
    pub forks: Option<Fork>,
    /// Block period of clique, in seconds (default: 5)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub period: Option<u64>,
    /// Chain id (default: a random one)
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64))]
    pub chainid: Option<u64>,
    /// Listening port of the first node; each other node has the next one (default: 30303)
    #[arg(long = "first-port", value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=65_000))]
    pub first_port: Option<u16>,
    /// Do not ask: use defaults for values that are not given
    #[arg(long)]
    pub yes: bool,
}

/// `--engine`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SealingFlag {
    /// Proof of authority
    Clique,
    /// Proof of work
    Ethash,
}
