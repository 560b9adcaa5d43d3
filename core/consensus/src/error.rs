//! Why a header or block is refused, and what the caller should do about it.

use actoreum_primitives::{B256, U256};

use crate::clique::CliqueError;

/// Why a header or block is refused. Texts are those of geth where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsensusError {
    /// The parent (or an ancestor that the rule needs) is not known here.
    #[error("unknown ancestor")]
    UnknownAncestor,
    /// The timestamp is too far ahead of the local clock.
    #[error("block in the future")]
    FutureBlock,
    /// The number is not the parent's plus one.
    #[error("invalid block number")]
    InvalidNumber,
    /// The number lies past the last epoch that ethash can compute.
    #[error("block number {0} is past the last ethash epoch")]
    EpochOutOfRange(u64),

    /// The timestamp equals the parent's.
    #[error("timestamp equals parent's")]
    TimestampEqualsParent,
    /// The timestamp lies before the parent's.
    #[error("timestamp older than parent")]
    TimestampOlderThanParent,

    /// The difficulty is not what the rules give.
    #[error("invalid difficulty: have {have}, want {want}")]
    InvalidDifficulty {
        /// The header's.
        have: U256,
        /// What the rules give.
        want: U256,
    },
    /// The difficulty is zero where a seal needs one.
    #[error("non-positive difficulty")]
    ZeroDifficulty,

    /// The gas limit is above 2^63 - 1.
    #[error("invalid gasLimit: have {have}, max {max}")]
    GasLimitTooHigh {
        /// The header's.
        have: u64,
        /// The largest allowed.
        max: u64,
    },
    /// The gas limit moved too far from the parent's, or below the minimum.
    #[error("invalid gas limit: have {have}, want {parent} += {bound}")]
    InvalidGasLimit {
        /// The header's.
        have: u64,
        /// The parent's (doubled in the first London block).
        parent: u64,
        /// The difference must be below this.
        bound: u64,
    },
    /// More gas used than the limit.
    #[error("invalid gasUsed: have {have}, gasLimit {limit}")]
    GasUsedAboveLimit {
        /// The header's.
        have: u64,
        /// The header's limit.
        limit: u64,
    },

    /// A London header without a base fee.
    #[error("header is missing baseFee")]
    MissingBaseFee,
    /// A base fee before London.
    #[error("invalid baseFee before fork: have {0}, want <nil>")]
    UnexpectedBaseFee(u64),
    /// The base fee is not what the parent gives.
    #[error(
        "invalid baseFee: have {have}, want {want}, parentBaseFee {parent}, parentGasUsed {parent_gas_used}"
    )]
    InvalidBaseFee {
        /// The header's, in wei.
        have: u64,
        /// What EIP-1559 gives, in wei.
        want: u64,
        /// The parent's, in wei; zero where it has none.
        parent: u64,
        /// The parent's gas used.
        parent_gas_used: u64,
    },

    /// More extra data than allowed.
    #[error("extra-data too long: {have} > {max}")]
    ExtraDataTooLong {
        /// Bytes in the header.
        have: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A block of the DAO fork's range without the marker.
    #[error("bad DAO pro-fork extra-data")]
    BadDaoProForkExtra,
    /// A block of the DAO fork's range with the marker, on a chain without the fork.
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

    /// A field that the active fork demands is not there.
    #[error("header is missing {0}")]
    MissingField(&'static str),
    /// A field that only a later fork brings is there.
    #[error("invalid {0}: field is not yet part of the header")]
    UnexpectedField(&'static str),
    /// A field that a self-sealing chain fixes has another value.
    #[error("invalid {field}: have {have}, want {want}")]
    WrongFixedField {
        /// The field, in geth's spelling.
        field: &'static str,
        /// The header's value.
        have: B256,
        /// The fixed value.
        want: B256,
    },

    /// More blob gas than the schedule allows.
    #[error("blob gas used {have} exceeds maximum allowance {max}")]
    BlobGasAboveMaximum {
        /// The header's.
        have: u64,
        /// What the schedule allows.
        max: u64,
    },
    /// Blob gas that is not a whole number of blobs.
    #[error("blob gas used {0} not a multiple of blob gas per blob")]
    BlobGasNotWhole(u64),
    /// The excess blob gas is not what the parent gives.
    #[error("invalid excessBlobGas: have {have}, want {want}")]
    InvalidExcessBlobGas {
        /// The header's.
        have: u64,
        /// What EIP-4844 (from Osaka on with EIP-7918) gives.
        want: u64,
    },

    /// More than two ommers, or any after the merge.
    #[error("too many uncles")]
    TooManyOmmers,
    /// Ommers on a clique chain.
    #[error("uncles not allowed")]
    OmmersNotAllowed,
    /// An ommer that was already included, here or in an ancestor.
    #[error("duplicate uncle")]
    DuplicateOmmer,
    /// An ommer that is an ancestor.
    #[error("uncle is ancestor")]
    OmmerIsAncestor,
    /// An ommer whose parent is not a recent ancestor, or is the block's own parent.
    #[error("uncle's parent is not ancestor")]
    DanglingOmmer,

    /// The header claims another mix digest than hashimoto gives.
    #[error("invalid mix digest")]
    InvalidMixDigest,
    /// The hash does not meet the difficulty.
    #[error("invalid proof-of-work")]
    InvalidProofOfWork,

    /// A merged header whose nonce is not zero.
    #[error("invalid nonce")]
    MergedNonce,
    /// A merged header with ommers.
    #[error("invalid uncle hash")]
    MergedOmmersHash,
    /// A merged header that is not younger than its parent.
    #[error("invalid timestamp")]
    MergedTimestamp,
    /// The engine has no say over merged blocks.
    #[error("block is sealed by the beacon chain, not by this node")]
    SealedByBeaconChain,

    /// The block is larger than EIP-7934 allows.
    #[error("block RLP-encoded size exceeds maximum: {have} > {max}")]
    BlockTooLarge {
        /// Bytes of the block.
        have: usize,
        /// Bytes allowed.
        max: usize,
    },

    /// A rule of EIP-225.
    #[error(transparent)]
    Clique(#[from] CliqueError),
}

/// Which rule an error comes from.
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
    /// Nothing is known against the block: this node failed.
    Internal,
}

/// What to do with the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// Breaks a rule for ever: remember it as bad, penalise who sent it.
    Bad,
    /// May become valid when the clock reaches it: queue it.
    Future,
    /// May become valid when its ancestors arrive: ask for them.
    UnknownAncestor,
    /// Says nothing about the block: report it, keep the block.
    Internal,
}

impl ConsensusError {
    /// Which rule was broken.
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

    /// What to do with the block.
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
    /// Its place in the batch, from zero. All before it are sound.
    pub index: usize,
    /// What is wrong with it.
    #[source]
    pub error: ConsensusError,
}
