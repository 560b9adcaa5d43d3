//! `completions` and `man`: what is generated from the definition of the command line.

use std::{fs, io::Write as _, path::Path};

use clap::CommandFactory as _;
use clap_complete::Shell;
use eyre::WrapErr as _;

use crate::cli::Cli;

/// Prints the completion script of a shell.
///
/// # Errors
/// Where the standard output is closed.
pub fn print_completions(shell: Shell) -> eyre::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "actoreum", &mut script);
    let written = std::io::stdout().write_all(&script);
    written.wrap_err("the completion script can't be written")
}

/// Writes the manual pages `actoreum.1`, `actoreum-init.1` and so on to a directory, which is created
/// if it is not there.
///
/// # Errors
/// Where the directory or a file cannot be written.
pub fn write_manual(folder: &Path) -> eyre::Result<()> {
    let failed = || format!("the manual can't be written to {}", folder.display());
    fs::create_dir_all(folder).wrap_err_with(failed)?;
    clap_mangen::generate_to(Cli::command(), folder).wrap_err_with(failed)
}
