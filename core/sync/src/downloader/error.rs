//! Errors of a sync, with geth's texts.

use actoreum_primitives::B256;

/// Reason why a sync ended early, or why a peer was dropped from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// A peer did not answer one or several requests in time.
    #[error("timeout")]
    Timeout,
    /// A peer's answer does not match the request.
    #[error("action from bad peer ignored: {0}")]
    BadPeer(&'static str),
    /// The master delivers too little, and another peer is to become the master.
    #[error("peer delivers too slowly, following another one")]
    TooSlow,
    /// A peer announced a total difficulty that is more than that of its blocks.
    #[error("peer is stalling")]
    StallingPeer,
    /// A peer sent no headers although it must have some.
    #[error("empty header set by peer")]
    EmptyHeaderSet,
    /// No peer has what is missing.
    #[error("no peers available or all tried for download")]
    PeersUnavailable,
    /// The master disconnected.
    #[error("no peers to keep download active")]
    NoPeers,
    /// The common ancestor lies deeper than
    /// [`MAX_FORK_ANCESTRY`](super::limits::MAX_FORK_ANCESTRY).
    #[error("retrieved ancestor is invalid")]
    InvalidAncestor,
    /// A peer's headers are not linked, or are not those of the chain that it announced.
    #[error("retrieved hash chain is invalid: {0}")]
    InvalidChain(&'static str),
    /// A block is invalid.
    #[error("retrieved hash chain is invalid: block {number} [{hash}]: {reason}")]
    InvalidBlock {
        /// Number of the block.
        number: u64,
        /// Hash of the block.
        hash: B256,
        /// The rule that the block breaks.
        reason: String,
    },
    /// A peer sent a body that was not requested.
    #[error("retrieved block body is invalid")]
    InvalidBody,
    /// A peer's receipts do not belong to the block.
    #[error("retrieved receipt is invalid")]
    InvalidReceipt,
    /// None of this many peers has the pivot's state any more: the next sync tries a newer pivot.
    #[error("state node failed with all {0} peers")]
    StateUnavailable(usize),
    /// The peer's chain changed during the sync; nothing is known against the peer.
    #[error("the peer's chain changed during the sync")]
    ChainMoved,
    /// The import stopped for a reason that is not the peer's: a block's time has not come, or this
    /// node failed.
    #[error("import stopped: {0}")]
    ImportStopped(String),
    /// The sync was canceled.
    #[error("download canceled (requested)")]
    Canceled,
}

impl SyncError {
    /// Returns true if the master is to be tried after others in the next sync.
    pub(super) fn demotes_master(&self) -> bool {
        self.blames_master() || matches!(self, Self::TooSlow | Self::NoPeers)
    }

    /// Returns true if the master is to blame.
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
