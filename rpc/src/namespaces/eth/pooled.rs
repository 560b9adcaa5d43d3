//! Transactions in the pool, as methods show and count them.

use std::sync::Arc;

use actoreum_primitives::Address;
use actoreum_txpool::PoolTx;

use crate::node::Node;
use crate::render;
use crate::server::json::{JsonOut, WriteJson};

/// A transaction in the pool, as it is shown outside of a block.
pub(crate) struct Pending(pub Arc<PoolTx>);

impl WriteJson for Pending {
    fn write_json(&self, out: &mut JsonOut) {
        render::write_transaction(out, self.0.transaction(), self.0.sender(), None);
    }
}

/// Returns the nonce after an account's pending transactions; `None` if it has none in the pool.
pub(super) fn next_nonce(node: &Node, address: &Address) -> Option<u64> {
    node.txpool_snapshot()?.next_nonce(address)
}
