//! The devices of this machine.

use super::{AttachedDevice, Bus, Device, DeviceError, hid::HidBus, webusb};

/// The devices of this machine: HID devices, and Trezors with a WebUSB interface.
pub struct SystemBus {
    hid: HidBus,
}

impl SystemBus {
    /// Initializes the access to devices.
    ///
    /// # Errors
    /// If the system has no access to HID devices.
    pub fn new() -> Result<Self, DeviceError> {
        Ok(Self {
            hid: HidBus::new()?,
        })
    }
}

impl Bus for SystemBus {
    fn list(&self) -> Result<Vec<AttachedDevice>, DeviceError> {
        let mut found = self.hid.list()?;
        found.extend(webusb::list()?);
        Ok(found)
    }

    fn open(&self, device: &AttachedDevice) -> Result<Box<dyn Device>, DeviceError> {
        if device.is_hid {
            self.hid.open(device)
        } else {
            webusb::open(device)
        }
    }
}
