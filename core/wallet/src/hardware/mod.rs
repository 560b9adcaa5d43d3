//! Hardware wallets: what can be asked of a device, whatever it speaks.
//!
//! ```text
//!   Bus::list --> Attached --Bus::open--> Device --driver--> Driver
//!   (what is plugged in)                  (reports)           | open, derive, sign, heartbeat
//!                                                             v
//!                                    ledger::Exchange, trezor::{Request, Reply} (sans IO)
//! ```
//!
//! A [`Driver`] blocks its thread while the device thinks, and for as long as its owner takes to
//! press a button: it lives where that hurts nobody. [`SystemBus`] is this machine's devices; tests
//! bring a bus of their own.

mod bus;
mod driver;
mod error;
mod hid;
mod ledger;
mod line;
mod place;
mod request;
mod system;
mod trezor;
mod webusb;

pub use bus::{Attached, Brand, Bus, Device, DeviceError, PACKET_BYTES, Packet};
pub use driver::{Driver, driver};
pub use error::WalletError;
pub use line::StopFlag;
pub use request::SignRequest;
pub use system::SystemBus;
