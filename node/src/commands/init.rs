//! `init`: writes the genesis block of a genesis file to a data directory.

use std::{
    fs,
    path::{Path, PathBuf},
};

use actoreum_chain::{OpenError, genesis};
use actoreum_primitives::{Genesis, GenesisFile};
use eyre::{WrapErr, bail, eyre};
use tracing::{info, warn};

use crate::{
    bounded::{MAX_GENESIS_BYTES, read_text},
    config::{Config, network::BOOTNODES_FILE},
    datadir::DataDir,
};

/// Writes the genesis block, and the bootnodes that the file names.
pub fn run(config: &Config, path: Option<PathBuf>) -> eyre::Result<()> {
    let Some(path) = path else {
        bail!("must supply path to genesis JSON file: actoreum init genesis.json");
    };
    let file = read_file(&path)?;
    let datadir = DataDir::of(config);
    let store = datadir.open_store(config)?;
    let header = genesis::init(&store, &file.genesis).map_err(|error| match error {
        OpenError::Genesis(_) => eyre!("invalid genesis file {}: {error}", path.display()),
        other => other.into(),
    })?;
    if !file.bootnodes.is_empty() {
        write_bootnodes(&datadir, &file.bootnodes)?;
    }
    info!(database = %datadir.chaindata().display(), hash = %header.hash(), "wrote genesis state");
    Ok(())
}

/// Reads a genesis file.
pub fn read(path: &Path) -> eyre::Result<Genesis> {
    Ok(read_file(path)?.genesis)
}

/// Reads a genesis file and logs its warnings.
fn read_file(path: &Path) -> eyre::Result<GenesisFile> {
    let json = read_text(path, MAX_GENESIS_BYTES)
        .wrap_err_with(|| format!("genesis file {} can't be read", path.display()))?;
    let file = GenesisFile::from_json(&json)
        .map_err(|error| eyre!("invalid genesis file {}: {error}", path.display()))?;
    for warning in &file.warnings {
        warn!(file = %path.display(), "genesis: {warning}");
    }
    Ok(file)
}

/// Writes the bootnodes that the genesis file names. They are used when no others are given.
fn write_bootnodes(datadir: &DataDir, urls: &[String]) -> eyre::Result<()> {
    let path = datadir.instance().join(BOOTNODES_FILE);
    fs::write(&path, serde_json::to_string_pretty(urls)?)
        .wrap_err_with(|| format!("{} can't be written", path.display()))?;
    info!(file = %path.display(), nodes = urls.len(), "wrote the bootnodes of the genesis file");
    Ok(())
}
