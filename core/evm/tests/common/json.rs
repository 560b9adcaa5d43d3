//! The JSON of the vectors.

use std::collections::BTreeMap;

use actoreum_primitives::alloy_primitives::hex;
use actoreum_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Deserializer};

/// A number: hexadecimal or decimal, `0x` alone is zero, a prefix says more bits than it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Num(pub U256);

impl Num {
    pub fn u64(self) -> u64 {
        self.0.saturating_to()
    }
}

pub fn parse_num(text: &str) -> Result<U256, String> {
    let text = text.strip_prefix("0x:bigint ").unwrap_or(text);
    match text.strip_prefix("0x") {
        Some("") => Ok(U256::ZERO),
        Some(digits) => U256::from_str_radix(digits, 16).map_err(|error| error.to_string()),
        None => U256::from_str_radix(text, 10).map_err(|error| error.to_string()),
    }
}

impl<'de> Deserialize<'de> for Num {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_num(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Bytes: hexadecimal, with or without prefix.
#[derive(Debug, Clone, Default)]
pub struct Hex(pub Bytes);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = hex::decode(&text).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes.into()))
    }
}

/// An address, or an empty string for none.
#[derive(Debug, Clone, Copy, Default)]
pub struct To(pub Option<Address>);

impl<'de> Deserialize<'de> for To {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() || text == "0x" {
            return Ok(Self(None));
        }
        text.parse()
            .map(|address| Self(Some(address)))
            .map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct JsonAccount {
    pub balance: Num,
    pub code: Hex,
    pub nonce: Num,
    pub storage: BTreeMap<String, Num>,
}

pub type JsonState = BTreeMap<Address, JsonAccount>;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JsonAccess {
    pub address: Address,
    pub storage_keys: Vec<Num>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JsonEnv {
    pub current_coinbase: Address,
    pub current_difficulty: Num,
    pub current_gas_limit: Num,
    pub current_number: Num,
    pub current_timestamp: Num,
    pub current_base_fee: Option<Num>,
    pub current_random: Option<B256>,
    pub current_excess_blob_gas: Option<Num>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JsonTransaction {
    pub data: Vec<Hex>,
    pub gas_limit: Vec<Num>,
    pub value: Vec<Num>,
    pub gas_price: Option<Num>,
    pub max_fee_per_gas: Option<Num>,
    pub max_priority_fee_per_gas: Option<Num>,
    pub max_fee_per_blob_gas: Option<Num>,
    pub blob_versioned_hashes: Option<Vec<B256>>,
    pub access_lists: Option<Vec<Option<Vec<JsonAccess>>>>,
    pub nonce: Num,
    pub secret_key: B256,
    pub to: To,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub struct JsonIndexes {
    pub data: usize,
    pub gas: usize,
    pub value: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JsonPost {
    pub hash: B256,
    pub logs: B256,
    pub indexes: JsonIndexes,
    pub expect_exception: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct StateTest {
    pub env: JsonEnv,
    pub pre: JsonState,
    pub post: BTreeMap<String, Vec<JsonPost>>,
    pub transaction: JsonTransaction,
}

#[derive(Debug, Clone, Deserialize)]
pub struct JsonBlock {
    pub rlp: Hex,
    #[serde(flatten)]
    pub rest: BTreeMap<String, serde_json::Value>,
}

impl JsonBlock {
    /// Whether the block is to be refused: the test says why, or (in the oldest ones) does not
    /// say what its header would be.
    pub fn is_invalid(&self) -> bool {
        let has_reason = self
            .rest
            .keys()
            .any(|key| key.starts_with("expectException"));
        has_reason || !self.rest.contains_key("blockHeader")
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockchainTest {
    pub network: String,
    #[serde(rename = "genesisRLP")]
    pub genesis_rlp: Hex,
    pub pre: JsonState,
    pub post_state: Option<JsonState>,
    pub blocks: Vec<JsonBlock>,
    #[serde(default)]
    pub config: serde_json::Value,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VmExec {
    pub address: Address,
    pub caller: Address,
    pub origin: Address,
    pub code: Hex,
    pub data: Hex,
    pub gas: Num,
    pub gas_price: Num,
    pub value: Num,
}

#[derive(Debug, Clone, Deserialize)]
pub struct VmTest {
    pub env: JsonEnv,
    pub exec: VmExec,
    pub pre: JsonState,
    pub gas: Option<Num>,
    pub logs: Option<B256>,
    pub out: Option<Hex>,
    pub post: Option<JsonState>,
}
