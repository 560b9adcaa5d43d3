//! Sealing: flags and configuration section.

use std::time::Duration;

use actoreum_consensus::limits::MAX_EXTRA_DATA_BYTES;
use actoreum_primitives::Bytes;
use actoreum_rpc::server::limits::MAX_SEARCH_THREADS;
use clap::Args;
use eyre::bail;
use serde::{Deserialize, Serialize};

use super::flags::set;
use crate::{duration, version};

/// Default gas target and ceiling of blocks before London, as in geth 1.8.
pub const GAS_BEFORE_LONDON: u64 = 8_000_000;
/// Default gas ceiling of blocks from London on, as in geth 1.13.
pub const GAS_FROM_LONDON: u64 = 30_000_000;

/// geth's flags `--mine` and `--miner.*`.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Sealing")]
pub struct MinerFlags {
    /// Enable mining: seal blocks
    #[arg(long, global = true)]
    pub mine: bool,
    /// Number of CPU threads to use for mining (default: 0)
    #[arg(
        long = "miner.threads",
        alias = "minerthreads",
        global = true,
        value_name = "N"
    )]
    pub miner_threads: Option<usize>,
    /// Minimum gas price for mining a transaction that is not local, in wei (default: 1000000000)
    #[arg(
        long = "miner.gasprice",
        alias = "gasprice",
        global = true,
        value_name = "WEI"
    )]
    pub miner_gasprice: Option<u64>,
    /// Target gas floor for mined blocks, before London (default: 8000000)
    #[arg(
        long = "miner.gastarget",
        alias = "targetgaslimit",
        global = true,
        value_name = "GAS"
    )]
    pub miner_gastarget: Option<u64>,
    /// Target gas ceiling for mined blocks (default: 8000000; 30000000 from London on)
    #[arg(long = "miner.gaslimit", global = true, value_name = "GAS")]
    pub miner_gaslimit: Option<u64>,
    /// Account that seals blocks and gets the fees: an address or an account index (default: first
    /// account)
    #[arg(
        long = "miner.etherbase",
        alias = "etherbase",
        global = true,
        value_name = "ADDRESS"
    )]
    pub miner_etherbase: Option<String>,
    /// Block extra data set by the miner (default: client version)
    #[arg(
        long = "miner.extradata",
        alias = "extradata",
        global = true,
        value_name = "TEXT"
    )]
    pub miner_extradata: Option<String>,
    /// Time interval to recreate the block being mined (default: 3s)
    #[arg(long = "miner.recommit", global = true, value_name = "TIME", value_parser = duration::parse)]
    pub miner_recommit: Option<Duration>,
    /// Disable remote sealing verification
    #[arg(long = "miner.noverify", global = true)]
    pub miner_noverify: bool,
    /// Seal on a chain of several signers without waiting for a first peer, whose blocks may be
    /// newer
    #[arg(long = "miner.nowait", global = true)]
    pub miner_nowait: bool,
    /// Comma separated HTTP URL list to notify of new work packages
    #[arg(
        long = "miner.notify",
        global = true,
        value_name = "URLS",
        value_delimiter = ','
    )]
    pub miner_notify: Option<Vec<String>>,
    /// Notify with pending block headers instead of work packages
    #[arg(long = "miner.notify.full", global = true)]
    pub miner_notify_full: bool,
}

/// Section `[Eth.Miner]` of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct MinerConfig {
    /// Account that seals: an address or an index in the list of accounts. Empty: the first
    /// account.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub etherbase: String,
    /// HTTP URLs that are notified of new work packages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<String>,
    /// Whether the pending header is posted instead of the work package.
    pub notify_full: bool,
    /// Extra data (vanity) of sealed blocks. `None`: the client version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_data: Option<Bytes>,
    /// Target gas floor of blocks before London.
    pub gas_floor: u64,
    /// Target gas ceiling of blocks. `None`: the default of the fork.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gas_ceil: Option<u64>,
    /// Minimum gas price of a transaction that is not local, in wei.
    pub gas_price: u64,
    /// Interval in nanoseconds after which the block being mined is rebuilt with newer
    /// transactions.
    pub recommit: u64,
    /// Accept the seals of remote miners without verification.
    pub noverify: bool,
    /// Whether blocks are sealed from the start. Only a flag sets it, as in geth.
    #[serde(skip)]
    pub is_enabled: bool,
    /// Threads that search for a proof of work. Only a flag sets it.
    #[serde(skip)]
    pub threads: usize,
    /// Seal without waiting for a first peer. Only a flag sets it, because it is meant for one
    /// start.
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
    /// Applies the flags.
    ///
    /// # Errors
    /// Fails if the number of threads or the extra data is not valid.
    pub fn apply(&mut self, flags: &MinerFlags) -> eyre::Result<()> {
        self.is_enabled |= flags.mine;
        self.noverify |= flags.miner_noverify;
        self.notify_full |= flags.miner_notify_full;
        self.nowait |= flags.miner_nowait;
        set(&mut self.threads, &flags.miner_threads);
        set(&mut self.gas_price, &flags.miner_gasprice);
        set(&mut self.gas_floor, &flags.miner_gastarget);
        self.gas_ceil = flags.miner_gaslimit.or(self.gas_ceil);
        set(&mut self.etherbase, &flags.miner_etherbase);
        if let Some(text) = &flags.miner_extradata {
            self.extra_data = Some(Bytes::copy_from_slice(text.as_bytes()));
        }
        let recommit = flags.miner_recommit.map(duration::nanos);
        set(&mut self.recommit, &recommit);
        set(&mut self.notify, &flags.miner_notify);
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

    #[test]
    fn the_default_extra_data_fits_into_a_header() {
        let extra = default_extra_data();
        assert!(extra.len() <= MAX_EXTRA_DATA_BYTES, "{extra}");
        assert!(extra.starts_with(b"Actoreum/v"), "{extra}");
    }

    #[test]
    fn long_extra_data_and_many_threads_are_refused() {
        let refused = |flags: MinerFlags, part: &str| {
            let error = MinerConfig::default()
                .apply(&flags)
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{error}");
        };
        let long = MinerFlags {
            miner_extradata: Some("x".repeat(33)),
            ..MinerFlags::default()
        };
        refused(long, "--miner.extradata");
        let many_threads = MinerFlags {
            miner_threads: Some(MAX_SEARCH_THREADS + 1),
            ..MinerFlags::default()
        };
        refused(many_threads, "--miner.threads");
    }
}
