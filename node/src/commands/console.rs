//! `console` and `js`: the node, and JavaScript beside it in one process.

use std::{path::PathBuf, process::ExitCode};

use actoreum_console::{Console, Endpoint, Settings};
use eyre::{WrapErr as _, bail};
use tempfile::TempDir;

use super::{
    attach,
    run::{self, Beside},
};
use crate::config::{Config, console::ConsoleFlags};

/// Runs the node with the console on its own socket.
///
/// # Errors
/// The node or the console does not start.
pub fn run(mut config: Config, flags: &ConsoleFlags) -> eyre::Result<ExitCode> {
    let socket = Socket::of(&mut config)?;
    let settings = attach::settings(&config, flags, Endpoint::Ipc(socket.path.clone()));
    settings
        .interrupt
        .at_sigint()
        .wrap_err("Ctrl-C cannot be heard")?;
    let code = flags.exec.clone();
    let work = move || {
        let console = start(&settings)?;
        attach::enter(&console, code.as_deref())
    };
    let beside = Beside {
        work: Box::new(work),
        takes_interrupts: true,
    };
    let _terminal = actoreum_console::TerminalModes::save();
    run::run(&config, Some(beside))
}

/// Runs the node and the files, one after the other in one engine.
///
/// # Errors
/// The node does not start, or a file cannot be read or throws.
pub fn run_files(
    mut config: Config,
    flags: &ConsoleFlags,
    files: Vec<String>,
) -> eyre::Result<ExitCode> {
    if files.is_empty() {
        bail!("no file is given; use actoreum js FILE...");
    }
    refuse_code(flags)?;
    let socket = Socket::of(&mut config)?;
    let settings = attach::settings(&config, flags, Endpoint::Ipc(socket.path.clone()));
    let work = move || {
        let console = start(&settings)?;
        for file in &files {
            console.run_file(file).wrap_err("failed to execute")?;
        }
        console.wait_for_timers();
        Ok(true)
    };
    let beside = Beside {
        work: Box::new(work),
        takes_interrupts: false,
    };
    run::run(&config, Some(beside))
}

/// Refuses `--exec` where no console is.
///
/// # Errors
/// The flag is given.
pub fn refuse_code(flags: &ConsoleFlags) -> eyre::Result<()> {
    if flags.exec.is_some() {
        bail!("--exec needs a console: use actoreum attach or actoreum console");
    }
    Ok(())
}

fn start(settings: &Settings) -> eyre::Result<Console> {
    Console::start(settings).wrap_err("failed to start the JavaScript console")
}

/// The IPC socket of the node; a temporary one if it is configured to have none.
struct Socket {
    path: PathBuf,
    _folder: Option<TempDir>,
}

impl Socket {
    fn of(config: &mut Config) -> eyre::Result<Self> {
        if let Some(path) = config.ipc_socket() {
            return Ok(Self {
                path,
                _folder: None,
            });
        }
        let folder = tempfile::tempdir().wrap_err("no folder for the socket of the console")?;
        let path = folder.path().join("console.ipc");
        config.node.ipc_path = path.to_string_lossy().into_owned();
        Ok(Self {
            path,
            _folder: Some(folder),
        })
    }
}
