//! A bus that devices in software are plugged into.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actoreum_wallet::hardware::{Attached, Brand, Bus, Device, DeviceError, Packet};
use parking_lot::{Condvar, Mutex};

use super::Firmware;

/// See the module. Clones are the same bus.
#[derive(Clone, Default)]
pub struct SoftBus(Arc<Mutex<Vec<Port>>>);

#[derive(Clone)]
struct Port {
    attached: Attached,
    is_forbidden: bool,
    is_held: bool,
    plug: Arc<Plug>,
}

/// A device between its plug and its owner.
struct Plug {
    state: Mutex<State>,
    has_news: Condvar,
}

struct State {
    firmware: Box<dyn Firmware>,
    outgoing: VecDeque<Packet>,
    is_in: bool,
}

impl SoftBus {
    /// Plugs a device in; its wallet's URL.
    pub fn plug(&self, brand: Brand, address: u8, firmware: impl Firmware + 'static) -> String {
        let attached = Attached {
            brand,
            place: format!("0001:{address:04x}:00"),
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
                has_news: Condvar::new(),
            }),
        });
        url
    }

    /// Pulls a device out.
    pub fn unplug(&self, url: &str) {
        let mut ports = self.0.lock();
        let place = ports.iter().position(|port| port.attached.url() == url);
        let port = ports.remove(place.expect("because it is plugged in"));
        port.plug.state.lock().is_in = false;
        port.plug.has_news.notify_all();
    }

    /// Whether the system lets nobody open the device.
    pub fn forbid(&self, url: &str, is_forbidden: bool) {
        let mut ports = self.0.lock();
        let mut all = ports.iter_mut();
        let port = all.find(|port| port.attached.url() == url);
        port.expect("because it is plugged in").is_forbidden = is_forbidden;
    }

    /// Whether somebody else has the device open, who shares it with nobody.
    pub fn hold(&self, url: &str, is_held: bool) {
        let mut ports = self.0.lock();
        let mut all = ports.iter_mut();
        let port = all.find(|port| port.attached.url() == url);
        port.expect("because it is plugged in").is_held = is_held;
    }

    /// The owner presses a button.
    pub fn press(&self, url: &str, is_yes: bool) {
        let plug = self.find(url);
        let mut state = plug.state.lock();
        let packets = state.firmware.press(is_yes);
        state.outgoing.extend(packets);
        plug.has_news.notify_all();
    }

    /// Whether the device asks its owner something.
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

impl Bus for SoftBus {
    fn list(&self) -> Result<Vec<Attached>, DeviceError> {
        let ports = self.0.lock();
        Ok(ports.iter().map(|port| port.attached.clone()).collect())
    }

    fn open(&self, device: &Attached) -> Result<Box<dyn Device>, DeviceError> {
        let ports = self.0.lock();
        let port = ports.iter().find(|port| port.attached == *device);
        let port = port.ok_or_else(unplugged)?;
        if port.is_forbidden {
            return Err(device.refused());
        }
        if port.is_held {
            return Err(DeviceError::Io("the device is busy".to_owned()));
        }
        port.plug.state.lock().outgoing.clear();
        Ok(Box::new(Line(Arc::clone(&port.plug))))
    }
}

struct Line(Arc<Plug>);

impl Device for Line {
    fn write(&mut self, packet: &Packet) -> Result<(), DeviceError> {
        let mut state = self.0.state.lock();
        if !state.is_in {
            return Err(unplugged());
        }
        let packets = state.firmware.receive(packet);
        state.outgoing.extend(packets);
        Ok(())
    }

    fn read(&mut self, patience: Duration) -> Result<Option<Packet>, DeviceError> {
        let mut state = self.0.state.lock();
        if state.outgoing.is_empty() && state.is_in {
            self.0.has_news.wait_for(&mut state, patience);
        }
        if !state.is_in {
            return Err(unplugged());
        }
        Ok(state.outgoing.pop_front())
    }
}
