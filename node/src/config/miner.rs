//! Sealing: flags and configuration section.

use std::convert::Infallible;

use actoreum_consensus::limits::MAX_EXTRA_DATA_BYTES;
use actoreum_primitives::Bytes;
use actoreum_rpc::server::limits::MAX_SEARCH_THREADS;
use clap::Args;
use eyre::bail;
use serde::{Deserialize, Serialize};

use crate::{duration, version};

/// Default gas target and ceiling of blocks before London, as in geth 1.8.
pub const GAS_BEFORE_LONDON: u64 = 8_000_000;
/// Default gas ceiling of blocks from London on, as in geth 1.13.
pub const GAS_FROM_LONDON: u64 = 30_000_000;

/// Section `[Eth.Miner]` of the configuration and geth's flags `--mine` and `--miner.*`. Fields
/// without a key in the file are set by flags alone, as in geth.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Sealing")]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct MinerConfig {
    /// Enable mining: seal blocks
    #[arg(long = "mine", global = true)]
    #[serde(skip)]
    pub is_enabled: bool,
    /// Number of CPU threads to use for mining (default: 0)
    #[arg(
        long = "miner.threads",
        alias = "minerthreads",
        global = true,
        value_name = "N"
    )]
    #[serde(skip)]
    pub threads: usize,
    /// Account that seals blocks and gets the fees: an address or an account index (default: first
    /// account)
    #[arg(
        long = "miner.etherbase",
        alias = "etherbase",
        global = true,
        value_name = "ADDRESS"
    )]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub etherbase: String,
    /// Comma separated HTTP URL list to notify of new work packages
    #[arg(
        long = "miner.notify",
        global = true,
        value_name = "URLS",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<String>,
    /// Notify with pending block headers instead of work packages
    #[arg(long = "miner.notify.full", global = true)]
    pub notify_full: bool,
    /// Block extra data set by the miner (default: client version)
    #[arg(
        long = "miner.extradata",
        alias = "extradata",
        global = true,
        value_name = "TEXT",
        value_parser = parse_extra_data
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_data: Option<Bytes>,
    /// Target gas floor for mined blocks, before London (default: 8000000)
    #[arg(
        long = "miner.gastarget",
        alias = "targetgaslimit",
        global = true,
        value_name = "GAS"
    )]
    pub gas_floor: u64,
    /// Target gas ceiling for mined blocks (default: 8000000; 30000000 from London on)
    #[arg(long = "miner.gaslimit", global = true, value_name = "GAS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gas_ceil: Option<u64>,
    /// Minimum gas price for mining a transaction that is not local, in wei (default: 1000000000)
    #[arg(
        long = "miner.gasprice",
        alias = "gasprice",
        global = true,
        value_name = "WEI"
    )]
    pub gas_price: u64,
    /// Time interval to recreate the block being mined (default: 3s)
    #[arg(long = "miner.recommit", global = true, value_name = "TIME", value_parser = duration::parse_nanos)]
    pub recommit: u64,
    /// Disable remote sealing verification
    #[arg(long = "miner.noverify", global = true)]
    pub noverify: bool,
    /// Seal on a chain of several signers without waiting for a first peer, whose blocks may be
    /// newer
    #[arg(long = "miner.nowait", global = true)]
    #[serde(skip)]
    pub nowait: bool,
}

impl Default for MinerConfig {
    fn default() -> Self {
        Self {
            etherbase: String::new(),
            notify: Vec::new(),
            notify_full: false,
            extra_data: None,
            gas_floor: GAS_BEFORE_LONDON,
            gas_ceil: None,
            gas_price: actoreum_primitives::GWEI,
            recommit: 3_000_000_000,
            noverify: false,
            is_enabled: false,
            threads: 0,
            nowait: false,
        }
    }
}

impl MinerConfig {
    /// Checks the values of the flags and of the file.
    ///
    /// # Errors
    /// Fails if the number of threads or the extra data is not valid.
    pub fn check(&self) -> eyre::Result<()> {
        if self.threads > MAX_SEARCH_THREADS {
            bail!("--miner.threads: at most {MAX_SEARCH_THREADS}");
        }
        match &self.extra_data {
            Some(extra) if extra.len() > MAX_EXTRA_DATA_BYTES => bail!(
                "--miner.extradata: {} bytes are too long, a block has room for {MAX_EXTRA_DATA_BYTES}",
                extra.len()
            ),
            _ => Ok(()),
        }
    }
}

/// Parses `--miner.extradata`: its text is the extra data.
#[expect(clippy::unnecessary_wraps, reason = "clap takes parsers that can fail")]
fn parse_extra_data(text: &str) -> Result<Bytes, Infallible> {
    Ok(Bytes::copy_from_slice(text.as_bytes()))
}

/// Returns the default extra data: as many parts of the client version (name, version, platform) as
/// fit into a header.
pub fn default_extra_data() -> Bytes {
    let mut text = version::client();
    while text.len() > MAX_EXTRA_DATA_BYTES {
        let end = text.rfind('/').unwrap_or(0);
        text.truncate(end);
    }
    Bytes::from(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::given::Given;

    #[test]
    fn the_default_extra_data_fits_into_a_header() {
        let extra = default_extra_data();
        assert!(extra.len() <= MAX_EXTRA_DATA_BYTES, "{extra}");
        assert!(extra.starts_with(b"Actoreum/v"), "{extra}");
    }

    #[test]
    fn long_extra_data_and_many_threads_are_refused() {
        let refused = |flag: String, part: &str| {
            let mut config = MinerConfig::default();
            Given::parse([flag.as_str()]).apply(&mut config).unwrap();
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        let extra = "x".repeat(33);
        refused(format!("--miner.extradata={extra}"), "--miner.extradata");
        let threads = MAX_SEARCH_THREADS + 1;
        refused(format!("--miner.threads={threads}"), "--miner.threads");
    }
}
