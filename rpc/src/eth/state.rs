//! Accounts and storage, at any block.

use std::sync::Arc;

use actoreum_actors::worker::PendingBlock;
use actoreum_chain::SealedHeader;
use actoreum_primitives::{
    AccountInfo, Address, B256, Bytes, EMPTY_CODE_HASH, EMPTY_ROOT_HASH, StateReader, U256,
};
use actoreum_storage::{AccountProof, SlotProof, StateView};

use super::send;
use crate::block_id::{BlockId, BlockNumber};
use crate::error::RpcError;
use crate::hexutil::lenient_word;
use crate::json::{JsonOut, WriteJson};
use crate::limits::MAX_PROOF_KEYS;
use crate::method::Method;
use crate::node::{Node, storage};

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::view("eth_getBalance", &["address", "block"], balance),
        Method::view("eth_getCode", &["address", "block"], code),
        Method::heavy("eth_getProof", &["address", "keys", "block"], proof),
        Method::view("eth_getStorageAt", &["address", "key", "block"], storage_at),
        Method::view("eth_getTransactionCount", &["address", "block"], nonce),
    ]
}

/// A block and the state after it.
pub(super) struct At {
    /// The block; at `pending`: the one before it.
    pub header: SealedHeader,
    pub state: AtState,
}

/// See [`At`].
pub(super) enum AtState {
    /// Of a block of the chain.
    Kept(StateView),
    /// After what this node would seal next.
    Pending(Arc<PendingBlock>),
}

impl AtState {
    pub(super) fn reader(&self) -> &dyn StateReader {
        match self {
            Self::Kept(view) => view,
            Self::Pending(block) => block.as_ref(),
        }
    }
}

/// The state that `id` means; `None` where there is no such block.
pub(super) fn at(node: &Node, id: BlockId) -> Result<Option<At>, RpcError> {
    let Some(header) = node.header(id)? else {
        return Ok(None);
    };
    // State is kept along the canonical chain alone.
    if matches!(id, BlockId::Hash { .. }) && !node.is_canonical(&header)? {
        let hash = header.hash();
        return Err(RpcError::server(format!(
            "state of block {hash} is not available: it is not canonical"
        )));
    }
    if let Some(block) = pending(node, id) {
        let state = AtState::Pending(block);
        return Ok(Some(At { header, state }));
    }
    let state = AtState::Kept(node.chain.state_at(header.number).map_err(failed)?);
    Ok(Some(At { header, state }))
}

/// The pending block, where `id` means it and one can be built.
pub(crate) fn pending(node: &Node, id: BlockId) -> Option<Arc<PendingBlock>> {
    match id {
        BlockId::Number(BlockNumber::Pending) => node.pending_block(),
        _ => None,
    }
}

fn failed(error: actoreum_primitives::StateError) -> RpcError {
    RpcError::server(error.to_string())
}

/// An account at `id`, `None` where it does not exist; the outer `None` where there is no such
/// block.
fn account(
    node: &Node,
    address: Address,
    id: BlockId,
) -> Result<Option<Option<AccountInfo>>, RpcError> {
    if let BlockId::Number(BlockNumber::Latest) = id {
        return node.chain.head_account(&address).map(Some).map_err(failed);
    }
    let Some(at) = at(node, id)? else {
        return Ok(None);
    };
    at.state
        .reader()
        .account(&address)
        .map(Some)
        .map_err(failed)
}

fn balance(node: &Node, (address, id): (Address, BlockId)) -> Result<Option<U256>, RpcError> {
    let Some(account) = account(node, address, id)? else {
        return Ok(None);
    };
    Ok(Some(account.map_or(U256::ZERO, |account| account.balance)))
}

fn nonce(node: &Node, (address, id): (Address, BlockId)) -> Result<Option<u64>, RpcError> {
    let Some(account) = account(node, address, id)? else {
        return Ok(None);
    };
    let nonce = account.map_or(0, |account| account.nonce);
    if matches!(id, BlockId::Number(BlockNumber::Pending)) {
        // The pool may be a block behind the head.
        let pooled = send::next_nonce(node, &address).unwrap_or_default();
        return Ok(Some(pooled.max(nonce)));
    }
    Ok(Some(nonce))
}

/// Empty where there is no such block, as in geth 1.8.
fn code(node: &Node, (address, id): (Address, BlockId)) -> Result<Bytes, RpcError> {
    let Some(at) = at(node, id)? else {
        return Ok(Bytes::new());
    };
    match at.state.reader().account(&address).map_err(failed)? {
        Some(account) => at.state.reader().code(&account.code_hash).map_err(failed),
        None => Ok(Bytes::new()),
    }
}

/// Empty where there is no such block, as in geth 1.8.
fn storage_at(
    node: &Node,
    (address, key, id): (Address, String, BlockId),
) -> Result<Bytes, RpcError> {
    let Some(at) = at(node, id)? else {
        return Ok(Bytes::new());
    };
    let slot = U256::from_be_bytes(lenient_word(&key));
    let value = at.state.reader().storage(&address, &slot).map_err(failed)?;
    Ok(Bytes::copy_from_slice(&value.to_be_bytes::<32>()))
}

/// A proof as EIP-1186 shapes it; keys are echoed as they came.
struct Proof {
    address: Address,
    keys: Vec<String>,
    found: AccountProof,
}

impl WriteJson for Proof {
    fn write_json(&self, out: &mut JsonOut) {
        let account = self.found.account.as_ref();
        let mut object = out.object();
        object.field("address", self.address);
        object
            .key("accountProof")
            .array(self.found.proof.iter().map(TrieNode));
        object
            .field(
                "balance",
                account.map_or(U256::ZERO, |account| account.balance),
            )
            .field(
                "codeHash",
                account.map_or(EMPTY_CODE_HASH, |account| account.code_hash),
            )
            .quantity("nonce", account.map_or(0, |account| account.nonce))
            .field(
                "storageHash",
                account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root),
            );
        let slots = self.keys.iter().zip(&self.found.slots);
        object
            .key("storageProof")
            .array(slots.map(|(key, found)| Slot { key, found }));
        object.end();
    }
}

/// A trie node.
struct TrieNode<'a>(&'a Vec<u8>);

impl WriteJson for TrieNode<'_> {
    fn write_json(&self, out: &mut JsonOut) {
        out.hex(self.0);
    }
}

struct Slot<'a> {
    key: &'a str,
    found: &'a SlotProof,
}

impl WriteJson for Slot<'_> {
    fn write_json(&self, out: &mut JsonOut) {
        let mut object = out.object();
        object
            .field("key", self.key)
            .field("value", self.found.value);
        object
            .key("proof")
            .array(self.found.proof.iter().map(TrieNode));
        object.end();
    }
}

fn proof(
    node: &Node,
    (address, keys, id): (Address, Vec<String>, BlockId),
) -> Result<Option<Proof>, RpcError> {
    if keys.len() > MAX_PROOF_KEYS {
        let count = keys.len();
        return Err(RpcError::invalid_params(format!(
            "too many keys ({count}), want at most {MAX_PROOF_KEYS}"
        )));
    }
    let slots: Vec<U256> = keys
        .iter()
        .map(|key| U256::from_be_bytes(B256::from(lenient_word(key)).0))
        .collect();
    let found = prove(node, id, &address, &slots)?;
    Ok(found.map(|found| Proof {
        address,
        keys,
        found,
    }))
}

/// Times that a proof at `pending` is tried: a head that comes meanwhile ends one.
const PENDING_PROOF_ATTEMPTS: usize = 3;

fn prove(
    node: &Node,
    id: BlockId,
    address: &Address,
    slots: &[U256],
) -> Result<Option<AccountProof>, RpcError> {
    for _ in 0..PENDING_PROOF_ATTEMPTS {
        let Some(at) = at(node, id)? else {
            return Ok(None);
        };
        let found = match &at.state {
            AtState::Kept(_) => {
                let number = at.header.number;
                node.chain.store().prove(number, address, slots).map(Some)
            }
            AtState::Pending(block) => block.prove(&node.chain, address, slots),
        };
        if let Some(found) = found.map_err(storage)? {
            return Ok(Some(found));
        }
    }
    Err(RpcError::server("the chain changed: try again"))
}
