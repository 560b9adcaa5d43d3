//! Errors of hardware wallets.

use super::DeviceError;
use crate::{ledger::LedgerError, trezor::TrezorError};

/// The reason why a request to a hardware wallet failed. Texts are geth's where geth has the same
/// error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// No wallet has this account.
    #[error("unknown account")]
    UnknownAccount,
    /// No wallet has this URL.
    #[error("unknown wallet")]
    UnknownWallet,
    /// The wallet is open already.
    #[error("wallet already open")]
    AlreadyOpen,
    /// The wallet is not open, or it was unplugged.
    #[error("wallet closed")]
    Closed,
    /// The wallet does not support the request.
    #[error("not supported")]
    NotSupported,
    /// Too many requests are waiting for the user's answer.
    #[error("too many requests wait for this wallet")]
    Busy,
    /// An error of the Ledger protocol.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An error of the Trezor protocol.
    #[error(transparent)]
    Trezor(#[from] TrezorError),
    /// The device can't be reached.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl WalletError {
    /// Returns true if the connection to the device is unusable: the wallet has to be closed and
    /// opened again.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Device(_) => true,
            Self::Ledger(error) => error.is_fatal(),
            Self::Trezor(error) => error.is_fatal(),
            _ => false,
        }
    }
}
