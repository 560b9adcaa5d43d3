//! What a hardware wallet is spoken to through: reports of 64 bytes, each way.

use std::{fmt, time::Duration};

/// Bytes of a report, without the report id that hidapi puts before it.
pub const PACKET_BYTES: usize = 64;

/// A report: what travels to a device and back at once.
pub type Packet = [u8; PACKET_BYTES];

/// Whose device it is, and so what it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Brand {
    /// A Ledger with its Ethereum application.
    Ledger,
    /// A Trezor.
    Trezor,
}

impl Brand {
    /// The scheme of its wallets' URLs.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Trezor => "trezor",
        }
    }
}

impl fmt::Display for Brand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ledger => "Ledger",
            Self::Trezor => "Trezor",
        })
    }
}

/// A device that is plugged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// Whose it is.
    pub brand: Brand,
    /// Where it is plugged in: bus, address and interface as geth writes them
    /// (`0001:0005:00`), or the path where the system does not tell those.
    pub place: String,
    /// Its file.
    pub path: String,
    /// Whether it is a HID device.
    pub is_hid: bool,
    /// USB vendor id.
    pub vendor: u16,
}

impl Attached {
    /// The wallet's URL: `ledger://0001:0005:00`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.brand.scheme(), self.place)
    }

    /// What whoever may not open it hears.
    pub fn refused(&self) -> DeviceError {
        let vendor = self.vendor;
        let which = match self.is_hid {
            true => format!("KERNEL==\"hidraw*\", ATTRS{{idVendor}}==\"{vendor:04x}\""),
            false => format!("SUBSYSTEM==\"usb\", ATTR{{idVendor}}==\"{vendor:04x}\""),
        };
        DeviceError::Permission {
            path: self.path.clone(),
            rule: format!("{which}, MODE=\"0660\", TAG+=\"uaccess\""),
        }
    }
}

/// Why a device can't be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The system lets this user not open it.
    #[error("no permission to open {path}: it needs the udev rule {rule}")]
    Permission {
        /// The device's file.
        path: String,
        /// What would allow it.
        rule: String,
    },
    /// It was unplugged, or the system failed.
    #[error("{0}")]
    Io(String),
    /// It said nothing for this long.
    #[error("no answer from the device within {} s", .0.as_secs())]
    Silent(Duration),
    /// The node stops.
    #[error("the node is stopping")]
    Stopping,
}

/// A device that is open. Dropping it closes it.
pub trait Device: Send {
    /// Sends a report.
    ///
    /// # Errors
    /// Where it is unplugged.
    fn write(&mut self, packet: &Packet) -> Result<(), DeviceError>;

    /// Waits for a report, no longer than this; `None`: there was none.
    ///
    /// # Errors
    /// Where it is unplugged.
    fn read(&mut self, patience: Duration) -> Result<Option<Packet>, DeviceError>;
}

/// Where devices are plugged in.
pub trait Bus: Send + Sync {
    /// The hardware wallets that are there now.
    ///
    /// # Errors
    /// Where the system does not tell.
    fn list(&self) -> Result<Vec<Attached>, DeviceError>;

    /// Opens one.
    ///
    /// # Errors
    /// Where the system refuses, or it is gone.
    fn open(&self, device: &Attached) -> Result<Box<dyn Device>, DeviceError>;
}
