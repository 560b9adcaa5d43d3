//! The state of a development chain in anvil's format: `anvil_dumpState` and `anvil_loadState`.
//!
//! A dump is JSON, compressed with gzip. It has the accounts of the head with their code and
//! storage, and the last headers; transactions, which anvil also writes, are left out. A dump of
//! either node is loaded by the other.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

use actoreum_chain::{AccountEdit, ChainReader, Edit, known_addresses, preimages};
use actoreum_primitives::{Address, B256, Bytes, U256};
use actoreum_storage::StorageError;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::dump_blocks;
use super::state::edit_all;
use crate::error::RpcError;
use crate::node::{Node, storage};
use crate::server::limits::MAX_STATE_DUMP_BYTES;
use crate::server::method::Method;

/// The first bytes of gzip's format.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

pub(super) fn methods() -> Vec<Method<Node>> {
    let mut methods = Vec::new();
    for name in ["anvil_dumpState", "hardhat_dumpState"] {
        let params = &["historical"];
        methods.push(Method::heavy(name, params, dump_state));
    }
    for name in ["anvil_loadState", "hardhat_loadState"] {
        methods.push(Method::actor(name, &["state"], load_state));
    }
    methods
}

/// An account of a dump.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpedAccount {
    /// The nonce.
    #[serde(default)]
    pub nonce: u64,
    /// The balance in wei.
    #[serde(default)]
    pub balance: U256,
    /// The code.
    #[serde(default)]
    pub code: Bytes,
    /// The slots with their values.
    #[serde(default)]
    pub storage: BTreeMap<U256Key, B256>,
}

/// A slot: a hex string with all its digits, as anvil writes it, or fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct U256Key(pub U256);

impl Serialize for U256Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        B256::from(self.0.to_be_bytes::<32>()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for U256Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        U256::deserialize(deserializer).map(Self)
    }
}

/// The part of a dump that is read.
#[derive(Debug, Deserialize)]
struct Dump {
    accounts: BTreeMap<Address, DumpedAccount>,
}

/// Returns the state of the head as JSON in anvil's format.
///
/// # Errors
/// Fails if the database fails. Accounts and slots whose addresses are not known are left out: those
/// of a chain that an earlier version of this node began.
pub fn dump(reader: &ChainReader) -> Result<Value, StorageError> {
    let head = reader.head();
    let store = reader.store();
    let genesis = known_addresses(reader, 0)?;
    let mut accounts = BTreeMap::new();
    let state = store.state_snapshot_at(head.number)?;
    state.visit(|key, account, slots| {
        let address = match preimages::address_of(store, &key)? {
            Some(address) => address,
            None => match genesis.get(&key) {
                Some(address) => *address,
                None => return Ok(()),
            },
        };
        let mut storage = BTreeMap::new();
        for (hash, value) in slots {
            if let Some(slot) = preimages::slot_of(store, hash)? {
                let value = B256::from(value.to_be_bytes::<32>());
                storage.insert(U256Key(slot), value);
            }
        }
        let dumped = DumpedAccount {
            nonce: account.nonce,
            balance: account.balance,
            code: store.code(&account.code_hash)?,
            storage,
        };
        accounts.insert(address, dumped);
        Ok(())
    })?;
    Ok(json!({
        "block": {
            "number": format!("{:#x}", head.number),
            "beneficiary": head.beneficiary,
            "timestamp": format!("{:#x}", head.timestamp),
            "gas_limit": head.gas_limit,
            "basefee": head.base_fee_per_gas.unwrap_or_default(),
            "difficulty": head.difficulty,
            "prevrandao": head.mix_hash,
            "blob_excess_gas_and_price": head.excess_blob_gas.map(|excess| json!({
                "excess_blob_gas": excess,
                "blob_gasprice": 1,
            })),
        },
        "accounts": accounts,
        "best_block_number": head.number,
        "blocks": dump_blocks::blocks(reader)?,
        "transactions": [],
        "historical_states": null,
    }))
}

/// Returns the accounts of a dump: JSON, or JSON compressed with gzip.
///
/// # Errors
/// Fails with a text if the dump is malformed, or larger than [`MAX_STATE_DUMP_BYTES`].
pub fn parse(bytes: &[u8]) -> Result<BTreeMap<Address, DumpedAccount>, String> {
    let json = unpack(bytes, MAX_STATE_DUMP_BYTES)?;
    let dump: Dump = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
    Ok(dump.accounts)
}

/// Returns the JSON of a dump, of at most `limit` bytes.
fn unpack(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let too_large = || format!("the state is larger than {limit} bytes");
    let mut json = Vec::new();
    if bytes.starts_with(&GZIP_MAGIC) {
        let decoder = GzDecoder::new(bytes);
        let read = decoder.take(limit as u64 + 1).read_to_end(&mut json);
        read.map_err(|error| error.to_string())?;
    } else if bytes.len() <= limit {
        json.extend_from_slice(bytes);
    } else {
        return Err(too_large());
    }
    if json.len() > limit {
        return Err(too_large());
    }
    Ok(json)
}

fn compressed(state: &Value) -> Result<Bytes, RpcError> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(state.to_string().as_bytes());
    let compressed = written.and_then(|()| encoder.finish());
    let compressed = compressed.map_err(|error| RpcError::internal(error.to_string()))?;
    Ok(compressed.into())
}

/// Dumps the state. Historical states, which anvil can add, are not.
fn dump_state(node: &Node, (_,): (Option<bool>,)) -> Result<Bytes, RpcError> {
    compressed(&dump(&node.chain_reader).map_err(storage)?)
}

/// Adds the accounts of a dump to the state; accounts that the dump has are replaced, and keep the
/// slots that it does not have. Answers true, as all nodes do.
async fn load_state(node: Arc<Node>, (state,): (Bytes,)) -> Result<bool, RpcError> {
    let read = move || {
        let malformed = |error| RpcError::invalid_params(format!("malformed state: {error}"));
        parse(&state).map(changes).map_err(malformed)
    };
    let changes = node.heavy_pool.run("anvil_loadState", read).await??;
    edit_all(&node, changes).await?;
    Ok(true)
}

fn changes(accounts: BTreeMap<Address, DumpedAccount>) -> Vec<AccountEdit> {
    let mut changes = Vec::new();
    for (address, account) in accounts {
        let slots = account.storage.into_iter();
        let slots = slots.map(|(slot, value)| Edit::Slot(slot.0, value.into()));
        let fields = [
            Edit::Nonce(account.nonce),
            Edit::Balance(account.balance),
            Edit::Code(account.code),
        ];
        let edits = slots.chain(fields);
        changes.extend(edits.map(|change| AccountEdit { address, change }));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The accounts of a dump that anvil 1.7.1 wrote.
    const ANVIL: &str = r#"{
        "block": {"number": "0x3", "gas_limit": 30000000, "basefee": 0},
        "accounts": {
            "0x5fbdb2315678afecb367f032d93f642f64180aa3": {
                "nonce": 1, "balance": "0x44a290849a00", "code": "0x00",
                "storage": {
                    "0x0000000000000000000000000000000000000000000000000000000000000001":
                    "0x000000000000000000000000000000000000000000000000000000000000002a"
                }
            }
        },
        "best_block_number": 3, "blocks": [], "transactions": [], "historical_states": null
    }"#;

    #[test]
    fn a_dump_of_anvil_is_read() {
        let accounts = parse(ANVIL.as_bytes()).unwrap();
        let json: Value = serde_json::from_str(ANVIL).unwrap();
        assert_eq!(serde_json::to_value(&accounts).unwrap(), json["accounts"]);
        let packed = compressed(&json).unwrap();
        assert_eq!(parse(&packed).unwrap(), accounts);
        let slot = Edit::Slot(U256::from(1), U256::from(42));
        assert!(changes(accounts).iter().any(|edit| edit.change == slot));
    }

    #[test]
    fn a_malformed_dump_is_refused() {
        let packed = compressed(&json!({"accounts": {}})).unwrap();
        let cut = packed.get(..packed.len() - 9).unwrap();
        for bytes in [&b""[..], b"{}", b"[1]", &GZIP_MAGIC, cut] {
            assert!(parse(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_dump_that_unpacks_to_too_much_is_refused() {
        let packed = compressed(&json!(" ".repeat(1 << 20))).unwrap();
        assert!(packed.len() < 10_000);
        assert!(unpack(&packed, 1 << 20).unwrap_err().contains("larger"));
        assert!(unpack(&packed, (1 << 20) + 2).is_ok());
        assert!(unpack(b"123", 2).unwrap_err().contains("larger"));
    }
}
