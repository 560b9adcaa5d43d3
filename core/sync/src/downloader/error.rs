//! Why a sync ends early, in geth's words.

use actoreum_primitives::B256;

/// Why a sync ended before its end, or a peer was dropped from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// A peer let a request, or several, expire.
    #[error("timeout")]
    Timeout,
    /// A peer's answer cannot be one to what it was asked.
    #[error("action from bad peer ignored: {0}")]
    BadPeer(&'static str),
    /// The peer that the sync follows delivers next to nothing, and another one is to be tried.
    #[error("peer delivers too slowly, following another one")]
    TooSlow,
    /// A peer's total difficulty is more than that of the blocks that it has.
    #[error("peer is stalling")]
    StallingPeer,
    /// A peer has no headers where it must have some.
    #[error("empty header set by peer")]
    EmptyHeaderSet,
    /// Nobody has what is missing.
    #[error("no peers available or all tried for download")]
    PeersUnavailable,
    /// The peer that the sync follows has left.
    #[error("no peers to keep download active")]
    NoPeers,
    /// The chains part further down than we are willing to go.
    #[error("retrieved ancestor is invalid")]
    InvalidAncestor,
    /// A peer's headers are no chain, or not the one that it announced.
    #[error("retrieved hash chain is invalid: {0}")]
    InvalidChain(&'static str),
    /// A block was refused.
    #[error("retrieved hash chain is invalid: block {number} [{hash}]: {reason}")]
    InvalidBlock {
        /// Its number.
        number: u64,
        /// Its hash.
        hash: B256,
        /// Why.
        reason: String,
    },
    /// A peer sent a body that nobody asked it for.
    #[error("retrieved block body is invalid")]
    InvalidBody,
    /// A peer's receipts are not those of the block.
    #[error("retrieved receipt is invalid")]
    InvalidReceipt,
    /// None of so many peers has the state any more: a newer one is tried.
    #[error("state node failed with all {0} peers")]
    StateUnavailable(usize),
    /// The peer changed its chain while we fetched it; nothing is known against it.
    #[error("the peer's chain changed during the sync")]
    ChainMoved,
    /// Nothing is known against anybody: a block's time has not come, or this node failed.
    #[error("import stopped: {0}")]
    ImportStopped(String),
    /// It was told to end.
    #[error("download canceled (requested)")]
    Canceled,
}

impl SyncError {
    /// Whether the peer that the sync followed is tried after others the next time.
    pub(super) fn demotes_master(&self) -> bool {
        self.blames_master() || matches!(self, Self::TooSlow | Self::NoPeers)
    }

    /// Whether the peer that the sync followed is to blame.
    pub fn blames_master(&self) -> bool {
        match self {
            Self::Timeout
            | Self::BadPeer(_)
            | Self::StallingPeer
            | Self::EmptyHeaderSet
            | Self::PeersUnavailable
            | Self::InvalidAncestor
            | Self::InvalidChain(_)
            | Self::InvalidBlock { .. }
            | Self::InvalidBody
            | Self::InvalidReceipt => true,
            Self::NoPeers
            | Self::TooSlow
            | Self::StateUnavailable(_)
            | Self::ChainMoved
            | Self::ImportStopped(_)
            | Self::Canceled => false,
        }
    }
}
