//! The driver of an open device.

use actoreum_primitives::{Address, Signature};

use super::{
    Brand, Device, SignRequest, StopFlag, WalletError, connection::Connection,
    ledger::LedgerDriver, trezor::TrezorDriver,
};
use crate::{DerivationPath, Password};

/// The driver of an open device. Every method but `status`, `failure` and `is_locked` blocks while
/// the device is busy.
///
/// After an error that [is fatal](WalletError::is_fatal) the driver must be dropped.
pub trait Driver: Send {
    /// Opens the wallet. A Trezor needs several calls: with its PIN, with its passphrase.
    ///
    /// # Errors
    /// The secret that is still needed, or the failure.
    fn open(&mut self, secret: &Password) -> Result<(), WalletError>;

    /// Checks that the device is still connected.
    ///
    /// # Errors
    /// If it is not.
    fn heartbeat(&mut self) -> Result<(), WalletError>;

    /// Returns the address at a path.
    ///
    /// # Errors
    /// If the device does not return it.
    fn derive(&mut self, path: &DerivationPath) -> Result<Address, WalletError>;

    /// Returns the signature of `signer`, whose key is at `path`. The user has to confirm on the
    /// device.
    ///
    /// # Errors
    /// If the user refuses, the device can't sign, or the signature is not by `signer`.
    fn sign(
        &mut self,
        path: &DerivationPath,
        signer: Address,
        request: &SignRequest,
    ) -> Result<Signature, WalletError>;

    /// Returns the wallet's status, with geth's texts.
    fn status(&self) -> String;

    /// Returns the last failure, if the wallet has to be opened again because of it.
    fn failure(&self) -> Option<WalletError>;

    /// Returns true if the wallet locked itself after it was opened: it has to be opened again.
    fn is_locked(&self) -> bool;
}

/// Creates the driver for an open device of this brand. `stop` ends its waits.
pub fn driver(brand: Brand, device: Box<dyn Device>, stop: StopFlag) -> Box<dyn Driver> {
    let connection = Connection::new(device, stop);
    match brand {
        Brand::Ledger => Box::new(LedgerDriver::new(connection)),
        Brand::Trezor => Box::new(TrezorDriver::new(connection)),
    }
}
