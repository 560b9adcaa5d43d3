//! `--load-state` and `--dump-state`: the state of a development chain in a file, as anvil has it.

use std::{fs, path::Path};

use actoreum_chain::ChainReader;
use actoreum_primitives::{B256, Genesis, genesis::GenesisAccount};
use actoreum_rpc::namespaces::dev::dump;
use eyre::{WrapErr, eyre};
use tracing::info;

use crate::config::DevConfig;

/// Adds the accounts of `--load-state` to the genesis block of a new chain.
///
/// # Errors
/// Fails if the file cannot be read. A file of `--state` need not exist.
pub fn load(dev: &DevConfig, genesis: &mut Genesis) -> eyre::Result<()> {
    let Some(path) = &dev.load_state else {
        return Ok(());
    };
    if dev.dump_state.as_ref() == Some(path) && !path.exists() {
        return Ok(());
    }
    let bytes = fs::read(path).wrap_err_with(|| format!("--load-state {}", path.display()))?;
    let accounts =
        dump::parse(&bytes).map_err(|error| eyre!("--load-state {}: {error}", path.display()))?;
    for (address, account) in accounts {
        let word = |slot: dump::U256Key| B256::from(slot.0.to_be_bytes::<32>());
        let storage = account.storage.into_iter();
        genesis.alloc.insert(
            address,
            GenesisAccount {
                balance: account.balance,
                nonce: account.nonce,
                code: account.code,
                storage: storage.map(|(slot, value)| (word(slot), value)).collect(),
            },
        );
    }
    Ok(())
}

/// Writes the state of the head to the file of `--dump-state`.
///
/// # Errors
/// Fails if the state cannot be read, or the file cannot be written.
pub fn save(path: &Path, reader: &ChainReader) -> eyre::Result<()> {
    let state = dump::dump(reader)?;
    let written = fs::write(path, state.to_string());
    written.wrap_err_with(|| format!("--dump-state {}", path.display()))?;
    info!(path = %path.display(), number = reader.head_number(), "state written");
    Ok(())
}
