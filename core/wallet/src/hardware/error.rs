//! Why a wallet did not do what it was asked for.

use super::DeviceError;
use crate::{ledger::LedgerError, trezor::TrezorError};

/// Why a hardware wallet did not do what it was asked for. Texts are geth's where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// No wallet has this account.
    #[error("unknown account")]
    UnknownAccount,
    /// No wallet has this URL.
    #[error("unknown wallet")]
    UnknownWallet,
    /// It was opened before.
    #[error("wallet already open")]
    AlreadyOpen,
    /// It is yet to be opened, or it was unplugged.
    #[error("wallet closed")]
    Closed,
    /// It does not do that.
    #[error("not supported")]
    NotSupported,
    /// Its owner has enough to answer.
    #[error("too many requests wait for this wallet")]
    Busy,
    /// The Ledger says so.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The Trezor says so.
    #[error(transparent)]
    Trezor(#[from] TrezorError),
    /// The device is out of reach.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl WalletError {
    /// Whether the line to the device is of no use any more: it has to be closed and opened anew.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Device(_) => true,
            Self::Ledger(error) => error.is_fatal(),
            Self::Trezor(error) => error.is_fatal(),
            _ => false,
        }
    }
}
