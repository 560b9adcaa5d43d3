//! The network: its flags, its section of the configuration, its files, its place in the tree.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use actoreum_actors::{
    eth::EthProtocol,
    net::{
        self, NetworkHandle, limits::PENDING_PEERS, nat::Nat, restrict::NetRestrict,
        settings::NetworkSettings, tcp::OsTransport, transport::ListenAddress,
    },
    supervision::SupervisorSpec,
};
use actoreum_chain::ChainReader;
use actoreum_primitives::{SecretKey, genesis::MAINNET_GENESIS_HASH};
use actoreum_storage::files;
use actoreum_wire::nodes::Enode;
use clap::Args;
use eyre::{WrapErr, bail, eyre};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};
use zeroize::Zeroizing;

use crate::{
    bounded::{MAX_NODE_KEY_BYTES, MAX_NODE_LIST_BYTES, read_text},
    config::Config,
    datadir::DataDir,
    passwords::read_secret,
    version,
};

/// Mainnet's nodes to begin with, as geth 1.13 names them.
const MAINNET_BOOTNODES: [&str; 4] = [
    "enode://d860a01f9722d78051619d1e2351aba3f43f943f6f00718d1b9baa4101932a1f5011f16bb2b1bb35db20d6fe28fa0bf09636d26a87d31de9ec6203eeedb1f666@18.138.108.67:30303",
    "enode://22a8232c3abc76a16ae9d6c3b164f98775fe226f0917b0ca871128a74a8e9630b458460865bab457221f1d448dd9791d24c4e5d88786180ac185df813a68d4de@3.209.45.79:30303",
    "enode://2b252ab6a1d0f971d9722cb839a42cb81db019ba44c08754628ab4a823487071b5695317c8ccd085219c3a03af063495b2f1da8d18218da2d6a82981b45e6ffc@65.108.70.101:30303",
    "enode://4aeb4ab6c14b23e2c4cfdce879c04b0748a20d8e9b59e25ded2a08143e265c6c25936e74cbc8e641e3312ca288673d91f2f93f8e277de3cfa444ecdaaf982052@157.90.35.166:30303",
];

/// The file, beside the database, with the nodes to begin with that a genesis file named.
pub const BOOTNODES_FILE: &str = "bootnodes.json";

/// geth's flags of the group "networking".
#[derive(Debug, Default, Clone, Args)]
pub struct NetworkFlags {
    /// Port of the peer-to-peer listener and of discovery (default: 30303)
    #[arg(long, global = true, value_name = "PORT", help_heading = "Networking")]
    pub port: Option<u16>,
    /// Peers at most (default: 25)
    #[arg(long, global = true, value_name = "N", help_heading = "Networking")]
    pub maxpeers: Option<u32>,
    /// Handshakes of peers that dial us at a time; 0: 50 (default: 0)
    #[arg(long, global = true, value_name = "N", help_heading = "Networking")]
    pub maxpendpeers: Option<u32>,
    /// Port of discovery, over UDP (default: that of --port)
    #[arg(
        long = "discovery.port",
        global = true,
        value_name = "PORT",
        help_heading = "Networking"
    )]
    pub discovery_port: Option<u16>,
    /// Do not look for peers
    #[arg(long, global = true, help_heading = "Networking")]
    pub nodiscover: bool,
    /// Look for peers by discovery version 4, the only one here; false: as --nodiscover
    #[arg(
        long = "discovery.v4",
        alias = "discv4",
        global = true,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = crate::cli::parse_bool,
        help_heading = "Networking"
    )]
    pub discovery_v4: Option<bool>,
    /// Nodes to begin with, as enode URLs (default: mainnet's, on mainnet)
    #[arg(
        long,
        alias = "bootnodesv4",
        global = true,
        value_name = "URLS",
        value_delimiter = ',',
        help_heading = "Networking"
    )]
    pub bootnodes: Option<Vec<String>>,
    /// How peers reach us: any, none, upnp, pmp or extip:IP (default: any)
    #[arg(long, global = true, value_name = "HOW", help_heading = "Networking")]
    pub nat: Option<String>,
    /// Talk to these networks alone, such as 10.0.0.0/8
    #[arg(
        long,
        global = true,
        value_name = "CIDRS",
        value_delimiter = ',',
        help_heading = "Networking"
    )]
    pub netrestrict: Option<Vec<String>>,
    /// File with the node's key (default: nodekey in the data directory)
    #[arg(long, global = true, value_name = "FILE", help_heading = "Networking")]
    pub nodekey: Option<PathBuf>,
    /// The node's key as 64 hexadecimal digits
    #[arg(long, global = true, value_name = "HEX", help_heading = "Networking")]
    pub nodekeyhex: Option<String>,
}

/// `[Node.P2P]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct P2pConfig {
    /// Peers at most.
    pub max_peers: u32,
    /// Handshakes of peers that dial us at a time; 0: the default.
    pub max_pending_peers: u32,
    /// Do not look for peers.
    pub no_discovery: bool,
    /// Look for peers by discovery version 4: false means the same.
    #[serde(rename = "DiscoveryV4", skip_serializing_if = "Option::is_none")]
    pub discovery_v4: Option<bool>,
    /// Where discovery takes datagrams, as `:PORT`; empty: at the listener's port.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub disc_addr: String,
    /// Dial nobody, which is not to be had.
    #[serde(skip_serializing_if = "is_false")]
    pub no_dial: bool,
    /// Nodes to begin with; `None`: mainnet's, on mainnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap_nodes: Option<Vec<String>>,
    /// Nodes to stay connected with, besides those of `static-nodes.json`.
    pub static_nodes: Vec<String>,
    /// Nodes to let in always, besides those of `trusted-nodes.json`.
    pub trusted_nodes: Vec<String>,
    /// Networks that may be talked to; empty: all.
    pub net_restrict: Vec<String>,
    /// Where the listener stands.
    pub listen_addr: String,
    /// How peers reach us.
    #[serde(rename = "NAT")]
    pub nat: String,
    /// The node's key, as the command line names it.
    #[serde(skip)]
    pub key: KeySource,
}

/// Where the node's key is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum KeySource {
    /// In the data directory, where it is made if there is none.
    #[default]
    DataDir,
    /// In a file of the operator's.
    File(PathBuf),
    /// On the command line.
    Hex(SecretKey),
    /// It could not be read; why.
    Wrong(String),
}

impl Default for P2pConfig {
    fn default() -> Self {
        Self {
            max_peers: 25,
            max_pending_peers: 0,
            no_discovery: false,
            discovery_v4: None,
            disc_addr: String::new(),
            no_dial: false,
            bootstrap_nodes: None,
            static_nodes: Vec::new(),
            trusted_nodes: Vec::new(),
            net_restrict: Vec::new(),
            listen_addr: ":30303".into(),
            nat: Nat::Any.to_string(),
            key: KeySource::DataDir,
        }
    }
}

impl P2pConfig {
    /// Takes what the command line says.
    pub fn apply(&mut self, flags: &NetworkFlags) {
        fn set<T: Clone>(target: &mut T, flag: &Option<T>) {
            if let Some(value) = flag {
                target.clone_from(value);
            }
        }
        set(&mut self.max_peers, &flags.maxpeers);
        set(&mut self.max_pending_peers, &flags.maxpendpeers);
        self.no_discovery |= flags.nodiscover;
        if flags.discovery_v4.is_some() {
            self.discovery_v4 = flags.discovery_v4;
        }
        if let Some(port) = flags.port {
            self.listen_addr = format!(":{port}");
        }
        if let Some(port) = flags.discovery_port {
            self.disc_addr = format!(":{port}");
        }
        if let Some(urls) = &flags.bootnodes {
            self.bootstrap_nodes = Some(without_blanks(urls));
        }
        if let Some(networks) = &flags.netrestrict {
            self.net_restrict = without_blanks(networks);
        }
        set(&mut self.nat, &flags.nat);
        self.key = match (&flags.nodekey, &flags.nodekeyhex) {
            (Some(_), Some(_)) => {
                KeySource::Wrong("--nodekey and --nodekeyhex exclude each other".into())
            }
            (Some(file), None) => KeySource::File(file.clone()),
            (None, Some(hex)) => match parse_key(hex) {
                Ok(key) => KeySource::Hex(key),
                Err(error) => KeySource::Wrong(format!("--nodekeyhex: {error}")),
            },
            (None, None) => KeySource::DataDir,
        };
    }

    /// Whether all of it can be read, and done where the node `is_connected` to others.
    pub fn check(&self, is_connected: bool) -> eyre::Result<()> {
        if let KeySource::Wrong(why) = &self.key {
            bail!("{why}");
        }
        if is_connected {
            // geth writes both for a development chain.
            if self.no_dial {
                bail!("NoDial: nodes are dialled here; use --nodiscover, and name no static nodes");
            }
            self.listen()?;
        }
        self.discovery_port()?;
        self.nat()?;
        self.restrict()?;
        let bootnodes = self.bootstrap_nodes.iter().flatten();
        for url in bootnodes
            .chain(&self.static_nodes)
            .chain(&self.trusted_nodes)
        {
            parse_url(url)?;
        }
        Ok(())
    }

    fn discovery_port(&self) -> eyre::Result<Option<u16>> {
        if self.disc_addr.is_empty() {
            return Ok(None);
        }
        let address: Result<ListenAddress, _> = self.disc_addr.parse();
        let address = address.map_err(|error| eyre!("DiscAddr: {error}"))?;
        Ok(Some(address.port))
    }

    fn listen(&self) -> eyre::Result<ListenAddress> {
        let address = self.listen_addr.parse();
        address.map_err(|error| eyre!("ListenAddr: {error}"))
    }

    fn nat(&self) -> eyre::Result<Nat> {
        self.nat.parse().map_err(|error| eyre!("--nat: {error}"))
    }

    fn restrict(&self) -> eyre::Result<Option<NetRestrict>> {
        if self.net_restrict.is_empty() {
            return Ok(None);
        }
        let networks = self.net_restrict.join(",");
        let restrict = networks.parse();
        restrict
            .map(Some)
            .map_err(|error| eyre!("--netrestrict: {error}; use networks such as 10.0.0.0/8"))
    }
}

fn without_blanks(values: &[String]) -> Vec<String> {
    let trimmed = values.iter().map(|value| value.trim());
    let there = trimmed.filter(|value| !value.is_empty());
    there.map(String::from).collect()
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The node that a URL names. `None`, with a warning, where its kind of URL is not read yet: a
/// start does not fail for one node of several.
fn parse_url(url: &str) -> eyre::Result<Option<Enode>> {
    match url.parse::<Enode>() {
        Ok(node) => Ok(Some(node)),
        Err(error) => match error.not_supported(url) {
            Some(_) => Ok(None),
            None => Err(eyre!(
                "{url:?} is no node: {error}; use enode://KEY@IP:PORT"
            )),
        },
    }
}

/// The nodes that URLs name; the others are left out, with a warning each.
fn known_nodes(urls: &[String], whence: &str) -> Vec<Enode> {
    let urls = urls.iter().map(|url| url.trim());
    let urls = urls.filter(|url| !url.is_empty());
    urls.filter_map(|url| match url.parse::<Enode>() {
        Ok(node) => Some(node),
        Err(error) => {
            match error.not_supported(url) {
                Some(reason) => warn!(from = whence, url, reason, "node left out"),
                None => warn!(from = whence, url, %error, "node left out"),
            }
            None
        }
    })
    .collect()
}

fn parse_key(hex: &str) -> Result<SecretKey, String> {
    let wrong = || "a key is 64 hexadecimal digits".to_owned();
    let bytes = hex::decode(hex.trim()).map_err(|_| wrong())?;
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| wrong())?;
    SecretKey::from_bytes(&bytes).map_err(|error| error.to_string())
}

/// Reads a file with a key.
fn read_key(path: &Path) -> eyre::Result<SecretKey> {
    let bytes = read_secret(path, MAX_NODE_KEY_BYTES)
        .wrap_err_with(|| format!("node key {} can't be read", path.display()))?;
    // What is not UTF-8 has no 64 digits either.
    let text = str::from_utf8(&bytes).unwrap_or_default();
    parse_key(text).map_err(|error| eyre!("node key {}: {error}", path.display()))
}

/// The node's key: the operator's, that of the data directory, or a new one.
fn node_key(source: &KeySource, datadir: &DataDir) -> eyre::Result<SecretKey> {
    match source {
        KeySource::Hex(key) => return Ok(key.clone()),
        KeySource::File(path) => return read_key(path),
        KeySource::Wrong(why) => bail!("{why}"),
        KeySource::DataDir => {}
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

/// Writes a key that nobody else may read: as a whole or not at all, for half a key would keep the
/// node down.
fn write_key(path: &Path, key: &SecretKey) -> std::io::Result<()> {
    let digits = Zeroizing::new(hex::encode(key.to_bytes().as_slice()));
    files::create_file(path, digits.as_bytes(), files::PRIVATE_FILE)
}

/// A file with a JSON list of URLs, as geth has them. What cannot be read is left out, with a
/// warning: a wrong line must not keep a node down.
fn read_nodes(path: &Path) -> Vec<Enode> {
    let text = match read_text(path, MAX_NODE_LIST_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            warn!(file = %path.display(), %error, "list of nodes can't be read");
            return Vec::new();
        }
    };
    // Editors of Windows put a byte order mark before the text.
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

fn nodes(urls: &[String], whence: &str, file: &Path) -> Vec<Enode> {
    let mut nodes = known_nodes(urls, whence);
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
        // Those that the genesis file named.
        None => read_nodes(&datadir.network_file(BOOTNODES_FILE)?),
    };
    let max_pending = match config.max_pending_peers {
        0 => PENDING_PEERS,
        pending => usize::try_from(pending).unwrap_or(PENDING_PEERS),
    };
    Ok(NetworkSettings {
        listen: config.listen()?,
        discovery_port: config.discovery_port()?,
        is_discovering: !config.no_discovery && config.discovery_v4 != Some(false),
        max_peers: usize::try_from(config.max_peers).unwrap_or(usize::MAX),
        max_pending,
        bootnodes,
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
        restrict: config.restrict()?,
        nat: config.nat()?,
        nodes_file: Some(datadir.instance().join("nodes")),
        ..NetworkSettings::new(key, name)
    })
}

/// Puts the network together over the chain of a reader.
pub fn assemble(
    config: &Config,
    datadir: &DataDir,
    reader: &ChainReader,
    eth: EthProtocol,
) -> eyre::Result<(SupervisorSpec, NetworkHandle)> {
    let is_mainnet = reader.genesis_hash() == MAINNET_GENESIS_HASH;
    let name = version::named(&config.node.user_ident);
    let settings = settings(&config.node.p2p, datadir, is_mainnet, name)?;
    let (spec, handle) = net::assemble(settings, Arc::new(OsTransport::default()), Arc::new(eth));
    info!(id = ?handle.local().id, "network identity");
    Ok((spec, handle))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const URL: &str = "enode://d860a01f9722d78051619d1e2351aba3f43f943f6f00718d1b9baa4101932a1f5011f16bb2b1bb35db20d6fe28fa0bf09636d26a87d31de9ec6203eeedb1f666@127.0.0.1:30303";

    #[test]
    fn mainnets_bootnodes_are_nodes() {
        for url in MAINNET_BOOTNODES {
            assert!(parse_url(url).unwrap().is_some());
        }
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_one_of_geth_is_taken() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let config = |name: &str| {
            let mut config = Config::default();
            config.node.data_dir = folder.path().join(name);
            fs::create_dir_all(config.node.data_dir.join("actoreum")).unwrap();
            config
        };
        let datadir = DataDir::of(&config("a"));
        let key = node_key(&KeySource::DataDir, &datadir).unwrap();
        assert_eq!(node_key(&KeySource::DataDir, &datadir).unwrap(), key);
        let file = folder.path().join("a/actoreum/nodekey");
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            node_key(&KeySource::File(file.clone()), &datadir).unwrap(),
            key
        );

        // geth has it in its own folder, geth 1.4 had it in the data directory.
        for (name, of_geth) in [("b", "b/geth"), ("c", "c")] {
            let datadir = DataDir::of(&config(name));
            let of_geth = folder.path().join(of_geth);
            fs::create_dir_all(&of_geth).unwrap();
            fs::copy(&file, of_geth.join("nodekey")).unwrap();
            assert_eq!(node_key(&KeySource::DataDir, &datadir).unwrap(), key);
        }

        fs::write(&file, "xyz").unwrap();
        let error = read_key(&file).unwrap_err().to_string();
        assert!(error.contains("nodekey") && error.contains("64"), "{error}");
    }

    #[test]
    fn a_list_of_nodes_is_read_as_far_as_it_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("static-nodes.json");
        assert!(read_nodes(&file).is_empty());
        fs::write(&file, format!("[\"{URL}\", \"\", \"enode://nonsense\"]")).unwrap();
        assert_eq!(read_nodes(&file), [URL.parse().unwrap()]);
        fs::write(&file, format!("\u{feff}[\"{URL}\"]\r\n")).unwrap();
        assert_eq!(read_nodes(&file), [URL.parse().unwrap()]);
        fs::write(&file, "not json").unwrap();
        assert!(read_nodes(&file).is_empty());
    }

    #[test]
    fn host_names_and_records_are_left_out_of_the_nodes() {
        let by_name = URL.replace("127.0.0.1", "node.example");
        let record = "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjz".to_owned();
        let urls = [by_name.clone(), URL.to_owned(), record.clone()];
        assert_eq!(known_nodes(&urls, "test"), [URL.parse().unwrap()]);
        let config = P2pConfig {
            bootstrap_nodes: Some(urls.to_vec()),
            static_nodes: vec![by_name.clone()],
            ..P2pConfig::default()
        };
        config.check(true).unwrap();
        for url in [by_name, record] {
            assert_eq!(parse_url(&url).unwrap(), None);
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("static-nodes.json");
        fs::write(&file, serde_json::to_string(&urls).unwrap()).unwrap();
        assert_eq!(read_nodes(&file), [URL.parse().unwrap()]);
    }

    #[test]
    fn discovery_has_a_port_of_its_own_where_it_is_asked_for() {
        let (mut config, mut flags) = (P2pConfig::default(), NetworkFlags::default());
        assert_eq!(config.discovery_port().unwrap(), None);
        flags.discovery_port = Some(30304);
        flags.discovery_v4 = Some(false);
        config.apply(&flags);
        assert_eq!(config.discovery_port().unwrap(), Some(30304));
        assert_eq!(config.discovery_v4, Some(false));
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_flag() {
        let refused = |change: fn(&mut NetworkFlags), part: &str| {
            let (mut config, mut flags) = (P2pConfig::default(), NetworkFlags::default());
            change(&mut flags);
            config.apply(&flags);
            let error = config.check(true).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        refused(|it| it.nat = Some("magic".into()), "--nat");
        refused(|it| it.nat = Some("extip:here".into()), "--nat");
        refused(
            |it| it.netrestrict = Some(vec!["10.0.0.0".into()]),
            "--netrestrict",
        );
        refused(
            |it| it.bootnodes = Some(vec!["enode://x".into()]),
            "enode://KEY@IP:PORT",
        );
        refused(|it| it.nodekeyhex = Some("00".into()), "--nodekeyhex");
        refused(
            |it| {
                it.nodekeyhex = Some("00".into());
                it.nodekey = Some("x".into());
            },
            "exclude",
        );
    }
}
