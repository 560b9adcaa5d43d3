//! The configuration as a TOML file, in geth's sections.

use std::{fs, path::Path};

use eyre::{WrapErr, eyre};

use super::Config;

/// Keys of geth's own TOML that have no meaning here (yet): taken without an error, so that a
/// file made by `geth dumpconfig` can be given as it is.
const GETH_ONLY: &[(&str, &[&str])] = &[
    ("", &["Shh", "Dashboard", "Ethstats", "Metrics"]),
    (
        "Eth",
        &[
            "LightServ",
            "LightPeers",
            "DatabaseHandles",
            "TrieCleanCache",
            "TrieDirtyCache",
            "TrieTimeout",
            "EnablePreimageRecording",
            "EWASMInterpreter",
            "EVMInterpreter",
            "Genesis",
            "DocRoot",
        ],
    ),
    (
        "Eth.GPO",
        &["Default", "MaxHeaderHistory", "MaxBlockHistory"],
    ),
    (
        "Eth.Ethash",
        &[
            "PowMode",
            "CachesLockMmap",
            "DatasetsLockMmap",
            "NotifyFull",
        ],
    ),
    ("Eth.Miner", &["NotifyFull", "NewPayloadTimeout"]),
    ("Node", &["NoUSB", "WSExposeAll", "Logger", "HTTPTimeouts"]),
    (
        "Node.P2P",
        &[
            "DialRatio",
            "DiscoveryV5",
            "BootstrapNodesV5",
            "NodeDatabase",
            "NoDial",
            "EnableMsgEvents",
        ],
    ),
];

impl Config {
    /// Reads a TOML file. Errors name the file and the field.
    pub fn read(path: &Path) -> eyre::Result<Self> {
        let text = fs::read_to_string(path)
            .wrap_err_with(|| format!("config file {} can't be read", path.display()))?;
        Self::from_toml(&text).map_err(|error| eyre!("config file {}: {error}", path.display()))
    }

    pub(super) fn from_toml(text: &str) -> eyre::Result<Self> {
        let mut table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| eyre!("{}", one_line(&error)))?;
        move_miner(&mut table);
        drop_geth_only(&mut table);
        toml::Value::Table(table)
            .try_into()
            .map_err(|error: toml::de::Error| eyre!("{}", one_line(&error)))
    }

    /// The configuration as TOML.
    pub fn to_toml(&self) -> eyre::Result<String> {
        toml::to_string(self).wrap_err("the configuration can't be written as TOML")
    }
}

/// geth 1.8 has the keys of `[Eth.Miner]` in `[Eth]`, each with `Miner` before it.
fn move_miner(table: &mut toml::Table) {
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
            .or_insert_with(|| toml::Value::Table(toml::Table::new()));
        if let Some(miner) = miner.as_table_mut() {
            miner.insert(key.trim_start_matches("Miner").to_owned(), value);
        }
    }
}

fn drop_geth_only(table: &mut toml::Table) {
    for (section, keys) in GETH_ONLY {
        let mut place = Some(&mut *table);
        for part in section.split('.').filter(|part| !part.is_empty()) {
            place = place
                .and_then(|table| table.get_mut(part))
                .and_then(|value| value.as_table_mut());
        }
        if let Some(place) = place {
            for key in *keys {
                place.remove(*key);
            }
        }
    }
}

/// What is wrong and where: the line of the file, or (once it is a table) the key.
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
