//! Command lines of `bootnode`, `dns`, `enr` and `enode`: tools of discovery.

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, Subcommand};

/// `bootnode`
#[derive(Debug, Args)]
pub struct BootnodeArgs {
    /// Listen address (default: :30301)
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = ":30301",
        hide_default_value = true
    )]
    pub addr: String,
    /// Generate a node key, write it to a file, and exit
    #[arg(long, value_name = "FILE")]
    pub genkey: Option<PathBuf>,
    /// Write out the node's public key and exit
    #[arg(long)]
    pub writeaddress: bool,
    /// Run discovery v5 as well; with --discovery.v4=false alone
    #[arg(long)]
    pub v5: bool,
}

/// `dns <what>`
#[derive(Debug, Args)]
pub struct DnsArgs {
    /// Subcommand
    #[command(subcommand)]
    pub what: DnsCommand,
}

/// The subcommands of `dns`.
#[derive(Debug, Subcommand)]
pub enum DnsCommand {
    /// Sign a DNS discovery tree
    ///
    /// The directory has nodes.json: node records, as a list or as geth's devp2p writes them. The
    /// signature and the links to other trees are in its enrtree-info.json.
    Sign {
        /// Directory of the tree
        #[arg(value_name = "TREE-DIR")]
        tree: PathBuf,
        /// Signing key: a key file of an account, or 64 hex digits in a file
        #[arg(value_name = "KEYFILE")]
        key: PathBuf,
        /// Domain name of the tree (default: that of its last signature, or the directory's name)
        #[arg(long, value_name = "NAME")]
        domain: Option<String>,
        /// New sequence number of the tree (default: one more than the last)
        #[arg(long, value_name = "N")]
        seq: Option<u64>,
    },
    /// Create the TXT records of a signed tree, as a JSON object
    ToTxt(RecordArgs),
    /// Create the TXT records of a signed tree, as a zone file (RFC 1035)
    ToZone(RecordArgs),
}

/// `dns to-txt` and `dns to-zone`
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Directory of the tree
    #[arg(value_name = "TREE-DIR")]
    pub tree: PathBuf,
    /// File to write (default: standard output)
    #[arg(value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `enr <what>`
#[derive(Debug, Args)]
pub struct EnrArgs {
    /// Subcommand
    #[command(subcommand)]
    pub what: EnrCommand,
}

/// The subcommands of `enr`.
#[derive(Debug, Subcommand)]
pub enum EnrCommand {
    /// Verify a node record and print what it says
    Show {
        /// Record: enr:..., or its bytes in hex or base64
        #[arg(value_name = "RECORD")]
        record: Option<String>,
        /// File with the record; -: standard input
        #[arg(long, value_name = "FILE", conflicts_with = "record")]
        file: Option<PathBuf>,
    },
    /// Create a node record from a node key file
    Sign {
        /// Node key file
        #[arg(value_name = "KEYFILE")]
        key: PathBuf,
        /// The endpoint of the node.
        #[command(flatten)]
        at: EndpointArgs,
        /// Sequence number of the record
        #[arg(long, value_name = "N", default_value_t = 1)]
        seq: u64,
    },
    /// Generate a node key file
    NewKey {
        /// File to write, with mode 0600; it must not exist
        #[arg(value_name = "KEYFILE")]
        key: PathBuf,
    },
}

/// Endpoint of a node.
#[derive(Debug, Args)]
pub struct EndpointArgs {
    /// IP address of the node
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub ip: IpAddr,
    /// TCP port of the node
    #[arg(long, value_name = "PORT", default_value_t = 30303)]
    pub tcp: u16,
    /// UDP port of the node
    #[arg(long, value_name = "PORT", default_value_t = 30303)]
    pub udp: u16,
}

/// `enode <what>`
#[derive(Debug, Args)]
pub struct EnodeArgs {
    /// Subcommand
    #[command(subcommand)]
    pub what: EnodeCommand,
}

/// The subcommands of `enode`.
#[derive(Debug, Subcommand)]
pub enum EnodeCommand {
    /// Print the parts of a node's URL
    Show {
        /// Node: enode://KEY@HOST:PORT, enr:RECORD, or a node key file
        #[arg(value_name = "NODE")]
        node: String,
        /// The endpoint of the node of a key file.
        #[command(flatten)]
        at: EndpointArgs,
    },
}
