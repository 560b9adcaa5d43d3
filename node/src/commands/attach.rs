//! `attach`: the JavaScript console on a running node.

use std::{path::PathBuf, process::ExitCode};

use actoreum_console::{Console, Endpoint, Settings};
use eyre::{WrapErr as _, bail};

use crate::config::{Config, console::ConsoleFlags};

/// File of the history in the data directory, as in geth.
const HISTORY: &str = "history";

/// Attaches to the node at `endpoint`, or to that of the data directory.
///
/// # Errors
/// The endpoint is none, no node answers there, or a preload fails.
pub fn run(
    config: &Config,
    flags: &ConsoleFlags,
    endpoint: Option<String>,
) -> eyre::Result<ExitCode> {
    let endpoint = match (endpoint, config.ipc_socket()) {
        (Some(text), _) => Endpoint::parse(&text).wrap_err("unable to attach to the node")?,
        (None, Some(socket)) => Endpoint::Ipc(socket),
        (None, None) => bail!("no node to attach to; give its IPC path or its URL"),
    };
    let settings = settings(config, flags, endpoint);
    settings
        .interrupt
        .at_sigint()
        .wrap_err("Ctrl-C cannot be heard")?;
    actoreum_console::restore_terminal_at_signals().wrap_err("signals cannot be heard")?;
    let shown = settings.endpoint.to_string();
    let console = Console::start(&settings)
        .wrap_err_with(|| format!("failed to start the JavaScript console on {shown}"))?;
    let is_success = enter(&console, flags.exec.as_deref())?;
    Ok(if is_success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Returns the settings of a console on the node at `endpoint`.
pub fn settings(config: &Config, flags: &ConsoleFlags, endpoint: Endpoint) -> Settings {
    let mut settings = Settings::of(endpoint);
    settings.script_dir = flags.jspath.clone().unwrap_or_else(|| PathBuf::from("."));
    let preload = flags.preload.iter().flatten();
    settings.preload = preload
        .map(|file| file.trim().to_owned())
        .filter(|file| !file.is_empty())
        .collect();
    settings.history_file = Some(config.node.data_dir.join(HISTORY));
    settings
}

/// Evaluates the code of `--exec`, or shows the prompt. Returns false if the code threw.
///
/// # Errors
/// The terminal fails.
pub fn enter(console: &Console, code: Option<&str>) -> eyre::Result<bool> {
    if let Some(code) = code {
        return Ok(console.execute(code));
    }
    console.welcome();
    console.interact()?;
    Ok(true)
}
