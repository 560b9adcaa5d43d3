//! The error of decoders.

use std::num::NonZeroUsize;

/// The error of a decoder: fastrlp's errors, and those of the types of this crate that callers
/// tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A number does not fit its type.
    #[error("overflow")]
    Overflow,
    /// A number begins with a zero byte.
    #[error("leading zero")]
    LeadingZero,
    /// The input ends inside of an item.
    #[error("input too short{}", missing(*.needed))]
    InputTooShort {
        /// The number of missing bytes, where it is known.
        needed: Option<NonZeroUsize>,
    },
    /// A byte that is its own encoding has a header.
    #[error("non-canonical single byte")]
    NonCanonicalSingleByte,
    /// A length is not encoded in its shortest form.
    #[error("non-canonical size")]
    NonCanonicalSize,
    /// A string has another length than its type.
    #[error("unexpected length")]
    UnexpectedLength,
    /// A string stands in the place of a list.
    #[error("unexpected string")]
    UnexpectedString,
    /// A list stands in the place of a string.
    #[error("unexpected list")]
    UnexpectedList,
    /// A list has another length than its type.
    #[error("list length mismatch: expected {expected}, got {got}")]
    ListLengthMismatch {
        /// The length of the type.
        expected: usize,
        /// The length of the list.
        got: usize,
    },
    /// A list ends before its last required item.
    #[error("list has too few items")]
    TooFewItems,
    /// A list has items after its last known one.
    #[error("list has too many items")]
    TooManyItems,
    /// Bytes follow the item.
    #[error("trailing bytes")]
    TrailingBytes,
    /// The byte before an envelope (EIP-2718) is no known transaction type.
    #[error("transaction type not supported")]
    UnsupportedTxType,
    /// The `v` of a transaction's signature is not one of those that its type allows.
    #[error("invalid transaction v")]
    InvalidV,
    /// Another violation of a type's rules.
    #[error("{0}")]
    Custom(&'static str),
}

/// Returns the end of the text of [`DecodeError::InputTooShort`], in fastrlp's words.
fn missing(needed: Option<NonZeroUsize>) -> String {
    needed.map_or_else(String::new, |needed| format!(": need {needed} more bytes"))
}

impl From<fastrlp::DecodeError> for DecodeError {
    fn from(error: fastrlp::DecodeError) -> Self {
        use fastrlp::DecodeError as Error;
        match error {
            Error::Overflow => Self::Overflow,
            Error::LeadingZero => Self::LeadingZero,
            Error::InputTooShort { needed } => Self::InputTooShort { needed },
            Error::NonCanonicalSingleByte => Self::NonCanonicalSingleByte,
            Error::NonCanonicalSize => Self::NonCanonicalSize,
            Error::UnexpectedLength => Self::UnexpectedLength,
            Error::UnexpectedString => Self::UnexpectedString,
            Error::UnexpectedList => Self::UnexpectedList,
            Error::ListLengthMismatch { expected, got } => {
                Self::ListLengthMismatch { expected, got }
            }
            Error::Custom(text) => Self::Custom(text),
        }
    }
}
