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
mod bounded;
mod cli;
mod commands;
mod config;
mod core_dumps;
mod datadir;
mod dev;
mod dev_folder;
mod duration;
mod endpoints;
mod eth;
mod ethash;
mod instance_lock;
mod keys;
mod logging;
mod memory;
mod miner;
mod nearest;
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
    let cli = match cli::parse_with(std::env::args_os(), std::env::vars_os()) {
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
    // Before any key or password is read.
    if !cli.flags.allow_core_dumps {
        core_dumps::forbid();
    }
    for line in cli.ignored.iter().chain(&config.warnings) {
        warn!("{line}");
    }
    commands::run(cli, config)
}

/// The error and its causes on one line. A cause that the error before it has told is left out.
fn chain_of_causes(error: &eyre::Report) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use eyre::{WrapErr as _, eyre};

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let error = Err::<(), _>(eyre!("denied"));
        let told = error.wrap_err("/data/LOCK: denied").wrap_err("no start");
        let text = chain_of_causes(&told.unwrap_err());
        assert_eq!(text, "no start: /data/LOCK: denied");
    }
}
