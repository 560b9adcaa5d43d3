//! Subtree of the core: the writer of the chain, and what restarts with it.

use std::time::Duration;

use actoreum_actors::chain::{ChainActor, ChainSetup};
use actoreum_supervision::{ActorRef, ChildSpec, Pool, Strategy, SupervisorSpec, WhenStuck};

use super::RESTART_PERIOD;

/// Rebuilds of the chain from disk in [`RESTART_PERIOD`] after which the node stops, so that
/// restarts do not hide a broken disk.
const CHAIN_RESTARTS: u32 = 3;

/// Time that ChainActor gets to stop.
const CHAIN_STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// Returns the subtree of the core. `import` is the thread that imports blocks.
pub fn assemble(
    import: &Pool,
    chain: &ActorRef<ChainActor>,
    setup: ChainSetup,
    txpool: SupervisorSpec,
    miner: Option<SupervisorSpec>,
) -> SupervisorSpec {
    let mut core = SupervisorSpec::new("core", Strategy::RestForOne)
        .child(import.child())
        .child(
            ChildSpec::new_async(chain, move || setup.clone().start())
                .arbiter("chain")
                .when_stuck(WhenStuck::Replace)
                .stop_timeout(CHAIN_STOP_TIMEOUT)
                .max_restarts(CHAIN_RESTARTS, RESTART_PERIOD),
        )
        .child(txpool)
        .intensity(CHAIN_RESTARTS, RESTART_PERIOD);
    if let Some(miner) = miner {
        core = core.child(miner);
    }
    core
}
