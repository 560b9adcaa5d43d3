//! `copydb`: copies a database into another data directory, also to another storage engine.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use actoreum_storage::{FolderLock, Store, StoreOptions, engine_of};
use eyre::{WrapErr, bail};
use tracing::info;

use crate::{
    config::Config,
    datadir::{self, DataDir},
};

/// Copies the database in `source`, which is a `chaindata` folder or the data directory around one.
pub fn run(config: &Config, source: Option<&Path>) -> eyre::Result<()> {
    let Some(source) = source else {
        bail!("source chaindata directory path argument missing: actoreum copydb DIR");
    };
    let begun = Instant::now();
    let datadir = DataDir::of(config);
    let source = chaindata_in(source)?;
    let target = datadir.chaindata();
    if target.exists() && fs::canonicalize(&target)? == fs::canonicalize(&source)? {
        bail!(
            "{} can't be copied to itself: choose another --datadir",
            source.display()
        );
    }
    let options = StoreOptions {
        engine: engine_of(&source).unwrap_or_default(),
        ..datadir::store_options(config)
    };
    let from = Store::open(&source, options)?;
    let Some(head) = from.head() else {
        bail!("{} holds no chain", source.display());
    };
    clear_target(config, &datadir)?;
    let to = datadir.open_store(config)?;
    info!(from = %source.display(), to = %target.display(), head = head.number, "copying database");
    from.copy_to(&to)?;
    to.flush()?;
    println!("Database copy done in {:.3?}", begun.elapsed());
    Ok(())
}

fn chaindata_in(source: &Path) -> eyre::Result<PathBuf> {
    let below = DataDir::at(source).chaindata();
    for folder in [source, &below] {
        if engine_of(folder).is_some() {
            return Ok(folder.to_path_buf());
        }
    }
    bail!(
        "{} holds no database of this node: it takes a chaindata folder, or a data directory",
        source.display()
    );
}

/// Removes the rest of an interrupted copy, which would mix with the new one. Refuses a target that
/// holds a chain.
fn clear_target(config: &Config, datadir: &DataDir) -> eyre::Result<()> {
    let target = datadir.chaindata();
    if !target.exists() {
        return Ok(());
    }
    if datadir.open_store(config)?.head().is_some() {
        bail!(
            "{} holds a chain already: choose another --datadir, or run `actoreum removedb` first",
            target.display()
        );
    }
    let lock = FolderLock::acquire(&target)?;
    fs::remove_dir_all(&target)
        .wrap_err_with(|| format!("{} can't be removed", target.display()))?;
    drop(lock);
    Ok(())
}
