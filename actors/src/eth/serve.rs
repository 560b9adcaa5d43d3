//! Answers to peers' requests from our chain and our transaction pool, within the limits that
//! clients of eth keep.

use std::sync::Arc;

use actoreum_chain::{ChainReader, SealedHeader};
use actoreum_primitives::EMPTY_ROOT_HASH;
use actoreum_primitives::rlp::Encode as _;
use actoreum_primitives::{B256, Bytes as Value, PooledTransaction, Receipt};
use actoreum_storage::StorageError;
use actoreum_txpool::{PoolReader, PoolTx};
use actoreum_wire::eth::{
    BlockReceipts, EthMessage, EthVersion, GetBlockHeaders, HashOrNumber, LazyList, ReceiptLists,
    SlimReceipts, WireItem,
};
use actoreum_wire::limits::{
    ESTIMATED_HEADER_SIZE, MAX_BODIES, MAX_NODE_DATA, MAX_POOLED_TRANSACTIONS, MAX_RECEIPTS,
    SOFT_RESPONSE_LIMIT,
};
use tracing::warn;

use super::state_node_cache::StateNodeCache;
use crate::log_limit::LogLimit;

/// Answers requests of peers. It reads from disk, so it is to be run on a thread pool.
#[derive(Clone)]
pub(super) struct EthRequestHandler {
    pub(super) chain_reader: ChainReader,
    pub(super) txpool: PoolReader,
    pub(super) state_nodes: Arc<StateNodeCache>,
}

impl EthRequestHandler {
    /// Returns the answer to a request; `None` for a message that is no request. Items that are
    /// absent or cannot be read are left out.
    pub(super) fn answer(&self, version: EthVersion, request: EthMessage) -> Option<EthMessage> {
        self.state_nodes.forget_idle();
        Some(match request {
            EthMessage::GetBlockHeaders(id, request) => {
                EthMessage::BlockHeaders(id, self.headers(&request))
            }
            EthMessage::GetBlockBodies(id, hashes) => {
                EthMessage::BlockBodies(id, collect(&hashes, MAX_BODIES, |it| self.body(it)))
            }
            EthMessage::GetReceipts(id, hashes) if version.is_merged() => {
                let find =
                    |hash: &B256| Ok(self.receipts(hash)?.map(|it| encoded(&SlimReceipts(it))));
                let list = collect(&hashes, MAX_RECEIPTS, find);
                EthMessage::Receipts(id, ReceiptLists::Slim(list))
            }
            EthMessage::GetReceipts(id, hashes) => {
                let find =
                    |hash: &B256| Ok(self.receipts(hash)?.map(|it| encoded(&BlockReceipts(it))));
                let list = collect(&hashes, MAX_RECEIPTS, find);
                EthMessage::Receipts(id, ReceiptLists::Full(list))
            }
            EthMessage::GetNodeData(id, hashes) => {
                EthMessage::NodeData(id, collect(&hashes, MAX_NODE_DATA, |it| self.value(it)))
            }
            EthMessage::GetPooledTransactions(id, hashes) => {
                let list = collect(&hashes, MAX_POOLED_TRANSACTIONS, |it| {
                    Ok(self.transaction(it))
                });
                EthMessage::PooledTransactions(id, list)
            }
            _ => return None,
        })
    }

    fn headers(&self, request: &GetBlockHeaders) -> LazyList<actoreum_primitives::Header> {
        let max = SOFT_RESPONSE_LIMIT / ESTIMATED_HEADER_SIZE;
        let mut encoded = Vec::new();
        let mut walk = self.first(request).unwrap_or_else(unreadable);
        while let Some(header) = walk {
            let mut out = Vec::new();
            header.encode(&mut out);
            encoded.push(out);
            if encoded.len() >= request.served().min(max) {
                break;
            }
            walk = self.next(request, &header).unwrap_or_else(unreadable);
        }
        LazyList::from_encoded(encoded.iter().map(Vec::as_slice))
    }

    fn first(&self, request: &GetBlockHeaders) -> Result<Option<SealedHeader>, StorageError> {
        if request.amount == 0 {
            return Ok(None);
        }
        match request.origin {
            HashOrNumber::Number(number) => self.chain_reader.header_by_number(number),
            HashOrNumber::Hash(hash) => self.chain_reader.header_by_hash(&hash),
        }
    }

    /// Returns the next header of the answer, on the branch of `header`: a canonical header has
    /// descendants; one of a side branch has only ancestors.
    fn next(
        &self,
        request: &GetBlockHeaders,
        header: &SealedHeader,
    ) -> Result<Option<SealedHeader>, StorageError> {
        let Some(number) = request.next_number(header.number) else {
            return Ok(None);
        };
        if self.chain_reader.canonical_hash(header.number)? == Some(header.hash()) {
            return self.chain_reader.header_by_number(number);
        }
        if !request.reverse {
            return Ok(None);
        }
        let mut walk = header.clone();
        // The walk along a side branch is bounded; the answer ends there.
        for _ in 0..MAX_SIDE_BRANCH {
            if walk.number == number {
                return Ok(Some(walk));
            }
            let Some(parent) = self.chain_reader.header_by_hash(&walk.parent_hash)? else {
                return Ok(None);
            };
            if self.chain_reader.canonical_hash(parent.number)? == Some(parent.hash()) {
                return self.chain_reader.header_by_number(number);
            }
            walk = parent;
        }
        Ok(None)
    }

    fn body(&self, hash: &B256) -> Result<Option<Vec<u8>>, StorageError> {
        match self.chain_reader.store().number_of(hash)? {
            Some(number) => self.chain_reader.store().body_rlp(hash, number),
            None => Ok(None),
        }
    }

    fn receipts(&self, hash: &B256) -> Result<Option<Vec<Receipt>>, StorageError> {
        if let Some(receipts) = self.chain_reader.receipts(hash)? {
            return Ok(Some(Vec::clone(&receipts)));
        }
        let header = self.chain_reader.header_by_hash(hash)?;
        let is_empty = header.is_some_and(|it| it.receipts_root == EMPTY_ROOT_HASH);
        Ok(is_empty.then(Vec::new))
    }

    fn value(&self, hash: &B256) -> Result<Option<Vec<u8>>, StorageError> {
        if let Some(node) = self.state_nodes.node(&self.chain_reader, hash)? {
            return Ok(Some(encoded::<Value>(&node.into())));
        }
        let code = self.chain_reader.store().find_code(hash)?;
        Ok(code.map(|code| encoded::<Value>(&code)))
    }

    fn transaction(&self, hash: &B256) -> Option<Vec<u8>> {
        let snapshot = self.txpool.snapshot()?;
        let transaction = snapshot.get(hash)?;
        Some(encoded::<PooledTransaction>(PoolTx::pooled(transaction)))
    }
}

/// Maximum number of blocks of a side branch that are walked for one header.
const MAX_SIDE_BRANCH: usize = 1024;

fn encoded<T: WireItem>(item: &T) -> Vec<u8> {
    let mut out = Vec::new();
    item.encode(&mut out);
    out
}

/// A request of a peer can cause as many lines as it has hashes.
static NOT_SERVED: LogLimit = LogLimit::new();

fn unreadable<T: Default>(error: StorageError) -> T {
    if let Some(suppressed) = NOT_SERVED.admit() {
        warn!(%error, suppressed, "a peer's request was not served");
    }
    T::default()
}

/// Collects the items that are found, until there are enough for one answer.
fn collect<T: WireItem>(
    hashes: &[B256],
    max: usize,
    find: impl Fn(&B256) -> Result<Option<Vec<u8>>, StorageError>,
) -> LazyList<T> {
    let (mut items, mut size) = (Vec::new(), 0);
    for hash in hashes {
        if items.len() >= max || size >= SOFT_RESPONSE_LIMIT {
            break;
        }
        if let Some(item) = find(hash).unwrap_or_else(unreadable) {
            size += item.len();
            items.push(item);
        }
    }
    LazyList::from_encoded(items.iter().map(Vec::as_slice))
}
