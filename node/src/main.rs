//! The `actoreum` binary.
//!
//! ```text
//! command line -> Config -> command
//!                             |- run        the node: tree/ puts the supervision tree together
//!                             |- import     the same tree without servers, fed from a file
//!                             `- init, export, removedb, ...: no actors, only the store
//! ```

mod admin;
#[cfg(not(target_env = "msvc"))]
mod allocator;
mod blobs;
mod boolean;
mod bounded;
mod cli;
mod commands;
mod config;
mod core_dumps;
mod datadir;
mod dev;
mod dev_folder;
mod dev_state;
mod duration;
mod incident_file;
mod instance_lock;
mod logging;
mod memory;
mod nearest;
mod open_files;
mod passwords;
mod prompt;
mod signals;
#[cfg(feature = "otel")]
mod telemetry;
mod tree;
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
    tree::check(&config)?;
    #[cfg(feature = "otel")]
    let telemetry = telemetry::Telemetry::start(&config.node.open_telemetry)?;
    #[cfg(feature = "otel")]
    let traces = telemetry.as_ref().map(telemetry::Telemetry::layer);
    #[cfg(not(feature = "otel"))]
    let traces = None;
    logging::start(&config.actoreum, traces)?;
    // Before any key or password is read.
    if !cli.flags.allow_core_dumps {
        core_dumps::disable();
    }
    for line in cli.ignored.iter().chain(&config.warnings) {
        warn!("{line}");
    }
    commands::run(cli, config)
}

/// Returns the error and its causes on one line. Leaves out a cause that the error before it
/// repeats.
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
    fn a_repeated_cause_is_left_out() {
        let error = Err::<(), _>(eyre!("denied"));
        let wrapped = error.wrap_err("/data/LOCK: denied").wrap_err("no start");
        let text = chain_of_causes(&wrapped.unwrap_err());
        assert_eq!(text, "no start: /data/LOCK: denied");
    }
}
