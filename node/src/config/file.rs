//! Reads and writes the configuration as TOML, with geth's sections.

use std::path::Path;

use eyre::{WrapErr, eyre};
use toml::{Table, Value};

use super::{Config, geth_keys};
use crate::bounded::{MAX_CONFIG_BYTES, read_text};

impl Config {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// Fails if the file can't be read or parsed; the error names the file and the field.
    pub fn read(path: &Path) -> eyre::Result<Self> {
        let text = read_text(path, MAX_CONFIG_BYTES)
            .wrap_err_with(|| format!("config file {} can't be read", path.display()))?;
        Self::from_toml(&text).map_err(|error| eyre!("config file {}: {error}", path.display()))
    }

    pub(super) fn from_toml(text: &str) -> eyre::Result<Self> {
        let mut table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| eyre!("{}", one_line(&error)))?;
        settle_gas_floor(&mut table);
        move_miner(&mut table);
        let ignored = geth_keys::take_out(&mut table).map_err(|error| eyre!("{error}"))?;
        let mut config: Self = Value::Table(table)
            .try_into()
            .map_err(|error: toml::de::Error| eyre!("{}", one_line(&error)))?;
        // Later versions of geth write 0, which means the chain id.
        config.eth.network_id = config.eth.network_id.filter(|id| *id != 0);
        if !ignored.is_empty() {
            let keys = ignored.join(", ");
            let line = format!("keys of the config file that have no effect here: {keys}");
            config.warnings.push(line);
        }
        Ok(config)
    }

    /// Returns the configuration as TOML.
    pub fn to_toml(&self) -> eyre::Result<String> {
        toml::to_string(self).wrap_err("the configuration can't be written as TOML")
    }
}

/// Moves the miner's keys of geth 1.8 to `[Eth.Miner]`: geth 1.8 has them in `[Eth]`, with the
/// prefix `Miner`.
fn move_miner(table: &mut Table) {
    let Some(eth) = table.get_mut("Eth").and_then(|eth| eth.as_table_mut()) else {
        return;
    };
    let of_miner = |key: &String| key.len() > "Miner".len() && key.starts_with("Miner");
    let mut keys: Vec<String> = eth.keys().filter(|key| of_miner(key)).cloned().collect();
    keys.extend(
        eth.contains_key("Etherbase")
            .then(|| "Etherbase".to_owned()),
    );
    for key in keys {
        let Some(value) = eth.remove(&key) else {
            continue;
        };
        let miner = eth
            .entry("Miner")
            .or_insert_with(|| Value::Table(Table::new()));
        if let Some(miner) = miner.as_table_mut() {
            miner.insert(key.trim_start_matches("Miner").to_owned(), value);
        }
    }
}

/// Sets a `GasFloor` of 0 to `GasCeil`: geth 1.10 and later have only `GasCeil`, and write 0 for
/// the other.
fn settle_gas_floor(table: &mut Table) {
    let miner = table
        .get_mut("Eth")
        .and_then(|eth| eth.get_mut("Miner"))
        .and_then(Value::as_table_mut);
    let Some(miner) = miner else {
        return;
    };
    if let (Some(Value::Integer(0)), Some(ceiling)) = (miner.get("GasFloor"), miner.get("GasCeil"))
    {
        let ceiling = ceiling.clone();
        miner.insert("GasFloor".to_owned(), ceiling);
    }
}

/// Returns an error in one line, with its position in the file or, for a parsed table, the key.
fn one_line(error: &toml::de::Error) -> String {
    let rendered = error.to_string();
    let mut lines = rendered
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    match error.span() {
        Some(_) => format!("{}: {}", lines.next().unwrap_or_default(), error.message()),
        None => lines.collect::<Vec<_>>().join(" "),
    }
}
