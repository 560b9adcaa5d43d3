//! Flags of a fork: the names and defaults of anvil's.

use std::{path::PathBuf, time::Duration};

use actoreum_rpc::fork::ForkOptions;
use clap::Args;

/// `--fork-url` and its settings.
#[derive(Debug, Clone, Default, Args)]
pub struct ForkFlags {
    /// Fork the chain of this node off that of a remote one, at its newest block or the given one
    #[arg(long, global = true, value_name = "URL[@BLOCK]", requires = "dev", conflicts_with = "datadir", value_parser = parse_url)]
    pub fork_url: Option<ForkUrl>,
    /// Number of the fork block (default: the newest)
    #[arg(long, global = true, value_name = "BLOCK", requires = "fork_url")]
    pub fork_block_number: Option<u64>,
    /// Pause before a request to the remote node is repeated, in milliseconds; it doubles each time
    /// (default: 1000)
    #[arg(long, global = true, value_name = "MS", requires = "fork_url", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub fork_retry_backoff: Option<u64>,
    /// Attempts after a failed request to the remote node (default: 5)
    #[arg(long = "retries", global = true, value_name = "N", requires = "fork_url", value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub fork_retries: Option<u32>,
    /// Maximum time of a request to the remote node with all attempts, in milliseconds (default:
    /// 45000)
    #[arg(long = "timeout", global = true, value_name = "MS", requires = "fork_url", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub fork_timeout: Option<u64>,
    /// Compute units that the remote node gives in a second: requests wait for them after a refusal
    /// (default: 330)
    #[arg(long, global = true, value_name = "UNITS", requires = "fork_url", value_parser = clap::value_parser!(u64).range(1..))]
    pub compute_units_per_second: Option<u64>,
    /// Do not wait for compute units of the remote node
    #[arg(
        long,
        global = true,
        requires = "fork_url",
        conflicts_with = "compute_units_per_second"
    )]
    pub no_rate_limit: bool,
    /// Do not keep what was read from the remote node for later starts
    #[arg(long, global = true, requires = "fork_url")]
    pub no_storage_caching: bool,
}

/// The value of `--fork-url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkUrl {
    /// The address.
    url: String,
    /// The block.
    block: Option<u64>,
}

fn parse_url(text: &str) -> Result<ForkUrl, String> {
    // Another `@` may follow a name and a password.
    let (url, block) = match text.rsplit_once('@') {
        Some((url, "latest")) => (url, None),
        Some((url, block)) if block.bytes().all(|byte| byte.is_ascii_digit()) => {
            let number = block
                .parse()
                .map_err(|_| format!("no block number: {block:?}"))?;
            (url, Some(number))
        }
        _ => (text, None),
    };
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err("the address begins with http:// or https://".to_owned());
    }
    let url = url.to_owned();
    Ok(ForkUrl { url, block })
}

impl ForkFlags {
    /// Returns the settings, if a chain is to be forked.
    pub fn options(&self) -> Option<ForkOptions> {
        let url = self.fork_url.as_ref()?;
        let mut options = ForkOptions::new(url.url.clone());
        options.block = self.fork_block_number.or(url.block);
        let millis = Duration::from_millis;
        options.backoff = self.fork_retry_backoff.map_or(options.backoff, millis);
        options.timeout = self.fork_timeout.map_or(options.timeout, millis);
        options.retries = self.fork_retries.unwrap_or(options.retries);
        let units = self.compute_units_per_second.or(options.units_per_second);
        options.units_per_second = units.filter(|_| !self.no_rate_limit);
        options.cache = cache_folder().filter(|_| !self.no_storage_caching);
        Some(options)
    }
}

/// Returns the user's folder for the cache: `XDG_CACHE_HOME`, or `.cache` in the home directory.
fn cache_folder() -> Option<PathBuf> {
    let given = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let given = given.filter(|folder| folder.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let folder = given.or_else(home)?;
    Some(folder.join("actoreum").join("fork"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_url_may_name_its_block() {
        let read = |text| parse_url(text).map(|url| (url.url, url.block));
        let url = "http://127.0.0.1:8545".to_owned();
        assert_eq!(read("http://127.0.0.1:8545"), Ok((url.clone(), None)));
        assert_eq!(
            read("http://127.0.0.1:8545@12"),
            Ok((url.clone(), Some(12)))
        );
        assert_eq!(read("http://127.0.0.1:8545@latest"), Ok((url, None)));
        let secret = "https://name:word@host/key".to_owned();
        assert_eq!(
            read("https://name:word@host/key"),
            Ok((secret.clone(), None))
        );
        assert_eq!(read("https://name:word@host/key@7"), Ok((secret, Some(7))));
        for wrong in [
            "",
            "@1",
            "ftp://host",
            "http://host@99999999999999999999999",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
