//! The USB location of a device.

use std::{fs, path::Path};

/// Returns bus, address and interface in the format of libusb's hidapi and of geth: `0001:0005:00`.
/// `device` is the sysfs folder of a hidraw device. `None` if it is not a USB device.
pub(super) fn usb_location(device: &Path) -> Option<String> {
    let device = fs::canonicalize(device).ok()?;
    let number = |name: &str, radix: u32| {
        device.ancestors().find_map(|folder| {
            let text = fs::read_to_string(folder.join(name)).ok()?;
            u32::from_str_radix(text.trim(), radix).ok()
        })
    };
    let (bus, address) = (number("busnum", 10)?, number("devnum", 10)?);
    let interface = number("bInterfaceNumber", 16)?;
    Some(format!("{bus:04x}:{address:04x}:{interface:02x}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_location_is_read_from_sysfs() {
        let root = tempfile::tempdir().unwrap();
        let usb = root.path().join("devices/pci0000:00/usb1/1-2");
        let hid = usb.join("1-2:1.0/0003:2C97:1015.0004");
        fs::create_dir_all(&hid).unwrap();
        for (file, text) in [
            ("busnum", "1\n"),
            ("devnum", "20\n"),
            ("1-2:1.0/bInterfaceNumber", "00\n"),
        ] {
            fs::write(usb.join(file), text).unwrap();
        }
        let link = root.path().join("device");
        symlink(&hid, &link).unwrap();
        assert_eq!(usb_location(&link).as_deref(), Some("0001:0014:00"));
        assert_eq!(usb_location(root.path()), None);
        assert_eq!(usb_location(&root.path().join("gone")), None);
    }
}
