//! Logging, with geth's verbosity levels, as text lines or as JSON.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fs::File,
    io::{self, IsTerminal},
    panic::{self, PanicHookInfo},
    path::Path,
    sync::Mutex,
    thread,
};

use actoreum_supervision::SPANS_TARGET;
use eyre::WrapErr;
use tracing::{Subscriber, error};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    fmt::{
        self,
        writer::{BoxMakeWriter, MakeWriterExt},
    },
    prelude::*,
    registry::LookupSpan,
};

use crate::config::ActoreumConfig;

/// A layer that exports spans.
pub type Traces = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts logging to stderr, and to a file if one is configured. `RUST_LOG`, if it is set,
/// overrides `--verbosity`. The spans of messages are for `traces` alone.
///
/// # Errors
/// Fails if the file can't be opened.
pub fn start(config: &ActoreumConfig, traces: Option<Traces>) -> eyre::Result<()> {
    let level = match config.verbosity {
        0 => "off",
        1 => "error",
        2 => "warn",
        3 => "info",
        4 => "debug",
        _ => "trace",
    };
    // Logs of the frameworks are not what an operator asks for with --verbosity.
    let default = format!("{level},actix_server=warn,actix_http=warn,sled=warn,mio=warn");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let no_spans = format!("{SPANS_TARGET}=off").parse()?;
    let filter = filter.add_directive(no_spans);
    let file = log_file(&config.log_file)?;
    // Colour codes are written to a terminal only, not to a file.
    let has_colours = file.is_none() && io::stderr().is_terminal();
    let stderr = BoxMakeWriter::new(io::stderr);
    let writer = match file {
        Some(file) => BoxMakeWriter::new(stderr.and(file)),
        None => stderr,
    };
    match traces {
        Some(traces) => tracing_subscriber::registry()
            .with(traces)
            .with(lines(config, has_colours, writer).with_filter(filter))
            .init(),
        None => tracing_subscriber::registry()
            .with(filter)
            .with(lines(config, has_colours, writer))
            .init(),
    }
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Returns the layer that writes the log, a line for each record.
fn lines<S>(
    config: &ActoreumConfig,
    has_colours: bool,
    writer: BoxMakeWriter,
) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let layer = fmt::layer().with_writer(writer);
    if config.log_json {
        layer.json().boxed()
    } else {
        layer.with_ansi(has_colours).with_target(false).boxed()
    }
}

/// Opens the file of `--log.file` for appending, if one is configured.
fn log_file(path: &Path) -> eyre::Result<Option<Mutex<File>>> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let mut options = File::options();
    let opened = options.create(true).append(true).open(path);
    let file = opened.wrap_err_with(|| format!("log file {} can't be opened", path.display()))?;
    Ok(Some(Mutex::new(file)))
}

/// Panic hook: writes the panic as one log record, in the log's format. The backtrace is a field,
/// if `RUST_BACKTRACE` asks for one.
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
        rpc_method = actoreum_rpc::server::dispatch::running_method(),
        backtrace,
        "thread panicked"
    );
}
