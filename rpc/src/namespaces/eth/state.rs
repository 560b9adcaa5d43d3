//! The methods about accounts and storage, at any block.

use std::sync::Arc;

use actoreum_actors::sealing::worker::PendingBlock;
use actoreum_chain::SealedHeader;
use actoreum_primitives::{
    AccountInfo, Address, B256, Bytes, EMPTY_CODE_HASH, EMPTY_ROOT_HASH, StateReader, U256,
};
use actoreum_storage::{AccountProof, SlotProof, StateView};

use super::{pooled, storage};
use crate::error::RpcError;
use crate::namespaces::block_id::{BlockId, BlockNumber, StateBlock};
use crate::node::{self, Node};
use crate::server::json::{JsonOut, WriteJson};
use crate::server::limits::MAX_PROOF_KEYS;
use crate::server::method::Method;

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::view("eth_getBalance", &["address", "block"], balance),
        Method::view("eth_getCode", &["address", "block"], code),
        Method::heavy("eth_getProof", &["address", "keys", "block"], proof),
        Method::view("eth_getTransactionCount", &["address", "block"], nonce),
    ]
}

/// A block and the state after it.
pub(super) struct StateAt {
    /// The block; for the pending block, its parent.
    pub header: SealedHeader,
    /// The state after the block.
    pub state: StateSource,
}

/// The source of a state.
pub(super) enum StateSource {
    /// The state after a block of the chain.
    Block(StateView),
    /// The state after the pending block.
    Pending(Arc<PendingBlock>),
}

impl StateSource {
    /// Returns the reader of the state.
    pub(super) fn reader(&self) -> &dyn StateReader {
        match self {
            Self::Block(view) => view,
            Self::Pending(block) => block.as_ref(),
        }
    }
}

/// Returns the state after the block `id`; `None` if there is no such block.
///
/// # Errors
/// Fails for a block off the canonical chain, whose state is not stored.
pub(super) fn state_at(node: &Node, id: BlockId) -> Result<Option<StateAt>, RpcError> {
    let Some(header) = node.header(id)? else {
        return Ok(None);
    };
    // State is stored for the canonical chain alone.
    if matches!(id, BlockId::Hash { .. }) && !node.is_canonical(&header)? {
        let hash = header.hash();
        return Err(RpcError::server(format!(
            "state of block {hash} is not available: it is not canonical"
        )));
    }
    if let Some(block) = pending(node, id) {
        let state = StateSource::Pending(block);
        return Ok(Some(StateAt { header, state }));
    }
    let state = StateSource::Block(node.chain_reader.state_at(header.number).map_err(failed)?);
    Ok(Some(StateAt { header, state }))
}

/// Returns the pending block if `id` means it and one can be built.
pub(crate) fn pending(node: &Node, id: BlockId) -> Option<Arc<PendingBlock>> {
    match id {
        BlockId::Number(BlockNumber::Pending) => node.pending_block(),
        _ => None,
    }
}

pub(super) fn failed(error: actoreum_primitives::StateError) -> RpcError {
    RpcError::server(error.to_string())
}

/// Returns an account at `id`, `None` if it does not exist. The outer `Option` is `None` if there
/// is no such block.
fn account(
    node: &Node,
    address: Address,
    id: BlockId,
) -> Result<Option<Option<AccountInfo>>, RpcError> {
    if let BlockId::Number(BlockNumber::Latest) = id {
        return node
            .chain_reader
            .head_account(&address)
            .map(Some)
            .map_err(failed);
    }
    let Some(at) = state_at(node, id)? else {
        return Ok(None);
    };
    at.state
        .reader()
        .account(&address)
        .map(Some)
        .map_err(failed)
}

fn balance(node: &Node, (address, id): (Address, StateBlock)) -> Result<Option<U256>, RpcError> {
    let id = id.or_latest(node, 1)?;
    let Some(account) = account(node, address, id)? else {
        return node.check_missing_block().map(|()| None);
    };
    Ok(Some(account.map_or(U256::ZERO, |account| account.balance)))
}

fn nonce(node: &Node, (address, id): (Address, StateBlock)) -> Result<Option<u64>, RpcError> {
    let id = id.or_latest(node, 1)?;
    let Some(account) = account(node, address, id)? else {
        return node.check_missing_block().map(|()| None);
    };
    let nonce = account.map_or(0, |account| account.nonce);
    if matches!(id, BlockId::Number(BlockNumber::Pending)) {
        // The pool may be a block behind the head.
        let pooled = pooled::next_nonce(node, &address).unwrap_or_default();
        return Ok(Some(pooled.max(nonce)));
    }
    Ok(Some(nonce))
}

/// Returns the code of an account; empty if there is no such block, as in geth 1.8.
fn code(node: &Node, (address, id): (Address, StateBlock)) -> Result<Bytes, RpcError> {
    let id = id.or_latest(node, 1)?;
    let Some(at) = state_at(node, id)? else {
        return node.check_missing_block().map(|()| Bytes::new());
    };
    match at.state.reader().account(&address).map_err(failed)? {
        Some(account) => at.state.reader().code(&account.code_hash).map_err(failed),
        None => Ok(Bytes::new()),
    }
}

/// A proof in the format of EIP-1186.
struct Proof {
    address: Address,
    keys: Vec<String>,
    found: AccountProof,
    /// The hashes of the code and of the storage of an account that does not exist.
    absent: (B256, B256),
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
                account.map_or(self.absent.0, |account| account.code_hash),
            )
            .quantity("nonce", account.map_or(0, |account| account.nonce))
            .field(
                "storageHash",
                account.map_or(self.absent.1, |account| account.storage_root),
            );
        let slots = self.keys.iter().zip(&self.found.slots);
        object
            .key("storageProof")
            .array(slots.map(|(key, found)| Slot { key, found }));
        object.end();
    }
}

/// An encoded trie node.
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

/// Returns the hashes of code and storage that a proof shows for an account that does not exist: zero,
/// as in today's geth, or those of nothing, as in geth 1.8 and on anvil.
fn absent_hashes(node: &Node) -> (B256, B256) {
    if node.answers_as_current_geth() {
        (B256::ZERO, B256::ZERO)
    } else {
        (EMPTY_CODE_HASH, EMPTY_ROOT_HASH)
    }
}

/// Returns a key as a proof shows it: as it came if it has 32 bytes, else as a number. Where geth 1.8
/// knew the rules of the chain, as it came.
fn echoed(node: &Node, key: String, slot: &U256) -> String {
    let digits = crate::hexutil::strip_prefix(&key).unwrap_or(&key);
    if digits.len() > 62 || node.has_geth_1_8_rules() {
        return key;
    }
    format!("{slot:#x}")
}

fn proof(
    node: &Node,
    (address, keys, id): (Address, Vec<String>, StateBlock),
) -> Result<Option<Proof>, RpcError> {
    let id = id.or_latest(node, 2)?;
    if keys.len() > MAX_PROOF_KEYS {
        let count = keys.len();
        return Err(RpcError::invalid_params(format!(
            "too many keys ({count}), want at most {MAX_PROOF_KEYS}"
        )));
    }
    if node.fork.is_some() {
        return Err(RpcError::server(
            "a forked chain has no tries, and so no proofs from the fork block on",
        ));
    }
    let slots: Result<Vec<U256>, RpcError> = keys
        .iter()
        .map(|key| storage::slot_key(node, key))
        .collect();
    let slots = slots?;
    let keys = keys
        .into_iter()
        .zip(&slots)
        .map(|(key, slot)| echoed(node, key, slot))
        .collect();
    let found = prove(node, id, &address, &slots)?;
    let absent = absent_hashes(node);
    Ok(found.map(|found| Proof {
        address,
        keys,
        found,
        absent,
    }))
}

/// Maximum number of attempts to build a proof at `pending`. An attempt fails if the head of the
/// chain changes meanwhile.
const MAX_PENDING_PROOF_ATTEMPTS: usize = 3;

/// Proves an account and slots of it at the block `id`; `None` if there is no such block.
fn prove(
    node: &Node,
    id: BlockId,
    address: &Address,
    slots: &[U256],
) -> Result<Option<AccountProof>, RpcError> {
    for _ in 0..MAX_PENDING_PROOF_ATTEMPTS {
        let Some(at) = state_at(node, id)? else {
            return node.check_missing_block().map(|()| None);
        };
        let found = match &at.state {
            StateSource::Block(_) => {
                let number = at.header.number;
                let store = node.chain_reader.store();
                store.prove(number, address, slots).map(Some)
            }
            StateSource::Pending(block) => block.prove(&node.chain_reader, address, slots),
        };
        if let Some(found) = found.map_err(node::storage)? {
            return Ok(Some(found));
        }
    }
    Err(RpcError::server("the chain changed: try again"))
}
