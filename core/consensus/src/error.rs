//! Errors of the consensus rules, and their classification.

use actoreum_primitives::{B256, U256};

use crate::clique::CliqueError;

/// The reason why a header or block is refused. Texts are geth's where geth has the same error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsensusError {
    /// The parent, or an ancestor that the rule needs, is unknown.
    #[error("unknown ancestor")]
    UnknownAncestor,
    /// The timestamp is too far ahead of the local clock.
    #[error("block in the future")]
    FutureBlock,
    /// The number is not the parent's plus one.
    #[error("invalid block number")]
    InvalidNumber,
    /// The number is past the last epoch that ethash can compute.
    #[error("block number {0} is past the last ethash epoch")]
    EpochOutOfRange(u64),

    /// The timestamp equals the parent's.
    #[error("timestamp equals parent's")]
    TimestampEqualsParent,
    /// The timestamp is before the parent's.
    #[error("timestamp older than parent")]
    TimestampOlderThanParent,

    /// The difficulty differs from that of the rules.
    #[error("invalid difficulty: have {have}, want {want}")]
    InvalidDifficulty {
        /// The header's difficulty.
        have: U256,
        /// The difficulty by the rules.
        want: U256,
    },
    /// The difficulty is zero, and the seal needs one.
    #[error("non-positive difficulty")]
    ZeroDifficulty,

    /// The gas limit is above 2^63 - 1.
    #[error("invalid gasLimit: have {have}, max {max}")]
    GasLimitTooHigh {
        /// The header's gas limit.
        have: u64,
        /// The maximum gas limit.
        max: u64,
    },
    /// The gas limit moved too far from the parent's, or is below the minimum.
    #[error("invalid gas limit: have {have}, want {parent} += {bound}")]
    InvalidGasLimit {
        /// The header's gas limit.
        have: u64,
        /// The parent's gas limit (doubled in the first London block).
        parent: u64,
        /// The exclusive upper bound of the difference.
        bound: u64,
    },
    /// The gas used exceeds the gas limit.
    #[error("invalid gasUsed: have {have}, gasLimit {limit}")]
    GasUsedAboveLimit {
        /// The header's gas used.
        have: u64,
        /// The header's gas limit.
        limit: u64,
    },

    /// A London header has no base fee.
    #[error("header is missing baseFee")]
    MissingBaseFee,
    /// A header before London has a base fee.
    #[error("invalid baseFee before fork: have {0}, want <nil>")]
    UnexpectedBaseFee(u64),
    /// The base fee differs from the one that follows from the parent.
    #[error(
        "invalid baseFee: have {have}, want {want}, parentBaseFee {parent}, parentGasUsed {parent_gas_used}"
    )]
    InvalidBaseFee {
        /// The header's base fee, in wei.
        have: u64,
        /// The base fee by EIP-1559, in wei.
        want: u64,
        /// The parent's base fee, in wei; zero if it has none.
        parent: u64,
        /// The parent's gas used.
        parent_gas_used: u64,
    },

    /// The extra data is too long.
    #[error("extra-data too long: {have} > {max}")]
    ExtraDataTooLong {
        /// Length of the extra data in bytes.
        have: usize,
        /// Maximum length in bytes.
        max: usize,
    },
    /// A block in the DAO fork's range lacks the marker.
    #[error("bad DAO pro-fork extra-data")]
    BadDaoProForkExtra,
    /// A block in the DAO fork's range has the marker, on a chain without the fork.
    #[error("bad DAO no-fork extra-data")]
    BadDaoNoForkExtra,
    /// The block at the EIP-150 fork is not the configured one.
    #[error("homestead gas reprice fork: have {have}, want {want}")]
    WrongForkHash {
        /// The header's hash.
        have: B256,
        /// The configured hash.
        want: B256,
    },

    /// A field that the active fork requires is missing.
    #[error("header is missing {0}")]
    MissingField(&'static str),
    /// A field of a later fork is present.
    #[error("invalid {0}: field is not yet part of the header")]
    UnexpectedField(&'static str),
    /// A field that is fixed on a self-sealing chain has another value.
    #[error("invalid {field}: have {have}, want {want}")]
    WrongFixedField {
        /// The field's name, in geth's spelling.
        field: &'static str,
        /// The header's value.
        have: B256,
        /// The fixed value.
        want: B256,
    },

    /// The blob gas exceeds the maximum of the blob schedule.
    #[error("blob gas used {have} exceeds maximum allowance {max}")]
    BlobGasAboveMaximum {
        /// The header's blob gas used.
        have: u64,
        /// The maximum of the schedule.
        max: u64,
    },
    /// The blob gas is not a multiple of the gas per blob.
    #[error("blob gas used {0} not a multiple of blob gas per blob")]
    BlobGasNotWhole(u64),
    /// The excess blob gas differs from the one that follows from the parent.
    #[error("invalid excessBlobGas: have {have}, want {want}")]
    InvalidExcessBlobGas {
        /// The header's excess blob gas.
        have: u64,
        /// The excess by EIP-4844 (from Osaka on with EIP-7918).
        want: u64,
    },

    /// The block has more than two ommers, or any after the merge.
    #[error("too many uncles")]
    TooManyOmmers,
    /// A block of a clique chain has ommers.
    #[error("uncles not allowed")]
    OmmersNotAllowed,
    /// An ommer was already included, in this block or in an ancestor.
    #[error("duplicate uncle")]
    DuplicateOmmer,
    /// An ommer is an ancestor.
    #[error("uncle is ancestor")]
    OmmerIsAncestor,
    /// An ommer's parent is not a recent ancestor, or is the block's own parent.
    #[error("uncle's parent is not ancestor")]
    DanglingOmmer,

    /// The mix digest differs from that of hashimoto.
    #[error("invalid mix digest")]
    InvalidMixDigest,
    /// The proof-of-work result does not meet the difficulty.
    #[error("invalid proof-of-work")]
    InvalidProofOfWork,

    /// A merged header has a nonce other than zero.
    #[error("invalid nonce")]
    MergedNonce,
    /// A merged header has ommers.
    #[error("invalid uncle hash")]
    MergedOmmersHash,
    /// A merged header is not younger than its parent.
    #[error("invalid timestamp")]
    MergedTimestamp,
    /// Merged blocks are sealed by the beacon chain, not by the engine.
    #[error("block is sealed by the beacon chain, not by this node")]
    SealedByBeaconChain,

    /// The block is larger than EIP-7934 allows.
    #[error("block RLP-encoded size exceeds maximum: {have} > {max}")]
    BlockTooLarge {
        /// Size of the block in bytes.
        have: usize,
        /// Maximum size in bytes.
        max: usize,
    },

    /// A clique rule (EIP-225) is violated.
    #[error(transparent)]
    Clique(#[from] CliqueError),
}

/// The rule that an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Parent or ancestors.
    Ancestry,
    /// Block number.
    Number,
    /// Timestamp.
    Timestamp,
    /// Difficulty.
    Difficulty,
    /// Gas limit.
    GasLimit,
    /// Gas used.
    GasUsed,
    /// Base fee (EIP-1559).
    BaseFee,
    /// Extra data, with the DAO marker and clique's signer lists.
    ExtraData,
    /// Presence or value of a field that came with a fork.
    ForkField,
    /// Blob gas (EIP-4844).
    BlobGas,
    /// Ommers.
    Ommers,
    /// Proof of work or signature.
    Seal,
    /// Votes of clique.
    Vote,
    /// The constants of merged headers (EIP-3675).
    Merge,
    /// Size of the block (EIP-7934).
    Size,
    /// A failure of this node; the block may be valid.
    Internal,
}

/// The handling of a refused block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// Permanently invalid: remember the block as bad, and penalize the peer that sent it.
    Bad,
    /// Possibly valid once the clock reaches its timestamp: queue it.
    Future,
    /// Possibly valid once its ancestors are known: request them.
    UnknownAncestor,
    /// No statement about the block: report the error, and keep the block.
    Internal,
}

impl ConsensusError {
    /// Returns the class of the violated rule.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::UnknownAncestor => ErrorClass::Ancestry,
            Self::InvalidNumber | Self::EpochOutOfRange(_) => ErrorClass::Number,
            Self::FutureBlock
            | Self::TimestampEqualsParent
            | Self::TimestampOlderThanParent
            | Self::MergedTimestamp => ErrorClass::Timestamp,
            Self::InvalidDifficulty { .. } | Self::ZeroDifficulty => ErrorClass::Difficulty,
            Self::GasLimitTooHigh { .. } | Self::InvalidGasLimit { .. } => ErrorClass::GasLimit,
            Self::GasUsedAboveLimit { .. } => ErrorClass::GasUsed,
            Self::MissingBaseFee | Self::UnexpectedBaseFee(_) | Self::InvalidBaseFee { .. } => {
                ErrorClass::BaseFee
            }
            Self::ExtraDataTooLong { .. } | Self::BadDaoProForkExtra | Self::BadDaoNoForkExtra => {
                ErrorClass::ExtraData
            }
            Self::MissingField(_)
            | Self::UnexpectedField(_)
            | Self::WrongFixedField { .. }
            | Self::WrongForkHash { .. } => ErrorClass::ForkField,
            Self::BlobGasAboveMaximum { .. }
            | Self::BlobGasNotWhole(_)
            | Self::InvalidExcessBlobGas { .. } => ErrorClass::BlobGas,
            Self::TooManyOmmers
            | Self::OmmersNotAllowed
            | Self::DuplicateOmmer
            | Self::OmmerIsAncestor
            | Self::DanglingOmmer => ErrorClass::Ommers,
            Self::InvalidMixDigest | Self::InvalidProofOfWork => ErrorClass::Seal,
            Self::MergedNonce | Self::MergedOmmersHash | Self::SealedByBeaconChain => {
                ErrorClass::Merge
            }
            Self::BlockTooLarge { .. } => ErrorClass::Size,
            Self::Clique(error) => error.class(),
        }
    }

    /// Returns the handling of the block.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::UnknownAncestor => Disposition::UnknownAncestor,
            Self::FutureBlock => Disposition::Future,
            Self::SealedByBeaconChain => Disposition::Internal,
            Self::Clique(error) if error.class() == ErrorClass::Internal => Disposition::Internal,
            _ => Disposition::Bad,
        }
    }
}

/// The first header of a batch that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("header {index} of the batch: {error}")]
pub struct BatchError {
    /// The header's index in the batch, from zero. All headers before it are valid.
    pub index: usize,
    /// The error of that header.
    #[source]
    pub error: ConsensusError,
}
