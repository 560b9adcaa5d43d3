//! Subtree of the network: its settings, from the configuration and the files of the data directory.

use std::{io::ErrorKind, path::Path, sync::Arc};

use actoreum_actors::{
    eth::EthProtocol,
    net::{
        self, NetworkHandle, limits::DEFAULT_MAX_PENDING_PEERS, nat::Nat, restrict::NetRestrict,
        settings::NetworkSettings, tcp::OsTransport, transport::ListenAddress,
    },
};
use actoreum_chain::ChainReader;
use actoreum_primitives::{SecretKey, genesis::MAINNET_GENESIS_HASH};
use actoreum_storage::files;
use actoreum_supervision::SupervisorSpec;
use actoreum_wire::{dns::TreeLink, nodes::NodeUrl};
use eyre::{WrapErr, eyre};
use tracing::{info, warn};
use zeroize::Zeroizing;

use crate::{
    bounded::{MAX_NODE_KEY_BYTES, MAX_NODE_LIST_BYTES, read_text},
    config::{
        Config,
        network::{BOOTNODES_FILE, NodeKeyFlags, P2pConfig, parse_key, parse_tree},
    },
    datadir::DataDir,
    passwords::read_secret,
    version,
};

/// Bootnodes of mainnet, from geth 1.13 (params/bootnodes.go).
const MAINNET_BOOTNODES: [&str; 4] = [
    "enode://d860a01f9722d78051619d1e2351aba3f43f943f6f00718d1b9baa4101932a1f5011f16bb2b1bb35db20d6fe28fa0bf09636d26a87d31de9ec6203eeedb1f666@18.138.108.67:30303",
    "enode://22a8232c3abc76a16ae9d6c3b164f98775fe226f0917b0ca871128a74a8e9630b458460865bab457221f1d448dd9791d24c4e5d88786180ac185df813a68d4de@3.209.45.79:30303",
    "enode://2b252ab6a1d0f971d9722cb839a42cb81db019ba44c08754628ab4a823487071b5695317c8ccd085219c3a03af063495b2f1da8d18218da2d6a82981b45e6ffc@65.108.70.101:30303",
    "enode://4aeb4ab6c14b23e2c4cfdce879c04b0748a20d8e9b59e25ded2a08143e265c6c25936e74cbc8e641e3312ca288673d91f2f93f8e277de3cfa444ecdaaf982052@157.90.35.166:30303",
];

/// The tree of mainnet's nodes in DNS, from geth 1.13 (params/bootnodes.go).
const MAINNET_TREE: &str =
    "enrtree://AKA3AM6LPBYEUDMVNU3BSVQJ5AD45Y7YPOHJLEF6W26QOE4VTUDPE@all.mainnet.ethdisco.net";

/// Checks the values that the network's actors parse. A node that is not connected to a network has
/// no listener: for a development chain geth writes an empty `ListenAddr`.
pub fn check(config: &P2pConfig, is_connected: bool) -> eyre::Result<()> {
    if is_connected {
        listen(config)?;
    }
    discovery_port(config)?;
    nat(config)?;
    restrict(config)?;
    Ok(())
}

fn discovery_port(config: &P2pConfig) -> eyre::Result<Option<u16>> {
    if config.disc_addr.is_empty() {
        return Ok(None);
    }
    let address: Result<ListenAddress, _> = config.disc_addr.parse();
    let address = address.map_err(|error| eyre!("DiscAddr: {error}"))?;
    Ok(Some(address.port))
}

fn listen(config: &P2pConfig) -> eyre::Result<ListenAddress> {
    let address = config.listen_addr.parse();
    address.map_err(|error| eyre!("ListenAddr: {error}"))
}

pub(crate) fn nat(config: &P2pConfig) -> eyre::Result<Nat> {
    config.nat.parse().map_err(|error| eyre!("--nat: {error}"))
}

pub(crate) fn restrict(config: &P2pConfig) -> eyre::Result<Option<NetRestrict>> {
    if config.net_restrict.is_empty() {
        return Ok(None);
    }
    let networks = config.net_restrict.join(",");
    let restrict = networks.parse();
    restrict
        .map(Some)
        .map_err(|error| eyre!("--netrestrict: {error}; use networks such as 10.0.0.0/8"))
}

/// Parses the URLs of nodes. Leaves out the URLs that can't be used, with a warning each; `source`
/// is named in it.
fn known_nodes(urls: &[String], source: &str) -> Vec<NodeUrl> {
    let urls = urls.iter().map(|url| url.trim());
    let urls = urls.filter(|url| !url.is_empty());
    urls.filter_map(|url| match url.parse::<NodeUrl>() {
        Ok(node) => Some(node),
        Err(error) => {
            warn!(from = source, url, %error, "node left out");
            None
        }
    })
    .collect()
}

/// Reads a node key file.
pub(crate) fn read_key(path: &Path) -> eyre::Result<SecretKey> {
    let bytes = read_secret(path, MAX_NODE_KEY_BYTES)
        .wrap_err_with(|| format!("node key {} can't be read", path.display()))?;
    // Bytes that are not UTF-8 are not 64 digits either: parsing the empty text fails.
    let text = str::from_utf8(&bytes).unwrap_or_default();
    parse_key(text).map_err(|error| eyre!("node key {}: {error}", path.display()))
}

/// Returns the node key: the operator's, that of the data directory, or a new one that is written
/// there.
fn node_key(flags: &NodeKeyFlags, datadir: &DataDir) -> eyre::Result<SecretKey> {
    if let Some(key) = flags.parse()? {
        return Ok(key);
    }
    if let Some(file) = &flags.file {
        return read_key(file);
    }
    let path = datadir.network_file("nodekey")?;
    if path.exists() {
        return read_key(&path);
    }
    let key = SecretKey::random();
    write_key(&path, &key)
        .wrap_err_with(|| format!("node key {} can't be written", path.display()))?;
    Ok(key)
}

/// Writes a key file that only its owner may read. It is written as a whole or not at all, because
/// half a key would keep the node from starting.
pub(crate) fn write_key(path: &Path, key: &SecretKey) -> std::io::Result<()> {
    let digits = Zeroizing::new(hex::encode(key.to_bytes().as_slice()));
    files::create_file(path, digits.as_bytes(), files::PRIVATE_FILE)
}

/// Reads a file with a JSON list of URLs, as geth's `static-nodes.json`. Entries that can't be read
/// are left out with a warning, because a wrong line must not keep the node from starting.
fn read_nodes(path: &Path) -> Vec<NodeUrl> {
    let text = match read_text(path, MAX_NODE_LIST_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            warn!(file = %path.display(), %error, "list of nodes can't be read");
            return Vec::new();
        }
    };
    // Editors on Windows put a byte order mark before the text.
    let json = text.trim_start_matches('\u{feff}');
    let urls: Vec<String> = match serde_json::from_str(json) {
        Ok(urls) => urls,
        Err(error) => {
            warn!(file = %path.display(), %error, "list of nodes can't be read");
            return Vec::new();
        }
    };
    known_nodes(&urls, &path.display().to_string())
}

fn nodes(urls: &[String], source: &str, file: &Path) -> Vec<NodeUrl> {
    let mut nodes = known_nodes(urls, source);
    nodes.extend(read_nodes(file));
    nodes
}

fn settings(
    config: &P2pConfig,
    datadir: &DataDir,
    is_mainnet: bool,
    name: String,
) -> eyre::Result<NetworkSettings> {
    let key = node_key(&config.key, datadir)?;
    let bootnodes = match &config.bootstrap_nodes {
        Some(urls) => known_nodes(urls, "bootnodes"),
        None if is_mainnet => known_nodes(&MAINNET_BOOTNODES.map(String::from), "mainnet"),
        // The bootnodes that the genesis file named.
        None => read_nodes(&datadir.network_file(BOOTNODES_FILE)?),
    };
    let max_pending = match config.max_pending_peers {
        0 => DEFAULT_MAX_PENDING_PEERS,
        pending => usize::try_from(pending).unwrap_or(DEFAULT_MAX_PENDING_PEERS),
    };
    Ok(NetworkSettings {
        listen: listen(config)?,
        discovery_port: discovery_port(config)?,
        discovery_v4: !config.no_discovery && config.discovery_v4 != Some(false),
        discovery_v5: config.discovery_v5,
        max_peers: usize::try_from(config.max_peers).unwrap_or(usize::MAX),
        max_pending,
        bootnodes,
        bootnodes_v5: known_nodes(
            &config.bootstrap_nodes_v5.clone().unwrap_or_default(),
            "bootnodesv5",
        ),
        static_nodes: nodes(
            &config.static_nodes,
            "StaticNodes",
            &datadir.network_file("static-nodes.json")?,
        ),
        trusted_nodes: nodes(
            &config.trusted_nodes,
            "TrustedNodes",
            &datadir.network_file("trusted-nodes.json")?,
        ),
        restrict: restrict(config)?,
        nat: nat(config)?,
        nodes_file: Some(datadir.instance().join("nodes")),
        ..NetworkSettings::new(key, name)
    })
}

/// Returns the trees of nodes in DNS: the configured ones, or mainnet's on mainnet. A node without
/// discovery has none, as in geth.
fn dns_trees(config: &Config, is_mainnet: bool) -> eyre::Result<Vec<TreeLink>> {
    if config.node.p2p.no_discovery {
        return Ok(Vec::new());
    }
    // A private network may have begun with mainnet's genesis block.
    let is_mainnet = is_mainnet && config.eth.network_id.is_none_or(|id| id == 1);
    let urls = match &config.eth.eth_discovery_urls {
        Some(urls) => urls.clone(),
        None if is_mainnet => vec![MAINNET_TREE.to_owned()],
        None => Vec::new(),
    };
    urls.iter().map(|url| parse_tree(url)).collect()
}

/// Assembles the subtree of the network over the chain of `reader`.
pub fn assemble(
    config: &Config,
    datadir: &DataDir,
    reader: &ChainReader,
    eth: EthProtocol,
) -> eyre::Result<(SupervisorSpec, NetworkHandle)> {
    let is_mainnet = reader.genesis_hash() == MAINNET_GENESIS_HASH;
    let name = version::named(&config.node.user_ident);
    let mut settings = settings(&config.node.p2p, datadir, is_mainnet, name)?;
    settings.dns_trees = dns_trees(config, is_mainnet)?;
    settings
        .dns_servers
        .clone_from(&config.actoreum.dns_servers);
    let (spec, handle) = net::assemble(settings, Arc::new(OsTransport::default()), Arc::new(eth));
    info!(id = ?handle.local().id, "network identity");
    Ok((spec, handle))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use actoreum_wire::nodes::EnrBuilder;

    use crate::config::{given::Given, network::parse_url};

    const URL: &str = "enode://d860a01f9722d78051619d1e2351aba3f43f943f6f00718d1b9baa4101932a1f5011f16bb2b1bb35db20d6fe28fa0bf09636d26a87d31de9ec6203eeedb1f666@127.0.0.1:30303";

    /// Checks the configuration of a node in a network.
    fn check_all(config: &P2pConfig) -> eyre::Result<()> {
        config.check(true)?;
        check(config, true)
    }

    #[test]
    fn the_bootnodes_of_mainnet_are_valid_urls() {
        for url in MAINNET_BOOTNODES {
            parse_url(url).unwrap();
        }
    }

    #[test]
    fn a_node_key_is_created_once_or_taken_from_geth() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let config = |name: &str| {
            let mut config = Config::default();
            config.node.data_dir = folder.path().join(name);
            fs::create_dir_all(config.node.data_dir.join("actoreum")).unwrap();
            config
        };
        let datadir = DataDir::of(&config("a"));
        let key = node_key(&NodeKeyFlags::default(), &datadir).unwrap();
        assert_eq!(node_key(&NodeKeyFlags::default(), &datadir).unwrap(), key);
        let file = folder.path().join("a/actoreum/nodekey");
        let in_file = NodeKeyFlags {
            file: Some(file.clone()),
            hex: None,
        };
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(node_key(&in_file, &datadir).unwrap(), key);

        // geth keeps the key in its own folder; geth 1.4 kept it in the data directory.
        for (name, of_geth) in [("b", "b/geth"), ("c", "c")] {
            let datadir = DataDir::of(&config(name));
            let of_geth = folder.path().join(of_geth);
            fs::create_dir_all(&of_geth).unwrap();
            fs::copy(&file, of_geth.join("nodekey")).unwrap();
            assert_eq!(node_key(&NodeKeyFlags::default(), &datadir).unwrap(), key);
        }

        fs::write(&file, "xyz").unwrap();
        let error = read_key(&file).unwrap_err().to_string();
        assert!(error.contains("nodekey") && error.contains("64"), "{error}");
    }

    #[test]
    fn malformed_entries_of_a_node_list_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("static-nodes.json");
        assert!(read_nodes(&file).is_empty());
        fs::write(&file, format!("[\"{URL}\", \"\", \"enode://malformed\"]")).unwrap();
        assert_eq!(read_nodes(&file), [URL.parse().unwrap()]);
        fs::write(&file, format!("\u{feff}[\"{URL}\"]\r\n")).unwrap();
        assert_eq!(read_nodes(&file), [URL.parse().unwrap()]);
        fs::write(&file, "not json").unwrap();
        assert!(read_nodes(&file).is_empty());
    }

    #[test]
    fn urls_may_have_host_names_and_be_records() {
        let by_name = URL.replace("127.0.0.1", "node.example");
        let record = EnrBuilder::new().sign(1, &SecretKey::random()).unwrap();
        let urls = [by_name, URL.to_owned(), record.to_string()];
        let nodes = urls.clone().map(|url| url.parse::<NodeUrl>().unwrap());
        assert_eq!(known_nodes(&urls, "test"), nodes);
        let config = P2pConfig {
            bootstrap_nodes: Some(urls.to_vec()),
            static_nodes: urls.to_vec(),
            ..P2pConfig::default()
        };
        check_all(&config).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("static-nodes.json");
        fs::write(&file, serde_json::to_string(&urls).unwrap()).unwrap();
        assert_eq!(read_nodes(&file), nodes);
    }

    #[test]
    fn trees_in_dns_have_geths_defaults() {
        let trees = |flags: &[&str], is_mainnet| {
            let line = ["actoreum"]
                .iter()
                .chain(flags)
                .map(std::ffi::OsString::from);
            let crate::cli::Parsed::Run(cli) = crate::cli::parse(line) else {
                panic!("{flags:?} is not parsed");
            };
            let config = Config::from_flags(&cli.flags)?;
            let trees = dns_trees(&config, is_mainnet)?;
            Ok::<_, eyre::Report>(trees.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let other = MAINNET_TREE.replace("mainnet", "example");
        let both = format!("--discovery.dns={other}, {MAINNET_TREE}");
        assert_eq!(trees(&[], false).unwrap(), [""; 0]);
        assert_eq!(trees(&[], true).unwrap(), [MAINNET_TREE]);
        assert_eq!(trees(&["--networkid=99"], true).unwrap(), [""; 0]);
        assert_eq!(trees(&["--discovery.dns="], true).unwrap(), [""; 0]);
        assert_eq!(
            trees(&[&both], true).unwrap(),
            [other.as_str(), MAINNET_TREE]
        );
        assert_eq!(trees(&[&both, "--nodiscover"], true).unwrap(), [""; 0]);
        let error = trees(&["--discovery.dns=enrtree://x"], false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid DNS discovery URL \"enrtree://x\": invalid link entry: missing public key"
        );
    }

    #[test]
    fn discovery_port_sets_the_udp_port() {
        let mut config = P2pConfig::default();
        assert_eq!(discovery_port(&config).unwrap(), None);
        let flags = Given::parse(["--discovery.port=30304", "--discovery.v4=false"]);
        config.apply(&flags).unwrap();
        assert_eq!(discovery_port(&config).unwrap(), Some(30304));
        assert_eq!(config.discovery_v4, Some(false));
    }

    #[test]
    fn the_error_names_the_flag_of_an_invalid_value() {
        let refused = |flags: &[&'static str], part: &str| {
            let mut config = P2pConfig::default();
            config.apply(&Given::parse(flags.iter().copied())).unwrap();
            let error = check_all(&config).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        refused(&["--nat=magic"], "--nat");
        refused(&["--nat=extip:here"], "--nat");
        refused(&["--netrestrict=10.0.0.0"], "--netrestrict");
        refused(&["--bootnodes=enode://x"], "enode://KEY@HOST:PORT");
        refused(&["--nodekeyhex=00"], "--nodekeyhex");
        refused(&["--nodekeyhex=00", "--nodekey=x"], "exclude");
    }
}
