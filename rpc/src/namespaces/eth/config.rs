//! `eth_config` (EIP-7910) and `eth_capabilities`: what the node knows of its chain's forks, and what
//! data it keeps.

use actoreum_evm::{
    BEACON_ROOTS_ADDRESS, CONSOLIDATION_REQUESTS_ADDRESS, HISTORY_STORAGE_ADDRESS,
    WITHDRAWAL_REQUESTS_ADDRESS, precompile_names,
};
use actoreum_primitives::config::{Activation, ForkId};
use actoreum_primitives::{Address, BlobParams, Fork};
use serde_json::{Map, Value, json};

use crate::error::RpcError;
use crate::node::{Node, storage};
use crate::server::json::Serialized;
use crate::server::method::Method;

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::view("eth_capabilities", &[], capabilities),
        Method::view("eth_config", &[], config),
    ]
}

/// Returns the configuration of the current fork, of the next one and of the last one that is
/// scheduled; null where there is none.
fn config(node: &Node, (): ()) -> Result<Serialized<Value>, RpcError> {
    let head = node.chain_reader.head();
    let times = fork_times(node);
    let current = times
        .iter()
        .copied()
        .filter(|time| *time <= head.timestamp)
        .max()
        .unwrap_or(0);
    let mut later = times.into_iter().filter(|time| *time > head.timestamp);
    let next = later.clone().min();
    let last = next.and_then(|_| later.by_ref().max());
    let shown = |time: Option<u64>| match time {
        Some(time) => fork_config(node, time),
        None => Ok(Value::Null),
    };
    Ok(Serialized(json!({
        "current": fork_config(node, current)?,
        "next": shown(next)?,
        "last": shown(last)?,
    })))
}

/// Returns the times at which forks begin.
fn fork_times(node: &Node) -> Vec<u64> {
    let config = node.chain_reader.config();
    let activations = Fork::ALL.into_iter();
    activations
        .filter_map(|fork| match config.activation(fork)? {
            Activation::Time(time) => Some(time),
            Activation::Block(_) => None,
        })
        .collect()
}

/// Returns the configuration of the fork that begins at `time`.
fn fork_config(node: &Node, time: u64) -> Result<Value, RpcError> {
    let reader = &node.chain_reader;
    let config = reader.config();
    let number = reader.head_number();
    let first = reader.header_by_number(0).map_err(storage)?;
    let genesis_time = first.map_or(0, |genesis| genesis.timestamp);
    let id = ForkId::new(config, &reader.genesis_hash(), genesis_time, number, time);
    let fork = config.fork_at(number, time);
    let blobs = config.blob_params_at(number, time);
    let precompiles: Map<String, Value> = precompile_names(fork)
        .into_iter()
        .map(|(name, address)| (name, hex(address)))
        .collect();
    let contracts: Map<String, Value> = system_contracts(fork, config.deposit_contract_address)
        .into_iter()
        .map(|(name, address)| (name.to_owned(), hex(address)))
        .collect();
    Ok(json!({
        "activationTime": time,
        "blobSchedule": blobs.map(|BlobParams { target, max, base_fee_update_fraction }| json!({
            "target": target,
            "max": max,
            "baseFeeUpdateFraction": base_fee_update_fraction,
        })),
        "chainId": format!("{:#x}", config.chain_id_at(number)),
        "forkId": id.hash.to_string(),
        "precompiles": precompiles,
        "systemContracts": contracts,
    }))
}

/// Returns an address without the checksum of its display form.
fn hex(address: Address) -> Value {
    Value::String(format!("{address:#x}"))
}

/// Returns the contracts that the protocol calls or reads from a fork on, by their names in EIP-7910.
fn system_contracts(fork: Fork, deposits: Option<Address>) -> Vec<(&'static str, Address)> {
    let mut contracts = Vec::new();
    if fork >= Fork::Cancun {
        contracts.push(("BEACON_ROOTS_ADDRESS", BEACON_ROOTS_ADDRESS));
    }
    if fork >= Fork::Prague {
        contracts.extend([
            (
                "CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS",
                CONSOLIDATION_REQUESTS_ADDRESS,
            ),
            ("HISTORY_STORAGE_ADDRESS", HISTORY_STORAGE_ADDRESS),
            (
                "WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS",
                WITHDRAWAL_REQUESTS_ADDRESS,
            ),
        ]);
        contracts.push(("DEPOSIT_CONTRACT_ADDRESS", deposits.unwrap_or_default()));
    }
    contracts
}

/// Returns the oldest block of each kind of data, and how many blocks of it are kept.
fn capabilities(node: &Node, (): ()) -> Result<Serialized<Value>, RpcError> {
    let reader = &node.chain_reader;
    let head = reader.head();
    let store = reader.store();
    let first = format!("{:#x}", reader.first_number());
    let kept = || json!({ "disabled": false, "oldestBlock": first });
    let oldest = store.oldest_state().max(reader.first_number());
    let mut state = json!({ "disabled": false, "oldestBlock": format!("{oldest:#x}") });
    if let (Some(blocks), Some(members)) = (store.options().history, state.as_object_mut()) {
        let window = json!({ "type": "window", "retentionBlocks": format!("{blocks:#x}") });
        members.insert("deleteStrategy".to_owned(), window);
    }
    // A forked chain has no tries.
    let proofs = match node.fork {
        Some(_) => json!({ "disabled": true }),
        None => state.clone(),
    };
    Ok(Serialized(json!({
        "head": { "number": format!("{:#x}", head.number), "hash": head.hash() },
        "state": state,
        "stateproofs": proofs,
        "tx": kept(),
        "logs": kept(),
        "receipts": kept(),
        "blocks": kept(),
    })))
}
