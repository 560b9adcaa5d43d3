//! Access to hardware wallets: reports of 64 bytes in each direction.

use std::{fmt, time::Duration};

/// Length of a report in bytes, without the report id that hidapi prepends.
pub const PACKET_BYTES: usize = 64;

/// A report: the unit of transfer to and from a device.
pub type Packet = [u8; PACKET_BYTES];

/// The brand of a device, which determines its protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Brand {
    /// A Ledger with the Ethereum application.
    Ledger,
    /// A Trezor.
    Trezor,
}

impl Brand {
    /// Returns the URL scheme of the brand's wallets.
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
pub struct AttachedDevice {
    /// The brand.
    pub brand: Brand,
    /// The USB location: bus, address and interface in geth's format (`0001:0005:00`), or the path
    /// if the system does not report them.
    pub location: String,
    /// The device file.
    pub path: String,
    /// Whether the device is a HID device.
    pub is_hid: bool,
    /// The USB vendor id.
    pub vendor: u16,
}

impl AttachedDevice {
    /// Returns the wallet's URL: `ledger://0001:0005:00`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.brand.scheme(), self.location)
    }

    /// Returns the error for a user without permission to open the device, with the udev rule that
    /// grants it.
    pub fn permission_error(&self) -> DeviceError {
        let vendor = self.vendor;
        let which = if self.is_hid {
            format!("KERNEL==\"hidraw*\", ATTRS{{idVendor}}==\"{vendor:04x}\"")
        } else {
            format!("SUBSYSTEM==\"usb\", ATTR{{idVendor}}==\"{vendor:04x}\"")
        };
        DeviceError::Permission {
            path: self.path.clone(),
            rule: format!("{which}, MODE=\"0660\", TAG+=\"uaccess\""),
        }
    }
}

/// The reason why a device can't be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The user has no permission to open the device.
    #[error("no permission to open {path}: it needs the udev rule {rule}")]
    Permission {
        /// The device file.
        path: String,
        /// The udev rule that grants the permission.
        rule: String,
    },
    /// The device was unplugged, or the system failed.
    #[error("{0}")]
    Io(String),
    /// The device did not answer within this time.
    #[error("no answer from the device within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// An open device. Dropping it closes the device.
pub trait Device: Send {
    /// Sends a report.
    ///
    /// # Errors
    /// If the device is unplugged.
    fn write(&mut self, packet: &Packet) -> Result<(), DeviceError>;

    /// Waits for a report until `timeout`; `None` if there was none.
    ///
    /// # Errors
    /// If the device is unplugged.
    fn read(&mut self, timeout: Duration) -> Result<Option<Packet>, DeviceError>;
}

/// The bus that devices are plugged into.
pub trait Bus: Send + Sync {
    /// Returns the hardware wallets that are plugged in now.
    ///
    /// # Errors
    /// If the system can't list devices.
    fn list(&self) -> Result<Vec<AttachedDevice>, DeviceError>;

    /// Opens a device.
    ///
    /// # Errors
    /// If the system refuses, or the device is gone.
    fn open(&self, device: &AttachedDevice) -> Result<Box<dyn Device>, DeviceError>;
}
