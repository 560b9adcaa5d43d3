//! Reader and writer of `genesis.json`.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::json::{GenesisError, Node, parse_address, parse_word};
use super::{DEFAULT_GAS_LIMIT, Genesis, GenesisAccount, besu, foreign};
use crate::ChainConfig;

/// A parsed genesis file: the genesis, and warnings and bootnodes for the operator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GenesisFile {
    /// The genesis.
    pub genesis: Genesis,
    /// Warnings about settings that were interpreted as geth 1.8 does, a sentence each.
    pub warnings: Vec<String>,
    /// URLs of bootnodes from Besu's `config.discovery.bootnodes`.
    pub bootnodes: Vec<String>,
}

impl GenesisFile {
    /// Parses geth's `genesis.json`, or Besu's for clique and ethash.
    ///
    /// Numbers may be JSON numbers, decimal strings or hexadecimal strings; addresses and hashes
    /// may lack their `0x`. Unknown members are ignored. `config`, `gasLimit`, `difficulty` and
    /// `alloc` are required. The order of the forks is not checked (see
    /// [`ChainConfig::check_fork_order`]). For a file of another client or engine the error says
    /// what to convert.
    pub fn from_json(json: &str) -> Result<Self, GenesisError> {
        let (root, has_rest) = Node::first(json)?;
        let object = root.object()?;
        foreign::refuse_chain_spec(&object)?;
        let config = object.require("config")?;
        foreign::refuse_engine(&config.object()?)?;

        let mut warnings = Vec::new();
        if has_rest {
            warnings.push("text after the closing brace is ignored".to_owned());
        }
        let mut config_read = ChainConfig::read(&config)?;
        let bootnodes = besu::apply_members(&config.object()?, &mut config_read, &mut warnings)?;
        warnings.extend(config_read.adjust_as_geth_1_8());

        let gas_limit = object.require("gasLimit")?.u64()?;
        if gas_limit == 0 {
            warnings.push(format!(
                "gasLimit is 0: the first block has {DEFAULT_GAS_LIMIT}, as in geth"
            ));
        }
        let genesis = Genesis {
            config: config_read,
            nonce: object.read("nonce", Node::u64)?.unwrap_or(0),
            timestamp: object.read("timestamp", Node::u64)?.unwrap_or(0),
            extra_data: object.read("extraData", Node::bytes)?.unwrap_or_default(),
            gas_limit,
            difficulty: object.require("difficulty")?.u256()?,
            mix_hash: object.read("mixHash", Node::b256)?.unwrap_or_default(),
            coinbase: object.read("coinbase", Node::address)?.unwrap_or_default(),
            alloc: read_alloc(&object.require("alloc")?)?,
            number: object.read("number", Node::u64)?.unwrap_or(0),
            gas_used: object.read("gasUsed", Node::u64)?.unwrap_or(0),
            parent_hash: object.read("parentHash", Node::b256)?.unwrap_or_default(),
            base_fee_per_gas: object.read("baseFeePerGas", Node::u64)?,
            excess_blob_gas: object.read("excessBlobGas", Node::u64)?,
            blob_gas_used: object.read("blobGasUsed", Node::u64)?,
        };
        Ok(Self {
            genesis,
            warnings,
            bootnodes,
        })
    }
}

impl Genesis {
    /// Parses a genesis file as [`GenesisFile::from_json`] does, and drops the warnings and
    /// bootnodes.
    pub fn from_json(json: &str) -> Result<Self, GenesisError> {
        Ok(GenesisFile::from_json(json)?.genesis)
    }
}

fn read_alloc(node: &Node<'_>) -> Result<BTreeMap<Address, GenesisAccount>, GenesisError> {
    let mut alloc = BTreeMap::new();
    for (key, node) in node.object()?.members() {
        let address = parse_address(key)
            .ok_or_else(|| node.error("the key is not an address of 20 bytes in hexadecimal"))?;
        alloc.insert(address, read_account(&node)?);
    }
    Ok(alloc)
}

fn read_account(node: &Node<'_>) -> Result<GenesisAccount, GenesisError> {
    let object = node.object()?;
    let mut storage = BTreeMap::new();
    if let Some(node) = object.get("storage") {
        for (key, value) in node.object()?.members() {
            let slot = parse_word(key)
                .ok_or_else(|| value.error("the key is not a slot of at most 32 bytes"))?;
            storage.insert(slot, value.word()?);
        }
    }
    Ok(GenesisAccount {
        balance: object.read("balance", Node::u256)?.unwrap_or_default(),
        nonce: object.read("nonce", Node::u64)?.unwrap_or(0),
        code: object.read("code", Node::bytes)?.unwrap_or_default(),
        storage,
    })
}

fn quantity(number: u64) -> String {
    format!("{number:#x}")
}

impl Serialize for Genesis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("config", &self.config)?;
        map.serialize_entry("nonce", &quantity(self.nonce))?;
        map.serialize_entry("timestamp", &quantity(self.timestamp))?;
        map.serialize_entry("extraData", &self.extra_data)?;
        map.serialize_entry("gasLimit", &quantity(self.gas_limit))?;
        map.serialize_entry("difficulty", &format!("{:#x}", self.difficulty))?;
        map.serialize_entry("mixHash", &self.mix_hash)?;
        map.serialize_entry("coinbase", &format!("{:#x}", self.coinbase))?;
        let alloc: BTreeMap<String, &GenesisAccount> = self
            .alloc
            .iter()
            .map(|(address, account)| (alloy_primitives::hex::encode(address), account))
            .collect();
        map.serialize_entry("alloc", &alloc)?;
        map.serialize_entry("number", &quantity(self.number))?;
        map.serialize_entry("gasUsed", &quantity(self.gas_used))?;
        map.serialize_entry("parentHash", &self.parent_hash)?;
        let optional = [
            ("baseFeePerGas", self.base_fee_per_gas),
            ("excessBlobGas", self.excess_blob_gas),
            ("blobGasUsed", self.blob_gas_used),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                map.serialize_entry(name, &quantity(value))?;
            }
        }
        map.end()
    }
}

impl Serialize for GenesisAccount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.code.is_empty() {
            map.serialize_entry("code", &self.code)?;
        }
        if !self.storage.is_empty() {
            map.serialize_entry("storage", &self.storage)?;
        }
        map.serialize_entry("balance", &format!("{:#x}", U256::from(self.balance)))?;
        if self.nonce != 0 {
            map.serialize_entry("nonce", &quantity(self.nonce))?;
        }
        map.end()
    }
}
