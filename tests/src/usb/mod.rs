//! Hardware wallets in software: devices that speak the real reports, with keys of a mnemonic, and
//! an owner who presses the buttons as a test wants.
//!
//! ```text
//!   driver --reports--> SoftBus --reports--> Firmware (LedgerFirmware, TrezorFirmware)
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
pub use bus::SoftBus;
pub use ledger::LedgerFirmware;
use parking_lot::Mutex;
pub use trezor::TrezorFirmware;

use actoreum_wallet::hardware::Packet;

/// The mnemonic of the tests of Trezor's firmware.
pub const ALL_ALL: &str = "all all all all all all all all all all all all";

/// The key of a mnemonic at a path, given by its components.
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

/// What the owner does when the device asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Yes, at once.
    Agrees,
    /// No, at once.
    Refuses,
    /// Nothing, until [`SoftBus::press`].
    Thinks,
}

/// What is wrong with the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It answers with noise.
    Noise,
    /// It announces more than it could ever send.
    Endless,
}

/// The device's owner, and its state of health.
#[derive(Debug, Clone)]
pub struct Owner(Arc<Mutex<Moment>>);

/// What a device meets with now.
#[derive(Debug)]
struct Moment {
    habit: Habit,
    fault: Fault,
    /// The device is to lock itself.
    is_tired: bool,
}

impl Default for Owner {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Moment {
            habit: Habit::Agrees,
            fault: Fault::None,
            is_tired: false,
        })))
    }
}

impl Owner {
    /// From now on the owner does this.
    pub fn set(&self, habit: Habit) {
        self.0.lock().habit = habit;
    }

    /// From now on this is wrong.
    pub fn break_with(&self, fault: Fault) {
        self.0.lock().fault = fault;
    }

    /// Nobody used the device for long: it locks itself.
    pub fn leave_alone(&self) {
        self.0.lock().is_tired = true;
    }

    fn habit(&self) -> Habit {
        self.0.lock().habit
    }

    fn fault(&self) -> Fault {
        self.0.lock().fault
    }

    fn was_away(&self) -> bool {
        std::mem::take(&mut self.0.lock().is_tired)
    }
}

/// What runs on a device.
pub trait Firmware: Send {
    /// Takes a report; those that answer it.
    fn receive(&mut self, packet: &Packet) -> Vec<Packet>;

    /// Whether the owner is asked something.
    fn is_asking(&self) -> bool;

    /// The owner says yes or no to what is shown; the reports that follow.
    fn press(&mut self, is_yes: bool) -> Vec<Packet>;
}
