//! `BasicTests`, except those of the difficulty: keys, transactions, nibbles, mainnet's genesis.

use actoreum_primitives::rlp::{self, Encode, List};
use actoreum_primitives::transaction::TxPayload;
use actoreum_primitives::{
    Address, B256, Block, Bytes, EMPTY_ROOT_HASH, SecretKey, Transaction, U256, keccak256,
};
use actoreum_trie::{EmptySource, update};
use serde::Deserialize;

use crate::archive::ArchivedFile;
use crate::exceptions::skip_reason;
use crate::json::{self, Hex, Number};
use crate::report::{Difference, Report, same};

/// Runs a file of `BasicTests` that is not about the difficulty.
pub fn run(file: &ArchivedFile, report: &Report) {
    if let Some(reason) = skip_reason(&file.path) {
        report.except(&file.path, reason);
        return;
    }
    if file.path.ends_with("keyaddrtest.json") {
        let name = format!("{} sig_of_emptystring", file.path);
        report.except(
            &name,
            skip_reason(&name).expect("because it is in the list"),
        );
    }
    let outcomes = match file.path.rsplit('/').next() {
        Some("keyaddrtest.json") => each(&file.content, key_and_address),
        Some("txtest.json") => each(&file.content, transaction),
        Some("hexencodetest.json") => {
            let vectors = json::named_vectors(&file.content).expect("an object");
            let vectors = vectors.into_iter().map(|(name, text)| {
                let vector = serde_json::from_str(text.get()).expect("a vector of nibbles");
                (name, nibbles(vector))
            });
            vectors.collect()
        }
        Some("genesishashestest.json") => {
            let vector = serde_json::from_slice(&file.content).expect("a genesis's hashes");
            vec![("mainnet".to_owned(), mainnet_genesis(vector))]
        }
        _ => vec![(
            String::new(),
            Err(Difference::new("file", "a known one", &file.path)),
        )],
    };
    for (name, outcome) in outcomes {
        report.record("basic", "-", &format!("{} {name}", file.path), outcome);
    }
}

type Outcomes = Vec<(String, Result<(), Difference>)>;

fn each<V: for<'de> Deserialize<'de>>(
    content: &[u8],
    run: fn(V) -> Result<(), Difference>,
) -> Outcomes {
    let vectors: Vec<V> = serde_json::from_slice(content).expect("a list of vectors");
    vectors
        .into_iter()
        .enumerate()
        .map(|(index, it)| (index.to_string(), run(it)))
        .collect()
}

#[derive(Deserialize)]
struct KeyAndAddress {
    seed: String,
    key: B256,
    addr: Address,
}

fn secret_key(bytes: B256) -> Result<SecretKey, Difference> {
    SecretKey::from_bytes(&bytes.0).map_err(|error| Difference::new("key", "a valid one", error))
}

fn key_and_address(vector: KeyAndAddress) -> Result<(), Difference> {
    same("key", &vector.key, &keccak256(&vector.seed))?;
    let key = secret_key(vector.key)?;
    same("address", &vector.addr, &key.address())?;
    let hash = keccak256("");
    let ours = key.sign(hash).recover_address(hash);
    same("signer of our signature", &Ok(vector.addr), &ours)
}

#[derive(Deserialize)]
struct VectorTransaction {
    key: B256,
    nonce: Number,
    gasprice: Number,
    startgas: Number,
    to: Hex,
    value: Number,
    data: Hex,
    unsigned: Hex,
    signed: Hex,
}

fn transaction(vector: VectorTransaction) -> Result<(), Difference> {
    let transaction = Transaction::decode_2718(&vector.signed.0)
        .map_err(|error| Difference::new("signed", "to be decoded", error))?;
    let to = (!vector.to.0.is_empty()).then(|| Address::from_slice(&vector.to.0));
    same("nonce", &vector.nonce.as_u64(), &transaction.nonce())?;
    same(
        "gas price",
        &Some(vector.gasprice.as_u256()),
        &transaction.gas_price(),
    )?;
    same(
        "gas limit",
        &vector.startgas.as_u64(),
        &transaction.gas_limit(),
    )?;
    same("recipient", &to, &transaction.to())?;
    same("value", &vector.value.as_u256(), &transaction.value())?;
    same("data", &vector.data.0, transaction.input())?;
    same(
        "signed",
        &vector.signed.0,
        &transaction.encode_2718().into(),
    )?;
    let key = secret_key(vector.key)?;
    same("sender", &Ok(key.address()), &transaction.recover_sender())?;
    let TxPayload::Legacy(tx) = transaction.payload() else {
        return Err(Difference::new(
            "type",
            "legacy",
            format!("{:?}", transaction.tx_type()),
        ));
    };
    let fields: [&dyn Encode; 9] = [
        &tx.nonce,
        &tx.gas_price,
        &tx.gas_limit,
        &tx.to,
        &tx.value,
        &tx.input,
        &0_u64,
        &U256::ZERO,
        &U256::ZERO,
    ];
    let mut unsigned = Vec::new();
    rlp::encode_list_header(
        fields.iter().map(|field| field.length()).sum(),
        &mut unsigned,
    );
    for field in fields {
        field.encode(&mut unsigned);
    }
    same("unsigned", &vector.unsigned.0, &unsigned.into())
}

#[derive(Deserialize)]
struct Nibbles {
    seq: Vec<u8>,
    term: bool,
    out: Hex,
}

/// Checks the compact encoding of nibbles in trie nodes: in an extension where two keys share the
/// nibbles, in a leaf where the keys end with them.
fn nibbles(vector: Nibbles) -> Result<(), Difference> {
    const KEY_NIBBLES: usize = 64;
    let before = if vector.term {
        KEY_NIBBLES - 1 - vector.seq.len()
    } else {
        0
    };
    let after = KEY_NIBBLES - 1 - vector.seq.len() - before;
    let key = |fork: u8| {
        let mut nibbles = vec![7; before];
        if vector.term {
            nibbles.extend([&[fork][..], &vector.seq].concat())
        } else {
            nibbles.extend([&vector.seq[..], &[fork]].concat())
        }
        nibbles.extend(vec![7; after]);
        let bytes: Vec<u8> = nibbles
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect();
        B256::from_slice(&bytes)
    };
    let value = Some(rlp::encode(&Bytes::from(vec![1; 40])));
    let trie = update(
        &EmptySource,
        EMPTY_ROOT_HASH,
        &[(key(1), value.clone()), (key(2), value)],
    )
    .map_err(|error| Difference::new("trie", "to be built", error))?;
    let depth = if vector.term { before + 1 } else { 0 };
    let node = trie.nodes.iter().find(|(path, _)| path.len() == depth);
    let Some((_, Some(node))) = node else {
        return Err(Difference::new(
            "node",
            format!("one at depth {depth}"),
            "none",
        ));
    };
    let path = List::open_exact(node).and_then(|mut list| list.next::<Bytes>());
    same("compact form", &Ok(vector.out.0), &path)
}

#[derive(Deserialize)]
struct GenesisHashes {
    genesis_rlp_hex: Hex,
    genesis_state_root: B256,
    genesis_hash: B256,
}

fn mainnet_genesis(vector: GenesisHashes) -> Result<(), Difference> {
    let block = rlp::decode_exact::<Block>(&vector.genesis_rlp_hex.0)
        .map_err(|error| Difference::new("genesis", "to be decoded", error))?;
    same(
        "state root",
        &vector.genesis_state_root,
        &block.header.state_root,
    )?;
    same("hash", &vector.genesis_hash, &block.hash())?;
    same(
        "encoding",
        &vector.genesis_rlp_hex.0,
        &rlp::encode(&block).into(),
    )
}
