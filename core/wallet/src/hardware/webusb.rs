//! Trezors with a WebUSB interface: all but the first model with an old firmware.

use std::{io, time::Duration};

use nusb::{
    DeviceInfo, Endpoint, ErrorKind, MaybeFuture as _,
    transfer::{Buffer, In, Interrupt, Out, TransferError},
};

use zeroize::Zeroize;

use super::{AttachedDevice, Brand, Device, DeviceError, PACKET_BYTES, Packet};
use crate::limits::ANSWER_TIMEOUT;

/// The vendor id that pid.codes gives to open devices, and Trezor's product id.
const TREZOR: (u16, u16) = (0x1209, 0x53c1);
/// The interface for Trezor's protocol, and its endpoints.
const INTERFACE: u8 = 0;
const ENDPOINT_IN: u8 = 0x81;
const ENDPOINT_OUT: u8 = 0x01;

/// The system error (`ENOENT`) on a machine without USB, which has no list of devices.
const NO_USB: u32 = 2;

/// Returns the Trezors that are plugged in now.
pub(super) fn list() -> Result<Vec<AttachedDevice>, DeviceError> {
    Ok(devices()?.iter().map(attached).collect())
}

fn devices() -> Result<Vec<DeviceInfo>, DeviceError> {
    let all = match nusb::list_devices().wait() {
        Ok(all) => all,
        Err(error) if error.os_error() == Some(NO_USB) => return Ok(Vec::new()),
        Err(error) => return Err(DeviceError::Io(error.to_string())),
    };
    let is_trezor = |info: &DeviceInfo| (info.vendor_id(), info.product_id()) == TREZOR;
    Ok(all.filter(is_trezor).collect())
}

fn attached(info: &DeviceInfo) -> AttachedDevice {
    let (bus, address) = (info.bus_id(), info.device_address());
    let location = match bus.parse::<u16>() {
        Ok(bus) => format!("{bus:04x}:{address:04x}:{INTERFACE:02x}"),
        Err(_) => format!("{bus}:{address:04x}:{INTERFACE:02x}"),
    };
    AttachedDevice {
        brand: Brand::Trezor,
        path: format!("/dev/bus/usb/{bus}/{address:03}"),
        location,
        is_hid: false,
        vendor: info.vendor_id(),
    }
}

/// Opens a device.
pub(super) fn open(wanted: &AttachedDevice) -> Result<Box<dyn Device>, DeviceError> {
    let devices = devices()?;
    let info = devices.iter().find(|info| attached(info) == *wanted);
    let info = info.ok_or_else(|| DeviceError::Io("it is not plugged in any more".to_owned()))?;
    let refused = |error: nusb::Error| match error.kind() {
        ErrorKind::PermissionDenied => wanted.permission_error(),
        _ => DeviceError::Io(error.to_string()),
    };
    let device = info.open().wait().map_err(refused)?;
    let interface = device.claim_interface(INTERFACE).wait().map_err(refused)?;
    let mut outgoing = interface.endpoint(ENDPOINT_OUT).map_err(refused)?;
    let incoming = interface.endpoint(ENDPOINT_IN).map_err(refused)?;
    outgoing.clear_halt().wait().map_err(refused)?;
    Ok(Box::new(WebUsb { outgoing, incoming }))
}

struct WebUsb {
    outgoing: Endpoint<Interrupt, Out>,
    incoming: Endpoint<Interrupt, In>,
}

impl From<TransferError> for DeviceError {
    fn from(error: TransferError) -> Self {
        Self::Io(io::Error::from(error).to_string())
    }
}

impl Device for WebUsb {
    fn write(&mut self, packet: &Packet) -> Result<(), DeviceError> {
        let mut sent = self
            .outgoing
            .transfer_blocking(Buffer::from(packet.as_slice()), ANSWER_TIMEOUT);
        // The report may contain a PIN.
        sent.buffer[..].zeroize();
        sent.status?;
        match sent.actual_len {
            PACKET_BYTES => Ok(()),
            sent => Err(DeviceError::Io(format!("only {sent} bytes were sent"))),
        }
    }

    fn read(&mut self, timeout: Duration) -> Result<Option<Packet>, DeviceError> {
        if self.incoming.pending() == 0 {
            self.incoming.submit(Buffer::new(PACKET_BYTES));
        }
        let Some(completion) = self.incoming.wait_next_complete(timeout) else {
            return Ok(None);
        };
        let buffer = completion.into_result()?;
        let packet = Packet::try_from(&buffer[..])
            .map_err(|_| DeviceError::Io(format!("a report of {} bytes", buffer.len())))?;
        Ok(Some(packet))
    }
}
