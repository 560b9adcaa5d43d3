//! `network`: a network of one's own.

use std::path::PathBuf;

use actoreum_primitives::Fork;
use clap::{Args, Subcommand, ValueEnum};

/// `network <what>`
#[derive(Debug, Args)]
pub struct NetworkArgs {
    /// What to do
    #[command(subcommand)]
    pub what: NetworkCommand,
}

/// What `network` does.
#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    /// Write all that a private network needs: genesis, keys, a data directory a node, scripts
    ///
    /// What is not given is asked for where a terminal is there, and else has its default.
    New(NewNetworkArgs),
}

/// `network new`
#[derive(Debug, Clone, Args)]
pub struct NewNetworkArgs {
    /// Folder of the network; it must not be there, or be empty
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Who seals (default: clique)
    #[arg(long, value_name = "ENGINE")]
    pub engine: Option<SealingFlag>,
    /// Nodes that seal (default: 3)
    #[arg(long, alias = "miners", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub signers: Option<u16>,
    /// Accounts that hold ether from the start (default: 10)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub accounts: Option<u32>,
    /// Newest fork, active from the first block on (default: osaka)
    #[arg(long, alias = "fork", value_name = "FORK", value_parser = crate::dev::parse_fork)]
    pub forks: Option<Fork>,
    /// Seconds between blocks, of clique (default: 5)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub period: Option<u64>,
    /// Chain id (default: a random one)
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64))]
    pub chainid: Option<u64>,
    /// First port that nodes listen on; each takes the next one (default: 30303)
    #[arg(long = "first-port", value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=65_000))]
    pub first_port: Option<u16>,
    /// Ask nothing: what is not given has its default
    #[arg(long)]
    pub yes: bool,
}

/// `--engine`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SealingFlag {
    /// Signers, in turn
    Clique,
    /// Proof of work
    Ethash,
}
