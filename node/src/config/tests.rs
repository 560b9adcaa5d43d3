use super::{admin::AdminFlags, node::NodeFlags, rpc::ServerFlags, *};

#[test]
fn the_output_of_dumpconfig_can_be_read_back() {
    let flags = NodeFlags {
        servers: ServerFlags {
            http: true,
            http_port: Some(9999),
            ..ServerFlags::default()
        },
        networkid: Some(7),
        datadir: Some("/tmp/somewhere".into()),
        ..NodeFlags::default()
    };
    let config = Config::from_flags(&flags).unwrap();
    assert_eq!(
        Config::from_toml(&config.to_toml().unwrap()).unwrap(),
        config
    );
    assert_eq!(config.node.http_host, "127.0.0.1");
}

#[test]
fn a_file_of_geth_is_read() {
    let text = "[Eth]\nNetworkId = 1337\nSyncMode = \"fast\"\nDatabaseCache = 768\n\
        MinerGasFloor = 9000000\nEtherbase = \"0x00000000000000000000000000000000000000aa\"\n\
        [Eth.Ethash]\nCacheDir = \"ethash\"\n[Shh]\nMaxMessageSize = 1048576\n\
        [Node]\nDataDir = \"/data\"\nHTTPPort = 8545\nHTTPModules = [\"net\", \"web3\"]\n\
        [Node.P2P]\nMaxPeers = 25\nStaticNodes = []\nListenAddr = \":30303\"\n\
        [Node.HTTPTimeouts]\nReadTimeout = 30000000000\n[Dashboard]\nPort = 8080\n";
    let config = Config::from_toml(text).unwrap();
    assert_eq!(config.eth.network_id, Some(1337));
    assert_eq!(config.eth.miner.gas_floor, 9_000_000);
    assert!(config.eth.miner.etherbase.ends_with("aa"));
    assert_eq!(config.node.http_modules, ["net", "web3"]);
}

#[test]
fn an_unknown_key_and_a_wrong_type_are_named() {
    let error = Config::from_toml("[Node]\nHTTPPrt = 1\n")
        .unwrap_err()
        .to_string();
    assert!(error.contains("HTTPPrt"), "{error}");
    let error = Config::from_toml("[Node]\nHTTPPort = \"x\"\n")
        .unwrap_err()
        .to_string();
    assert!(error.contains("HTTPPort"), "{error}");
    let error = Config::from_toml("[Node]\nHTTPPort = \n")
        .unwrap_err()
        .to_string();
    assert!(error.contains("line 2"), "{error}");
}

#[test]
fn an_unknown_namespace_is_refused_by_name() {
    let flags = |names: &str| NodeFlags {
        servers: ServerFlags {
            http_api: Some(names.split(',').map(String::from).collect()),
            ..ServerFlags::default()
        },
        ..Default::default()
    };
    let config = Config::from_flags(&flags("eth, net ,personal")).unwrap();
    assert_eq!(config.node.http_modules, ["eth", "net", "personal"]);
    let error = Config::from_flags(&flags("eth,wbe3"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("wbe3"), "{error}");
}

#[test]
fn an_ipv6_address_may_have_brackets() {
    let config = |address: &str| {
        Config::from_flags(&NodeFlags {
            servers: ServerFlags {
                http: true,
                http_addr: Some(address.into()),
                ws: true,
                ws_addr: Some(address.into()),
                ..ServerFlags::default()
            },
            admin: AdminFlags {
                admin: true,
                admin_addr: Some(address.into()),
                ..AdminFlags::default()
            },
            ..Default::default()
        })
    };
    for address in ["[::1]", "::1"] {
        let config = config(address).unwrap();
        for ip in [config.http_ip(), config.ws_ip(), config.admin_ip()] {
            assert_eq!(ip, Some(IpAddr::from(std::net::Ipv6Addr::LOCALHOST)));
        }
    }
    for wrong in ["[127.0.0.1]", "[::1", "::1]", "[]", "[::1]:8545"] {
        assert!(config(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn an_invalid_address_is_refused_with_a_hint() {
    let flags = NodeFlags {
        servers: ServerFlags {
            http_addr: Some("nowhere".into()),
            ..ServerFlags::default()
        },
        ..Default::default()
    };
    let error = Config::from_flags(&flags).unwrap_err().to_string();
    assert!(
        error.contains("--http.addr") && error.contains("127.0.0.1"),
        "{error}"
    );
}

#[test]
fn all_unknown_keys_are_named_in_one_error() {
    let text = "[Nodes]\nDataDir = \"x\"\n[Node]\nHTTPPrt = 1\nFrob = 2\n[Eth.Miner]\nGass = 3\n";
    let error = Config::from_toml(text).unwrap_err().to_string();
    for part in [
        "unknown keys: ",
        "Nodes (did you mean Node?)",
        "Node.HTTPPrt (did you mean HTTPPort?)",
        "Node.Frob",
        "Eth.Miner.Gass",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn ignored_keys_are_named_in_one_warning() {
    let text = "[Eth]\nNetworkId = 0\nStateScheme = \"path\"\nOverrideCancun = 0\n\
        [Eth.BlobPool]\nDatacap = 5\n[Node]\nDBEngine = \"pebble\"\nAuthPort = 8551\n\
        BatchRequestLimit = 7\nAllowUnprotectedTxs = false\n[Node.P2P]\nDiscoveryV4 = false\n\
        DiscAddr = \":30305\"\n[Metrics]\nHTTP = \"127.0.0.1\"\n";
    let config = Config::from_toml(text).unwrap();
    assert_eq!(config.warnings.len(), 1);
    for key in [
        "Eth.StateScheme",
        "Eth.OverrideCancun",
        "Eth.BlobPool",
        "Node.DBEngine",
        "Node.AuthPort",
        "Metrics",
    ] {
        assert!(config.warnings[0].contains(key), "{key}");
    }
    assert_eq!(config.eth.network_id, None, "0 is the chain id");
    assert_eq!(config.node.batch_request_limit, 7);
    assert!(!config.node.allow_unprotected_txs);
    assert_eq!(config.node.p2p.discovery_v4, Some(false));
    let again = Config::from_toml(&config.to_toml().unwrap()).unwrap();
    assert!(again.warnings.is_empty());
    assert_eq!(again.node, config.node);
}

#[test]
fn keys_that_change_the_chain_are_refused_with_a_hint() {
    for (text, parts) in [
        (
            "[Eth]\nOverrideCancun = 5\n",
            ["OverrideCancun", "actoreum init"],
        ),
        (
            "[Eth.Genesis]\nGasLimit = 5\n",
            ["Eth.Genesis", "actoreum init"],
        ),
        ("[Eth.Ethash]\nPowMode = 4\n", ["PowMode", "--fakepow"]),
        (
            "[Node]\nExternalSigner = \"/clef.ipc\"\n",
            ["ExternalSigner", "key files"],
        ),
        (
            "[Eth.Ethash]\nNotifyFull = true\n",
            ["NotifyFull", "Eth.Miner"],
        ),
    ] {
        let error = Config::from_toml(text).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{error}");
        }
    }
    let config = Config::from_toml("[Node]\nExternalSigner = \"\"\n").unwrap();
    assert_eq!(config.warnings.len(), 1);
}

#[test]
fn a_gas_floor_of_zero_becomes_the_gas_ceiling() {
    let miner = |text: &str| Config::from_toml(text).unwrap().eth.miner;
    let later = miner("[Eth.Miner]\nGasFloor = 0\nGasCeil = 30000000\n");
    assert_eq!(later.gas_floor, 30_000_000);
    assert_eq!(
        miner("[Eth]\nMinerGasFloor = 0\nMinerGasCeil = 9\n").gas_floor,
        0
    );
}

#[test]
fn files_written_by_geth_are_read_unchanged() {
    let fixtures = std::env::var_os("ACTOREUM_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"),
        PathBuf::from,
    );
    let folder = fixtures.join("geth-config");
    if !folder.exists() {
        println!("skipped: {} is not there", folder.display());
        return;
    }
    let read = |name: &str| {
        let flags = NodeFlags {
            config: Some(folder.join(name)),
            ..NodeFlags::default()
        };
        let config = Config::from_flags(&flags).unwrap();
        assert_eq!(config.warnings.len(), 1, "{name}: {:?}", config.warnings);
        config
    };
    let old = read("geth-1.8.27-default.toml");
    assert_eq!(old.eth.network_id, Some(1));
    assert_eq!(old.eth.sync_mode, SyncModeFlag::Fast);
    let new = read("geth-1.13.15-default.toml");
    assert_eq!(new.eth.network_id, None);
    assert_eq!(new.eth.tx_pool.global_slots, 5120);
    let signer = read("geth-1.13.15-signer.toml");
    assert_eq!(signer.eth.network_id, Some(4242));
    assert_eq!(signer.node.http_host, "127.0.0.1");
    assert_eq!(signer.node.http_modules, ["eth", "net", "clique"]);
}

#[test]
fn a_path_prefix_begins_with_a_slash() {
    for (prefix, is_taken) in [("/rpc", true), ("/", true), ("rpc", false), ("/a?b", false)] {
        let flags = NodeFlags {
            servers: ServerFlags {
                http_rpcprefix: Some(prefix.to_owned()),
                ..ServerFlags::default()
            },
            ..NodeFlags::default()
        };
        assert_eq!(Config::from_flags(&flags).is_ok(), is_taken, "{prefix}");
    }
}

#[test]
fn an_endless_configuration_file_is_refused() {
    let flags = NodeFlags {
        config: Some("/dev/zero".into()),
        ..NodeFlags::default()
    };
    let error = format!("{:#}", Config::from_flags(&flags).unwrap_err());
    assert!(error.contains("longer than"), "{error}");
}
