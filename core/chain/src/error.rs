//! Errors of import and of opening a chain, and the classification of import errors.

use actoreum_consensus::{ConsensusError, Disposition};
use actoreum_evm::ExecutionError;
use actoreum_primitives::{B256, Bloom, SenderError, StateError};
use actoreum_storage::StorageError;

/// The reason why a block was refused. Texts are geth's where geth has the same error.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The header, its seal or its ommers violate a consensus rule.
    #[error(transparent)]
    Consensus(#[from] ConsensusError),
    /// The blocks of one import do not follow each other.
    #[error("non contiguous insert: #{number} [{hash}] does not follow [{parent}]")]
    NotContiguous {
        /// Number of the block that does not follow.
        number: u64,
        /// Hash of that block.
        hash: B256,
        /// Hash of the block before it in the list.
        parent: B256,
    },
    /// The body's ommers do not match the header's hash of them.
    #[error("uncle root hash mismatch: have {have}, want {want}")]
    OmmersHash {
        /// Hash of the body's ommers.
        have: B256,
        /// Hash in the header.
        want: B256,
    },
    /// The body's transactions do not match the header's root.
    #[error("transaction root hash mismatch: have {have}, want {want}")]
    TransactionsRoot {
        /// Root of the body's transactions.
        have: B256,
        /// Root in the header.
        want: B256,
    },
    /// The body's withdrawals do not match the header's root.
    #[error("withdrawals root hash mismatch: have {have}, want {want}")]
    WithdrawalsRoot {
        /// Root of the body's withdrawals.
        have: B256,
        /// Root in the header.
        want: B256,
    },
    /// The body has withdrawals and the header has no withdrawals root, or the reverse.
    #[error("withdrawals of the body and of the header do not match")]
    WithdrawalsPresence,
    /// The block has withdrawals on a chain without a beacon chain.
    #[error("withdrawals are not allowed on a chain that seals its own blocks")]
    WithdrawalsNotAllowed,
    /// A transaction's signature is not valid at this block.
    #[error("could not apply tx {index}: {error}")]
    Sender {
        /// The transaction's index in the block.
        index: usize,
        /// The error of the signature.
        error: SenderError,
    },
    /// A transaction could not be executed.
    #[error(transparent)]
    Execution(ExecutionError),
    /// The header's gas used differs from that of the execution.
    #[error("invalid gas used (remote: {remote} local: {local})")]
    GasUsed {
        /// Gas in the header.
        remote: u64,
        /// Gas of the execution.
        local: u64,
    },
    /// The header's blob gas used differs from that of its transactions.
    #[error("blob gas used mismatch (header {remote}, calculated {local})")]
    BlobGasUsed {
        /// Blob gas in the header.
        remote: u64,
        /// Blob gas of the transactions.
        local: u64,
    },
    /// The header's bloom differs from that of the logs.
    #[error("invalid bloom (remote: {remote}  local: {local})")]
    LogsBloom {
        /// Bloom in the header.
        remote: Box<Bloom>,
        /// Bloom of the execution.
        local: Box<Bloom>,
    },
    /// The header's receipts root differs from that of the receipts.
    #[error("invalid receipt root hash (remote: {remote} local: {local})")]
    ReceiptsRoot {
        /// Root in the header.
        remote: B256,
        /// Root of the execution.
        local: B256,
    },
    /// The header's requests hash differs from that of the requests (EIP-7685).
    #[error("invalid requests hash (remote: {remote:?} local: {local:?})")]
    RequestsHash {
        /// Hash in the header.
        remote: Option<B256>,
        /// Hash of the execution.
        local: Option<B256>,
    },
    /// The header's state root differs from that of the state.
    #[error("invalid merkle root (remote: {remote} local: {local})")]
    StateRoot {
        /// Root in the header.
        remote: B256,
        /// Root of the execution.
        local: B256,
    },
    /// `--whitelist` requires another block at this number.
    #[error("whitelist mismatch: block {number} must be {want}, not {have}")]
    WhitelistMismatch {
        /// The block number.
        number: u64,
        /// The block's hash.
        have: B256,
        /// The hash that `--whitelist` requires.
        want: B256,
    },
    /// The block's parent is among the bad blocks.
    #[error("block is on a chain that was refused before: {0}")]
    KnownBad(B256),
    /// The state of the common ancestor of a side chain is no longer stored.
    #[error("pruned ancestor: the state of block {0} is no longer kept")]
    PrunedAncestor(u64),
    /// The store failed; the block may be valid.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The import was interrupted; the block may be valid.
    #[error("interrupted")]
    Interrupted,
}

impl From<ExecutionError> for BlockError {
    fn from(error: ExecutionError) -> Self {
        match error {
            ExecutionError::State(failure) => Self::from(failure.0),
            error => Self::Execution(error),
        }
    }
}

impl From<StateError> for BlockError {
    fn from(error: StateError) -> Self {
        Self::Storage(error.into())
    }
}

impl BlockError {
    /// Returns true if the body is at fault and not the header: another body under the same hash
    /// may be valid, so the hash must not be remembered as bad.
    pub fn is_body_error(&self) -> bool {
        matches!(
            self,
            Self::OmmersHash { .. }
                | Self::TransactionsRoot { .. }
                | Self::WithdrawalsRoot { .. }
                | Self::WithdrawalsPresence
                | Self::WithdrawalsNotAllowed
                | Self::Consensus(ConsensusError::BlockTooLarge { .. })
        )
    }

    /// Returns the classification of this error: whether the block is invalid, early, an orphan, or
    /// the failure is internal to this node.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Consensus(error) => error.disposition(),
            Self::PrunedAncestor(_)
            | Self::Storage(_)
            | Self::Interrupted
            | Self::NotContiguous { .. } => Disposition::Internal,
            Self::Execution(ExecutionError::Evm(_)) => Disposition::Internal,
            _ => Disposition::Bad,
        }
    }
}

/// The first block of an import that was refused. All blocks before it were imported.
#[derive(Debug, thiserror::Error)]
#[error("invalid block {number} [{hash}]: {error}")]
pub struct ImportError {
    /// The block's index in the list of the import.
    pub index: usize,
    /// The block's number.
    pub number: u64,
    /// The block's hash.
    pub hash: B256,
    /// The reason.
    #[source]
    pub error: BlockError,
}

/// An error that prevented a chain from being opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database belongs to another chain.
    #[error(
        "database already contains an incompatible genesis block (have {have}, new {new}); \
         choose another --datadir, or run `actoreum removedb` first"
    )]
    GenesisMismatch {
        /// Hash of the genesis block in the database.
        have: B256,
        /// Hash of the genesis block that was given.
        new: B256,
    },
    /// The database is empty, and no genesis was given.
    #[error("the data directory holds no chain: run `actoreum init genesis.json` first")]
    Empty,
    /// The genesis is invalid for its engine.
    #[error("genesis: {0}")]
    Genesis(String),
    /// A new config or a change of the head can't be applied to the chain.
    #[error("{0}")]
    Config(String),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
