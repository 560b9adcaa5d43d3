//! Loads the KZG trusted setup before the first blob transaction arrives.

use std::thread;

use actoreum_primitives::ChainConfig;
use tracing::{debug, warn};

/// Nice value of the thread, half-way to the lowest priority: it works while the node starts to
/// serve, and yet a transaction may wait for it.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Loads the setup on a background thread, if the chain has blobs now or by its fork schedule. On a
/// development chain it is left to the first blob transaction: few test suites have one, and the
/// loading would take the processor from them for up to two seconds at each start.
pub fn prepare(config: &ChainConfig) {
    if config.cancun_time.is_none() || config.is_development {
        return;
    }
    let work = || {
        // On Linux this applies to the calling thread only.
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::process::nice(NICE) {
            debug!(%error, "the thread of the KZG setup keeps its priority");
        }
        actoreum_txpool::prepare_blob_checks();
        debug!("KZG setup loaded");
    };
    let thread = thread::Builder::new().name("kzg-setup".to_owned());
    if let Err(error) = thread.spawn(work) {
        warn!(%error, "the KZG setup is left to the first blob transaction");
    }
}
