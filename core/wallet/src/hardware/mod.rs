//! Hardware wallets: device discovery, and a common driver interface for all brands.
//!
//! ```text
//!   Bus::list --> AttachedDevice --Bus::open--> Device --driver--> Driver
//!   (plugged-in devices)                      (reports)              | open, derive, sign, heartbeat
//!                                                                    v
//!                                           ledger::Exchange, trezor::{Request, Reply} (sans IO)
//! ```
//!
//! A [`Driver`] blocks its thread while the device computes, and until the user presses a button:
//! it needs a thread of its own. [`SystemBus`] lists this machine's devices; tests use a simulated
//! bus.

mod bus;
mod connection;
mod driver;
mod error;
mod hid;
mod ledger;
mod request;
mod system;
mod trezor;
mod usb_location;
mod webusb;

pub use bus::{AttachedDevice, Brand, Bus, Device, DeviceError, PACKET_BYTES, Packet};
pub use connection::StopFlag;
pub use driver::{Driver, driver};
pub use error::WalletError;
pub use request::SignRequest;
pub use system::SystemBus;
