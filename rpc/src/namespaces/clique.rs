//! The `clique` namespace: signers and votes.

use std::collections::BTreeMap;
use std::sync::Arc;

use actoreum_chain::SealedHeader;
use actoreum_consensus::Engine;
use actoreum_consensus::clique::{DIFFICULTY_IN_TURN, Snapshot};
use actoreum_primitives::{Address, B256};
use serde::Serialize;
use serde_json::Number;

use crate::error::RpcError;
use crate::namespaces::block_id::{BlockId, BlockNumber};
use crate::node::{Node, storage};
use crate::server::json::{JsonOut, Serialized, WriteJson};
use crate::server::method::Method;

pub(crate) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::view("clique_discard", &["address"], discard),
        Method::view("clique_getSigners", &["block"], signers),
        Method::view("clique_getSignersAtHash", &["hash"], signers_at_hash),
        Method::view("clique_getSnapshot", &["block"], snapshot),
        Method::view("clique_getSnapshotAtHash", &["hash"], snapshot_at_hash),
        Method::view("clique_proposals", &[], proposals),
        Method::view("clique_propose", &["address", "authorize"], propose),
        Method::view("clique_status", &[], status),
    ]
}

/// A snapshot in geth's JSON.
struct SnapshotJson(Arc<Snapshot>);

impl WriteJson for SnapshotJson {
    fn write_json(&self, out: &mut JsonOut) {
        Serialized(&*self.0).write_json(out);
    }
}

type OptionalBlock = (Option<BlockNumber>,);

fn snapshot(node: &Node, (number,): OptionalBlock) -> Result<SnapshotJson, RpcError> {
    after(node, by_number(node, number)?).map(SnapshotJson)
}

fn snapshot_at_hash(node: &Node, (hash,): (B256,)) -> Result<SnapshotJson, RpcError> {
    after(node, by_hash(node, hash)?).map(SnapshotJson)
}

fn signers(node: &Node, (number,): OptionalBlock) -> Result<Vec<Address>, RpcError> {
    let snapshot = after(node, by_number(node, number)?)?;
    Ok(snapshot.signers.iter().copied().collect())
}

fn signers_at_hash(node: &Node, (hash,): (B256,)) -> Result<Vec<Address>, RpcError> {
    let snapshot = after(node, by_hash(node, hash)?)?;
    Ok(snapshot.signers.iter().copied().collect())
}

fn proposals(node: &Node, (): ()) -> Result<Serialized<BTreeMap<Address, bool>>, RpcError> {
    Ok(Serialized(engine(node)?.proposals().into_iter().collect()))
}

fn propose(node: &Node, (address, authorize): (Address, bool)) -> Result<(), RpcError> {
    engine(node)?.propose(address, authorize);
    Ok(())
}

fn discard(node: &Node, (address,): (Address,)) -> Result<(), RpcError> {
    engine(node)?.discard(&address);
    Ok(())
}

/// The number of blocks that `clique_status` reads, as in geth.
const STATUS_BLOCKS: u64 = 64;

/// The recent activity of the signers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    inturn_percent: Number,
    /// The number of blocks by signer.
    sealer_activity: BTreeMap<Address, u64>,
    num_blocks: u64,
}

/// Returns the activity in the 64 blocks below the head, without genesis.
fn status(node: &Node, (): ()) -> Result<Serialized<Status>, RpcError> {
    let head = node.chain_reader.head();
    let signers = after(node, head.clone())?.signers.clone();
    let mut sealer_activity: BTreeMap<_, _> = signers.iter().map(|signer| (*signer, 0)).collect();
    let first = head.number.saturating_sub(STATUS_BLOCKS).max(1);
    let num_blocks = head.number.saturating_sub(first);
    let mut in_turn = 0_u64;
    for number in first..head.number {
        let header = node
            .chain_reader
            .header_by_number(number)
            .map_err(storage)?;
        let header = header.ok_or_else(|| RpcError::server(format!("missing block {number}")))?;
        in_turn += u64::from(header.difficulty == DIFFICULTY_IN_TURN);
        let signer = engine(node)?.author(&header);
        let signer = signer.map_err(|error| RpcError::server(error.to_string()))?;
        *sealer_activity.entry(signer).or_default() += 1;
    }
    Ok(Serialized(Status {
        inturn_percent: percent(in_turn, num_blocks),
        sealer_activity,
        num_blocks,
    }))
}

/// Returns a percentage as Go writes it, without a fraction if there is none. Of no blocks, 0
/// percent were in turn.
fn percent(part: u64, whole: u64) -> Number {
    let hundredfold = 100 * part;
    match hundredfold.checked_rem(whole) {
        None | Some(0) => Number::from(hundredfold.checked_div(whole).unwrap_or_default()),
        Some(_) => {
            let share = Number::from_f64(hundredfold as f64 / whole as f64);
            share.unwrap_or_else(|| Number::from(0))
        }
    }
}

fn by_number(node: &Node, number: Option<BlockNumber>) -> Result<SealedHeader, RpcError> {
    let id = BlockId::from(number.unwrap_or(BlockNumber::Latest));
    node.header(id)?
        .ok_or_else(|| RpcError::server("unknown block"))
}

fn by_hash(node: &Node, hash: B256) -> Result<SealedHeader, RpcError> {
    let header = node.chain_reader.header_by_hash(&hash).map_err(storage)?;
    header.ok_or_else(|| RpcError::server("unknown block"))
}

/// Returns the snapshot after a block.
fn after(node: &Node, header: SealedHeader) -> Result<Arc<Snapshot>, RpcError> {
    engine(node)?
        .snapshot(&node.chain_reader, header.number, header.hash())
        .map_err(|error| RpcError::server(error.to_string()))
}

fn engine(node: &Node) -> Result<&Arc<actoreum_consensus::Clique>, RpcError> {
    node.clique
        .as_ref()
        .ok_or_else(|| RpcError::server("the chain is not sealed by clique"))
}
