//! Trezor's protocol (`common/protob` of its firmware), sans IO: the messages in Protocol Buffers
//! that a wallet needs, and their packets. The owner of the device writes and reads the packets.
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

/// The reason why a request to a Trezor failed. Texts are geth's where geth has the same error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrezorError {
    /// The device shows its PIN matrix and waits for the PIN, as positions in the matrix.
    #[error("trezor: pin needed")]
    PinNeeded,
    /// The device waits for the passphrase of the wallet, which may be empty.
    #[error("trezor: passphrase needed")]
    PassphraseNeeded,
    /// The packet does not belong to this protocol or to this message.
    #[error("trezor: invalid reply header")]
    InvalidHeader,
    /// A message is longer than any message of a device.
    #[error("trezor: a reply of {0} bytes is too long")]
    TooLong(u32),
    /// The content of a reply is malformed.
    #[error("trezor: {0}")]
    Malformed(&'static str),
    /// The reply is of an unexpected type.
    #[error("trezor: expected reply types [{expected}], got {got}")]
    Unexpected {
        /// The expected types.
        expected: &'static str,
        /// The received type.
        got: String,
    },
    /// The user refused on the device.
    #[error("trezor: refused on the device: {0}")]
    Refused(String),
    /// The device reported a failure with this text.
    #[error("trezor: {0}")]
    Failure(String),
    /// The device does not support one of the types.
    #[error("trezor: typed data with a type that it does not know")]
    UnsupportedType,
    /// An array is longer than the protocol can express.
    #[error("trezor: typed data with an array of more than 65535 elements")]
    TooManyElements,
    /// The device sends more requests than any user would answer.
    #[error("trezor: too many questions on the device")]
    TooManyRequests,
    /// The signature is that of another key: another device was plugged in, or the passphrase is
    /// different.
    #[error("trezor: signed by another account")]
    WrongSigner,
}

impl TrezorError {
    /// Returns true if the packets read were not a reply, so that no later packet can be trusted to
    /// be one.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::InvalidHeader
            | Self::TooLong(_)
            | Self::Malformed(_)
            | Self::Unexpected { .. }
            | Self::TooManyRequests => true,
            Self::PinNeeded
            | Self::PassphraseNeeded
            | Self::Refused(_)
            | Self::Failure(_)
            | Self::UnsupportedType
            | Self::TooManyElements
            | Self::WrongSigner => false,
        }
    }
}
