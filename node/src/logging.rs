//! Logs: levels as geth counts them, as lines for people or as JSON.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, prelude::*};

use crate::config::ActoreumConfig;

/// Starts logging to stderr. `RUST_LOG`, where it is set, goes before `--verbosity`.
pub fn start(config: &ActoreumConfig) {
    let level = match config.verbosity {
        0 => "off",
        1 => "error",
        2 => "warn",
        3 => "info",
        4 => "debug",
        _ => "trace",
    };
    // The frameworks below are not part of what an operator asked to see.
    let default = format!("{level},actix_server=warn,actix_http=warn,sled=warn,mio=warn");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let registry = tracing_subscriber::registry().with(filter);
    if config.log_json {
        registry
            .with(fmt::layer().json().with_writer(std::io::stderr))
            .init();
    } else {
        let layer = fmt::layer()
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .with_writer(std::io::stderr);
        registry.with(layer).init();
    }
}
