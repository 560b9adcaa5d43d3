//! The methods that read slots, and the arguments that name them.

use std::collections::HashSet;

use actoreum_primitives::{Address, B256, Bytes, U256};

use super::state::{failed, state_at};
use crate::error::RpcError;
use crate::hexutil::{self, lenient_word, nibble};
use crate::namespaces::block_id::{BlockId, BlockNumber, StateBlock};
use crate::node::Node;
use crate::server::json::scan::{self, Kind};
use crate::server::json::{JsonOut, WriteJson};
use crate::server::limits::{MAX_ECHOED_NAME, MAX_STORAGE_VALUES};
use crate::server::method::Method;
use crate::server::param::{FromParam, ParamError};

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::view("eth_getStorageAt", &["address", "key", "block"], storage_at),
        Method::heavy("eth_getStorageValues", &["slots", "block"], storage_values),
    ]
}

/// Reads the key of a slot: hex digits of at most 32 bytes, with or without `0x`. Where geth 1.8 knew
/// the rules of the chain, anything is a key.
///
/// # Errors
/// The key is not hex, or too long.
pub(super) fn slot_key(node: &Node, key: &str) -> Result<U256, RpcError> {
    if node.has_geth_1_8_rules() {
        return Ok(U256::from_be_bytes(lenient_word(key)));
    }
    let digits = hexutil::strip_prefix(key).unwrap_or(key);
    let shown = crate::error::truncate(key, MAX_ECHOED_NAME);
    if digits.len() > 64 {
        return Err(RpcError::invalid_params(format!(
            "storage key too long (want at most 32 bytes): {shown:?}"
        )));
    }
    if digits.bytes().any(|digit| nibble(digit).is_none()) {
        return Err(RpcError::invalid_params(format!(
            "invalid hex in storage key: {shown:?}"
        )));
    }
    Ok(U256::from_be_bytes(lenient_word(digits)))
}

/// Returns a slot; empty if there is no such block, as in geth 1.8.
fn storage_at(
    node: &Node,
    (address, key, id): (Address, String, StateBlock),
) -> Result<Bytes, RpcError> {
    let id = id.or_latest(node, 2)?;
    let slot = slot_key(node, &key)?;
    let Some(at) = state_at(node, id)? else {
        return node.check_missing_block().map(|()| Bytes::new());
    };
    let value = at.state.reader().storage(&address, &slot).map_err(failed)?;
    Ok(Bytes::copy_from_slice(&value.to_be_bytes::<32>()))
}

/// Slots by their accounts, in the order of the request.
struct SlotsByAccount(Vec<(Address, Vec<B256>)>);

impl FromParam for SlotsByAccount {
    const SCHEMA: &'static str = r#"{"title":"slots by account","type":"object"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        if Kind::of(raw) != Kind::Object {
            let wanted = "map[common.Address][]common.Hash";
            return Err(ParamError::mistyped(Kind::of(raw).name(), wanted));
        }
        let mut accounts = Vec::new();
        let mut seen = HashSet::new();
        let mut slots = 0;
        for (key, value) in scan::members(raw) {
            let address = Address::from_raw(&format!("\"{key}\""))?;
            let keys: Vec<B256> = Vec::from_raw(value)?;
            slots += keys.len();
            if slots > MAX_STORAGE_VALUES {
                return Err(ParamError::text(format!(
                    "too many slots, want at most {MAX_STORAGE_VALUES}"
                )));
            }
            if !seen.insert(address) {
                return Err(ParamError::text(format!(
                    "account {address} is named twice"
                )));
            }
            accounts.push((address, keys));
        }
        Ok(Self(accounts))
    }
}

/// The values of slots, by account.
struct ValuesByAccount(Vec<(Address, Vec<B256>)>);

impl WriteJson for ValuesByAccount {
    fn write_json(&self, out: &mut JsonOut) {
        let mut object = out.object();
        for (address, values) in &self.0 {
            // Its display form has a checksum.
            object.key(&format!("{address:#x}")).array(values);
        }
        object.end();
    }
}

fn storage_values(
    node: &Node,
    (request, id): (SlotsByAccount, Option<BlockId>),
) -> Result<Option<ValuesByAccount>, RpcError> {
    if request.0.iter().all(|(_, keys)| keys.is_empty()) {
        return Err(RpcError::invalid_params("empty request"));
    }
    let Some(at) = state_at(node, id.unwrap_or(BlockNumber::Latest.into()))? else {
        return node.check_missing_block().map(|()| None);
    };
    let read = |(address, keys): (Address, Vec<B256>)| {
        let value = |key: &B256| {
            let value = at.state.reader().storage(&address, &(*key).into());
            value.map(B256::from).map_err(failed)
        };
        let values: Result<Vec<B256>, RpcError> = keys.iter().map(value).collect();
        Ok((address, values?))
    };
    let values: Result<Vec<_>, RpcError> = request.0.into_iter().map(read).collect();
    Ok(Some(ValuesByAccount(values?)))
}
