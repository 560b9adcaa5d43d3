//! Errors of the clique rules (EIP-225).

use crate::ErrorClass;

/// A violation of EIP-225, with geth's texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CliqueError {
    /// The genesis block, which has no seal, was to be verified.
    #[error("unknown block")]
    UnknownBlock,
    /// A checkpoint has a beneficiary, which would be a vote.
    #[error("beneficiary in checkpoint block non-zero")]
    CheckpointBeneficiary,
    /// The nonce is neither of the two votes.
    #[error("vote nonce not 0x00..0 or 0xff..f")]
    InvalidVote,
    /// A checkpoint has the nonce of a vote.
    #[error("vote nonce in checkpoint block non-zero")]
    CheckpointVote,
    /// The extra data is shorter than the vanity.
    #[error("extra-data 32 byte vanity prefix missing")]
    MissingVanity,
    /// The extra data has no room for the signature after the vanity.
    #[error("extra-data 65 byte signature suffix missing")]
    MissingSignature,
    /// The extra data of a block that is not a checkpoint has more than vanity and signature.
    #[error("non-checkpoint block contains extra signer list")]
    ExtraSigners,
    /// A checkpoint's signer list is not a whole number of addresses.
    #[error("invalid signer list on checkpoint block")]
    InvalidCheckpointSigners,
    /// A checkpoint's signer list differs from the signers of the snapshot.
    #[error("mismatching signer list on checkpoint block")]
    MismatchingCheckpointSigners,
    /// The mix digest is not zero.
    #[error("non-zero mix digest")]
    NonZeroMixDigest,
    /// The header commits to ommers.
    #[error("non empty uncle hash")]
    NonEmptyOmmersHash,
    /// The difficulty is neither 1 nor 2.
    #[error("invalid difficulty")]
    InvalidDifficulty,
    /// The difficulty does not match the signer's turn.
    #[error("wrong difficulty")]
    WrongDifficulty,
    /// The block is less than the period after its parent.
    #[error("invalid timestamp")]
    InvalidTimestamp,
    /// A header was to be applied to a snapshot of another block than its parent.
    #[error("invalid voting chain")]
    InvalidVotingChain,
    /// The seal is not a valid signature.
    #[error("recovery failed")]
    InvalidSignature,
    /// The signer is not authorized.
    #[error("unauthorized signer")]
    UnauthorizedSigner,
    /// The signer signed one of the most recent blocks.
    #[error("recently signed")]
    RecentlySigned,
    /// This node signed one of the most recent blocks, and must wait for other signers.
    #[error("signed recently, must wait for others")]
    MustWaitForOthers,
    /// A chain without a period seals nothing until there is a transaction.
    #[error("sealing paused, waiting for transactions")]
    WaitingForTransactions,
    /// No signer is configured.
    #[error("signer missing")]
    NoSigner,
    /// A snapshot could not be stored.
    #[error("clique snapshot store failed: {0}")]
    Store(String),
}

impl CliqueError {
    /// Returns the class of the violated rule.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::UnknownBlock => ErrorClass::Number,
            Self::CheckpointBeneficiary | Self::InvalidVote | Self::CheckpointVote => {
                ErrorClass::Vote
            }
            Self::MissingVanity
            | Self::MissingSignature
            | Self::ExtraSigners
            | Self::InvalidCheckpointSigners
            | Self::MismatchingCheckpointSigners => ErrorClass::ExtraData,
            Self::NonZeroMixDigest
            | Self::InvalidVotingChain
            | Self::InvalidSignature
            | Self::UnauthorizedSigner
            | Self::RecentlySigned => ErrorClass::Seal,
            Self::NonEmptyOmmersHash => ErrorClass::Ommers,
            Self::InvalidDifficulty | Self::WrongDifficulty => ErrorClass::Difficulty,
            Self::InvalidTimestamp => ErrorClass::Timestamp,
            Self::MustWaitForOthers
            | Self::WaitingForTransactions
            | Self::NoSigner
            | Self::Store(_) => ErrorClass::Internal,
        }
    }
}
