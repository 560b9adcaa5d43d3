//! Why a block was not imported, and what that says about it.

use actoreum_consensus::{ConsensusError, Disposition};
use actoreum_evm::ExecutionError;
use actoreum_primitives::{B256, Bloom, SenderError, StateError};
use actoreum_storage::StorageError;

/// Why a block was refused. Texts are those of geth where it has one.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The header, its seal or its ommers break a rule.
    #[error(transparent)]
    Consensus(#[from] ConsensusError),
    /// The blocks of one import do not follow each other.
    #[error("non contiguous insert: #{number} [{hash}] does not follow [{parent}]")]
    NotContiguous {
        /// Number of the block that does not follow.
        number: u64,
        /// Its hash.
        hash: B256,
        /// The block that it was given after.
        parent: B256,
    },
    /// The body's ommers are not those of the header.
    #[error("uncle root hash mismatch: have {have}, want {want}")]
    OmmersHash {
        /// Of the body.
        have: B256,
        /// Of the header.
        want: B256,
    },
    /// The body's transactions are not those of the header.
    #[error("transaction root hash mismatch: have {have}, want {want}")]
    TransactionsRoot {
        /// Of the body.
        have: B256,
        /// Of the header.
        want: B256,
    },
    /// The body's withdrawals are not those of the header.
    #[error("withdrawals root hash mismatch: have {have}, want {want}")]
    WithdrawalsRoot {
        /// Of the body.
        have: B256,
        /// Of the header.
        want: B256,
    },
    /// The body has withdrawals and the header no root of them, or the other way round.
    #[error("withdrawals of the body and of the header do not match")]
    WithdrawalsPresence,
    /// A chain that seals its own blocks has nobody to withdraw from.
    #[error("withdrawals are not allowed on a chain that seals its own blocks")]
    WithdrawalsNotAllowed,
    /// A transaction's signature is not valid at this block.
    #[error("could not apply tx {index}: {error}")]
    Sender {
        /// Its place in the block.
        index: usize,
        /// What is wrong with it.
        error: SenderError,
    },
    /// A transaction can't be executed.
    #[error(transparent)]
    Execution(ExecutionError),
    /// The header claims other gas than was used.
    #[error("invalid gas used (remote: {remote} local: {local})")]
    GasUsed {
        /// Of the header.
        remote: u64,
        /// Of the execution.
        local: u64,
    },
    /// The header claims other blob gas than its transactions carry.
    #[error("blob gas used mismatch (header {remote}, calculated {local})")]
    BlobGasUsed {
        /// Of the header.
        remote: u64,
        /// Of the transactions.
        local: u64,
    },
    /// The header's bloom is not that of the logs.
    #[error("invalid bloom (remote: {remote}  local: {local})")]
    LogsBloom {
        /// Of the header.
        remote: Box<Bloom>,
        /// Of the execution.
        local: Box<Bloom>,
    },
    /// The header's receipts root is not that of the receipts.
    #[error("invalid receipt root hash (remote: {remote} local: {local})")]
    ReceiptsRoot {
        /// Of the header.
        remote: B256,
        /// Of the execution.
        local: B256,
    },
    /// The header's requests hash is not that of the requests (EIP-7685).
    #[error("invalid requests hash (remote: {remote:?} local: {local:?})")]
    RequestsHash {
        /// Of the header.
        remote: Option<B256>,
        /// Of the execution.
        local: Option<B256>,
    },
    /// The header's state root is not that of the state.
    #[error("invalid merkle root (remote: {remote} local: {local})")]
    StateRoot {
        /// Of the header.
        remote: B256,
        /// Of the execution.
        local: B256,
    },
    /// Another block is required at this number.
    #[error("whitelist mismatch: block {number} must be {want}, not {have}")]
    Unwanted {
        /// The number.
        number: u64,
        /// The block's hash.
        have: B256,
        /// The hash that `--whitelist` names.
        want: B256,
    },
    /// The block, or an ancestor of it, was refused before.
    #[error("block is on a chain that was refused before: {0}")]
    KnownBad(B256),
    /// The state of the block from which this one branches off is no longer held.
    #[error("pruned ancestor: the state of block {0} is no longer kept")]
    PrunedAncestor(u64),
    /// The store failed; nothing is known against the block.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The import was told to stop; nothing is known against the block.
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
        Self::Storage(match error {
            StateError::Missing(number) => StorageError::MissingState(number),
            StateError::Corrupt(what) => StorageError::Corrupt(what),
            StateError::Backend(what) => StorageError::Engine(what),
        })
    }
}

impl BlockError {
    /// Whether the body is at fault and not the header: another body under the same hash may be
    /// right, so the hash is not to be remembered as bad.
    pub fn blames_body(&self) -> bool {
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

    /// What to do with the block.
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

/// The first block of an import that was refused. All before it are imported.
#[derive(Debug, thiserror::Error)]
#[error("invalid block {number} [{hash}]: {error}")]
pub struct ImportError {
    /// Its place in the list that was given.
    pub index: usize,
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Why.
    #[source]
    pub error: BlockError,
}

/// Why a chain could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database belongs to another chain.
    #[error(
        "database already contains an incompatible genesis block (have {have}, new {new}); \
         choose another --datadir, or run `actoreum removedb` first"
    )]
    GenesisMismatch {
        /// The genesis in the database.
        have: B256,
        /// The genesis that was asked for.
        new: B256,
    },
    /// There is nothing in the database, and no genesis was given.
    #[error("the data directory holds no chain: run `actoreum init genesis.json` first")]
    Empty,
    /// The genesis does not fit its engine.
    #[error("genesis: {0}")]
    Genesis(String),
    /// A new config can't be applied to the chain as it stands.
    #[error("{0}")]
    Config(String),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
