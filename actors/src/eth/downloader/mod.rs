//! DownloaderActor: fetches the chain of the best peer, with the help of all others.
//!
//! | message | what happens |
//! |---|---|
//! | [`PeersChanged`] | peers that came and went, and what they say of their heads, are taken over |
//! | [`CancelSync`] | the sync ends; the next one begins after a pause |
//! | `Tick` | requests expire, a pause ends |
//! | `LookAgain` | every 10 s, as [`PeersChanged`]: one may have been lost |
//!
//! The rules are [`Downloader`]'s; here are its hands: each request is a future of the actor, with
//! [`EthPeer`] at its other end; what comes is read on a pool of threads; windows go to ChainActor
//! one behind the other. Nothing is kept that is not in the chain: a generation that begins after a
//! crash asks again from the head on, and what the one before had handed over is imported all the
//! same.

mod fetch;
mod import;
mod local;
mod report;
mod status;

use std::sync::Arc;
use std::time::Duration;

use actoreum_chain::ChainReader;
use actoreum_messages::downloader::{CancelSync, PeersChanged};
use actoreum_messages::events::SyncChanged;
use actoreum_sync::downloader::{
    Action, Downloader, LocalChain, Mode, PeerHead, PeerKey, Query, RequestId, Serves, SyncError,
    Unanswered,
};
use actoreum_wire::eth::MessageId;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::limits::TIMEOUT_POINTS;
use super::{EthPeer, EthPeers};
use crate::chain::ChainActor;
use crate::log_limit::LogLimit;
use crate::supervision::{
    Actor, ActorRef, Ctx, Failure, Handles, Message, Pool, Recipient, TaskHandle, WhenFull,
};
use fetch::{Answer, fetch};
use import::Way;
use local::Local;
use report::Report;

pub use status::SyncStatus;

/// How often the peers are looked at without being told (geth's `forceSyncCycle`).
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// What sends a peer away and keeps it away for a while.
const POINTS_OF_A_LIAR: i64 = 100;

/// Time has passed that the rules wait for.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Tick;

/// Look at the peers.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct LookAgain;

/// What every generation of a DownloaderActor is made from.
#[derive(Clone)]
pub struct DownloaderSetup {
    /// The chain, to read.
    pub reader: ChainReader,
    /// Who imports.
    pub chain: ActorRef<ChainActor>,
    /// Whom to ask.
    pub peers: EthPeers,
    /// Where what peers send is read.
    pub pool: Pool,
    /// What others see.
    pub status: SyncStatus,
    /// How an empty chain is filled (`--syncmode`).
    pub mode: Mode,
    /// Who hears when a sync begins and ends.
    pub followers: Vec<Recipient<SyncChanged>>,
}

impl DownloaderSetup {
    /// Makes the next generation.
    pub fn make(&self) -> DownloaderActor {
        self.status.publish(None);
        self.peers.set_fetching(false);
        DownloaderActor {
            setup: self.clone(),
            rules: Downloader::new(self.mode),
            began: Instant::now(),
            connections: Vec::new(),
            next_key: 0,
            alarm: None,
            handed_over: None,
            report: Report::new(),
        }
    }
}

/// A connection to a peer, under the number that the rules know it by.
struct Connection {
    key: PeerKey,
    peer: EthPeer,
    head: PeerHead,
    /// It was sent away, and is still there.
    is_dropped: bool,
}

/// Byzantine peers can come back under another key as often as they like.
static DROPPED: LogLimit = LogLimit::new();

/// See the module.
pub struct DownloaderActor {
    setup: DownloaderSetup,
    rules: Downloader,
    /// The rules' time begins here.
    began: Instant,
    connections: Vec<Connection>,
    next_key: u64,
    /// The timer, and when it goes off.
    alarm: Option<(Duration, TaskHandle)>,
    /// Hears when the last window was handed to ChainActor.
    handed_over: Option<oneshot::Receiver<()>>,
    report: Report,
}

impl DownloaderActor {
    /// Tells the rules something, and does what they ask for then.
    fn tell_rules(
        &mut self,
        ctx: &mut Ctx<Self>,
        tell: impl FnOnce(&mut Downloader, &dyn LocalChain, Duration),
    ) {
        let now = self.began.elapsed();
        tell(&mut self.rules, &Local(&self.setup.reader), now);
        while let Some(action) = self.rules.next_action() {
            self.act(action, ctx);
        }
        self.publish();
        self.set_alarm(ctx);
    }

    fn publish(&self) {
        let progress = self.rules.progress(&Local(&self.setup.reader));
        self.setup.status.publish(progress);
    }

    fn set_alarm(&mut self, ctx: &mut Ctx<Self>) {
        let deadline = self.rules.next_deadline();
        if self.alarm.as_ref().map(|(time, _)| *time) == deadline {
            return;
        }
        if let Some((_, timer)) = self.alarm.take() {
            timer.cancel();
        }
        self.alarm = deadline.map(|time| {
            let left = time.saturating_sub(self.began.elapsed());
            (time, ctx.notify_after(left, Tick))
        });
    }

    fn act(&mut self, action: Action, ctx: &mut Ctx<Self>) {
        match action {
            Action::Request {
                id,
                peer,
                query,
                patience,
            } => self.ask(id, peer, query, patience, ctx),
            Action::Import(window) => self.import(window, Way::Execute, ctx),
            Action::Keep(window) => self.import(window, Way::Keep, ctx),
            Action::WriteState { id, pieces } => self.write_state(id, pieces, ctx),
            Action::Adopt { id, hash } => self.adopt(id, hash, ctx),
            Action::Drop { peer, reason } => self.send_away(peer, &reason),
            Action::Penalise { peer, points, why } => {
                if let Some(connection) = self.connection(peer) {
                    connection.peer.penalise(points, why);
                }
            }
            Action::Started { master } => {
                if let Some(connection) = self.connection(master) {
                    debug!(peer = ?connection.peer, "sync begins");
                }
                self.report = Report::new();
                self.setup.peers.set_fetching(true);
                self.publish();
                let progress = self.setup.status.progress().unwrap_or_default();
                self.tell_followers(&SyncChanged::Started(progress));
            }
            Action::Ended(Ok(())) => {
                self.report.done(self.setup.reader.head_number());
                self.setup.peers.set_fetching(false);
                // Whatever others promise: one has shown all that it promised.
                self.setup.peers.caught_up();
                self.publish();
                self.tell_followers(&SyncChanged::Done);
            }
            Action::Ended(Err(error)) => {
                warn!(%error, "synchronisation failed, retrying");
                self.setup.peers.set_fetching(false);
                self.publish();
                self.tell_followers(&SyncChanged::Failed(error.to_string()));
            }
        }
    }

    fn tell_followers(&self, event: &SyncChanged) {
        for follower in &self.setup.followers {
            if let Err(error) = follower.tell(event.clone()) {
                debug!(follower = follower.path(), %error, "sync event not delivered");
            }
        }
    }

    fn connection(&mut self, key: PeerKey) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|it| it.key == key)
    }

    fn ask(
        &mut self,
        id: RequestId,
        key: PeerKey,
        query: Query,
        patience: Duration,
        ctx: &mut Ctx<Self>,
    ) {
        let Some(peer) = self.connection(key).map(|it| it.peer.clone()) else {
            return ctx.notify(Lost { id });
        };
        let deadline = Instant::now() + patience;
        let asked = fetch(peer, query, deadline, self.setup.pool.clone());
        ctx.spawn_then(asked, move |actor: &mut Self, answer, ctx| {
            actor.tell_rules(ctx, |rules, chain, now| match answer {
                Ok(Answer::Headers(headers)) => rules.on_headers(id, headers, chain, now),
                Ok(Answer::Bodies(bodies)) => rules.on_bodies(id, bodies, chain, now),
                Ok(Answer::Receipts(receipts)) => rules.on_receipts(id, receipts, chain, now),
                Ok(Answer::Values(values)) => rules.on_values(id, values, chain, now),
                Err(why) => rules.on_unanswered(id, why, chain, now),
            });
        });
    }

    fn send_away(&mut self, key: PeerKey, reason: &SyncError) {
        let Some(connection) = self.connection(key) else {
            return;
        };
        connection.is_dropped = true;
        let peer = connection.peer.clone();
        if let Some(left_out) = DROPPED.admit() {
            warn!(?peer, %reason, left_out, "synchronisation failed, dropping peer");
        }
        match reason {
            // Slow lines do this too: it may come back.
            SyncError::Timeout => {
                peer.penalise(TIMEOUT_POINTS, &reason.to_string());
                peer.send_away(&reason.to_string());
            }
            _ => peer.penalise(POINTS_OF_A_LIAR, &reason.to_string()),
        }
    }

    /// Takes over who is there, and what they say of their heads.
    fn look(&mut self, ctx: &mut Ctx<Self>) {
        let list: Arc<Vec<EthPeer>> = self.setup.peers.list();
        let is_there = |it: &Connection| list.iter().any(|peer| peer.is_same(&it.peer));
        let (stay, gone): (Vec<_>, Vec<_>) = self.connections.drain(..).partition(is_there);
        self.connections = stay;
        let mut said = Vec::new();
        for peer in list.iter() {
            let head = head_of(peer);
            match self.connections.iter_mut().find(|it| it.peer.is_same(peer)) {
                Some(known) if known.is_dropped || known.head == head => {}
                Some(known) => {
                    known.head = head;
                    said.push((known.key, head, serves(peer)));
                }
                None => {
                    let key = PeerKey(self.next_key);
                    self.next_key += 1;
                    said.push((key, head, serves(peer)));
                    self.connections.push(Connection {
                        key,
                        peer: peer.clone(),
                        head,
                        is_dropped: false,
                    });
                }
            }
        }
        self.tell_rules(ctx, |rules, chain, now| {
            for connection in gone {
                rules.on_peer_gone(connection.key, chain, now);
            }
            for (key, head, serves) in said {
                rules.on_peer(key, head, serves, chain, now);
            }
            rules.on_time(chain, now);
        });
    }
}

fn serves(peer: &EthPeer) -> Serves {
    Serves {
        receipts: peer.version().has(MessageId::GetReceipts),
        state: peer.version().has(MessageId::GetNodeData),
    }
}

fn head_of(peer: &EthPeer) -> PeerHead {
    let head = peer.head();
    PeerHead {
        hash: head.hash,
        total_difficulty: head.total_difficulty,
    }
}

/// A request to a peer that is no longer there.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Lost {
    id: RequestId,
}

impl Actor for DownloaderActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify_every(LOOK_AGAIN, || LookAgain);
        ctx.notify(LookAgain);
        Ok(())
    }
}

impl Handles<PeersChanged> for DownloaderActor {
    type Answer = ();
    // Each says the same: look.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: PeersChanged, ctx: &mut Ctx<Self>) {
        self.look(ctx);
    }
}

impl Handles<LookAgain> for DownloaderActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: LookAgain, ctx: &mut Ctx<Self>) {
        self.look(ctx);
    }
}

impl Handles<CancelSync> for DownloaderActor {
    type Answer = ();

    fn handle(&mut self, _: CancelSync, ctx: &mut Ctx<Self>) {
        info!("synchronisation is canceled");
        self.tell_rules(ctx, |rules, _, now| rules.cancel(now));
    }
}

impl Handles<Tick> for DownloaderActor {
    type Answer = ();

    fn handle(&mut self, _: Tick, ctx: &mut Ctx<Self>) {
        self.alarm = None;
        self.tell_rules(ctx, |rules, chain, now| rules.on_time(chain, now));
    }
}

impl Handles<Lost> for DownloaderActor {
    type Answer = ();

    fn handle(&mut self, Lost { id }: Lost, ctx: &mut Ctx<Self>) {
        self.tell_rules(ctx, |rules, chain, now| {
            rules.on_unanswered(id, Unanswered::Gone, chain, now);
        });
    }
}
