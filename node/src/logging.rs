//! Logs: levels as geth counts them, as lines for people or as JSON.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::IsTerminal,
    panic::{self, PanicHookInfo},
    thread,
};

use tracing::error;
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
    panic::set_hook(Box::new(log_panic));
}

/// Writes a panic as one line of the log, in the log's own form. Its backtrace stands in a field,
/// where `RUST_BACKTRACE` asks for one.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let backtrace = match backtrace.status() {
        BacktraceStatus::Captured => Some(backtrace.to_string()),
        _ => None,
    };
    error!(
        thread = thread::current().name(),
        place = panic.location().map(ToString::to_string),
        reason = panic.payload_as_str(),
        backtrace,
        "thread panicked"
    );
}
