//! Blocks and headers.

use actoreum_chain::SealedHeader;
use actoreum_primitives::rlp::Encode as _;
use actoreum_primitives::{Address, B256, Block, Body, Header, U256, Withdrawal};

use super::transaction::{TransactionMeta, write_transaction};
use crate::server::json::{JsonOut, ObjectWriter, WriteJson};

/// The sum of the difficulties of a block and its ancestors, as a block's JSON shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotalDifficulty {
    /// The sum.
    Known(U256),
    /// Null: the sum is not known, as for a pending block.
    Unknown,
    /// No member: the chain merges, where the sum has no meaning any more.
    Omitted,
}

impl TotalDifficulty {
    /// Writes the member.
    fn write(self, object: &mut ObjectWriter<'_>) {
        let value = match self {
            Self::Known(value) => Some(value),
            Self::Unknown => None,
            Self::Omitted => return,
        };
        object.field("totalDifficulty", value);
    }
}

/// A block with the data that its JSON shows beside it.
#[derive(Debug, Clone, Copy)]
pub struct BlockView<'a> {
    /// The block.
    pub block: &'a Block,
    /// The hash of the block.
    pub hash: B256,
    /// The total difficulty.
    pub total_difficulty: TotalDifficulty,
    /// The senders of the transactions, one for each, to show the transactions in full. With `None`
    /// the transactions are shown by their hashes.
    pub senders: Option<&'a [Address]>,
}

/// Writes a block as `eth_getBlockByNumber` returns it.
pub fn write_block(out: &mut JsonOut, view: &BlockView<'_>) {
    let header = &view.block.header;
    let mut object = out.object();
    object.field("hash", view.hash).field("nonce", header.nonce);
    object.field("miner", header.beneficiary);
    write_block_members(&mut object, view);
    object.end();
}

/// Writes a simulated block: a block, and the results of its calls.
pub fn write_simulated_block(out: &mut JsonOut, view: &BlockView<'_>, calls: &impl WriteJson) {
    let header = &view.block.header;
    let mut object = out.object();
    object.field("hash", view.hash).field("nonce", header.nonce);
    object.field("miner", header.beneficiary);
    write_block_members(&mut object, view);
    object.field("calls", calls).end();
}

/// Writes an unsealed block as `eth_getBlockByNumber` returns the pending one.
pub fn write_pending_block(out: &mut JsonOut, view: &BlockView<'_>) {
    let mut object = out.object();
    for name in ["hash", "nonce", "miner"] {
        object.field(name, None::<B256>);
    }
    write_block_members(&mut object, view);
    object.end();
}

fn write_block_members(object: &mut ObjectWriter<'_>, view: &BlockView<'_>) {
    let Block { header, body } = view.block;
    write_header_members(object, header);
    view.total_difficulty.write(object);
    object.quantity("size", view.block.length() as u64);
    match view.senders {
        None => object
            .key("transactions")
            .array(body.transactions.iter().map(|tx| tx.hash())),
        Some(senders) => {
            let meta = |index: usize| TransactionMeta {
                block_hash: view.hash,
                block_number: header.number,
                block_timestamp: header.timestamp,
                index: index as u64,
                base_fee_per_gas: header.base_fee_per_gas,
            };
            let transactions = body.transactions.iter().zip(senders).enumerate();
            object
                .key("transactions")
                .array(transactions.map(|(index, (transaction, sender))| {
                    Writer(move |out: &mut JsonOut| {
                        write_transaction(out, transaction, *sender, Some(&meta(index)));
                    })
                }));
        }
    }
    object
        .key("uncles")
        .array(body.ommers.iter().map(Header::hash));
    if let Some(withdrawals) = &body.withdrawals {
        object.key("withdrawals").array(withdrawals);
    }
}

/// Writes an ommer as `eth_getUncleByBlockHashAndIndex` returns it: a block without its body.
pub fn write_ommer(out: &mut JsonOut, header: &Header, total_difficulty: TotalDifficulty) {
    let alone = Block {
        header: header.clone(),
        body: Body::default(),
    };
    let mut object = out.object();
    object
        .field("hash", header.hash())
        .field("nonce", header.nonce);
    object.field("miner", header.beneficiary);
    write_header_members(&mut object, header);
    total_difficulty.write(&mut object);
    object.quantity("size", alone.length() as u64);
    object.key("uncles").array(std::iter::empty::<B256>());
    object.end();
}

/// Writes a header as `eth_getHeaderByNumber` returns it.
pub fn write_header(out: &mut JsonOut, header: &Header, total_difficulty: TotalDifficulty) {
    let mut object = out.object();
    object
        .field("hash", header.hash())
        .field("nonce", header.nonce);
    object.field("miner", header.beneficiary);
    write_header_members(&mut object, header);
    total_difficulty.write(&mut object);
    object.end();
}

/// Writes an unsealed header as `eth_getHeaderByNumber` returns the pending one.
pub fn write_pending_header(out: &mut JsonOut, header: &Header, total_difficulty: TotalDifficulty) {
    let mut object = out.object();
    for name in ["hash", "nonce", "miner"] {
        object.field(name, None::<B256>);
    }
    write_header_members(&mut object, header);
    total_difficulty.write(&mut object);
    object.end();
}

/// Writes a new head as a `newHeads` subscription shows it: a header without its total difficulty.
pub fn write_head(out: &mut JsonOut, header: &SealedHeader) {
    let mut object = out.object();
    object
        .field("hash", header.hash())
        .field("nonce", header.nonce);
    object.field("miner", header.beneficiary);
    write_header_members(&mut object, header);
    object.end();
}

/// Writes the members of a header from which its hash is computed.
pub fn write_hashed_members(out: &mut JsonOut, header: &Header) {
    let mut object = out.object();
    object
        .field("nonce", header.nonce)
        .field("miner", header.beneficiary);
    write_header_members(&mut object, header);
    object.end();
}

/// Writes the members of a header except `hash`, `nonce` and `miner`, which a pending block shows
/// as null.
fn write_header_members(object: &mut ObjectWriter<'_>, header: &Header) {
    object
        .quantity("number", header.number)
        .field("parentHash", header.parent_hash)
        .field("mixHash", header.mix_hash)
        .field("sha3Uncles", header.ommers_hash)
        .field("logsBloom", header.logs_bloom)
        .field("stateRoot", header.state_root)
        .field("difficulty", header.difficulty)
        .field("extraData", &header.extra_data)
        .quantity("gasLimit", header.gas_limit)
        .quantity("gasUsed", header.gas_used)
        .quantity("timestamp", header.timestamp)
        .field("transactionsRoot", header.transactions_root)
        .field("receiptsRoot", header.receipts_root);
    if let Some(base_fee) = header.base_fee_per_gas {
        object.quantity("baseFeePerGas", base_fee);
    }
    if let Some(root) = header.withdrawals_root {
        object.field("withdrawalsRoot", root);
    }
    if let Some(gas) = header.blob_gas_used {
        object.quantity("blobGasUsed", gas);
    }
    if let Some(gas) = header.excess_blob_gas {
        object.quantity("excessBlobGas", gas);
    }
    if let Some(root) = header.parent_beacon_block_root {
        object.field("parentBeaconBlockRoot", root);
    }
    if let Some(hash) = header.requests_hash {
        object.field("requestsHash", hash);
    }
}

impl WriteJson for Withdrawal {
    fn write_json(&self, out: &mut JsonOut) {
        out.object()
            .quantity("index", self.index)
            .quantity("validatorIndex", self.validator_index)
            .field("address", self.address)
            .quantity("amount", self.amount)
            .end();
    }
}

/// A result that is written by a closure.
struct Writer<F>(F);

impl<F: Fn(&mut JsonOut)> WriteJson for Writer<F> {
    fn write_json(&self, out: &mut JsonOut) {
        (self.0)(out);
    }
}
