//! The values that are written: the same struct is described to serde by a derive and to our writer by its fields.

use actoreum_primitives::{
    Address, B64, B256, Block, Bloom, Body, Bytes, Header, LegacyTx, SecretKey, TxPayload, U256,
    keccak256, rlp,
};
use actoreum_rpc::render::{BlockView, TotalDifficulty, write_block};
use actoreum_rpc::server::json::{JsonOut, WriteJson};
use serde::{Serialize, Serializer};

/// An integer that is written as a quantity.
#[derive(Debug, Clone, Copy)]
pub struct Quantity(pub u64);

impl WriteJson for Quantity {
    fn write_json(&self, out: &mut JsonOut) {
        out.quantity(self.0);
    }
}

/// Writes the digits on the stack: serde's best case, without an allocation.
impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = [b'0'; 18];
        let (mut at, mut rest) = (digits.len(), self.0);
        loop {
            at -= 1;
            digits[at] = b"0123456789abcdef"[(rest & 0xf) as usize];
            rest >>= 4;
            if rest == 0 {
                break;
            }
        }
        digits[at - 1] = b'x';
        serializer.serialize_str(str::from_utf8(&digits[at - 2..]).unwrap())
    }
}

/// An answer with its envelope.
#[derive(Debug, Serialize)]
pub struct Answer<T> {
    jsonrpc: &'static str,
    id: u8,
    result: T,
}

impl<T> Answer<T> {
    pub fn new(id: u8, result: T) -> Self {
        Self {
            jsonrpc: "2.0",
            id,
            result,
        }
    }
}

impl<T: WriteJson> WriteJson for Answer<T> {
    fn write_json(&self, out: &mut JsonOut) {
        let mut object = out.object();
        object.field("jsonrpc", self.jsonrpc);
        object.key("id").number(u64::from(self.id));
        object.field("result", &self.result).end();
    }
}

/// A transaction as `eth_getBlockByNumber` returns it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionJson {
    block_hash: B256,
    block_number: Quantity,
    from: Address,
    gas: Quantity,
    gas_price: U256,
    hash: B256,
    input: Bytes,
    nonce: Quantity,
    to: Option<Address>,
    transaction_index: Quantity,
    value: U256,
    r#type: Quantity,
    chain_id: Quantity,
    v: U256,
    r: U256,
    s: U256,
}

impl WriteJson for TransactionJson {
    fn write_json(&self, out: &mut JsonOut) {
        out.object()
            .field("blockHash", self.block_hash)
            .field("blockNumber", self.block_number)
            .field("from", self.from)
            .field("gas", self.gas)
            .field("gasPrice", self.gas_price)
            .field("hash", self.hash)
            .field("input", &self.input)
            .field("nonce", self.nonce)
            .field("to", self.to)
            .field("transactionIndex", self.transaction_index)
            .field("value", self.value)
            .field("type", self.r#type)
            .field("chainId", self.chain_id)
            .field("v", self.v)
            .field("r", self.r)
            .field("s", self.s)
            .end();
    }
}

/// A block as `eth_getBlockByNumber` returns it, with its transactions in full.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockJson {
    hash: B256,
    nonce: B64,
    miner: Address,
    number: Quantity,
    parent_hash: B256,
    mix_hash: B256,
    sha3_uncles: B256,
    logs_bloom: Bloom,
    state_root: B256,
    difficulty: U256,
    extra_data: Bytes,
    gas_limit: Quantity,
    gas_used: Quantity,
    timestamp: Quantity,
    transactions_root: B256,
    receipts_root: B256,
    total_difficulty: U256,
    size: Quantity,
    transactions: Vec<TransactionJson>,
    uncles: Vec<B256>,
}

impl WriteJson for BlockJson {
    fn write_json(&self, out: &mut JsonOut) {
        out.object()
            .field("hash", self.hash)
            .field("nonce", self.nonce)
            .field("miner", self.miner)
            .field("number", self.number)
            .field("parentHash", self.parent_hash)
            .field("mixHash", self.mix_hash)
            .field("sha3Uncles", self.sha3_uncles)
            .field("logsBloom", self.logs_bloom)
            .field("stateRoot", self.state_root)
            .field("difficulty", self.difficulty)
            .field("extraData", &self.extra_data)
            .field("gasLimit", self.gas_limit)
            .field("gasUsed", self.gas_used)
            .field("timestamp", self.timestamp)
            .field("transactionsRoot", self.transactions_root)
            .field("receiptsRoot", self.receipts_root)
            .field("totalDifficulty", self.total_difficulty)
            .field("size", self.size)
            .field("transactions", &self.transactions)
            .field("uncles", &self.uncles)
            .end();
    }
}

const TRANSACTIONS: u64 = 200;
const CHAIN_ID: u64 = 1337;

/// Returns a block of token transfers, and its JSON as the node renders it.
pub fn full_block() -> (BlockJson, Vec<u8>) {
    let key = SecretKey::from_bytes(&[7; 32]).unwrap();
    let transfer = |nonce: u64| {
        TxPayload::Legacy(LegacyTx {
            chain_id: Some(CHAIN_ID),
            nonce,
            gas_price: U256::from(2_000_000_000),
            gas_limit: 120_000,
            to: Some(Address::repeat_byte(0x58)),
            value: U256::ZERO,
            input: keccak256(nonce.to_be_bytes()).repeat(3)[..68]
                .to_vec()
                .into(),
        })
        .sign(&key)
    };
    let block = Block {
        header: Header {
            number: 12_345_678,
            difficulty: U256::from(2),
            gas_limit: 30_000_000,
            gas_used: 24_000_000,
            timestamp: 1_600_000_000,
            extra_data: vec![0xd8; 97].into(),
            logs_bloom: Bloom::repeat_byte(0x11),
            state_root: keccak256("state"),
            ..Header::default()
        },
        body: Body {
            transactions: (0..TRANSACTIONS).map(transfer).collect(),
            ..Body::default()
        },
    };
    let sender = block.body.transactions[0].recover_sender().unwrap();
    let total_difficulty = U256::from(24_691_357);
    let mut out = JsonOut::new(25_000_000);
    let senders = vec![sender; block.body.transactions.len()];
    write_block(
        &mut out,
        &BlockView {
            block: &block,
            hash: block.hash(),
            total_difficulty: TotalDifficulty::Known(total_difficulty),
            senders: Some(&senders),
        },
    );
    (json_of(&block, sender, total_difficulty), out.into_bytes())
}

fn json_of(block: &Block, from: Address, total_difficulty: U256) -> BlockJson {
    let header = &block.header;
    let block_hash = block.hash();
    let transactions = block.body.transactions.iter().enumerate();
    let transactions = transactions.map(|(index, tx)| TransactionJson {
        block_hash,
        block_number: Quantity(header.number),
        from,
        gas: Quantity(tx.gas_limit()),
        gas_price: tx.max_fee_per_gas(),
        hash: tx.hash(),
        input: tx.input().clone(),
        nonce: Quantity(tx.nonce()),
        to: tx.to(),
        transaction_index: Quantity(index as u64),
        value: tx.value(),
        r#type: Quantity(0),
        chain_id: Quantity(CHAIN_ID),
        v: U256::from(tx.v()),
        r: tx.signature().r,
        s: tx.signature().s,
    });
    BlockJson {
        hash: block_hash,
        nonce: header.nonce,
        miner: header.beneficiary,
        number: Quantity(header.number),
        parent_hash: header.parent_hash,
        mix_hash: header.mix_hash,
        sha3_uncles: header.ommers_hash,
        logs_bloom: header.logs_bloom,
        state_root: header.state_root,
        difficulty: header.difficulty,
        extra_data: header.extra_data.clone(),
        gas_limit: Quantity(header.gas_limit),
        gas_used: Quantity(header.gas_used),
        timestamp: Quantity(header.timestamp),
        transactions_root: header.transactions_root,
        receipts_root: header.receipts_root,
        total_difficulty,
        size: Quantity(rlp::encode(block).len() as u64),
        transactions: transactions.collect(),
        uncles: Vec::new(),
    }
}
