//! DevActor: what the user of a development chain sets beside its blocks.
//!
//! | message | what happens |
//! |---|---|
//! | [`Impersonate`], [`StopImpersonating`], [`ImpersonateAll`] | the accounts that send without their keys |
//! | [`TakeSnapshot`], [`RevertTo`] | snapshots of the chain; WorkerActor rewinds it |
//! | [`Reset`] | the chain begins again at its genesis block |
//! | [`SetLogging`] | whether what the user's requests did is logged, and what contracts print |
//!
//! The actor publishes its state in the [`DevControl`], which RPC reads and which survives a restart
//! of this actor. What concerns the building of blocks (automine, fields of the next header, the gas
//! limit) belongs to MinerActor.

mod control;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use actoreum_chain::ChainReader;
use actoreum_messages::{
    dev::{
        Impersonate, ImpersonateAll, Reset, RevertTo, SetLogging, StopImpersonating, TakeSnapshot,
        TooMany,
    },
    miner::ChangeSetting,
    txpool::{DropTransactions, Dropped},
    worker::{MineFailed, Rewind},
};
use actoreum_primitives::B256;
use actoreum_supervision::{Actor, ActorRef, AskError, Ctx, Handles, Later};
use tracing::{info, warn};

pub use control::{DevControl, DevSnapshot, DevState};

use crate::{
    clock::ChainClock,
    sealing::{control::MinerActor, worker::WorkerActor},
    txpool::TxPoolActor,
};

/// Maximum number of snapshots. A test suite holds a handful; the limit stops one that never
/// reverts.
pub const MAX_SNAPSHOTS: usize = 10_000;
/// Maximum number of impersonated accounts. Each is 20 bytes, and a line of every answer of
/// `eth_accounts`.
pub const MAX_IMPERSONATED: usize = 10_000;
/// Timeout of the other actors: they may be restarting.
const ASK_TIMEOUT: Duration = Duration::from_secs(30);

/// Arguments of DevActor, which survive its restarts.
#[derive(Clone)]
pub struct DevSetup {
    /// The published state.
    pub control: Arc<DevControl>,
    /// The chain.
    pub chain_reader: ChainReader,
    /// The chain's clock.
    pub clock: ChainClock,
    /// Rewinds the chain between two blocks.
    pub worker: ActorRef<WorkerActor>,
    /// Has the settings of blocks.
    pub miner: ActorRef<MinerActor>,
    /// Has the transactions.
    pub txpool_actor: ActorRef<TxPoolActor>,
}

impl DevSetup {
    /// Creates the actor.
    pub fn start(self) -> DevActor {
        DevActor { setup: self }
    }
}

/// Actor of the user of a development chain; see the module.
pub struct DevActor {
    setup: DevSetup,
}

impl Actor for DevActor {}

impl DevActor {
    /// Returns the snapshot `id` if its block is still in the chain.
    fn snapshot(&self, id: u64) -> Option<DevSnapshot> {
        let snapshot = *self.setup.control.state().snapshots.get(&id)?;
        let canonical = self.setup.chain_reader.canonical_hash(snapshot.number);
        (canonical.ok()? == Some(snapshot.hash)).then_some(snapshot)
    }

    fn rewind(&self, to: u64) -> impl Future<Output = Result<B256, MineFailed>> + use<> {
        let worker = self.setup.worker.clone();
        async move {
            let answer = worker.within(ASK_TIMEOUT).ask(Rewind { to }).await;
            answer.map_err(unanswered)?
        }
    }

    /// Lets the clock be the system's, or go on from the fork block.
    fn reset_clock(&self) {
        let reader = &self.setup.chain_reader;
        self.setup.clock.set_shift(0);
        if reader.first_number() > 0
            && let Ok(Some(block)) = reader.header_by_number(reader.first_number())
        {
            self.setup.clock.set(block.timestamp);
        }
        self.set_clock_shift(self.setup.clock.shift());
    }

    fn set_clock_shift(&self, seconds: i64) {
        let clock = &self.setup.clock;
        clock.set_shift(seconds);
        if let Err(error) = clock.save(self.setup.chain_reader.store()) {
            warn!(%error, "clock offset not written to disk");
        }
    }
}

fn unanswered(error: AskError) -> MineFailed {
    MineFailed::Failed(error.to_string())
}

impl Handles<Impersonate> for DevActor {
    type Answer = Result<bool, TooMany>;

    fn handle(&mut self, Impersonate(address): Impersonate, _: &mut Ctx<Self>) -> Self::Answer {
        let state = self.setup.control.state();
        if state.impersonated.contains(&address) {
            return Ok(false);
        }
        if state.impersonated.len() >= MAX_IMPERSONATED {
            return Err(TooMany(MAX_IMPERSONATED));
        }
        drop(state);
        let control = &self.setup.control;
        Ok(control.update(|state| state.impersonated.insert(address)))
    }
}

impl Handles<StopImpersonating> for DevActor {
    type Answer = bool;

    fn handle(&mut self, message: StopImpersonating, _: &mut Ctx<Self>) -> bool {
        let StopImpersonating(address) = message;
        let control = &self.setup.control;
        control.update(|state| state.impersonated.remove(&address))
    }
}

impl Handles<ImpersonateAll> for DevActor {
    type Answer = ();

    fn handle(&mut self, ImpersonateAll(is_wanted): ImpersonateAll, _: &mut Ctx<Self>) {
        let control = &self.setup.control;
        control.update(|state| state.impersonates_all = is_wanted);
    }
}

impl Handles<TakeSnapshot> for DevActor {
    type Answer = Result<u64, TooMany>;

    fn handle(&mut self, _: TakeSnapshot, _: &mut Ctx<Self>) -> Self::Answer {
        let head = self.setup.chain_reader.head();
        let snapshot = DevSnapshot {
            number: head.number,
            hash: head.hash(),
            clock_shift: self.setup.clock.shift(),
        };
        self.setup.control.update(|state| {
            if state.snapshots.len() >= MAX_SNAPSHOTS {
                return Err(TooMany(MAX_SNAPSHOTS));
            }
            let id = state.next_snapshot;
            state.snapshots.insert(id, snapshot);
            state.next_snapshot += 1;
            Ok(id)
        })
    }
}

impl Handles<RevertTo> for DevActor {
    type Answer = Later<Result<bool, MineFailed>>;

    fn handle(&mut self, RevertTo(id): RevertTo, ctx: &mut Ctx<Self>) -> Self::Answer {
        let Some(snapshot) = self.snapshot(id) else {
            return Later::new(std::future::ready(Ok(false)));
        };
        let (replier, later) = Later::channel();
        ctx.spawn_then(
            self.rewind(snapshot.number),
            move |actor: &mut Self, rewound, _| {
                if rewound.is_ok() {
                    actor.set_clock_shift(snapshot.clock_shift);
                    if actor.setup.control.state().is_logging {
                        info!(id, number = snapshot.number, "reverted to a snapshot");
                    }
                    let control = &actor.setup.control;
                    control.update(|state| state.snapshots.split_off(&id));
                }
                replier.reply(rewound.map(|_| true));
            },
        );
        later
    }
}

impl Handles<Reset> for DevActor {
    type Answer = Later<Result<B256, MineFailed>>;

    fn handle(&mut self, _: Reset, ctx: &mut Ctx<Self>) -> Self::Answer {
        let (rewound, txpool, miner) = (
            self.rewind(self.setup.chain_reader.first_number()),
            self.setup.txpool_actor.clone(),
            self.setup.miner.clone(),
        );
        let reset = async move {
            let all = DropTransactions(Dropped::All);
            let emptied = txpool.within(ASK_TIMEOUT).ask(all).await;
            emptied.map_err(unanswered)?;
            let by_clock = ChangeSetting::TimestampInterval(None);
            let set = miner.within(ASK_TIMEOUT).ask(by_clock).await;
            set.map_err(unanswered)?;
            rewound.await
        };
        let (replier, later) = Later::channel();
        ctx.spawn_then(reset, |actor: &mut Self, rewound, _| {
            if rewound.is_ok() {
                actor.reset_clock();
                if actor.setup.control.state().is_logging {
                    info!("chain reset to its genesis block");
                }
                actor.setup.control.update(|state| {
                    state.impersonates_all = false;
                    state.impersonated.clear();
                    state.snapshots.clear();
                    state.instance = B256::from(rand::random::<[u8; 32]>());
                });
            }
            replier.reply(rewound);
        });
        later
    }
}

impl Handles<SetLogging> for DevActor {
    type Answer = ();

    fn handle(&mut self, SetLogging(is_wanted): SetLogging, _: &mut Ctx<Self>) {
        let control = &self.setup.control;
        control.update(|state| state.is_logging = is_wanted);
        if let Some(rules) = &self.setup.chain_reader.config().dev_rules {
            rules.log_console(is_wanted);
        }
    }
}
