//! The peer-to-peer network: flags and configuration section.

use std::path::PathBuf;

use actoreum_primitives::SecretKey;
use actoreum_wire::nodes::Enode;
use clap::Args;
use eyre::{bail, eyre};
use serde::{Deserialize, Serialize};

use super::flags::{set, set_list, without_blanks};

/// File beside the database with the bootnodes that a genesis file named.
pub const BOOTNODES_FILE: &str = "bootnodes.json";

/// geth's flags of the category "networking".
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Networking")]
pub struct NetworkFlags {
    /// Network listening port (default: 30303)
    #[arg(long, global = true, value_name = "PORT")]
    pub port: Option<u16>,
    /// Maximum number of network peers (default: 25)
    #[arg(long, global = true, value_name = "N")]
    pub maxpeers: Option<u32>,
    /// Maximum number of pending inbound connections; 0: the default of 50 (default: 0)
    #[arg(long, global = true, value_name = "N")]
    pub maxpendpeers: Option<u32>,
    /// Use a custom UDP port for P2P discovery (default: that of --port)
    #[arg(long = "discovery.port", global = true, value_name = "PORT")]
    pub discovery_port: Option<u16>,
    /// Disable the peer discovery mechanism (manual peer addition)
    #[arg(long, global = true)]
    pub nodiscover: bool,
    /// Enable the V4 discovery mechanism, the only one here; false: as --nodiscover
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
    pub discovery_v4: Option<bool>,
    /// Comma separated enode URLs for P2P discovery bootstrap (default: mainnet's, on mainnet)
    #[arg(
        long,
        alias = "bootnodesv4",
        global = true,
        value_name = "URLS",
        value_delimiter = ','
    )]
    pub bootnodes: Option<Vec<String>>,
    /// NAT port mapping mechanism: any, none, upnp, pmp or extip:IP (default: any)
    #[arg(long, global = true, value_name = "HOW")]
    pub nat: Option<String>,
    /// Restrict network communication to the given IP networks (CIDR masks), such as 10.0.0.0/8
    #[arg(long, global = true, value_name = "CIDRS", value_delimiter = ',')]
    pub netrestrict: Option<Vec<String>>,
    /// P2P node key file (default: nodekey in the data directory)
    #[arg(long, global = true, value_name = "FILE")]
    pub nodekey: Option<PathBuf>,
    /// P2P node key as hex, 64 digits
    #[arg(long, global = true, value_name = "HEX")]
    pub nodekeyhex: Option<String>,
}

/// Section `[Node.P2P]` of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct P2pConfig {
    /// Maximum number of peers.
    pub max_peers: u32,
    /// Maximum number of inbound connections in their handshake; 0: the default.
    pub max_pending_peers: u32,
    /// Disables discovery.
    pub no_discovery: bool,
    /// Enables discovery version 4; `false` disables discovery, as `no_discovery` does.
    #[serde(rename = "DiscoveryV4", skip_serializing_if = "Option::is_none")]
    pub discovery_v4: Option<bool>,
    /// UDP address of discovery, as `:PORT`; empty: the listener's port.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub disc_addr: String,
    /// Dial no peers: not supported, and refused by [`P2pConfig::check`].
    #[serde(skip_serializing_if = "is_false")]
    pub no_dial: bool,
    /// Bootnodes; `None`: mainnet's, on mainnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap_nodes: Option<Vec<String>>,
    /// Static nodes, besides those of `static-nodes.json`.
    pub static_nodes: Vec<String>,
    /// Trusted nodes, besides those of `trusted-nodes.json`.
    pub trusted_nodes: Vec<String>,
    /// IP networks to which communication is restricted, in CIDR notation; empty: all.
    pub net_restrict: Vec<String>,
    /// Address of the listener, as `IP:PORT` or `:PORT`.
    pub listen_addr: String,
    /// NAT port mapping mechanism, in the syntax of `--nat`.
    #[serde(rename = "NAT")]
    pub nat: String,
    /// Source of the node key, from the command line.
    #[serde(skip)]
    pub key: KeySource,
}

/// Source of the node key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum KeySource {
    /// The data directory, where a key is created if there is none.
    #[default]
    DataDir,
    /// A file that the operator names.
    File(PathBuf),
    /// The command line.
    Hex(SecretKey),
    /// Flags that can't be read, with the error.
    Invalid(String),
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
            nat: "any".into(),
            key: KeySource::DataDir,
        }
    }
}

impl P2pConfig {
    /// Applies the flags.
    pub fn apply(&mut self, flags: &NetworkFlags) {
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
        set_list(&mut self.net_restrict, &flags.netrestrict);
        set(&mut self.nat, &flags.nat);
        self.key = match (&flags.nodekey, &flags.nodekeyhex) {
            (Some(_), Some(_)) => {
                KeySource::Invalid("--nodekey and --nodekeyhex exclude each other".into())
            }
            (Some(file), None) => KeySource::File(file.clone()),
            (None, Some(hex)) => match parse_key(hex) {
                Ok(key) => KeySource::Hex(key),
                Err(error) => KeySource::Invalid(format!("--nodekeyhex: {error}")),
            },
            (None, None) => KeySource::DataDir,
        };
    }

    /// Checks the node key, the URLs of nodes and, if the node is to be connected to a network
    /// (`is_connected`), that its nodes may be dialled. The wiring of the network parses the other
    /// values.
    pub fn check(&self, is_connected: bool) -> eyre::Result<()> {
        if let KeySource::Invalid(why) = &self.key {
            bail!("{why}");
        }
        // For a development chain geth writes NoDial.
        if is_connected && self.no_dial {
            bail!("NoDial: nodes are dialled here; use --nodiscover, and name no static nodes");
        }
        let bootnodes = self.bootstrap_nodes.iter().flatten();
        for url in bootnodes
            .chain(&self.static_nodes)
            .chain(&self.trusted_nodes)
        {
            parse_url(url)?;
        }
        Ok(())
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Parses the URL of a node. Returns `None` for a kind of URL that is not supported (a host name, a
/// record): a start does not fail because of one node among several.
pub fn parse_url(url: &str) -> eyre::Result<Option<Enode>> {
    match url.parse::<Enode>() {
        Ok(node) => Ok(Some(node)),
        Err(error) => match error.unsupported_hint(url) {
            Some(_) => Ok(None),
            None => Err(eyre!(
                "{url:?} is no node: {error}; use enode://KEY@IP:PORT"
            )),
        },
    }
}

/// Parses a node key of 64 hexadecimal digits.
pub fn parse_key(hex: &str) -> Result<SecretKey, String> {
    let wrong = || "a key is 64 hexadecimal digits".to_owned();
    let bytes = hex::decode(hex.trim()).map_err(|_| wrong())?;
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| wrong())?;
    SecretKey::from_bytes(&bytes).map_err(|error| error.to_string())
}
