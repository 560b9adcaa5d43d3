//! `removedb`: deletes the database and keeps the keys.

use std::{
    fs,
    io::{self, BufRead, Write},
};

use actoreum_storage::FolderLock;
use eyre::WrapErr;

use crate::{config::Config, datadir::DataDir};

/// Deletes the database after a confirmation; with `force` without one.
pub fn run(config: &Config, force: bool) -> eyre::Result<()> {
    let datadir = DataDir::of(config);
    let folder = datadir.chaindata();
    if !folder.exists() {
        println!("Database doesn't exist, skipping: {}", folder.display());
        return Ok(());
    }
    if !force
        && !confirm(&format!(
            "Remove full node state database ({})?",
            folder.display()
        ))?
    {
        println!("Database removal aborted: {}", folder.display());
        return Ok(());
    }
    let lock = FolderLock::acquire(&folder)?;
    if let Some(ancient) = datadir.ancient_elsewhere() {
        fs::remove_dir_all(&ancient)
            .wrap_err_with(|| format!("{} can't be removed", ancient.display()))?;
    }
    fs::remove_dir_all(&folder)
        .wrap_err_with(|| format!("{} can't be removed", folder.display()))?;
    drop(lock);
    println!("Database successfully deleted: {}", folder.display());
    Ok(())
}

fn confirm(question: &str) -> eyre::Result<bool> {
    print!("{question} [y/N] ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
