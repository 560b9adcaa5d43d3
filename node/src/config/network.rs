//! The peer-to-peer network: flags and configuration section.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use actoreum_primitives::SecretKey;
use actoreum_wire::{dns::TreeLink, nodes::NodeUrl};
use clap::{Args, builder::TypedValueParser};
use eyre::{bail, eyre};
use serde::{Deserialize, Serialize};

use super::{given::Given, values::without_blanks};

/// File beside the database with the bootnodes that a genesis file named.
pub const BOOTNODES_FILE: &str = "bootnodes.json";

/// Section `[Node.P2P]` of the configuration and geth's flags of the category "networking". Fields
/// without a flag are set by the file alone.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Networking")]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct P2pConfig {
    /// Maximum number of network peers (default: 25)
    #[arg(long = "maxpeers", global = true, value_name = "N")]
    pub max_peers: u32,
    /// Maximum number of pending inbound connections; 0: the default of 50 (default: 0)
    #[arg(long = "maxpendpeers", global = true, value_name = "N")]
    pub max_pending_peers: u32,
    /// Disable the peer discovery mechanism (manual peer addition)
    #[arg(long = "nodiscover", global = true)]
    pub no_discovery: bool,
    /// Enable the V4 discovery mechanism (default: true)
    #[arg(
        long = "discovery.v4",
        alias = "discv4",
        global = true,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = crate::boolean::parse
    )]
    #[serde(rename = "DiscoveryV4", skip_serializing_if = "Option::is_none")]
    pub discovery_v4: Option<bool>,
    /// Enable the V5 discovery mechanism (discv5.1), also with --nodiscover
    #[arg(long = "discovery.v5", aliases = ["discv5", "v5disc"], global = true)]
    #[serde(rename = "DiscoveryV5", skip_serializing_if = "is_false")]
    pub discovery_v5: bool,
    /// Use a custom UDP port for P2P discovery (default: that of --port)
    #[arg(long = "discovery.port", global = true, value_name = "PORT", value_parser = on_port())]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub disc_addr: String,
    /// Dial no peers: not supported, and refused by [`P2pConfig::check`].
    #[arg(skip)]
    #[serde(skip_serializing_if = "is_false")]
    pub no_dial: bool,
    /// Comma separated enode URLs for P2P discovery bootstrap (default: mainnet's, on mainnet)
    #[arg(
        long = "bootnodes",
        alias = "bootnodesv4",
        global = true,
        value_name = "URLS",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap_nodes: Option<Vec<String>>,
    /// Comma separated enode or enr URLs for V5 discovery bootstrap (default: those of --bootnodes)
    #[arg(
        long = "bootnodesv5",
        global = true,
        value_name = "URLS",
        value_delimiter = ','
    )]
    #[serde(rename = "BootstrapNodesV5", skip_serializing_if = "Option::is_none")]
    pub bootstrap_nodes_v5: Option<Vec<String>>,
    /// Static nodes, besides those of `static-nodes.json`.
    #[arg(skip)]
    pub static_nodes: Vec<String>,
    /// Trusted nodes, besides those of `trusted-nodes.json`.
    #[arg(skip)]
    pub trusted_nodes: Vec<String>,
    /// Restrict network communication to the given IP networks (CIDR masks), such as 10.0.0.0/8
    #[arg(
        long = "netrestrict",
        global = true,
        value_name = "CIDRS",
        value_delimiter = ','
    )]
    pub net_restrict: Vec<String>,
    /// Network listening port (default: 30303)
    #[arg(long = "port", global = true, value_name = "PORT", value_parser = on_port())]
    pub listen_addr: String,
    /// NAT port mapping mechanism: any, none, upnp, pmp or extip:IP (default: any)
    #[arg(long, global = true, value_name = "HOW")]
    #[serde(rename = "NAT")]
    pub nat: String,
    /// The node key, which only flags name.
    #[command(flatten)]
    #[serde(skip)]
    pub key: NodeKeyFlags,
}

/// Flags of the node key. Without one of them the key is in the data directory, where it is created
/// if there is none.
#[derive(Debug, Default, Clone, PartialEq, Eq, Args)]
pub struct NodeKeyFlags {
    // A subcommand has an argument called `file`; the ids of a command line are unique.
    /// P2P node key file (default: nodekey in the data directory)
    #[arg(id = "nodekey", long = "nodekey", global = true, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// P2P node key as hex, 64 digits
    #[arg(
        id = "nodekeyhex",
        long = "nodekeyhex",
        global = true,
        value_name = "HEX"
    )]
    pub hex: Option<String>,
}

impl Default for P2pConfig {
    fn default() -> Self {
        Self {
            max_peers: 25,
            max_pending_peers: 0,
            no_discovery: false,
            discovery_v4: None,
            discovery_v5: false,
            disc_addr: String::new(),
            no_dial: false,
            bootstrap_nodes: None,
            bootstrap_nodes_v5: None,
            static_nodes: Vec::new(),
            trusted_nodes: Vec::new(),
            net_restrict: Vec::new(),
            listen_addr: ":30303".into(),
            nat: "any".into(),
            key: NodeKeyFlags::default(),
        }
    }
}

impl P2pConfig {
    /// Applies the flags. Their lists may have blanks around the commas.
    ///
    /// # Errors
    /// [`Given::apply`]
    pub fn apply(&mut self, flags: &Given<Self>) -> eyre::Result<()> {
        flags.apply(self)?;
        let bootnodes = [&mut self.bootstrap_nodes, &mut self.bootstrap_nodes_v5];
        for urls in bootnodes.into_iter().flatten() {
            *urls = without_blanks(urls);
        }
        self.net_restrict = without_blanks(&self.net_restrict);
        Ok(())
    }

    /// Checks the node key, the URLs of nodes and, if the node is to be connected to a network
    /// (`is_connected`), that its nodes may be dialled. The wiring of the network parses the other
    /// values.
    ///
    /// # Errors
    /// Names the flag or the key of the file with an invalid value.
    pub fn check(&self, is_connected: bool) -> eyre::Result<()> {
        self.key.parse()?;
        // For a development chain geth writes NoDial.
        if is_connected && self.no_dial {
            bail!("NoDial: nodes are dialled here; use --nodiscover, and name no static nodes");
        }
        let bootnodes = [&self.bootstrap_nodes, &self.bootstrap_nodes_v5];
        for url in bootnodes
            .into_iter()
            .flatten()
            .flatten()
            .chain(&self.static_nodes)
            .chain(&self.trusted_nodes)
        {
            parse_url(url)?;
        }
        Ok(())
    }
}

impl NodeKeyFlags {
    /// Returns the key of `--nodekeyhex`, if that is given.
    ///
    /// # Errors
    /// Fails if it is no key, or if both flags are given.
    pub fn parse(&self) -> eyre::Result<Option<SecretKey>> {
        let Some(hex) = &self.hex else {
            return Ok(None);
        };
        if self.file.is_some() {
            bail!("--nodekey and --nodekeyhex exclude each other");
        }
        let key = parse_key(hex).map_err(|error| eyre!("--nodekeyhex: {error}"))?;
        Ok(Some(key))
    }
}

/// Parses a port into an address without an IP, as geth's files have it: `:30303`.
fn on_port() -> impl TypedValueParser<Value = String> {
    clap::value_parser!(u16).map(|port| format!(":{port}"))
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Parses the URL of a node.
pub fn parse_url(url: &str) -> eyre::Result<NodeUrl> {
    let wrong =
        |error| eyre!("{url:?} is no node: {error}; use enode://KEY@HOST:PORT or enr:RECORD");
    url.parse().map_err(wrong)
}

/// Parses the URL of a tree of nodes in DNS.
pub fn parse_tree(url: &str) -> eyre::Result<TreeLink> {
    let wrong = |error| eyre!("invalid DNS discovery URL {url:?}: {error}");
    url.parse().map_err(wrong)
}

/// Parses the address of a DNS server, whose port is 53 unless it is given.
pub fn parse_dns_server(text: &str) -> Result<SocketAddr, String> {
    let address = text.trim();
    let with_port = address.parse::<SocketAddr>();
    let ip = |_| address.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
    with_port
        .or_else(ip)
        .map_err(|_| format!("{address:?} is not an address; use IP or IP:PORT"))
}

/// Parses a node key of 64 hexadecimal digits.
pub fn parse_key(hex: &str) -> Result<SecretKey, String> {
    let wrong = || "a key is 64 hexadecimal digits".to_owned();
    let bytes = hex::decode(hex.trim()).map_err(|_| wrong())?;
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| wrong())?;
    SecretKey::from_bytes(&bytes).map_err(|error| error.to_string())
}
