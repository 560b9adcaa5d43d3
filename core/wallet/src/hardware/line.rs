//! A device with patience.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{Device, DeviceError, Packet};

/// The longest single wait for a report: so soon a wait hears that the node stops.
const SLICE: Duration = Duration::from_millis(100);

/// Says to everybody who waits for a device that nobody waits for them.
#[derive(Debug, Clone, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Ends every wait.
    pub fn stop(&self) {
        self.0.store(true, Relaxed);
    }
}

/// The line to a device. Time is counted in waits and not by a clock, so that a device that
/// answers at once in a test lets no time pass.
pub(super) struct Line {
    device: Box<dyn Device>,
    stop: StopFlag,
}

impl Line {
    pub(super) fn new(device: Box<dyn Device>, stop: StopFlag) -> Self {
        Self { device, stop }
    }

    pub(super) fn send(&mut self, packet: &Packet) -> Result<(), DeviceError> {
        self.device.write(packet)
    }

    /// Waits for the next report.
    pub(super) fn receive(&mut self, patience: Duration) -> Result<Packet, DeviceError> {
        let mut left = patience;
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
        Err(DeviceError::Silent(patience))
    }
}
