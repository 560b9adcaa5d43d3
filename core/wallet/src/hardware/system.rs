//! The devices of this machine.

use super::{Attached, Bus, Device, DeviceError, hid::HidBus, webusb};

/// The devices of this machine: those that are HID devices, and Trezors that no longer are.
pub struct SystemBus {
    hid: HidBus,
}

impl SystemBus {
    /// Prepares to look for devices.
    ///
    /// # Errors
    /// Where the system knows no HID devices.
    pub fn new() -> Result<Self, DeviceError> {
        Ok(Self {
            hid: HidBus::new()?,
        })
    }
}

impl Bus for SystemBus {
    fn list(&self) -> Result<Vec<Attached>, DeviceError> {
        let mut found = self.hid.list()?;
        found.extend(webusb::list()?);
        Ok(found)
    }

    fn open(&self, device: &Attached) -> Result<Box<dyn Device>, DeviceError> {
        match device.is_hid {
            true => self.hid.open(device),
            false => webusb::open(device),
        }
    }
}
