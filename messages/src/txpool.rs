//! Messages to TxPoolActor, the only writer of the transaction pool.
//!
//! Reads of the pool (content, counts, the next nonce of an account, the order of the sealer) are
//! no messages: readers hold an [`actoreum_txpool::PoolReader`].

use std::sync::Arc;

use actoreum_primitives::{Address, B256, PeerId};
use actoreum_supervision::Message;
use actoreum_txpool::{AddError, PoolTx, Status};

/// Results of the transactions, in the order in which they were given. A transaction that was added
/// is visible to readers, and in the journal if it is local.
pub type Added = Vec<Result<Status, AddError>>;

/// Adds transactions that were submitted to this node.
///
/// From: `eth_sendRawTransaction`, `eth_sendTransaction`. Replaces geth's `TxPool.AddLocals`, which
/// holds the pool's lock for the whole time.
#[derive(Debug, Message)]
#[answer(Added)]
pub struct AddLocal {
    /// The transactions, prepared by the sender of the message.
    pub transactions: Vec<Arc<PoolTx>>,
}

/// Adds transactions that a peer sent.
///
/// From: sessions of peers, and FetcherActor's requests. Replaces geth's `TxPool.AddRemotes`. It is
/// another message than [`AddLocal`] because it has a lower priority: a peer's flood must not keep
/// out transactions that are submitted here.
#[derive(Debug, Message)]
#[answer(Added)]
pub struct AddRemote {
    /// Node id of the peer.
    pub peer: PeerId,
    /// The transactions, prepared by the sender of the message.
    pub transactions: Vec<Arc<PoolTx>>,
}

/// Sets the minimum tip of transactions that are not local, and drops those below it. Answers the
/// number of dropped transactions.
///
/// From: `miner_setGasPrice`. Replaces geth's `TxPool.SetGasPrice`.
#[derive(Debug, Clone, Copy, Message)]
#[answer(usize)]
pub struct SetPriceLimit {
    /// Minimum tip in wei per gas.
    pub price_limit: u64,
}

/// Finds a blob transaction with its sidecar, in the pool or in one of the last blocks, whose sidecars
/// the pool keeps for a reorg. Answers `None` if there is none, or not any more.
///
/// From: `anvil_getBlobByHash` and related methods, on a development chain.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Option<Arc<PoolTx>>)]
pub enum FindBlobs {
    /// The transaction with this hash.
    OfTransaction(B256),
    /// One with the blob that has this versioned hash.
    Versioned(B256),
}

/// Removes transactions, local ones too. Answers the number of those that were removed.
///
/// From: `hardhat_dropTransaction`, `anvil_removePoolTransactions` and related methods, on a
/// development chain.
#[derive(Debug, Clone, Copy, Message)]
#[answer(usize)]
pub struct DropTransactions(pub Dropped);

/// The transactions of [`DropTransactions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// The one with this hash.
    One(B256),
    /// Those of a sender.
    OfSender(Address),
    /// All.
    All,
}
