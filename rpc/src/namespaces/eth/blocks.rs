//! The methods about blocks, headers and ommers.

use std::sync::Arc;

use actoreum_actors::sealing::worker::PendingBlock;
use actoreum_chain::TransactionLocation;
use actoreum_consensus::rules;
use actoreum_primitives::{Address, B256, Block, Header, Receipt, Transaction, U256};

use super::state;
use crate::error::RpcError;
use crate::namespaces::block_id::{BlockId, BlockNumber};
use crate::node::{Node, storage};
use crate::render::{self, BlockView, TotalDifficulty, TransactionMeta};
use crate::server::json::{JsonOut, WriteJson};
use crate::server::method::Method;
use crate::server::param::Index;

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::view("eth_getBlockByHash", &["hash", "full"], by_hash),
        Method::view("eth_getBlockByNumber", &["block", "full"], by_number),
        Method::view(
            "eth_getBlockTransactionCountByHash",
            &["hash"],
            transaction_count::<B256>,
        ),
        Method::view(
            "eth_getBlockTransactionCountByNumber",
            &["block"],
            transaction_count::<BlockNumber>,
        ),
        Method::view("eth_getHeaderByHash", &["hash"], header::<B256>),
        Method::view("eth_getHeaderByNumber", &["block"], header::<BlockNumber>),
        Method::view(
            "eth_getUncleByBlockHashAndIndex",
            &["hash", "index"],
            ommer::<B256>,
        ),
        Method::view(
            "eth_getUncleByBlockNumberAndIndex",
            &["block", "index"],
            ommer::<BlockNumber>,
        ),
        Method::view(
            "eth_getUncleCountByBlockHash",
            &["hash"],
            ommer_count::<B256>,
        ),
        Method::view(
            "eth_getUncleCountByBlockNumber",
            &["block"],
            ommer_count::<BlockNumber>,
        ),
    ]
}

/// A block that was requested.
pub(crate) struct FoundBlock {
    /// The hash. A pending block has the hash of its unsealed header, as in geth.
    pub(crate) hash: B256,
    /// The block.
    pub(crate) block: Arc<Block>,
    /// The pending block, if this is one.
    pub(crate) pending: Option<Arc<PendingBlock>>,
}

impl From<Arc<PendingBlock>> for FoundBlock {
    fn from(pending: Arc<PendingBlock>) -> Self {
        Self {
            hash: pending.block.hash(),
            block: Arc::clone(&pending.block),
            pending: Some(pending),
        }
    }
}

impl FoundBlock {
    /// Reads the block with this hash; `None` if there is none.
    fn by_hash(node: &Node, hash: B256) -> Result<Option<Self>, RpcError> {
        let block = node.chain_reader.block_by_hash(&hash).map_err(storage)?;
        Ok(block.map(|block| Self {
            hash,
            block,
            pending: None,
        }))
    }

    /// Reads the block of the canonical chain that contains a transaction. Returns it with the
    /// index of the transaction; `None` if no block contains the transaction.
    pub(super) fn of_transaction(
        node: &Node,
        transaction: &B256,
    ) -> Result<Option<(Self, usize)>, RpcError> {
        let Some(location) = location(node, transaction)? else {
            return Ok(None);
        };
        let found = Self::by_hash(node, location.block_hash)?;
        Ok(found.map(|found| (found, location.index)))
    }

    /// Returns the senders of the block's transactions, one for each.
    pub(crate) fn senders(&self, node: &Node) -> Result<Arc<Vec<Address>>, RpcError> {
        match &self.pending {
            Some(pending) => Ok(Arc::clone(&pending.senders)),
            None => senders(node, &self.hash),
        }
    }

    /// Returns the receipts of the block's transactions; `None` if they are not stored.
    pub(crate) fn receipts(&self, node: &Node) -> Result<Option<Arc<Vec<Receipt>>>, RpcError> {
        match &self.pending {
            Some(pending) => Ok(Some(Arc::clone(&pending.receipts))),
            None => node.chain_reader.receipts(&self.hash).map_err(storage),
        }
    }
}

/// Returns the block `id`; `None` if there is none. If no pending block can be built, the head
/// takes its place.
pub(crate) fn block(node: &Node, id: BlockId) -> Result<Option<FoundBlock>, RpcError> {
    if let Some(pending) = state::pending(node, id) {
        return Ok(Some(pending.into()));
    }
    let hash = match id {
        BlockId::Hash {
            hash,
            require_canonical: false,
        } => hash,
        _ => match node.header(id)? {
            Some(header) => header.hash(),
            None => return Ok(None),
        },
    };
    FoundBlock::by_hash(node, hash)
}

/// Returns the senders of a block's transactions, one for each.
pub(crate) fn senders(node: &Node, hash: &B256) -> Result<Arc<Vec<Address>>, RpcError> {
    node.chain_reader
        .senders(hash)
        .map_err(storage)?
        .ok_or_else(|| RpcError::internal("a block vanished while it was read"))
}

/// A transaction in its block.
pub(crate) struct TransactionInBlock {
    pub block: Arc<Block>,
    pub senders: Arc<Vec<Address>>,
    pub hash: B256,
    pub index: usize,
}

impl TransactionInBlock {
    /// Returns the transaction at `index` of a block; `None` past its end.
    pub(crate) fn in_block(
        node: &Node,
        found: FoundBlock,
        index: usize,
    ) -> Result<Option<Self>, RpcError> {
        if index >= found.block.body.transactions.len() {
            return Ok(None);
        }
        Ok(Some(Self {
            senders: found.senders(node)?,
            block: found.block,
            hash: found.hash,
            index,
        }))
    }

    pub(crate) fn transaction(&self) -> &Transaction {
        self.block
            .body
            .transactions
            .get(self.index)
            .expect("because the index was checked when this was made, and blocks do not change")
    }

    pub(crate) fn sender(&self) -> Address {
        self.senders.get(self.index).copied().unwrap_or_default()
    }

    /// Returns the position of the transaction in the chain.
    pub(crate) fn meta(&self) -> TransactionMeta {
        TransactionMeta {
            block_hash: self.hash,
            block_number: self.block.header.number,
            block_timestamp: self.block.header.timestamp,
            index: self.index as u64,
            base_fee_per_gas: self.block.header.base_fee_per_gas,
        }
    }
}

/// Returns the price of blob gas in a block, in wei; `None` before Cancun.
pub(super) fn blob_gas_price(node: &Node, header: &Header) -> Option<U256> {
    let excess = header.excess_blob_gas?;
    let params = node
        .chain_reader
        .config()
        .blob_params_at(header.number, header.timestamp)?;
    Some(rules::blob_gas::blob_base_fee(
        excess,
        params.base_fee_update_fraction,
    ))
}

/// Maximum number of attempts to look up a transaction while the chain changes its head.
const MAX_LOOKUP_ATTEMPTS: usize = 4;

/// Returns the location of a transaction on the canonical chain. A transaction that a reorg moves
/// to another block meanwhile is found, too.
fn location(node: &Node, hash: &B256) -> Result<Option<TransactionLocation>, RpcError> {
    for _ in 0..MAX_LOOKUP_ATTEMPTS {
        let head = node.chain_reader.head().hash();
        let location = node.chain_reader.transaction(hash).map_err(storage)?;
        if location.is_some() || node.chain_reader.head().hash() == head {
            return Ok(location);
        }
    }
    Ok(None)
}

/// Returns a transaction of the canonical chain by its hash.
pub(crate) fn transaction(node: &Node, hash: B256) -> Result<Option<TransactionInBlock>, RpcError> {
    match FoundBlock::of_transaction(node, &hash)? {
        Some((found, index)) => TransactionInBlock::in_block(node, found, index),
        None => Ok(None),
    }
}

/// The JSON of a block.
pub(crate) struct Rendered(Arc<[u8]>);

impl WriteJson for Rendered {
    fn write_json(&self, out: &mut JsonOut) {
        out.raw_bytes(&self.0);
    }
}

fn by_hash(node: &Node, (hash, full): (B256, bool)) -> Result<Option<Rendered>, RpcError> {
    rendered(node, hash, full)
}

fn by_number(
    node: &Node,
    (number, full): (BlockNumber, bool),
) -> Result<Option<Rendered>, RpcError> {
    if let Some(pending) = state::pending(node, number.into()) {
        return rendered_pending(node, &pending, full).map(Some);
    }
    match node.header(number.into())? {
        Some(header) => rendered(node, header.hash(), full),
        None => Ok(None),
    }
}

/// Renders the pending block. The result is not cached: few clients ask for it twice.
fn rendered_pending(node: &Node, pending: &PendingBlock, full: bool) -> Result<Rendered, RpcError> {
    let view = BlockView {
        block: &pending.block,
        hash: pending.block.hash(),
        total_difficulty: node.unknown_difficulty(),
        senders: full.then_some(pending.senders.as_slice()),
    };
    let mut out = JsonOut::new(crate::server::limits::MAX_RESPONSE_BYTES);
    render::write_pending_block(&mut out, &view);
    Ok(Rendered(finished(out)?.into()))
}

/// Returns the bytes that were written, or an error if they exceed the limit.
fn finished(out: JsonOut) -> Result<Vec<u8>, RpcError> {
    if out.overflowed() {
        return Err(RpcError::new(
            crate::error::RESPONSE_TOO_LARGE,
            "response too large",
        ));
    }
    Ok(out.into_bytes())
}

/// Returns the JSON of a block from the cache, or renders it.
pub(crate) fn rendered(node: &Node, hash: B256, full: bool) -> Result<Option<Rendered>, RpcError> {
    if let Some(json) = node.rendered.get(hash, full) {
        return Ok(Some(Rendered(json)));
    }
    let Some(block) = node.chain_reader.block_by_hash(&hash).map_err(storage)? else {
        return Ok(None);
    };
    let senders = if full {
        Some(senders(node, &hash)?)
    } else {
        None
    };
    let view = BlockView {
        block: &block,
        hash,
        total_difficulty: node.total_difficulty(&hash)?,
        senders: senders.as_ref().map(|senders| senders.as_slice()),
    };
    let mut out = JsonOut::new(crate::server::limits::MAX_RESPONSE_BYTES);
    render::write_block(&mut out, &view);
    Ok(Some(Rendered(node.rendered.put(
        hash,
        full,
        finished(out)?,
    ))))
}

fn transaction_count<T: Into<BlockId>>(node: &Node, (id,): (T,)) -> Result<Option<u64>, RpcError> {
    let found = block(node, id.into())?;
    Ok(found.map(|found| found.block.body.transactions.len() as u64))
}

fn ommer_count<T: Into<BlockId>>(node: &Node, (id,): (T,)) -> Result<Option<u64>, RpcError> {
    let found = block(node, id.into())?;
    Ok(found.map(|found| found.block.body.ommers.len() as u64))
}

/// A header alone, as a block without its body.
struct HeaderJson {
    header: Header,
    total_difficulty: TotalDifficulty,
    kind: HeaderKind,
}

/// The form in which a header is shown.
enum HeaderKind {
    /// The header of a block of the chain.
    Sealed,
    /// The header of the pending block.
    Pending,
    /// The header of an ommer.
    Ommer,
}

impl WriteJson for HeaderJson {
    fn write_json(&self, out: &mut JsonOut) {
        let (header, total_difficulty) = (&self.header, self.total_difficulty);
        match self.kind {
            HeaderKind::Sealed => render::write_header(out, header, total_difficulty),
            HeaderKind::Pending => render::write_pending_header(out, header, total_difficulty),
            HeaderKind::Ommer => render::write_ommer(out, header, total_difficulty),
        }
    }
}

fn header<T: Into<BlockId>>(node: &Node, (id,): (T,)) -> Result<Option<HeaderJson>, RpcError> {
    let id = id.into();
    if let Some(pending) = state::pending(node, id) {
        return Ok(Some(HeaderJson {
            header: pending.block.header.clone(),
            total_difficulty: node.unknown_difficulty(),
            kind: HeaderKind::Pending,
        }));
    }
    let header = match id {
        BlockId::Hash { hash, .. } => node.chain_reader.header_by_hash(&hash).map_err(storage)?,
        id => node.header(id)?,
    };
    let Some(header) = header else {
        return Ok(None);
    };
    let total_difficulty = node.total_difficulty(&header.hash())?;
    Ok(Some(HeaderJson {
        header: (*header).clone(),
        total_difficulty,
        kind: HeaderKind::Sealed,
    }))
}

fn ommer<T: Into<BlockId>>(
    node: &Node,
    (id, Index(index)): (T, Index),
) -> Result<Option<HeaderJson>, RpcError> {
    let Some(found) = block(node, id.into())? else {
        return Ok(None);
    };
    let Some(ommer) = found.block.body.ommers.get(index) else {
        return Ok(None);
    };
    // Known if the ommer was also seen as a block of a side chain.
    let total_difficulty = node.total_difficulty(&ommer.hash())?;
    Ok(Some(HeaderJson {
        header: ommer.clone(),
        total_difficulty,
        kind: HeaderKind::Ommer,
    }))
}
