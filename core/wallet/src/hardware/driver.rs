//! A device that is open.

use actoreum_primitives::{Address, Signature};

use super::{
    Brand, Device, SignRequest, StopFlag, WalletError, ledger::LedgerDriver, line::Line,
    trezor::TrezorDriver,
};
use crate::{DerivationPath, Password};

/// An open device. Every method but `status` and `failure` blocks while the device is busy.
///
/// After an error that [is fatal](WalletError::is_fatal) the driver is of no use: drop it.
pub trait Driver: Send {
    /// Gets the wallet ready. A Trezor wants this more than once: with its PIN, with its passphrase.
    ///
    /// # Errors
    /// What is missing yet, or why it does not work.
    fn open(&mut self, secret: &Password) -> Result<(), WalletError>;

    /// Asks whether it is still there.
    ///
    /// # Errors
    /// Where it is not.
    fn heartbeat(&mut self) -> Result<(), WalletError>;

    /// The address at a path.
    ///
    /// # Errors
    /// Where the device does not tell.
    fn derive(&mut self, path: &DerivationPath) -> Result<Address, WalletError>;

    /// A signature by `signer`, whose key is at `path`. Its owner has to agree on the device.
    ///
    /// # Errors
    /// Where the owner does not, or the device can't, or the signature is somebody else's.
    fn sign(
        &mut self,
        path: &DerivationPath,
        signer: Address,
        request: &SignRequest,
    ) -> Result<Signature, WalletError>;

    /// Its state, in geth's words.
    fn status(&self) -> String;

    /// What failed last, and is to be mended by opening it again.
    fn failure(&self) -> Option<WalletError>;

    /// Whether it was opened, and then locked itself: it has to be opened again.
    fn is_locked(&self) -> bool;
}

/// The driver of an open device of this brand. The flag ends its waits.
pub fn driver(brand: Brand, device: Box<dyn Device>, stop: StopFlag) -> Box<dyn Driver> {
    let line = Line::new(device, stop);
    match brand {
        Brand::Ledger => Box::new(LedgerDriver::new(line)),
        Brand::Trezor => Box::new(TrezorDriver::new(line)),
    }
}
