//! Answers from our chain and our pool, within the limits that eth's clients keep.

use std::sync::Arc;

use actoreum_chain::{ChainReader, SealedHeader};
use actoreum_primitives::EMPTY_ROOT_HASH;
use actoreum_primitives::rlp::Encode as _;
use actoreum_primitives::{B256, Bytes as Value, PooledTransaction};
use actoreum_storage::StorageError;
use actoreum_txpool::{PoolReader, PoolTx};
use actoreum_wire::eth::{
    BlockOrigin, BlockReceipts, EthMessage, GetBlockHeaders, LazyList, WireItem,
};
use actoreum_wire::limits::{
    ESTIMATED_HEADER_SIZE, MAX_BODIES, MAX_NODE_DATA, MAX_POOLED_TRANSACTIONS, MAX_RECEIPTS,
    SOFT_RESPONSE_LIMIT,
};
use tracing::warn;

use super::state_library::StateLibrary;
use crate::log_limit::LogLimit;

/// What is served from. Its reads belong on a pool.
#[derive(Clone)]
pub(super) struct Library {
    pub(super) chain: ChainReader,
    pub(super) pool: PoolReader,
    pub(super) states: Arc<StateLibrary>,
}

impl Library {
    /// The answer to a request; `None` to what is none. What cannot be read is left out, as what
    /// is not there.
    pub(super) fn answer(&self, request: EthMessage) -> Option<EthMessage> {
        self.states.forget_idle();
        Some(match request {
            EthMessage::GetBlockHeaders(id, request) => {
                EthMessage::BlockHeaders(id, self.headers(&request))
            }
            EthMessage::GetBlockBodies(id, hashes) => {
                EthMessage::BlockBodies(id, collect(&hashes, MAX_BODIES, |it| self.body(it)))
            }
            EthMessage::GetReceipts(id, hashes) => {
                EthMessage::Receipts(id, collect(&hashes, MAX_RECEIPTS, |it| self.receipts(it)))
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
        let most = SOFT_RESPONSE_LIMIT / ESTIMATED_HEADER_SIZE;
        let mut encoded = Vec::new();
        let mut walk = self.first(request).unwrap_or_else(unreadable);
        while let Some(header) = walk {
            let mut out = Vec::new();
            header.encode(&mut out);
            encoded.push(out);
            if encoded.len() >= request.served().min(most) {
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
            BlockOrigin::Number(number) => self.chain.header_by_number(number),
            BlockOrigin::Hash(hash) => self.chain.header_by_hash(&hash),
        }
    }

    /// On the branch of `header`: a canonical one has a successor, one of a side branch has
    /// ancestors alone.
    fn next(
        &self,
        request: &GetBlockHeaders,
        header: &SealedHeader,
    ) -> Result<Option<SealedHeader>, StorageError> {
        let Some(number) = request.next_number(header.number) else {
            return Ok(None);
        };
        if self.chain.canonical_hash(header.number)? == Some(header.hash()) {
            return self.chain.header_by_number(number);
        }
        if !request.reverse {
            return Ok(None);
        }
        let mut walk = header.clone();
        // A side branch is short: where it is not, the run ends.
        for _ in 0..SIDE_BRANCH {
            if walk.number == number {
                return Ok(Some(walk));
            }
            let Some(parent) = self.chain.header_by_hash(&walk.parent_hash)? else {
                return Ok(None);
            };
            if self.chain.canonical_hash(parent.number)? == Some(parent.hash()) {
                return self.chain.header_by_number(number);
            }
            walk = parent;
        }
        Ok(None)
    }

    fn body(&self, hash: &B256) -> Result<Option<Vec<u8>>, StorageError> {
        match self.chain.store().number_of(hash)? {
            Some(number) => self.chain.store().body_rlp(hash, number),
            None => Ok(None),
        }
    }

    fn receipts(&self, hash: &B256) -> Result<Option<Vec<u8>>, StorageError> {
        let receipts = match self.chain.receipts(hash)? {
            Some(receipts) => BlockReceipts(Vec::clone(&receipts)),
            None => {
                let header = self.chain.header_by_hash(hash)?;
                if header.is_none_or(|it| it.receipts_root != EMPTY_ROOT_HASH) {
                    return Ok(None);
                }
                BlockReceipts::default()
            }
        };
        Ok(Some(encoded(&receipts)))
    }

    fn value(&self, hash: &B256) -> Result<Option<Vec<u8>>, StorageError> {
        if let Some(node) = self.states.node(&self.chain, hash)? {
            return Ok(Some(encoded::<Value>(&node.into())));
        }
        let code = self.chain.store().find_code(hash)?;
        Ok(code.map(|code| encoded::<Value>(&code)))
    }

    fn transaction(&self, hash: &B256) -> Option<Vec<u8>> {
        let snapshot = self.pool.snapshot()?;
        let transaction = snapshot.get(hash)?;
        Some(encoded::<PooledTransaction>(PoolTx::pooled(transaction)))
    }
}

/// Blocks of a side branch that are walked for one header.
const SIDE_BRANCH: usize = 1024;

fn encoded<T: WireItem>(item: &T) -> Vec<u8> {
    let mut out = Vec::new();
    item.encode(&mut out);
    out
}

/// Each request of a peer can cause as many lines as it names hashes.
static NOT_SERVED: LogLimit = LogLimit::new();

fn unreadable<T: Default>(error: StorageError) -> T {
    if let Some(left_out) = NOT_SERVED.admit() {
        warn!(%error, left_out, "a peer's request was not served");
    }
    T::default()
}

/// What is found of these, until there is enough for one answer.
fn collect<T: WireItem>(
    hashes: &[B256],
    most: usize,
    find: impl Fn(&B256) -> Result<Option<Vec<u8>>, StorageError>,
) -> LazyList<T> {
    let (mut items, mut size) = (Vec::new(), 0);
    for hash in hashes {
        if items.len() >= most || size >= SOFT_RESPONSE_LIMIT {
            break;
        }
        if let Some(item) = find(hash).unwrap_or_else(unreadable) {
            size += item.len();
            items.push(item);
        }
    }
    LazyList::from_encoded(items.iter().map(Vec::as_slice))
}
