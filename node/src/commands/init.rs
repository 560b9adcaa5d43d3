//! `init`: a genesis file becomes a data directory.

use std::{fs, path::PathBuf};

use actoreum_chain::{OpenError, genesis};
use actoreum_primitives::Genesis;
use eyre::{WrapErr, bail, eyre};
use tracing::info;

use crate::{config::Config, datadir::DataDir};

/// Writes the genesis block.
pub fn run(config: &Config, path: Option<PathBuf>) -> eyre::Result<()> {
    let Some(path) = path else {
        bail!("must supply path to genesis JSON file: actoreum init genesis.json");
    };
    let genesis = read(&path)?;
    let datadir = DataDir::of(config);
    let store = datadir.open_store(config)?;
    let header = genesis::init(&store, &genesis).map_err(|error| match error {
        OpenError::Genesis(_) => eyre!("invalid genesis file {}: {error}", path.display()),
        other => other.into(),
    })?;
    info!(database = %datadir.chaindata().display(), hash = %header.hash(), "wrote genesis state");
    Ok(())
}

/// Reads a genesis file.
pub fn read(path: &PathBuf) -> eyre::Result<Genesis> {
    let json = fs::read_to_string(path)
        .wrap_err_with(|| format!("genesis file {} can't be read", path.display()))?;
    Genesis::from_json(&json)
        .map_err(|error| eyre!("invalid genesis file {}: {error}", path.display()))
}
