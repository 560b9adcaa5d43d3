//! Subtree of the hardware wallets.

use std::sync::Arc;

use actoreum_actors::usb::{DEVICE_THREADS, UsbHubActor, UsbSetup};
use actoreum_chain::ChainReader;
use actoreum_supervision::{ActorRef, ChildSpec, Pool, Strategy, SupervisorSpec, WhenStuck};
use actoreum_wallet::hardware::SystemBus;
use tracing::{info, warn};

use super::{RESTART_PERIOD, UNLIMITED_RESTARTS};
use crate::config::Config;

/// Returns the subtree of the hardware wallets, if the operator enabled it.
pub fn assemble(
    config: &Config,
    reader: &ChainReader,
    hub: &ActorRef<UsbHubActor>,
) -> Option<SupervisorSpec> {
    if !config.node.usb {
        return None;
    }
    let bus = match SystemBus::new() {
        Ok(bus) => bus,
        Err(error) => {
            warn!(%error, "hardware wallets can't be looked for");
            return None;
        }
    };
    info!("looking for hardware wallets");
    let threads = Pool::new("devices", DEVICE_THREADS);
    let setup = UsbSetup {
        bus: Arc::new(bus),
        threads: threads.clone(),
        chain_reader: reader.clone(),
    };
    let hub = ChildSpec::new(hub, move || setup.clone().start());
    let spec = SupervisorSpec::new("usb", Strategy::RestForOne)
        .child(threads.child())
        .child(hub.when_stuck(WhenStuck::Replace))
        .intensity(UNLIMITED_RESTARTS, RESTART_PERIOD);
    Some(spec)
}
