//! Simulated hardware wallets: devices that speak the real reports, with keys of a mnemonic, and an
//! owner who presses the buttons as a test wants.
//!
//! ```text
//!   driver --reports--> SimulatedBus --reports--> Firmware (LedgerFirmware, TrezorFirmware)
//!                          ^                     | "may I?"
//!                        a test: plug, unplug, Owner::{set, press}
//! ```

mod bus;
mod ledger;
mod protobuf;
mod rlp;
mod trezor;
mod typed_data;

use std::sync::Arc;

use actoreum_primitives::SecretKey;
use bip32::{DerivationPath, XPrv};
use bip39::Mnemonic;
pub use bus::SimulatedBus;
pub use ledger::LedgerFirmware;
use parking_lot::Mutex;
pub use trezor::TrezorFirmware;

use actoreum_wallet::hardware::Packet;

/// The mnemonic of the tests of Trezor's firmware.
pub const TEST_MNEMONIC: &str = "all all all all all all all all all all all all";

/// Returns the key of a mnemonic at a path, given by its components.
pub fn key_at(phrase: &str, passphrase: &str, path: &[u32]) -> SecretKey {
    let seed = Mnemonic::parse(phrase).unwrap().to_seed(passphrase);
    let components = path.iter().map(|component| match component >> 31 {
        0 => format!("/{component}"),
        _ => format!("/{}'", component & 0x7fff_ffff),
    });
    let path: DerivationPath = format!("m{}", components.collect::<String>())
        .parse()
        .unwrap();
    let key = XPrv::derive_from_path(seed, &path).unwrap();
    SecretKey::from_bytes(&key.to_bytes()).unwrap()
}

/// Reaction of the owner to a request of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerResponse {
    /// Accepts at once.
    Accept,
    /// Rejects at once.
    Reject,
    /// Waits for [`SimulatedBus::press`].
    Wait,
}

/// Malfunction of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No malfunction.
    None,
    /// The device answers with random bytes.
    Noise,
    /// The device announces a longer answer than it could ever send.
    Endless,
}

/// The owner of a device, and its malfunction.
#[derive(Debug, Clone)]
pub struct Owner(Arc<Mutex<OwnerState>>);

/// Current state of the owner and the device.
#[derive(Debug)]
struct OwnerState {
    response: OwnerResponse,
    fault: Fault,
    /// The device is to lock itself.
    auto_locked: bool,
}

impl Default for Owner {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(OwnerState {
            response: OwnerResponse::Accept,
            fault: Fault::None,
            auto_locked: false,
        })))
    }
}

impl Owner {
    /// Sets the owner's reaction.
    pub fn set(&self, response: OwnerResponse) {
        self.0.lock().response = response;
    }

    /// Sets the malfunction.
    pub fn set_fault(&self, fault: Fault) {
        self.0.lock().fault = fault;
    }

    /// Locks the device, as it does after a time without use.
    pub fn auto_lock(&self) {
        self.0.lock().auto_locked = true;
    }

    fn response(&self) -> OwnerResponse {
        self.0.lock().response
    }

    fn fault(&self) -> Fault {
        self.0.lock().fault
    }

    fn take_auto_lock(&self) -> bool {
        std::mem::take(&mut self.0.lock().auto_locked)
    }
}

/// Firmware of a simulated device.
pub trait Firmware: Send {
    /// Handles a report; returns those that answer it.
    fn receive(&mut self, packet: &Packet) -> Vec<Packet>;

    /// Returns whether the device waits for its owner.
    fn is_asking(&self) -> bool;

    /// Accepts or rejects the shown request; returns the reports that follow.
    fn press(&mut self, is_yes: bool) -> Vec<Packet>;
}
