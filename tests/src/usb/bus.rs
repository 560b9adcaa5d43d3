//! A bus that simulated devices are plugged into.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actoreum_wallet::hardware::{AttachedDevice, Brand, Bus, Device, DeviceError, Packet};
use parking_lot::{Condvar, Mutex};

use super::Firmware;

/// A simulated USB bus. Clones are the same bus.
#[derive(Clone, Default)]
pub struct SimulatedBus(Arc<Mutex<Vec<Port>>>);

#[derive(Clone)]
struct Port {
    attached: AttachedDevice,
    is_forbidden: bool,
    is_held: bool,
    plug: Arc<Plug>,
}

/// A plugged-in device.
struct Plug {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    firmware: Box<dyn Firmware>,
    outgoing: VecDeque<Packet>,
    is_in: bool,
}

impl SimulatedBus {
    /// Plugs a device in; returns its wallet's URL.
    pub fn plug(&self, brand: Brand, address: u8, firmware: impl Firmware + 'static) -> String {
        let attached = AttachedDevice {
            brand,
            location: format!("0001:{address:04x}:00"),
            path: format!("/dev/hidraw{address}"),
            is_hid: true,
            vendor: 0x2c97,
        };
        let state = State {
            firmware: Box::new(firmware),
            outgoing: VecDeque::new(),
            is_in: true,
        };
        let url = attached.url();
        self.0.lock().push(Port {
            attached,
            is_forbidden: false,
            is_held: false,
            plug: Arc::new(Plug {
                state: Mutex::new(state),
                changed: Condvar::new(),
            }),
        });
        url
    }

    /// Unplugs a device.
    pub fn unplug(&self, url: &str) {
        let mut ports = self.0.lock();
        let place = ports.iter().position(|port| port.attached.url() == url);
        let port = ports.remove(place.expect("because it is plugged in"));
        port.plug.state.lock().is_in = false;
        port.plug.changed.notify_all();
    }

    /// Sets whether the system denies access to the device.
    pub fn set_forbidden(&self, url: &str, is_forbidden: bool) {
        let mut ports = self.0.lock();
        let mut all = ports.iter_mut();
        let port = all.find(|port| port.attached.url() == url);
        port.expect("because it is plugged in").is_forbidden = is_forbidden;
    }

    /// Sets whether another process has exclusive access to the device.
    pub fn set_busy(&self, url: &str, is_held: bool) {
        let mut ports = self.0.lock();
        let mut all = ports.iter_mut();
        let port = all.find(|port| port.attached.url() == url);
        port.expect("because it is plugged in").is_held = is_held;
    }

    /// Presses a button of the device.
    pub fn press(&self, url: &str, is_yes: bool) {
        let plug = self.find(url);
        let mut state = plug.state.lock();
        let packets = state.firmware.press(is_yes);
        state.outgoing.extend(packets);
        plug.changed.notify_all();
    }

    /// Returns whether the device waits for its owner.
    pub fn is_asking(&self, url: &str) -> bool {
        self.find(url).state.lock().firmware.is_asking()
    }

    fn find(&self, url: &str) -> Arc<Plug> {
        let ports = self.0.lock();
        let port = ports.iter().find(|port| port.attached.url() == url);
        Arc::clone(&port.expect("because it is plugged in").plug)
    }
}

fn unplugged() -> DeviceError {
    DeviceError::Io("device disconnected".to_owned())
}

impl Bus for SimulatedBus {
    fn list(&self) -> Result<Vec<AttachedDevice>, DeviceError> {
        let ports = self.0.lock();
        Ok(ports.iter().map(|port| port.attached.clone()).collect())
    }

    fn open(&self, device: &AttachedDevice) -> Result<Box<dyn Device>, DeviceError> {
        let ports = self.0.lock();
        let port = ports.iter().find(|port| port.attached == *device);
        let port = port.ok_or_else(unplugged)?;
        if port.is_forbidden {
            return Err(device.permission_error());
        }
        if port.is_held {
            return Err(DeviceError::Io("the device is busy".to_owned()));
        }
        port.plug.state.lock().outgoing.clear();
        Ok(Box::new(OpenDevice(Arc::clone(&port.plug))))
    }
}

struct OpenDevice(Arc<Plug>);

impl Device for OpenDevice {
    fn write(&mut self, packet: &Packet) -> Result<(), DeviceError> {
        let mut state = self.0.state.lock();
        if !state.is_in {
            return Err(unplugged());
        }
        let packets = state.firmware.receive(packet);
        state.outgoing.extend(packets);
        Ok(())
    }

    fn read(&mut self, timeout: Duration) -> Result<Option<Packet>, DeviceError> {
        let mut state = self.0.state.lock();
        if state.outgoing.is_empty() && state.is_in {
            self.0.changed.wait_for(&mut state, timeout);
        }
        if !state.is_in {
            return Err(unplugged());
        }
        Ok(state.outgoing.pop_front())
    }
}
