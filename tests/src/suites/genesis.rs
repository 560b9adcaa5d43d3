//! `GenesisTests`: the first block from the accounts and fields of a genesis.

use std::collections::BTreeMap;

use actoreum_primitives::{Address, B256, ChainConfig, Genesis, rlp};
use serde::Deserialize;

use crate::archive::ArchivedFile;
use crate::json::{self, Hex, Number};
use crate::report::{Difference, Report, same};
use crate::state_map::{StateMap, VectorAccount};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    alloc: BTreeMap<String, Account>,
    coinbase: Address,
    difficulty: Number,
    extra_data: Hex,
    gas_limit: Number,
    mix_hash: B256,
    nonce: Number,
    parent_hash: B256,
    result: Hex,
    timestamp: Number,
}

#[derive(Deserialize)]
struct Account {
    /// The balance under its older name.
    wei: Option<Number>,
    #[serde(flatten)]
    account: VectorAccount,
}

fn run_one(vector: Vector) -> Result<(), Difference> {
    let accounts = vector
        .alloc
        .into_iter()
        .map(|(address, Account { wei, mut account })| {
            account.balance = wei.unwrap_or(account.balance);
            (address.parse().expect("a vector's address"), account)
        });
    let state = StateMap::new(&accounts.collect());
    let genesis = Genesis {
        config: ChainConfig::default(),
        nonce: vector.nonce.as_u64(),
        timestamp: vector.timestamp.as_u64(),
        extra_data: vector.extra_data.0,
        gas_limit: vector.gas_limit.as_u64(),
        difficulty: vector.difficulty.as_u256(),
        mix_hash: vector.mix_hash,
        coinbase: vector.coinbase,
        parent_hash: vector.parent_hash,
        ..Genesis::default()
    };
    let block = genesis.block(state.root());
    same("block", &vector.result.0, &rlp::encode(&block).into())?;
    let decoded = rlp::decode_exact::<actoreum_primitives::Block>(&vector.result.0)
        .map_err(|error| Difference::new("block", "to be decoded", error))?;
    same("hash", &block.hash(), &decoded.hash())
}

/// Runs a file of `GenesisTests`.
pub fn run(file: &ArchivedFile, report: &Report) {
    let vectors = json::named_vectors(&file.content).expect("a genesis file is a JSON object");
    for (name, text) in vectors {
        let vector: Vector = serde_json::from_str(text.get()).expect("a genesis vector is read");
        report.record(
            "genesis",
            "-",
            &format!("{} {name}", file.path),
            run_one(vector),
        );
    }
}
