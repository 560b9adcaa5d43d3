//! What EIP-225 forbids.

use crate::ErrorClass;

/// A broken rule of EIP-225, in geth's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CliqueError {
    /// Genesis has no seal.
    #[error("unknown block")]
    UnknownBlock,
    /// A checkpoint that votes on somebody.
    #[error("beneficiary in checkpoint block non-zero")]
    CheckpointBeneficiary,
    /// A nonce that is neither of the two votes.
    #[error("vote nonce not 0x00..0 or 0xff..f")]
    InvalidVote,
    /// A checkpoint with a vote.
    #[error("vote nonce in checkpoint block non-zero")]
    CheckpointVote,
    /// Less extra data than the vanity.
    #[error("extra-data 32 byte vanity prefix missing")]
    MissingVanity,
    /// No room for the signature behind the vanity.
    #[error("extra-data 65 byte signature suffix missing")]
    MissingSignature,
    /// Something between vanity and signature of a block that is no checkpoint.
    #[error("non-checkpoint block contains extra signer list")]
    ExtraSigners,
    /// A checkpoint's list is no list of addresses.
    #[error("invalid signer list on checkpoint block")]
    InvalidCheckpointSigners,
    /// A checkpoint's list is not that of the signers.
    #[error("mismatching signer list on checkpoint block")]
    MismatchingCheckpointSigners,
    /// A mix digest that is not zero.
    #[error("non-zero mix digest")]
    NonZeroMixDigest,
    /// A header that commits to ommers.
    #[error("non empty uncle hash")]
    NonEmptyOmmersHash,
    /// A difficulty that is neither 1 nor 2.
    #[error("invalid difficulty")]
    InvalidDifficulty,
    /// A difficulty that does not fit whose turn it is.
    #[error("wrong difficulty")]
    WrongDifficulty,
    /// Less than the period after the parent.
    #[error("invalid timestamp")]
    InvalidTimestamp,
    /// Headers that do not follow each other were to be counted.
    #[error("invalid voting chain")]
    InvalidVotingChain,
    /// The seal is no signature.
    #[error("recovery failed")]
    InvalidSignature,
    /// Signed by somebody who is no signer.
    #[error("unauthorized signer")]
    UnauthorizedSigner,
    /// Signed by somebody who signed one of the last blocks.
    #[error("recently signed")]
    RecentlySigned,
    /// This node may not seal yet: it signed one of the last blocks.
    #[error("signed recently, must wait for others")]
    MustWaitForOthers,
    /// A chain without period seals nothing while there is nothing to seal.
    #[error("sealing paused, waiting for transactions")]
    WaitingForTransactions,
    /// No signer was configured.
    #[error("signer missing")]
    NoSigner,
    /// A snapshot could not be stored.
    #[error("clique snapshot store failed: {0}")]
    Store(String),
}

impl CliqueError {
    /// Which rule was broken.
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
