//! Ethash caches and datasets: flags and configuration section.

use std::path::{Path, PathBuf};

use actoreum_consensus::{EthashOptions, SealCheck, limits};
use clap::Args;
use serde::{Deserialize, Serialize};

/// Section `[Eth.Ethash]` of the configuration and geth's flags `--ethash.*` and `--fakepow`.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Ethash")]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct EthashConfig {
    /// Directory to store the ethash verification caches: a path, or a name inside the datadir
    /// (default: ethash)
    #[arg(long = "ethash.cachedir", global = true, value_name = "DIR")]
    pub cache_dir: PathBuf,
    /// Number of recent ethash caches to keep in memory, 16+MB each (default: 3)
    #[arg(long = "ethash.cachesinmem", global = true, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=64))]
    pub caches_in_mem: u64,
    /// Number of recent ethash caches to keep on disk, 16+MB each (default: 3)
    #[arg(long = "ethash.cachesondisk", global = true, value_name = "N")]
    pub caches_on_disk: u64,
    /// Directory to store the ethash mining DAGs (default: ~/.ethash)
    #[arg(long = "ethash.dagdir", global = true, value_name = "DIR")]
    pub dataset_dir: PathBuf,
    /// Number of recent ethash mining DAGs to keep in memory, 1+GB each (default: 1)
    #[arg(long = "ethash.dagsinmem", global = true, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=64))]
    pub datasets_in_mem: u64,
    /// Disable proof-of-work verification
    #[arg(long = "fakepow", global = true)]
    #[serde(skip)]
    pub is_fake: bool,
    /// Number of recent ethash mining DAGs to keep on disk, 1+GB each (default: 2)
    #[arg(long = "ethash.dagsondisk", global = true, value_name = "N")]
    pub datasets_on_disk: u64,
}

impl Default for EthashConfig {
    fn default() -> Self {
        Self {
            cache_dir: "ethash".into(),
            caches_in_mem: limits::CACHES_IN_MEMORY as u64,
            caches_on_disk: limits::CACHES_ON_DISK,
            dataset_dir: default_dataset_dir(),
            datasets_in_mem: limits::DATASETS_IN_MEMORY as u64,
            datasets_on_disk: limits::DATASETS_ON_DISK,
            is_fake: false,
        }
    }
}

/// Returns the directory where geth and other miners keep datasets: `~/.ethash`.
fn default_dataset_dir() -> PathBuf {
    std::env::var_os("HOME").map_or_else(PathBuf::new, |home| PathBuf::from(home).join(".ethash"))
}

impl EthashConfig {
    /// Returns whether seals are verified.
    pub fn seal_check(&self) -> SealCheck {
        if self.is_fake {
            SealCheck::None
        } else {
            SealCheck::Full
        }
    }

    /// Returns the options of the engine. An empty directory stands for memory only. `instance` is the folder of this node's own files, if it
    /// has one; without it caches are kept in memory only.
    pub fn options(&self, instance: Option<&Path>) -> EthashOptions {
        let named = |folder: &Path| !folder.as_os_str().is_empty();
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        EthashOptions {
            cache_folder: instance
                .filter(|_| named(&self.cache_dir))
                .map(|instance| instance.join(&self.cache_dir)),
            caches_in_memory: count(self.caches_in_mem),
            caches_on_disk: self.caches_on_disk,
            dataset_folder: named(&self.dataset_dir).then(|| self.dataset_dir.clone()),
            datasets_in_memory: count(self.datasets_in_mem),
            datasets_on_disk: self.datasets_on_disk,
            ..EthashOptions::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::given::Given;

    #[test]
    fn folders_default_to_those_of_geth() {
        let mut config = EthashConfig::default();
        let instance = Path::new("/data/actoreum");
        let cache_folder = |config: &EthashConfig| config.options(Some(instance)).cache_folder;
        assert_eq!(cache_folder(&config), Some("/data/actoreum/ethash".into()));
        assert_eq!(config.options(None).cache_folder, None);
        let flags = [
            "--ethash.cachedir=/shared",
            "--ethash.cachesinmem=2",
            "--ethash.dagdir=/dags",
            "--ethash.dagsondisk=7",
        ];
        Given::parse(flags).apply(&mut config).unwrap();
        let options = config.options(Some(instance));
        assert_eq!(options.cache_folder, Some("/shared".into()));
        assert_eq!(options.caches_in_memory, 2);
        assert_eq!(options.caches_on_disk, limits::CACHES_ON_DISK);
        assert_eq!(options.dataset_folder, Some("/dags".into()));
        assert_eq!(options.datasets_on_disk, 7);
    }
}
