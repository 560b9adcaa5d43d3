//! JSON of the chain config: the `config` object of geth's `genesis.json`.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::{BlobParams, ChainConfig, CliqueConfig, DEFAULT_CLIQUE_EPOCH, Fork};
use crate::genesis::GenesisError;
use crate::genesis::json::{Node, Object};

type ActivationField = fn(&mut ChainConfig) -> &mut Option<u64>;

/// The members that are a block number or a time, in geth's order.
const ACTIVATION_MEMBERS: [(&str, ActivationField); 24] = [
    ("homesteadBlock", |config| &mut config.homestead_block),
    ("daoForkBlock", |config| &mut config.dao_fork_block),
    ("eip150Block", |config| &mut config.eip150_block),
    ("eip155Block", |config| &mut config.eip155_block),
    ("eip158Block", |config| &mut config.eip158_block),
    ("byzantiumBlock", |config| &mut config.byzantium_block),
    ("constantinopleBlock", |config| {
        &mut config.constantinople_block
    }),
    ("petersburgBlock", |config| &mut config.petersburg_block),
    ("istanbulBlock", |config| &mut config.istanbul_block),
    ("muirGlacierBlock", |config| &mut config.muir_glacier_block),
    ("berlinBlock", |config| &mut config.berlin_block),
    ("londonBlock", |config| &mut config.london_block),
    ("arrowGlacierBlock", |config| {
        &mut config.arrow_glacier_block
    }),
    ("grayGlacierBlock", |config| &mut config.gray_glacier_block),
    ("mergeNetsplitBlock", |config| {
        &mut config.merge_netsplit_block
    }),
    ("shanghaiTime", |config| &mut config.shanghai_time),
    ("cancunTime", |config| &mut config.cancun_time),
    ("pragueTime", |config| &mut config.prague_time),
    ("osakaTime", |config| &mut config.osaka_time),
    ("bpo1Time", |config| &mut config.bpo_times[0]),
    ("bpo2Time", |config| &mut config.bpo_times[1]),
    ("bpo3Time", |config| &mut config.bpo_times[2]),
    ("bpo4Time", |config| &mut config.bpo_times[3]),
    ("bpo5Time", |config| &mut config.bpo_times[4]),
];

impl ChainConfig {
    /// Parses a config's JSON. Numbers may be JSON numbers, decimal strings or hexadecimal strings.
    /// Unknown members are ignored. The order of the forks is not checked (see
    /// [`ChainConfig::check_fork_order`]).
    pub fn from_json(json: &str) -> Result<Self, GenesisError> {
        Self::read(&Node::root(json)?.at("config"))
    }

    pub(crate) fn read(node: &Node<'_>) -> Result<Self, GenesisError> {
        let object = node.object()?;
        let mut config = Self {
            // geth 1.8 accepts a config without a chain id; its transactions are bound to chain 0.
            chain_id: object.read("chainId", Node::u64)?.unwrap_or(0),
            ..Self::default()
        };
        for (name, slot) in ACTIVATION_MEMBERS {
            *slot(&mut config) = object.read(name, Node::u64)?;
        }
        config.dao_fork_support = object.read("daoForkSupport", Node::bool)?.unwrap_or(false);
        config.eip150_hash = object
            .read("eip150Hash", Node::b256)?
            .filter(|hash| !hash.is_zero());
        config.terminal_total_difficulty = object.read("terminalTotalDifficulty", Node::u256)?;
        config.terminal_total_difficulty_passed = object
            .read("terminalTotalDifficultyPassed", Node::bool)?
            .unwrap_or(false);
        config.deposit_contract_address = object
            .read("depositContractAddress", Node::address)?
            .filter(|address| !address.is_zero());
        config.blob_schedule = object
            .read("blobSchedule", read_blob_schedule)?
            .unwrap_or_default();
        config.code_size_limit = object.read("contractSizeLimit", Node::u64)?;
        object.read("ethash", Node::object)?;
        config.clique = object.read("clique", read_clique)?;
        config.skips_empty_blocks = match object.read("clique", Node::object)? {
            Some(clique) => clique.read(CREATE_EMPTY_BLOCKS, Node::bool)? == Some(false),
            None => false,
        };
        Ok(config)
    }
}

/// Name of Besu's member of `clique` that is `false` for signers that seal no empty blocks.
const CREATE_EMPTY_BLOCKS: &str = "createEmptyBlocks";

fn read_clique(node: &Node<'_>) -> Result<CliqueConfig, GenesisError> {
    let object = node.object()?;
    let period = object.read("period", Node::u64)?.unwrap_or(0);
    let epoch = object.read("epoch", Node::u64)?.filter(|epoch| *epoch > 0);
    Ok(CliqueConfig {
        period,
        epoch: epoch.unwrap_or(DEFAULT_CLIQUE_EPOCH),
    })
}

fn read_blob_schedule(node: &Node<'_>) -> Result<BTreeMap<Fork, BlobParams>, GenesisError> {
    let object = node.object()?;
    let mut schedule = BTreeMap::new();
    for (name, entry) in object.members() {
        // Entries of unknown forks are ignored, like their activation times.
        let Ok(fork) = name.parse::<Fork>() else {
            continue;
        };
        let entry: Object<'_> = entry.object()?;
        let fraction = entry.require("baseFeeUpdateFraction")?;
        let params = BlobParams {
            target: entry.require("target")?.u64()?,
            max: entry.require("max")?.u64()?,
            base_fee_update_fraction: fraction.u64()?,
        };
        if params.base_fee_update_fraction == 0 {
            return Err(fraction.error("must not be zero"));
        }
        schedule.insert(fork, params);
    }
    Ok(schedule)
}

impl Serialize for ChainConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("chainId", &self.chain_id)?;
        let mut config = self.clone();
        for (name, slot) in ACTIVATION_MEMBERS {
            if let Some(moment) = slot(&mut config) {
                map.serialize_entry(name, moment)?;
            }
            if name == "daoForkBlock" && self.dao_fork_support {
                map.serialize_entry("daoForkSupport", &true)?;
            }
            if name == "eip150Block"
                && let Some(hash) = self.eip150_hash
            {
                map.serialize_entry("eip150Hash", &hash)?;
            }
        }
        if let Some(difficulty) = self.terminal_total_difficulty {
            // serde_json's numbers hold at most 64 bits, so the digits are written as raw JSON.
            let digits =
                RawValue::from_string(difficulty.to_string()).map_err(serde::ser::Error::custom)?;
            map.serialize_entry("terminalTotalDifficulty", &digits)?;
        }
        if self.terminal_total_difficulty_passed {
            map.serialize_entry("terminalTotalDifficultyPassed", &true)?;
        }
        if let Some(address) = self.deposit_contract_address {
            map.serialize_entry("depositContractAddress", &address)?;
        }
        if let Some(limit) = self.code_size_limit {
            map.serialize_entry("contractSizeLimit", &limit)?;
        }
        match self.clique {
            Some(clique) if self.skips_empty_blocks => {
                map.serialize_entry("clique", &WithoutEmptyBlocks(clique))?;
            }
            Some(clique) => map.serialize_entry("clique", &clique)?,
            None => map.serialize_entry("ethash", &BTreeMap::<&str, u64>::new())?,
        }
        if !self.blob_schedule.is_empty() {
            let schedule: BTreeMap<&str, &BlobParams> = self
                .blob_schedule
                .iter()
                .map(|(fork, params)| (fork.name(), params))
                .collect();
            map.serialize_entry("blobSchedule", &schedule)?;
        }
        map.end()
    }
}

impl Serialize for CliqueConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("period", &self.period)?;
        map.serialize_entry("epoch", &self.epoch)?;
        map.end()
    }
}

/// A clique configuration with `createEmptyBlocks: false`.
struct WithoutEmptyBlocks(CliqueConfig);

impl Serialize for WithoutEmptyBlocks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("period", &self.0.period)?;
        map.serialize_entry("epoch", &self.0.epoch)?;
        map.serialize_entry(CREATE_EMPTY_BLOCKS, &false)?;
        map.end()
    }
}

impl Serialize for BlobParams {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("target", &self.target)?;
        map.serialize_entry("max", &self.max)?;
        map.serialize_entry("baseFeeUpdateFraction", &self.base_fee_update_fraction)?;
        map.end()
    }
}
