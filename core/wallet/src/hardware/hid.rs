//! HID devices of the system.

use std::{ffi::CString, fs::OpenOptions, io::ErrorKind, path::Path, time::Duration};

use hidapi::{DeviceInfo, HidApi, HidDevice, HidError};
use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::{
    AttachedDevice, Brand, Device, DeviceError, PACKET_BYTES, Packet, usb_location::usb_location,
};

/// Ledger's USB vendor id; all of its products use the same protocol.
const LEDGER_VENDOR: u16 = 0x2c97;
/// The usage page of the interface for APDUs.
const LEDGER_USAGE_PAGE: u16 = 0xffa0;
/// SatoshiLabs' own USB vendor id, of the first Trezors.
const TREZOR_VENDOR: u16 = 0x534c;
/// The product id of the Trezor One while it is a HID device.
const TREZOR_ONE: u16 = 0x0001;
/// The usage page of the interface for Trezor's protocol.
const TREZOR_USAGE_PAGE: u16 = 0xff00;
/// The interface to use if the system does not report usage pages.
const FIRST_INTERFACE: i32 = 0;

impl From<HidError> for DeviceError {
    fn from(error: HidError) -> Self {
        Self::Io(error.to_string())
    }
}

/// The HID devices of this machine.
pub(super) struct HidBus {
    api: Mutex<HidApi>,
}

impl HidBus {
    pub(super) fn new() -> Result<Self, DeviceError> {
        Ok(Self {
            api: Mutex::new(HidApi::new()?),
        })
    }

    pub(super) fn list(&self) -> Result<Vec<AttachedDevice>, DeviceError> {
        let mut api = self.api.lock();
        api.refresh_devices()?;
        let mut found: Vec<AttachedDevice> = Vec::new();
        for device in api.device_list().filter_map(attached) {
            // An interface has an entry for each of its usages.
            if !found.iter().any(|known| known.path == device.path) {
                found.push(device);
            }
        }
        Ok(found)
    }

    pub(super) fn open(&self, device: &AttachedDevice) -> Result<Box<dyn Device>, DeviceError> {
        let path = CString::new(device.path.clone())
            .map_err(|_| DeviceError::Io("no path of a device".to_owned()))?;
        let opened = self.api.lock().open_path(&path);
        match opened {
            Ok(opened) => Ok(Box::new(Hid(opened))),
            Err(error) => Err(refusal(device, error)),
        }
    }
}

fn attached(info: &DeviceInfo) -> Option<AttachedDevice> {
    let is_first = info.interface_number() == FIRST_INTERFACE;
    let brand = match (info.vendor_id(), info.product_id(), info.usage_page()) {
        (LEDGER_VENDOR, _, page) if page == LEDGER_USAGE_PAGE || is_first => Brand::Ledger,
        (TREZOR_VENDOR, TREZOR_ONE, page) if page == TREZOR_USAGE_PAGE || is_first => Brand::Trezor,
        _ => return None,
    };
    let path = info.path().to_str().ok()?.to_owned();
    let sysfs = Path::new("/sys/class/hidraw")
        .join(Path::new(&path).file_name()?)
        .join("device");
    Some(AttachedDevice {
        brand,
        location: usb_location(&sysfs).unwrap_or_else(|| path.clone()),
        path,
        is_hid: true,
        vendor: info.vendor_id(),
    })
}

/// Converts an error of opening a device. hidapi returns the system's reason only as text, so that
/// the file is opened once more to get its kind.
fn refusal(device: &AttachedDevice, error: HidError) -> DeviceError {
    let again = OpenOptions::new().read(true).write(true).open(&device.path);
    match again {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => device.permission_error(),
        _ => error.into(),
    }
}

struct Hid(HidDevice);

impl Device for Hid {
    fn write(&mut self, packet: &Packet) -> Result<(), DeviceError> {
        // The devices have one kind of report, with the id zero.
        let mut report = Zeroizing::new([0; 1 + PACKET_BYTES]);
        report[1..].copy_from_slice(packet);
        match self.0.write(report.as_slice())? {
            // Some systems count the report id, some do not.
            PACKET_BYTES.. => Ok(()),
            sent => Err(DeviceError::Io(format!("only {sent} bytes were sent"))),
        }
    }

    fn read(&mut self, timeout: Duration) -> Result<Option<Packet>, DeviceError> {
        let mut packet = [0; PACKET_BYTES];
        let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        match self.0.read_timeout(&mut packet, millis)? {
            0 => Ok(None),
            _ => Ok(Some(packet)),
        }
    }
}
