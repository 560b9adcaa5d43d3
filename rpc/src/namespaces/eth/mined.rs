//! Waiting until a transaction that was submitted is in a block.

use std::time::Duration;

use actoreum_primitives::B256;
use actoreum_txpool::Status;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::error::{NONCE_GAP, NOT_MINED_IN_TIME, RpcError};
use crate::node::{Node, storage};
use crate::server::limits::MINED_CHECK_INTERVAL;

/// Reason why a transaction is in no block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotMined {
    /// It waits for an earlier nonce of its sender.
    Queued,
    /// It is not in the pool any more.
    Dropped,
    /// It is in the pool, and the time is over.
    TimedOut(Duration),
}

impl NotMined {
    /// Returns the error for the caller, with the hash of the transaction as data. Codes are those
    /// of EIP-7966.
    pub(super) fn error(self, hash: B256) -> RpcError {
        let error = match self {
            Self::Queued => RpcError::new(
                NONCE_GAP,
                "the transaction waits in the pool for an earlier nonce of its sender",
            ),
            Self::Dropped => {
                RpcError::server("the transaction was dropped from the pool, and is in no block")
            }
            Self::TimedOut(timeout) => RpcError::new(
                NOT_MINED_IN_TIME,
                format!("the transaction is in the pool, and was in no block after {timeout:?}"),
            ),
        };
        error.with_data(format!("\"{hash}\""))
    }
}

/// Waits until a transaction is in a block, or can't be for now. `heads` was subscribed to before
/// the transaction was submitted.
///
/// # Errors
/// The database can't be read.
pub(super) async fn wait(
    node: &Node,
    hash: B256,
    mut heads: watch::Receiver<()>,
    timeout: Duration,
) -> Result<Result<(), NotMined>, RpcError> {
    let deadline = Instant::now() + timeout;
    loop {
        if is_mined(node, &hash)? {
            return Ok(Ok(()));
        }
        match node.txpool_snapshot().map(|pool| pool.status(&hash)) {
            Some(Some(Status::Queued)) => return Ok(Err(NotMined::Queued)),
            // The pool drops what is in a new block once the block is in the chain.
            Some(None) if is_mined(node, &hash)? => return Ok(Ok(())),
            Some(None) => return Ok(Err(NotMined::Dropped)),
            // A pool that is restarting has no snapshot.
            Some(Some(Status::Pending)) | None => {}
        }
        let now = Instant::now();
        if now >= deadline {
            return Ok(Err(NotMined::TimedOut(timeout)));
        }
        // A notice may be lost.
        let next = deadline.min(now + MINED_CHECK_INTERVAL);
        if let Ok(Err(_)) = timeout_at(next, heads.changed()).await {
            return Err(RpcError::internal("the node is stopping"));
        }
    }
}

/// Returns whether a transaction is in a block that readers see. The block is stored a moment before
/// it becomes the head of the readers' view.
fn is_mined(node: &Node, hash: &B256) -> Result<bool, RpcError> {
    let block = node.chain_reader.store().transaction_block(hash);
    let block = block.map_err(storage)?;
    Ok(block.is_some_and(|number| number <= node.chain_reader.head_number()))
}
