//! The methods that return blobs. Blocks do not contain blobs: the pool keeps those of the last
//! [`LIMBO_BLOCKS`](actoreum_actors::txpool::limits::LIMBO_BLOCKS) blocks in memory.

use std::sync::Arc;

use actoreum_messages::txpool::FindBlobs;
use actoreum_primitives::alloy_primitives::FixedBytes;
use actoreum_primitives::{B256, BlobSidecar, Bytes, SidecarProofs};
use actoreum_txpool::PoolTx;

use crate::error::RpcError;
use crate::namespaces::block_id::BlockId;
use crate::node::{Node, storage, unanswered};
use crate::server::json::{JsonOut, WriteJson};
use crate::server::limits::ACTOR_TIMEOUT;
use crate::server::method::Method;

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::actor("anvil_getBlobByHash", &["versionedHash"], by_hash),
        Method::actor("anvil_getBlobsByTransactionHash", &["hash"], of_transaction),
        Method::actor(
            "anvil_getBlobsByBlockId",
            &["block", "versionedHashes"],
            of_block,
        ),
        Method::actor(
            "anvil_getBlobSidecarsByBlockId",
            &["block"],
            sidecar_of_block,
        ),
    ]
}

async fn find(node: &Node, wanted: FindBlobs) -> Result<Option<Arc<PoolTx>>, RpcError> {
    let txpool_actor = node.txpool.actor.within(ACTOR_TIMEOUT);
    txpool_actor.ask(wanted).await.map_err(unanswered)
}

fn sidecar(transaction: &PoolTx) -> Option<&BlobSidecar> {
    transaction.pooled().sidecar.as_ref()
}

/// Returns the blobs of a transaction with their versioned hashes.
fn blobs(transaction: &PoolTx) -> impl Iterator<Item = (B256, Bytes)> {
    let hashes = transaction.transaction().blob_hashes().iter();
    let blobs = sidecar(transaction).into_iter().flat_map(|it| &it.blobs);
    hashes.copied().zip(blobs.cloned())
}

async fn by_hash(node: Arc<Node>, (hash,): (B256,)) -> Result<Option<Bytes>, RpcError> {
    let Some(transaction) = find(&node, FindBlobs::Versioned(hash)).await? else {
        return Ok(None);
    };
    let mut blobs = blobs(&transaction);
    Ok(blobs.find_map(|(found, blob)| (found == hash).then_some(blob)))
}

async fn of_transaction(node: Arc<Node>, (hash,): (B256,)) -> Result<Option<Vec<Bytes>>, RpcError> {
    let found = find(&node, FindBlobs::OfTransaction(hash)).await?;
    Ok(found.map(|transaction| blobs(&transaction).map(|(_, blob)| blob).collect()))
}

/// Returns the blob transactions of a block; `None` if there is no such block, or if the blobs of one
/// of its transactions are not kept any more.
async fn in_block(node: &Node, id: BlockId) -> Result<Option<Vec<Arc<PoolTx>>>, RpcError> {
    let Some(header) = node.header(id)? else {
        return Ok(None);
    };
    let block = node.chain_reader.block_by_hash(&header.hash());
    let Some(block) = block.map_err(storage)? else {
        return Ok(None);
    };
    let mut found = Vec::new();
    for transaction in &block.body.transactions {
        if transaction.blob_hashes().is_empty() {
            continue;
        }
        let wanted = FindBlobs::OfTransaction(transaction.hash());
        match find(node, wanted).await? {
            Some(transaction) => found.push(transaction),
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

/// Returns the blobs of a block, or those of them that are asked for.
async fn of_block(
    node: Arc<Node>,
    (id, hashes): (BlockId, Option<Vec<B256>>),
) -> Result<Option<Vec<Bytes>>, RpcError> {
    let found = in_block(&node, id).await?;
    let hashes = hashes.unwrap_or_default();
    let is_wanted = |hash: &B256| hashes.is_empty() || hashes.contains(hash);
    Ok(found.map(|transactions| {
        let blobs = transactions.iter().flat_map(|it| blobs(it));
        blobs
            .filter_map(|(hash, blob)| is_wanted(&hash).then_some(blob))
            .collect()
    }))
}

/// The sidecars of a block as one.
struct Sidecar(Vec<Arc<PoolTx>>);

impl WriteJson for Sidecar {
    fn write_json(&self, out: &mut JsonOut) {
        let sidecars = || self.0.iter().filter_map(|it| sidecar(it));
        let blobs: Vec<Bytes> = sidecars().flat_map(|it| &it.blobs).cloned().collect();
        let commitments: Vec<Bytes> = sidecars().flat_map(|it| &it.commitments).map(hex).collect();
        let (mut proofs, mut cell_proofs) = (Vec::new(), Vec::new());
        for sidecar in sidecars() {
            match &sidecar.proofs {
                SidecarProofs::Blob(some) => proofs.extend(some.iter().map(hex)),
                SidecarProofs::Cell(some) => cell_proofs.extend(some.iter().map(hex)),
            }
        }
        let mut object = out.object();
        object.key("blobs").array(&blobs);
        object.key("commitments").array(&commitments);
        if cell_proofs.is_empty() {
            object.key("proofs").array(&proofs);
        } else {
            object.key("cellProofs").array(&cell_proofs);
        }
        object.end();
    }
}

fn hex(point: &FixedBytes<48>) -> Bytes {
    Bytes::copy_from_slice(point.as_slice())
}

async fn sidecar_of_block(node: Arc<Node>, (id,): (BlockId,)) -> Result<Option<Sidecar>, RpcError> {
    let found = in_block(&node, id).await?;
    Ok(found.filter(|found| !found.is_empty()).map(Sidecar))
}
