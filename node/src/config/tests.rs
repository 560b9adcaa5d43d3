use super::*;
use crate::cli::NodeFlags;

#[test]
fn what_dumpconfig_prints_reads_back() {
    let flags = NodeFlags {
        http: true,
        http_port: Some(9999),
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
fn a_file_made_by_geth_is_taken() {
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
fn a_namespace_that_no_geth_has_is_refused_by_name() {
    let flags = |names: &str| NodeFlags {
        http_api: Some(names.split(',').map(String::from).collect()),
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
fn an_ipv6_address_is_taken_with_and_without_brackets() {
    let config = |address: &str| {
        Config::from_flags(&NodeFlags {
            http: true,
            http_addr: Some(address.into()),
            ws: true,
            ws_addr: Some(address.into()),
            admin: true,
            admin_addr: Some(address.into()),
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
fn an_address_that_is_none_is_refused_with_a_way_out() {
    let flags = NodeFlags {
        http_addr: Some("nowhere".into()),
        ..Default::default()
    };
    let error = Config::from_flags(&flags).unwrap_err().to_string();
    assert!(
        error.contains("--http.addr") && error.contains("127.0.0.1"),
        "{error}"
    );
}
