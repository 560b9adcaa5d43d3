//! Logs: levels as geth counts them, as lines for people or as JSON.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fs::File,
    io::{self, IsTerminal},
    panic::{self, PanicHookInfo},
    path::Path,
    sync::Mutex,
    thread,
};

use eyre::WrapErr;
use tracing::error;
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        self,
        writer::{BoxMakeWriter, MakeWriterExt},
    },
    prelude::*,
};

use crate::config::ActoreumConfig;

/// Starts logging to stderr, and to a file where one is named. `RUST_LOG`, where it is set, goes
/// before `--verbosity`.
///
/// # Errors
/// Where the file can't be opened.
pub fn start(config: &ActoreumConfig) -> eyre::Result<()> {
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
    let file = log_file(&config.log_file)?;
    // Colours are for a terminal, and no good in a file.
    let has_colours = file.is_none() && io::stderr().is_terminal();
    let stderr = BoxMakeWriter::new(io::stderr);
    let writer = match file {
        Some(file) => BoxMakeWriter::new(stderr.and(file)),
        None => stderr,
    };
    let registry = tracing_subscriber::registry().with(filter);
    if config.log_json {
        registry
            .with(fmt::layer().json().with_writer(writer))
            .init();
    } else {
        let layer = fmt::layer()
            .with_ansi(has_colours)
            .with_target(false)
            .with_writer(writer);
        registry.with(layer).init();
    }
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// The file of `--log.file`, where one is named. What it holds stays.
fn log_file(path: &Path) -> eyre::Result<Option<Mutex<File>>> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let mut options = File::options();
    let opened = options.create(true).append(true).open(path);
    let file = opened.wrap_err_with(|| format!("log file {} can't be opened", path.display()))?;
    Ok(Some(Mutex::new(file)))
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
        rpc_method = actoreum_rpc::dispatch::running_method(),
        backtrace,
        "thread panicked"
    );
}
