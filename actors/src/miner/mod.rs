//! MinerActor: decides whether this node seals.
//!
//! | message | what happens |
//! |---|---|
//! | [`StartMining`], [`StopMining`], [`SetEtherbase`] | the operator's wishes |
//! | [`SyncChanged`] | sealing pauses for the first sync with the network |
//! | `LookForStall` | does a clique chain stand still? |
//! | `LookForPeer` | was a peer met, before whose blocks nothing is sealed? |
//!
//! What was decided stands in the [`MinerControl`], beside every generation: WorkerActor reads it
//! there, and so does whoever asks. A new generation goes on where the one before it ended.

mod control;
mod meeting;
mod stall;

use std::{num::NonZero, sync::Arc, time::Duration};

use actoreum_chain::ChainReader;
use actoreum_consensus::Clique;
use actoreum_messages::{
    accounts::GetAccounts,
    events::SyncChanged,
    miner::{SetEtherbase, StartMining, StartRefused, StopMining},
    sealer::{EndSearch, ThreadsChanged},
    txpool::SetPriceLimit,
    worker::Look,
};
use actoreum_primitives::Address;
use tracing::{info, warn};

use crate::{
    accounts::AccountsActor,
    clock,
    eth::EthPeers,
    sealer::SealerActor,
    supervision::{Actor, ActorRef, Ctx, Failure, Handles, Later, Message, TaskHandle, WhenFull},
    txpool::TxPoolActor,
    worker::WorkerActor,
};

pub use control::{MinerControl, MinerSettings};
use meeting::Meeting;
pub use stall::Stall;

/// How long AccountsActor is waited for: it may be opening keys anew.
const ACCOUNTS_PATIENCE: Duration = Duration::from_secs(10);
/// Time between two looks whether a clique chain stands still.
const STALL_PERIOD: Duration = Duration::from_secs(5);
/// Time between two words about the same standstill.
const STALL_REMINDER: Duration = Duration::from_secs(60);

/// What every generation of a MinerActor is made from.
#[derive(Clone)]
pub struct MinerSetup {
    /// What was decided.
    pub control: Arc<MinerControl>,
    /// The chain that is sealed for.
    pub reader: ChainReader,
    /// Its engine where it is clique, with the seconds between blocks.
    pub clique: Option<(Arc<Clique>, u64)>,
    /// Who has the keys.
    pub accounts: ActorRef<AccountsActor>,
    /// Who builds.
    pub worker: ActorRef<WorkerActor>,
    /// Who seals.
    pub sealer: ActorRef<SealerActor>,
    /// Who keeps the transactions, where a price limit is set with the start.
    pub pool: Option<ActorRef<TxPoolActor>>,
    /// Who speaks with us.
    pub peers: EthPeers,
}

impl MinerSetup {
    /// Makes the next generation.
    pub fn start(self) -> MinerActor {
        MinerActor {
            setup: self,
            told: None,
            meeting: Meeting::default(),
            looking: None,
        }
    }
}

/// See the module.
pub struct MinerActor {
    setup: MinerSetup,
    /// The head of the standstill that was told, and the seconds it had lasted.
    told: Option<(u64, u64)>,
    meeting: Meeting,
    /// The looks for a peer.
    looking: Option<TaskHandle>,
}

impl MinerActor {
    /// Who seals here: who was named, else the first account. In clique it must be an account.
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
            let all = accounts.within(ACCOUNTS_PATIENCE).ask(GetAccounts).await;
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

    /// Takes up who seals, and lets blocks be sealed.
    fn begin(&mut self, etherbase: Address) {
        let control = &self.setup.control;
        if control.settings().etherbase.is_none() {
            info!(address = %etherbase, "etherbase automatically configured");
        }
        self.take_etherbase(etherbase);
        let control = &self.setup.control;
        if let Some(pool) = &self.setup.pool {
            let price_limit = control.settings().gas_price;
            // A pool that is down reads its limit anew; the next start says it again.
            let _ = pool.tell(SetPriceLimit { price_limit });
        }
        control.set_wanted(true);
        match control.is_sealing() {
            true => info!(%etherbase, "sealing"),
            false if control.is_meeting() => {
                info!(%etherbase, "sealing begins once a peer is met, and its blocks are here");
            }
            false => info!(%etherbase, "a sync with the network runs: sealing begins after it"),
        }
        self.wake_worker();
    }

    fn take_etherbase(&self, etherbase: Address) {
        let change = |settings: &mut MinerSettings| settings.etherbase = Some(etherbase);
        self.setup.control.change(change);
        if let Some((clique, _)) = &self.setup.clique {
            clique.set_signer(Some(etherbase));
        }
    }

    /// A worker that is down looks when it starts.
    fn wake_worker(&self) {
        let _ = self.setup.worker.tell(Look);
    }

    /// Says where a clique chain stands still, once a minute, and when it goes on.
    fn look_for_stall(&mut self) {
        let Some((clique, period)) = &self.setup.clique else {
            return;
        };
        let stall = Stall::of(clique, &self.setup.reader, *period, clock::now());
        // Before the log says it: whoever reads that may ask.
        self.setup.control.set_stall(stall.clone());
        match (&stall, self.told) {
            (Some(stall), told) => {
                let is_due = told.is_none_or(|(head, seconds)| {
                    head != stall.head || stall.seconds >= seconds + STALL_REMINDER.as_secs()
                });
                if is_due {
                    warn!(head = stall.head, seconds = stall.seconds, "{stall}");
                    self.told = Some((stall.head, stall.seconds));
                }
            }
            (None, Some((head, _))) => {
                info!(stood_at = head, "the chain goes on");
                self.told = None;
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
            ctx.notify_every(STALL_PERIOD, || LookForStall);
        }
        if self.setup.control.is_meeting() {
            // Before anything is said about sealing: one signer meets nobody.
            self.look_for_peer();
        }
        if self.setup.control.is_meeting() {
            self.looking = Some(ctx.notify_every(meeting::PERIOD, || LookForPeer));
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
        // A sealer that is down reads it when it starts.
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
        // A sealer that is down holds nothing.
        let _ = self.setup.sealer.tell(EndSearch);
        info!("sealing no longer");
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

impl Handles<SyncChanged> for MinerActor {
    type Answer = ();

    fn handle(&mut self, changed: SyncChanged, _: &mut Ctx<Self>) {
        let control = Arc::clone(&self.setup.control);
        match changed {
            SyncChanged::Started(_) => {
                if control.sync_began() && control.is_wanted() {
                    info!("sealing pauses for the sync with the network");
                }
            }
            SyncChanged::Done | SyncChanged::Failed(_) => {
                if changed == SyncChanged::Done {
                    self.meeting.synced();
                    self.look_for_peer();
                }
                if control.sync_ended() && control.is_sealing() {
                    info!("sealing goes on after the sync");
                }
            }
        }
        self.wake_worker();
    }
}

/// Time to look whether the chain stands still.
#[derive(Message)]
#[rtype(result = "()")]
struct LookForStall;

impl Handles<LookForStall> for MinerActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: LookForStall, _: &mut Ctx<Self>) {
        self.look_for_stall();
    }
}

/// Time to look whether a peer was met.
#[derive(Message)]
#[rtype(result = "()")]
struct LookForPeer;

impl Handles<LookForPeer> for MinerActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: LookForPeer, _: &mut Ctx<Self>) {
        self.look_for_peer();
        if !self.setup.control.is_meeting()
            && let Some(looking) = self.looking.take()
        {
            looking.cancel();
            self.wake_worker();
        }
    }
}
