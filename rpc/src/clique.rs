//! `clique_*`: signers and votes.

use std::collections::BTreeMap;
use std::sync::Arc;

use actoreum_chain::SealedHeader;
use actoreum_consensus::clique::Snapshot;
use actoreum_primitives::{Address, B256};

use crate::block_id::{BlockId, BlockNumber};
use crate::error::RpcError;
use crate::json::{JsonOut, Serialized, WriteJson};
use crate::method::Method;
use crate::node::{Node, storage};

pub(crate) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::view("clique_discard", &["address"], discard),
        Method::view("clique_getSigners", &["block"], signers),
        Method::view("clique_getSignersAtHash", &["hash"], signers_at_hash),
        Method::view("clique_getSnapshot", &["block"], snapshot),
        Method::view("clique_getSnapshotAtHash", &["hash"], snapshot_at_hash),
        Method::view("clique_proposals", &[], proposals),
        Method::view("clique_propose", &["address", "authorize"], propose),
    ]
}

/// A snapshot in geth's JSON.
struct Shown(Arc<Snapshot>);

impl WriteJson for Shown {
    fn write_json(&self, out: &mut JsonOut) {
        Serialized(&*self.0).write_json(out);
    }
}

type OptionalBlock = (Option<BlockNumber>,);

fn snapshot(node: &Node, (number,): OptionalBlock) -> Result<Shown, RpcError> {
    after(node, by_number(node, number)?).map(Shown)
}

fn snapshot_at_hash(node: &Node, (hash,): (B256,)) -> Result<Shown, RpcError> {
    after(node, by_hash(node, hash)?).map(Shown)
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

fn by_number(node: &Node, number: Option<BlockNumber>) -> Result<SealedHeader, RpcError> {
    let id = BlockId::from(number.unwrap_or(BlockNumber::Latest));
    node.header(id)?
        .ok_or_else(|| RpcError::server("unknown block"))
}

fn by_hash(node: &Node, hash: B256) -> Result<SealedHeader, RpcError> {
    let header = node.chain.header_by_hash(&hash).map_err(storage)?;
    header.ok_or_else(|| RpcError::server("unknown block"))
}

fn after(node: &Node, header: SealedHeader) -> Result<Arc<Snapshot>, RpcError> {
    engine(node)?
        .snapshot(&node.chain, header.number, header.hash())
        .map_err(|error| RpcError::server(error.to_string()))
}

fn engine(node: &Node) -> Result<&Arc<actoreum_consensus::Clique>, RpcError> {
    node.clique
        .as_ref()
        .ok_or_else(|| RpcError::server("the chain is not sealed by clique"))
}
