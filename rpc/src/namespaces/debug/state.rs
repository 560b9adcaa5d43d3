//! Inspection of the state: the slots of a contract within a block, and the accounts that blocks
//! changed.

use std::collections::{BTreeMap, BTreeSet};

use actoreum_chain::SealedHeader;
use actoreum_evm::trace::TracedBlock;
use actoreum_evm::{BlockBuilder, IntermediateRoots};
use actoreum_primitives::{Address, B256, StateDiff, StateError, U256, keccak256};

use super::trace::{self, Replay, unprefixed_hex};
use crate::error::RpcError;
use crate::namespaces::block_id::BlockId;
use crate::namespaces::eth::blocks;
use crate::node::{Node, storage};
use crate::server::deadline::Deadline;
use crate::server::json::{JsonOut, WriteJson};
use crate::server::limits::{
    CALL_TIMEOUT, MAX_MODIFIED_BLOCKS, MAX_STORAGE_RANGE, MAX_TRACE_TIMEOUT,
};
use crate::server::method::Method;
use crate::server::param::Decimal;

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::heavy(
            "debug_getModifiedAccountsByHash",
            &["start", "end"],
            modified_by_hash,
        ),
        Method::heavy(
            "debug_getModifiedAccountsByNumber",
            &["start", "end"],
            modified_by_number,
        ),
        Method::view("debug_preimage", &["hash"], preimage),
        Method::heavy(
            "debug_storageRangeAt",
            &["block", "transactionIndex", "contract", "start", "limit"],
            storage_range,
        ),
    ]
}

/// Answers that the preimage is unknown: the state is keyed by hashes, and preimages are not
/// stored.
fn preimage(_: &Node, (_,): (B256,)) -> Result<(), RpcError> {
    Err(RpcError::server("unknown preimage"))
}

/// The result of `debug_storageRangeAt`: slots by the hash of their key.
#[derive(Default)]
struct StorageRange {
    slots: BTreeMap<B256, RangeSlot>,
    next: Option<B256>,
}

struct RangeSlot {
    /// The key itself, if the transactions of the block revealed it.
    key: Option<U256>,
    value: U256,
}

impl WriteJson for StorageRange {
    fn write_json(&self, out: &mut JsonOut) {
        let mut object = out.object();
        let mut slots = object.key("storage").object();
        for (hash, slot) in &self.slots {
            let key = slot.key.map(B256::from);
            slots
                .key(&hash.to_string())
                .object()
                .field("key", key)
                .field("value", B256::from(slot.value))
                .end();
        }
        slots.end();
        object.field("nextKey", self.next).end();
    }
}

type RangeParams = (B256, Decimal, Address, B256, Decimal);

/// Returns the slots of a contract before the transaction `index` of a block.
fn storage_range(
    node: &Node,
    (hash, Decimal(index), contract, start, Decimal(limit)): RangeParams,
) -> Result<StorageRange, RpcError> {
    let found = blocks::block(node, BlockId::from(hash))?;
    let missing = || RpcError::server(format!("block {} not found", unprefixed_hex(&hash)));
    let block = found.ok_or_else(missing)?.block;
    let senders = blocks::senders(node, &hash)?;
    let replay = Replay::new(node, &block, &senders)?;
    let count = block.body.transactions.len();
    let index = usize::try_from(index)
        .ok()
        .filter(|index| *index == 0 || *index < count)
        .ok_or_else(|| {
            let hash = unprefixed_hex(&hash);
            RpcError::server(format!("tx index {index} out of range for block {hash}"))
        })?;
    let deadline = Deadline::after(CALL_TIMEOUT);
    let due = || deadline.is_over();
    let mut roots = NoRoots;
    let diff = replay.with(&due, |block| {
        let mut builder = begin(block, &mut roots)?.with_interrupt(&due);
        for (transaction, sender) in block
            .body
            .transactions
            .iter()
            .zip(block.senders)
            .take(index)
        {
            builder
                .try_transaction(transaction, *sender)
                .map_err(|error| trace::failed(error.into()))?;
        }
        Ok(builder.into_diff())
    })?;
    range_over(
        node,
        &replay,
        &diff,
        contract,
        start,
        limit.min(MAX_STORAGE_RANGE),
    )
}

/// The intermediate roots of an old block that is executed again, whose receipts are not read.
struct NoRoots;

impl IntermediateRoots for NoRoots {
    fn root(&mut self, _: &StateDiff) -> Result<B256, StateError> {
        Ok(B256::ZERO)
    }
}

/// Starts the execution of a block.
fn begin<'a>(
    block: &TracedBlock<'a>,
    roots: &'a mut NoRoots,
) -> Result<BlockBuilder<'a>, RpcError> {
    BlockBuilder::begin(
        block.config,
        block.header,
        block.beneficiary,
        block.state,
        block.hashes,
        Some(roots),
    )
    .map_err(|error| RpcError::server(error.to_string()))
}

/// Merges the stored slots of a contract with the changes of the block so far.
fn range_over(
    node: &Node,
    replay: &Replay<'_>,
    diff: &StateDiff,
    contract: Address,
    start: B256,
    limit: u64,
) -> Result<StorageRange, RpcError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let view = replay.state();
    let account = keccak256(contract);
    let change = diff.accounts.get(&contract);
    let before = view.hashed_account(&account).map_err(storage)?;
    let exists = change.map_or(before.is_some(), |change| change.after.is_some());
    if !exists {
        let address = format!("{contract:x}");
        let address = address.trim_start_matches("0x");
        return Err(RpcError::server(format!("account {address} doesn't exist")));
    }
    let mut range = StorageRange::default();
    let changed = change.map_or(0, |change| change.storage.len());
    if !change.is_some_and(|change| change.storage_wiped) {
        // The block may delete slots, so as many more are read; one further slot tells whether
        // there is a next one.
        let wanted = limit.saturating_add(changed).saturating_add(1);
        let slots = node
            .chain_reader
            .store()
            .slots_from(view, &account, start, wanted);
        let slots = slots.map_err(storage)?;
        let slot = |(hash, value)| (hash, RangeSlot { key: None, value });
        range.slots.extend(slots.into_iter().map(slot));
    }
    for (key, slot) in change.into_iter().flat_map(|change| &change.storage) {
        let hash = keccak256(key.to_be_bytes::<32>());
        if slot.after.is_zero() {
            range.slots.remove(&hash);
        } else if hash >= start {
            let (key, value) = (Some(*key), slot.after);
            range.slots.insert(hash, RangeSlot { key, value });
        }
    }
    range.next = range.slots.keys().nth(limit).copied();
    if let Some(next) = range.next {
        range.slots.split_off(&next);
    }
    Ok(range)
}

/// Accounts in the order of their hashes; null if there are none, as in geth.
type Modified = Option<Vec<Address>>;

fn modified_by_number(
    node: &Node,
    (Decimal(start), end): (Decimal, Option<Decimal>),
) -> Result<Modified, RpcError> {
    let header = |what: &str, number: u64| {
        let header = node
            .chain_reader
            .header_by_number(number)
            .map_err(storage)?;
        header.ok_or_else(|| RpcError::server(format!("{what} block {number} not found")))
    };
    let first = header("start", start)?;
    match end {
        Some(Decimal(end)) => modified(node, &first, &header("end", end)?),
        None => modified_in(node, &first),
    }
}

fn modified_by_hash(node: &Node, (start, end): (B256, Option<B256>)) -> Result<Modified, RpcError> {
    let header = |what: &str, hash: B256| {
        let header = node.chain_reader.header_by_hash(&hash).map_err(storage)?;
        header.ok_or_else(|| {
            RpcError::server(format!("{what} block {} not found", unprefixed_hex(&hash)))
        })
    };
    let first = header("start", start)?;
    match end {
        Some(end) => modified(node, &first, &header("end", end)?),
        None => modified_in(node, &first),
    }
}

/// Returns the accounts that one block changed.
fn modified_in(node: &Node, block: &SealedHeader) -> Result<Modified, RpcError> {
    let parent = node
        .chain_reader
        .header_by_hash(&block.parent_hash)
        .map_err(storage)?;
    let parent = parent.ok_or_else(|| {
        RpcError::server(format!(
            "block {} has no parent",
            unprefixed_hex(&block.hash())
        ))
    })?;
    modified(node, &parent, block)
}

/// Returns the accounts that differ between the states after `start` and after `end`. The blocks in
/// between are executed again, because the state holds only the hashes of addresses.
fn modified(node: &Node, start: &SealedHeader, end: &SealedHeader) -> Result<Modified, RpcError> {
    let (first, last) = (start.number, end.number);
    if first >= last {
        return Err(RpcError::server(format!(
            "start block height ({first}) must be less than end block height ({last})"
        )));
    }
    if last - first > MAX_MODIFIED_BLOCKS {
        return Err(RpcError::server(format!(
            "more than {MAX_MODIFIED_BLOCKS} blocks: ask in pieces"
        )));
    }
    let unavailable = |error: StateError| RpcError::server(error.to_string());
    for header in [start, end] {
        if !node.is_canonical(header)? {
            let hash = header.hash();
            return Err(RpcError::server(format!("block {hash} is not canonical")));
        }
    }
    let deadline = Deadline::after(MAX_TRACE_TIMEOUT);
    let mut touched = BTreeSet::new();
    for number in first + 1..=last {
        touched.extend(touched_by(node, number, deadline)?);
    }
    let before = node.chain_reader.state_at(first).map_err(unavailable)?;
    let after = node.chain_reader.state_at(last).map_err(unavailable)?;
    let mut changed = BTreeMap::new();
    for address in touched {
        let key = keccak256(address);
        let was = before.hashed_account(&key).map_err(storage)?;
        if was != after.hashed_account(&key).map_err(storage)? {
            changed.insert(key, address);
        }
    }
    let changed: Vec<Address> = changed.into_values().collect();
    Ok((!changed.is_empty()).then_some(changed))
}

/// Returns the accounts that a block may have changed.
fn touched_by(node: &Node, number: u64, deadline: Deadline) -> Result<Vec<Address>, RpcError> {
    let missing = || RpcError::server(format!("block #{number} not found"));
    let found = node
        .chain_reader
        .header_by_number(number)
        .map_err(storage)?;
    let hash = found.ok_or_else(missing)?.hash();
    let block = node.chain_reader.block_by_hash(&hash).map_err(storage)?;
    let block = block.ok_or_else(missing)?;
    let senders = blocks::senders(node, &hash)?;
    let replay = Replay::new(node, &block, &senders)?;
    let due = || deadline.is_over();
    let mut roots = NoRoots;
    replay.with(&due, |traced| {
        let mut builder = begin(traced, &mut roots)?.with_interrupt(&due);
        for (transaction, sender) in block.body.transactions.iter().zip(senders.iter()) {
            builder
                .try_transaction(transaction, *sender)
                .map_err(|error| trace::failed(error.into()))?;
        }
        let config = node.chain_reader.config();
        let rewards = node
            .engine
            .rewards(config, &block.header, &block.body.ommers);
        let withdrawals = block.body.withdrawals.as_deref().unwrap_or_default();
        let outcome = builder.finish(&rewards, withdrawals);
        let outcome = outcome.map_err(|error| RpcError::server(error.to_string()))?;
        Ok(outcome.diff.accounts.into_keys().collect())
    })
}
