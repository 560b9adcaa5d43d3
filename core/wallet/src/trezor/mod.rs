//! Trezor's protocol, as its firmware's `common/protob` describes it: messages in Protocol Buffers,
//! of which this has the few that a wallet needs, and the packets that they travel in. Whoever holds
//! the device writes and reads the packets.
//!
//! ```text
//!   Request::encode --> Message --> packets --> device
//!   Reply::decode  <-- Message <-- Assembly <-- packets
//! ```

mod frames;
mod message;
mod protobuf;
mod transaction;
mod typed_data;

pub use frames::{Assembly, Message};
pub use message::{Features, MAX_DATA_CHUNK, Reply, Request, TxRequest};
pub use transaction::sign_transaction;
pub use typed_data::Part;

/// Why a Trezor did not do what it was asked for. Texts are geth's where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrezorError {
    /// It shows a grid: the PIN is to be given as places on it.
    #[error("trezor: pin needed")]
    PinNeeded,
    /// It wants the passphrase of the wallet; the empty one counts.
    #[error("trezor: passphrase needed")]
    PassphraseNeeded,
    /// What came is no packet of this protocol, or none of this message.
    #[error("trezor: invalid reply header")]
    InvalidHeader,
    /// A message is longer than any that a device sends.
    #[error("trezor: a reply of {0} bytes is too long")]
    TooLong(u32),
    /// What it says makes no sense.
    #[error("trezor: {0}")]
    Malformed(&'static str),
    /// It answers something else.
    #[error("trezor: expected reply types [{expected}], got {got}")]
    Unexpected {
        /// What would have been an answer.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// Its owner said no.
    #[error("trezor: refused on the device: {0}")]
    Refused(String),
    /// It failed, in its own words.
    #[error("trezor: {0}")]
    Failure(String),
    /// It signs no values of one of the types.
    #[error("trezor: typed data with a type that it does not know")]
    NoSuchType,
    /// An array is longer than its protocol can say.
    #[error("trezor: typed data with an array of more than 65535 elements")]
    TooManyElements,
    /// It asks its owner more often than anybody would answer.
    #[error("trezor: too many questions on the device")]
    TooManyQuestions,
    /// The signature is that of another key: another device was plugged in, or the passphrase is
    /// another.
    #[error("trezor: signed by another account")]
    WrongSigner,
}

impl TrezorError {
    /// Whether what was read is no answer, so that nothing that follows can be trusted to be one.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::InvalidHeader
            | Self::TooLong(_)
            | Self::Malformed(_)
            | Self::Unexpected { .. }
            | Self::TooManyQuestions => true,
            Self::PinNeeded
            | Self::PassphraseNeeded
            | Self::Refused(_)
            | Self::Failure(_)
            | Self::NoSuchType
            | Self::TooManyElements
            | Self::WrongSigner => false,
        }
    }
}
