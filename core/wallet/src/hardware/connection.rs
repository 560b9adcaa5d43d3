//! The connection to a device, with timeouts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{Device, DeviceError, Packet};

/// Maximum duration of a single read, which bounds the delay until a stop is noticed.
const SLICE: Duration = Duration::from_millis(100);

/// A flag that ends all waits for devices when the node stops.
#[derive(Debug, Clone, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Ends every wait.
    pub fn stop(&self) {
        self.0.store(true, Relaxed);
    }
}

/// The connection to an open device. Timeouts are counted in reads and not by a clock, so that a
/// device that answers at once in a test takes no time.
pub(super) struct Connection {
    device: Box<dyn Device>,
    stop: StopFlag,
}

impl Connection {
    pub(super) fn new(device: Box<dyn Device>, stop: StopFlag) -> Self {
        Self { device, stop }
    }

    pub(super) fn send(&mut self, packet: &Packet) -> Result<(), DeviceError> {
        self.device.write(packet)
    }

    /// Waits for the next report.
    pub(super) fn receive(&mut self, timeout: Duration) -> Result<Packet, DeviceError> {
        let mut left = timeout;
        while !left.is_zero() {
            if self.stop.0.load(Relaxed) {
                return Err(DeviceError::Stopping);
            }
            let wait = left.min(SLICE);
            if let Some(packet) = self.device.read(wait)? {
                return Ok(packet);
            }
            left -= wait;
        }
        Err(DeviceError::Timeout(timeout))
    }
}
