//! The `actoreum` binary.
//!
//! ```text
//! command line -> Config -> command
//!                             |- run        the node: tree.rs puts the supervision tree together
//!                             |- import     the same tree without servers, fed from a file
//!                             `- init, export, removedb, ...: the store or the chain alone
//! ```

mod admin;
#[cfg(not(target_env = "msvc"))]
mod allocator;
mod blobs;
mod cli;
mod commands;
mod config;
mod datadir;
mod dev;
mod duration;
mod endpoints;
mod eth;
mod ethash;
mod keys;
mod logging;
mod memory;
mod miner;
mod network;
mod open_files;
mod passwords;
mod prompt;
mod rpc_limits;
mod signals;
mod snapshots;
mod tree;
mod txpool;
mod version;

use std::process::ExitCode;

use cli::{Cli, Parsed};
use config::Config;
use tracing::warn;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Parsed::Run(cli) => cli,
        Parsed::Print(text) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Parsed::Wrong(line) => {
            eprintln!("{line}");
            return ExitCode::FAILURE;
        }
    };
    match run(*cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("Fatal: {}", chain_of_causes(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> eyre::Result<ExitCode> {
    let config = Config::from_flags(&cli.flags)?;
    logging::start(&config.actoreum)?;
    for line in &cli.ignored {
        warn!("{line}");
    }
    commands::run(cli, config)
}

/// The error and its causes on one line.
fn chain_of_causes(error: &eyre::Report) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    causes.join(": ").replace('\n', " ")
}
