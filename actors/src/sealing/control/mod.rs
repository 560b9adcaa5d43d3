//! MinerActor: decides whether this node seals.
//!
//! | message | what happens |
//! |---|---|
//! | [`StartMining`], [`StopMining`], [`SetEtherbase`], [`ChangeSetting`] | requests of the operator |
//! | [`SetAutomine`] | a request of the user of a development chain |
//! | [`SyncChanged`] | sealing pauses for the first sync with the network |
//! | `CheckStall` | reports a stalled clique chain |
//! | `CheckPeer` | ends the wait for a first peer, before whose blocks nothing is sealed |
//!
//! The actor publishes its state, and each decision, in the [`MinerControl`], which WorkerActor and
//! RPC read and which survives a restart of this actor.

mod first_peer;
mod handle;
mod setup;
mod stall;

use std::{num::NonZero, sync::Arc, time::Duration};

use actoreum_messages::{
    accounts::GetAccounts,
    events::SyncChanged,
    miner::{ChangeSetting, SetAutomine, SetEtherbase, StartMining, StartRefused, StopMining},
    sealer::{StopSealing, ThreadsChanged},
    txpool::SetPriceLimit,
    worker::SealingChanged,
};
use actoreum_primitives::Address;
use tracing::{info, warn};

use actoreum_supervision::{Actor, Ctx, Failure, Handles, Later, Message, TaskHandle, WhenFull};

use first_peer::FirstPeer;
pub use handle::{DevSettings, MinerControl, MinerSettings};
pub use setup::MinerSetup;
pub use stall::Stall;

/// Timeout of AccountsActor: it may be opening keys anew.
const ACCOUNTS_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout of WorkerActor for reading changed settings.
const WORKER_TIMEOUT: Duration = Duration::from_secs(5);
/// Interval of the checks for a stalled clique chain.
const STALL_PERIOD: Duration = Duration::from_secs(5);
/// Interval of the log lines about the same stall.
const STALL_REMINDER: Duration = Duration::from_secs(60);

impl MinerSetup {
    /// Creates the actor.
    pub fn start(self) -> MinerActor {
        MinerActor {
            setup: self,
            reported: None,
            first_peer: FirstPeer::default(),
            peer_check: None,
        }
    }
}

/// Actor that decides about sealing; see the module.
pub struct MinerActor {
    setup: MinerSetup,
    /// Head of the reported stall, and the seconds it had lasted.
    reported: Option<(u64, u64)>,
    first_peer: FirstPeer,
    /// Timer of the checks for a first peer.
    peer_check: Option<TaskHandle>,
}

impl MinerActor {
    /// Resolves the etherbase: the address that was set, else the first account. In clique it must
    /// be an account.
    fn find_etherbase(
        &self,
        named: Option<Address>,
    ) -> impl Future<Output = Result<Address, StartRefused>> + use<> {
        let accounts = self.setup.accounts.clone();
        let must_sign = self.setup.clique.is_some();
        async move {
            if let (Some(named), false) = (named, must_sign) {
                return Ok(named);
            }
            let all = accounts.within(ACCOUNTS_TIMEOUT).ask(GetAccounts).await;
            let all = all.map_err(|error| StartRefused::Accounts(error.to_string()))?;
            match named {
                Some(named) if all.iter().any(|account| account.address == named) => Ok(named),
                Some(named) => Err(StartRefused::NoSigner(named)),
                None => all
                    .first()
                    .map(|account| account.address)
                    .ok_or(StartRefused::NoEtherbase),
            }
        }
    }

    /// Sets the etherbase and starts sealing.
    fn begin(&mut self, etherbase: Address) {
        let control = &self.setup.control;
        if control.settings().etherbase.is_none() {
            info!(address = %etherbase, "etherbase automatically configured");
        }
        self.take_etherbase(etherbase);
        let control = &self.setup.control;
        if let Some(txpool_actor) = &self.setup.txpool_actor {
            let price_limit = control.settings().gas_price;
            // A pool that is down reads its limit anew; the next start sends it again.
            let _ = txpool_actor.tell(SetPriceLimit { price_limit });
        }
        control.set_wanted(true);
        if control.is_sealing() {
            info!(%etherbase, "sealing");
        } else if control.is_waiting_for_peer() {
            info!(%etherbase, "sealing begins once a peer is connected and its blocks are fetched");
        } else {
            info!(%etherbase, "sealing begins after the sync");
        }
        self.wake_worker();
    }

    fn take_etherbase(&self, etherbase: Address) {
        let control = &self.setup.control;
        control.change(|settings| settings.etherbase = Some(etherbase));
        if let Some((clique, _)) = &self.setup.clique {
            clique.set_signer(Some(etherbase));
        }
    }

    /// A worker that is down looks when it starts.
    fn wake_worker(&self) {
        let _ = self.setup.worker.tell(SealingChanged);
    }

    /// Tells WorkerActor to read the state again. Resolves when it has, or after its timeout: a
    /// worker that is down then looks when it starts.
    fn worker_has_read(&self) -> Later<()> {
        let worker = self.setup.worker.clone();
        Later::new(async move {
            let _ = worker.within(WORKER_TIMEOUT).ask(SealingChanged).await;
        })
    }

    /// Logs a stalled clique chain once a minute, and when it continues.
    fn check_stall(&mut self) {
        let Some((clique, period)) = &self.setup.clique else {
            return;
        };
        let now = self.setup.clock.now();
        let stall = Stall::of(clique, &self.setup.chain_reader, *period, now);
        // The state is set before the log line: an operator who reads the line may ask for the
        // state.
        self.setup.control.set_stall(stall.clone());
        match (&stall, self.reported) {
            (Some(stall), reported) => {
                let is_due = reported.is_none_or(|(head, seconds)| {
                    head != stall.head || stall.seconds >= seconds + STALL_REMINDER.as_secs()
                });
                if is_due {
                    warn!(head = stall.head, seconds = stall.seconds, "{stall}");
                    self.reported = Some((stall.head, stall.seconds));
                }
            }
            (None, Some((head, _))) => {
                info!(stood_at = head, "chain no longer stalled");
                self.reported = None;
            }
            (None, None) => {}
        }
    }
}

impl Actor for MinerActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        if self
            .setup
            .clique
            .as_ref()
            .is_some_and(|(_, period)| *period > 0)
        {
            ctx.notify_every(STALL_PERIOD, || CheckStall);
        }
        if self.setup.control.is_waiting_for_peer() {
            // The check comes before any log line about sealing: a single signer waits for no peer.
            self.first_peer.check(&self.setup);
        }
        if self.setup.control.is_waiting_for_peer() {
            self.peer_check = Some(ctx.notify_every(first_peer::PERIOD, || CheckPeer));
        }
        if self.setup.control.is_wanted() {
            let found = self.find_etherbase(self.setup.control.settings().etherbase);
            ctx.spawn_then(found, |actor: &mut Self, found, _| match found {
                Ok(etherbase) => actor.begin(etherbase),
                Err(error) => warn!(%error, "not sealing"),
            });
        }
        Ok(())
    }
}

impl Handles<StartMining> for MinerActor {
    type Answer = Later<Result<(), StartRefused>>;

    fn handle(
        &mut self,
        StartMining { threads }: StartMining,
        ctx: &mut Ctx<Self>,
    ) -> Self::Answer {
        let all = || std::thread::available_parallelism().map_or(1, NonZero::get);
        self.setup.control.set_threads(threads.unwrap_or_else(all));
        // A sealer that is down reads the number when it starts.
        let _ = self.setup.sealer.tell(ThreadsChanged);
        let (replier, later) = Later::channel();
        let found = self.find_etherbase(self.setup.control.settings().etherbase);
        ctx.spawn_then(found, |actor: &mut Self, found, _| {
            replier.reply(found.map(|etherbase| actor.begin(etherbase)));
        });
        later
    }
}

impl Handles<StopMining> for MinerActor {
    type Answer = ();

    fn handle(&mut self, _: StopMining, _: &mut Ctx<Self>) {
        self.setup.control.set_wanted(false);
        // A sealer that is down has no search.
        let _ = self.setup.sealer.tell(StopSealing);
        info!("sealing stopped");
        self.wake_worker();
    }
}

impl Handles<SetEtherbase> for MinerActor {
    type Answer = Later<Result<(), StartRefused>>;

    fn handle(&mut self, SetEtherbase(named): SetEtherbase, ctx: &mut Ctx<Self>) -> Self::Answer {
        let (replier, later) = Later::channel();
        let found = self.find_etherbase(Some(named));
        ctx.spawn_then(found, |actor: &mut Self, found, _| {
            replier.reply(found.map(|etherbase| {
                actor.take_etherbase(etherbase);
                actor.wake_worker();
            }));
        });
        later
    }
}

impl Handles<ChangeSetting> for MinerActor {
    type Answer = Later<()>;

    fn handle(&mut self, change: ChangeSetting, _: &mut Ctx<Self>) -> Self::Answer {
        self.setup.control.change(|settings| match &change {
            ChangeSetting::ExtraData(extra) => settings.extra_data = extra.clone(),
            ChangeSetting::GasPrice(price) => settings.gas_price = *price,
            ChangeSetting::Recommit(interval) => settings.recommit = *interval,
            ChangeSetting::GasLimit(limit) => {
                settings.gas_floor = *limit;
                settings.gas_ceiling = *limit;
            }
            ChangeSetting::NextBaseFee(fee) => settings.dev.chosen.base_fee = Some(*fee),
            ChangeSetting::NextPrevRandao(value) => {
                settings.dev.chosen.prev_randao = Some(*value);
            }
            ChangeSetting::NextTimestamp(time) => settings.dev.chosen.timestamp = Some(*time),
            ChangeSetting::TimestampInterval(seconds) => {
                settings.dev.timestamp_interval = *seconds;
            }
        });
        match change {
            // The worker reads it when it next sets its timer.
            ChangeSetting::Recommit(_) => Later::new(std::future::ready(())),
            _ => self.worker_has_read(),
        }
    }
}

impl Handles<SetAutomine> for MinerActor {
    type Answer = Later<()>;

    fn handle(&mut self, SetAutomine(is_wanted): SetAutomine, _: &mut Ctx<Self>) -> Self::Answer {
        self.setup.control.set_wanted(is_wanted);
        self.worker_has_read()
    }
}

impl Handles<SyncChanged> for MinerActor {
    type Answer = ();

    fn handle(&mut self, changed: SyncChanged, _: &mut Ctx<Self>) {
        let control = Arc::clone(&self.setup.control);
        match changed {
            SyncChanged::Started(_) => {
                if control.on_sync_start() && control.is_wanted() {
                    info!("sealing paused during the sync");
                }
            }
            SyncChanged::Done | SyncChanged::Failed(_) => {
                if changed == SyncChanged::Done {
                    self.first_peer.synced();
                    self.first_peer.check(&self.setup);
                }
                if control.on_sync_end() && control.is_sealing() {
                    info!("sealing resumed after the sync");
                }
            }
        }
        self.wake_worker();
    }
}

/// Timer message: check whether the chain is stalled.
#[derive(Message)]
struct CheckStall;

impl Handles<CheckStall> for MinerActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: CheckStall, _: &mut Ctx<Self>) {
        self.check_stall();
    }
}

/// Timer message: check for a first peer.
#[derive(Message)]
struct CheckPeer;

impl Handles<CheckPeer> for MinerActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: CheckPeer, _: &mut Ctx<Self>) {
        self.first_peer.check(&self.setup);
        if !self.setup.control.is_waiting_for_peer()
            && let Some(peer_check) = self.peer_check.take()
        {
            peer_check.cancel();
            self.wake_worker();
        }
    }
}
