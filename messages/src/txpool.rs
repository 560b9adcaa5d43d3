//! Messages to TxPoolActor, the only one that changes the transaction pool.
//!
//! What only reads it (its content, its counts, the next nonce of an account, the sealer's order)
//! is no message: readers hold an [`actoreum_txpool::PoolReader`].

use std::sync::Arc;

use actix::Message;
use actoreum_txpool::{AddError, PeerId, PoolTx, Status};

/// What came of each transaction, in the order in which they were given. One that was taken is
/// visible to readers, and in the journal where it is local.
pub type Added = Vec<Result<Status, AddError>>;

/// Take transactions that were submitted here.
///
/// From: `eth_sendRawTransaction`, `eth_sendTransaction`. In the place of geth's
/// `TxPool.AddLocals`, which holds the pool's lock for as long as it takes.
#[derive(Debug, Message)]
#[rtype(result = "Added")]
pub struct AddLocal {
    /// The transactions, prepared by whoever sends this.
    pub transactions: Vec<Arc<PoolTx>>,
}

/// Take transactions that a peer sent.
///
/// From: ProtocolManagerActor. In the place of geth's `TxPool.AddRemotes`. It is not the same
/// message as [`AddLocal`] because it gives way to it: a peer's flood must not keep out what is
/// submitted here.
#[derive(Debug, Message)]
#[rtype(result = "Added")]
pub struct AddRemote {
    /// Who sent them.
    pub peer: PeerId,
    /// The transactions, prepared by whoever sends this.
    pub transactions: Vec<Arc<PoolTx>>,
}

/// Set the least tip of transactions that are not local, and give up what offers less. Answers how
/// many left.
///
/// From: `miner_setGasPrice`. In the place of geth's `TxPool.SetGasPrice`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "usize")]
pub struct SetPriceLimit {
    /// Wei a gas.
    pub price_limit: u64,
}
