//! The keys of geth's TOML, from 1.8 to 1.17: those that are read, those that are ignored, and
//! those that are refused because they change the chain or the signer.

use toml::{Table, Value};

use crate::nearest::nearest;

/// A section of the TOML and its keys, identified by its path.
struct Section {
    path: &'static str,
    /// Keys that are read.
    read: &'static [&'static str],
    /// Keys that have no effect here. Such a key may be a whole section.
    ignored: &'static [&'static str],
    /// Keys that are refused, each with a hint. The values `false`, `0` and empty ones are ignored.
    refused: &'static [(&'static str, &'static str)],
}

/// Hint for a key that moves a fork.
const OVERRIDE: &str = "write the fork into the genesis file and run actoreum init again";
/// Hint for a miner setting in geth's ethash section.
const NOTIFY_FULL: &str = "write it in the section Eth.Miner";

const SECTIONS: &[Section] = &[
    Section {
        path: "",
        read: &["Eth", "Node", "Actoreum"],
        ignored: &["Shh", "Dashboard", "Ethstats", "Metrics"],
        refused: &[],
    },
    Section {
        path: "Eth",
        read: &[
            "NetworkId",
            "SyncMode",
            "DiscoveryURLs",
            "EthDiscoveryURLs",
            "NoPruning",
            "DatabaseCache",
            "DatabaseFreezer",
            "RPCGasCap",
            "RPCEVMTimeout",
            "RPCTxFeeCap",
            "GPO",
            "TxPool",
            "Ethash",
            "Miner",
        ],
        ignored: &[
            "BinTrieGroupDepth",
            "BlobPool",
            "Checkpoint",
            "CheckpointOracle",
            "DatabaseEra",
            "DatabaseHandles",
            "DocRoot",
            "EVMInterpreter",
            "EWASMInterpreter",
            "EnablePreimageRecording",
            "EnableStateSizeTracking",
            "EnableWitnessStats",
            "EngineMaxReorgDepth",
            "FilterLogCacheSize",
            "HistoryMode",
            "LightEgress",
            "LightIngress",
            "LightNoPrune",
            "LightNoSyncServe",
            "LightPeers",
            "LightServ",
            "LogExportCheckpoints",
            "LogHistory",
            "LogNoHistory",
            "LogQueryLimit",
            "NoPrefetch",
            "NodeFullValueCheckpoint",
            "Preimages",
            "RangeLimit",
            "SkipBcVersionCheck",
            "SlowBlockThreshold",
            "SnapDiscoveryURLs",
            "SnapV2",
            "SnapshotCache",
            "StateHistory",
            "StateScheme",
            "StatelessSelfValidation",
            "SyncFromCheckpoint",
            "TransactionHistory",
            "TrieCleanCache",
            "TrieCleanCacheJournal",
            "TrieCleanCacheRejournal",
            "TrieDirtyCache",
            "TrieTimeout",
            "TrienodeHistory",
            "TxLookupLimit",
            "TxSyncDefaultTimeout",
            "TxSyncMaxTimeout",
            "UltraLightFraction",
            "UltraLightOnlyAnnounce",
            "UltraLightServers",
            "VMTrace",
            "VMTraceJsonConfig",
        ],
        refused: &[
            (
                "Genesis",
                "write the genesis into a file of its own and give it to actoreum init",
            ),
            ("OverrideAmsterdam", OVERRIDE),
            ("OverrideBPO1", OVERRIDE),
            ("OverrideBPO2", OVERRIDE),
            ("OverrideCancun", OVERRIDE),
            ("OverrideOsaka", OVERRIDE),
            ("OverrideTerminalTotalDifficulty", OVERRIDE),
            ("OverrideTerminalTotalDifficultyPassed", OVERRIDE),
            ("OverrideUBT", OVERRIDE),
            ("OverrideVerkle", OVERRIDE),
        ],
    },
    Section {
        path: "Eth.GPO",
        read: &["Blocks", "Percentile", "MaxPrice", "IgnorePrice"],
        ignored: &["Default", "MaxHeaderHistory", "MaxBlockHistory"],
        refused: &[],
    },
    Section {
        path: "Eth.TxPool",
        read: &[
            "Locals",
            "NoLocals",
            "Journal",
            "Rejournal",
            "PriceLimit",
            "PriceBump",
            "AccountSlots",
            "GlobalSlots",
            "AccountQueue",
            "GlobalQueue",
            "Lifetime",
            "Memory",
        ],
        ignored: &[],
        refused: &[],
    },
    Section {
        path: "Eth.Ethash",
        read: &[
            "CacheDir",
            "CachesInMem",
            "CachesOnDisk",
            "DatasetDir",
            "DatasetsInMem",
            "DatasetsOnDisk",
        ],
        ignored: &["CachesLockMmap", "DatasetsLockMmap"],
        refused: &[
            (
                "PowMode",
                "proofs of work are verified, or accepted without verification with --fakepow",
            ),
            ("NotifyFull", NOTIFY_FULL),
        ],
    },
    Section {
        path: "Eth.Miner",
        read: &[
            "Etherbase",
            "NotifyFull",
            "Notify",
            "ExtraData",
            "GasFloor",
            "GasCeil",
            "GasPrice",
            "Recommit",
            "Noverify",
        ],
        ignored: &[
            "MaxBlobsPerBlock",
            "NewPayloadTimeout",
            "PendingFeeRecipient",
        ],
        refused: &[],
    },
    Section {
        path: "Node",
        read: &[
            "UserIdent",
            "DataDir",
            "P2P",
            "KeyStoreDir",
            "UseLightweightKDF",
            "InsecureUnlockAllowed",
            "USB",
            "IPCPath",
            "HTTPHost",
            "HTTPPort",
            "HTTPCors",
            "HTTPVirtualHosts",
            "HTTPModules",
            "HTTPPathPrefix",
            "WSHost",
            "WSPort",
            "WSOrigins",
            "WSModules",
            "WSPathPrefix",
            "AllowUnprotectedTxs",
            "BatchRequestLimit",
            "BatchResponseMaxSize",
            "OpenTelemetry",
        ],
        ignored: &[
            "AuthAddr",
            "AuthPort",
            "AuthVirtualHosts",
            "DBEngine",
            "EnablePersonal",
            "GraphQLCors",
            "GraphQLHost",
            "GraphQLPort",
            "GraphQLVirtualHosts",
            "HTTPBodyLimit",
            "HTTPTimeouts",
            "JWTSecret",
            "Logger",
            "NoUSB",
            "SmartCardDaemonPath",
            "WSExposeAll",
        ],
        refused: &[(
            "ExternalSigner",
            "accounts are unlocked from key files; there is no external signer",
        )],
    },
    Section {
        path: "Node.P2P",
        read: &[
            "MaxPeers",
            "MaxPendingPeers",
            "NoDiscovery",
            "DiscoveryV4",
            "DiscoveryV5",
            "BootstrapNodes",
            "BootstrapNodesV5",
            "StaticNodes",
            "TrustedNodes",
            "NetRestrict",
            "ListenAddr",
            "DiscAddr",
            "NAT",
            "NoDial",
        ],
        ignored: &["DialRatio", "EnableMsgEvents", "Logger", "NodeDatabase"],
        refused: &[],
    },
    Section {
        path: "Node.OpenTelemetry",
        read: &[
            "Enabled",
            "Tags",
            "InstanceID",
            "Endpoint",
            "AuthUser",
            "AuthPassword",
            "SampleRatio",
        ],
        ignored: &[],
        refused: &[],
    },
    Section {
        path: "Actoreum",
        read: &[
            "DBEngine",
            "AdminHost",
            "AdminPort",
            "AdminChaos",
            "Verbosity",
            "LogJson",
            "LogFile",
            "DNSServers",
        ],
        ignored: &[],
        refused: &[],
    },
];

/// Removes the keys that have no effect from the table, and returns their names.
///
/// # Errors
/// Fails if a key is unknown or refused; the error names all of them.
pub(super) fn take_out(table: &mut Table) -> Result<Vec<String>, String> {
    let (mut ignored, mut unknown, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for section in SECTIONS {
        let Some(place) = section_of(table, section.path) else {
            continue;
        };
        let keys: Vec<String> = place.keys().cloned().collect();
        for key in keys {
            let name = |key: &str| match section.path {
                "" => key.to_owned(),
                path => format!("{path}.{key}"),
            };
            let refusal = section.refused.iter().find(|(it, _)| *it == key);
            if section.read.contains(&key.as_str()) {
                continue;
            }
            if let Some((_, hint)) = refusal {
                match place.remove(&key) {
                    Some(value) if !is_default_value(&value) => {
                        refused.push(format!("{} is refused: {hint}", name(&key)));
                    }
                    _ => ignored.push(name(&key)),
                }
            } else if section.ignored.contains(&key.as_str()) {
                place.remove(&key);
                ignored.push(name(&key));
            } else {
                let hint = nearest(&key, section.read.iter().copied());
                let hint = hint.map(|hint| format!(" (did you mean {hint}?)"));
                unknown.push(name(&key) + &hint.unwrap_or_default());
            }
        }
    }
    if !unknown.is_empty() {
        let plural = if unknown.len() == 1 { "" } else { "s" };
        refused.insert(0, format!("unknown key{plural}: {}", unknown.join(", ")));
    }
    if refused.is_empty() {
        Ok(ignored)
    } else {
        Err(refused.join("; "))
    }
}

fn section_of<'a>(table: &'a mut Table, path: &str) -> Option<&'a mut Table> {
    let mut place = table;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        place = place.get_mut(part)?.as_table_mut()?;
    }
    Some(place)
}

/// Returns true for a value without an effect: `false`, zero, or an empty one.
fn is_default_value(value: &Value) -> bool {
    match value {
        Value::Boolean(is_set) => !is_set,
        Value::Integer(number) => *number == 0,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_key_that_is_read_is_a_field_of_the_configuration() {
        for section in SECTIONS {
            for key in section.read {
                // No key but a path takes a date: parsing may fail, but not because of an unknown
                // key.
                let text = match section.path {
                    "" => continue,
                    path => format!("[{path}]\n{key} = 1979-05-27\n"),
                };
                if let Err(error) = Config::from_toml(&text) {
                    let error = error.to_string();
                    assert!(!error.contains("unknown"), "{key}: {error}");
                }
            }
        }
    }

    /// One line for each version of geth and section: the version, the section and its keys.
    const KEYS: &str = include_str!("geth_config_keys.tsv");

    #[test]
    fn every_key_that_geth_writes_is_known() {
        for line in KEYS.lines() {
            let [version, path, keys] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            let path = if path == "-" { "" } else { path };
            let section = SECTIONS.iter().find(|it| it.path == path).unwrap();
            for key in keys.split(' ') {
                let is_old_miner = key.starts_with("Miner") && path == "Eth";
                let is_known = is_old_miner
                    || key == "Etherbase"
                    || section.read.contains(&key)
                    || section.ignored.contains(&key)
                    || section.refused.iter().any(|(it, _)| *it == key);
                assert!(is_known, "{version}: {path}.{key}");
            }
        }
    }

    #[test]
    fn no_key_occurs_twice() {
        for section in SECTIONS {
            let refused = section.refused.iter().map(|(key, _)| key);
            let all = section.read.iter().chain(section.ignored).chain(refused);
            let mut keys: Vec<_> = all.collect();
            let count = keys.len();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), count, "{}", section.path);
        }
    }
}
