//! DownloaderActor: fetches the chain of the best peer, with the help of all others.
//!
//! | message | what happens |
//! |---|---|
//! | [`EthPeersChanged`] | peers that joined or left, and their heads, are passed to the state machine |
//! | [`CancelSync`] | the sync ends; the next one begins after a pause |
//! | `Tick` | requests expire, a pause ends |
//! | `ForceSync` | every 10 s, as [`EthPeersChanged`]: one may have been lost |
//!
//! The state machine is [`Downloader`]; the actor performs its actions. Each request is a future of
//! the actor that asks an [`EthPeer`]; answers are decoded on a thread pool; windows of blocks go
//! to ChainActor one behind the other. The actor keeps no state that is not in the chain: after a
//! crash it asks again from the head on, and windows that were handed to ChainActor before are
//! imported all the same.

mod fetch;
mod import;
mod import_mode;
mod local;
mod report;
mod status;

use std::sync::Arc;
use std::time::Duration;

use actoreum_chain::ChainReader;
use actoreum_messages::downloader::{CancelSync, EthPeersChanged};
use actoreum_messages::events::SyncChanged;
use actoreum_sync::downloader::{
    Action, Downloader, LocalChain, Mode, PeerHead, Query, RequestFailure, RequestId, ServedData,
    SyncError, SyncPeerId,
};
use actoreum_wire::eth::MessageId;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::limits::TIMEOUT_POINTS;
use super::{EthPeer, EthPeers};
use crate::chain::ChainActor;
use crate::log_limit::LogLimit;
use actoreum_supervision::{
    Actor, ActorRef, Ctx, Failure, Handles, Message, Pool, Recipient, TaskHandle, WhenFull,
};
use fetch::{Answer, fetch};
use import_mode::ImportMode;
use local::Local;
use report::Report;

pub use status::SyncStatus;

/// Interval of looking at the peers without a message (geth's `forceSyncCycle`).
const FORCE_SYNC_INTERVAL: Duration = Duration::from_secs(10);

/// Points at which a peer is disconnected and banned.
const BAN_POINTS: i64 = 100;

/// Timer message: a deadline of the state machine has passed.
#[derive(Debug, Message)]
struct Tick;

/// Timer message: look at the peers.
#[derive(Debug, Message)]
struct ForceSync;

/// Arguments of DownloaderActor, which survive its restarts.
#[derive(Clone)]
pub struct DownloaderSetup {
    /// Read access to our chain.
    pub chain_reader: ChainReader,
    /// Imports blocks.
    pub chain_actor: ActorRef<ChainActor>,
    /// Peers that are asked.
    pub peers: EthPeers,
    /// Thread pool that decodes the answers of peers.
    pub threads: Pool,
    /// Progress of the sync, published for other components.
    pub status: SyncStatus,
    /// Mode of the first sync of an empty chain (`--syncmode`).
    pub mode: Mode,
    /// Actors that are notified when a sync begins and ends.
    pub followers: Vec<Recipient<SyncChanged>>,
}

impl DownloaderSetup {
    /// Creates the actor and resets the published status.
    pub fn start(&self) -> DownloaderActor {
        self.status.publish(None);
        self.peers.set_fetching(false);
        DownloaderActor {
            setup: self.clone(),
            rules: Downloader::new(self.mode),
            epoch: Instant::now(),
            connections: Vec::new(),
            next_key: 0,
            timer: None,
            handed_over: None,
            report: Report::new(),
        }
    }
}

/// A peer with the number by which the state machine knows it.
struct Connection {
    key: SyncPeerId,
    peer: EthPeer,
    head: PeerHead,
    /// The peer was dropped, and has not left yet.
    is_dropped: bool,
}

/// Byzantine peers can come back with another node id as often as they like.
static DROPPED_PEER_LOG: LogLimit = LogLimit::new();

/// Actor that runs the synchronisation; see the module.
pub struct DownloaderActor {
    setup: DownloaderSetup,
    rules: Downloader,
    /// Zero of the state machine's clock.
    epoch: Instant,
    connections: Vec<Connection>,
    next_key: u64,
    /// The timer, and when it expires.
    timer: Option<(Duration, TaskHandle)>,
    /// Resolves when the last window was handed to ChainActor.
    handed_over: Option<oneshot::Receiver<()>>,
    report: Report,
}

impl DownloaderActor {
    /// Passes an input to the state machine, and performs the actions that it returns.
    fn step(
        &mut self,
        ctx: &mut Ctx<Self>,
        tell: impl FnOnce(&mut Downloader, &dyn LocalChain, Duration),
    ) {
        let now = self.epoch.elapsed();
        tell(&mut self.rules, &Local(&self.setup.chain_reader), now);
        while let Some(action) = self.rules.next_action() {
            self.perform(action, ctx);
        }
        self.publish();
        self.set_timer(ctx);
    }

    fn publish(&self) {
        let progress = self.rules.progress(&Local(&self.setup.chain_reader));
        self.setup.status.publish(progress);
    }

    fn set_timer(&mut self, ctx: &mut Ctx<Self>) {
        let deadline = self.rules.next_deadline();
        if self.timer.as_ref().map(|(time, _)| *time) == deadline {
            return;
        }
        if let Some((_, timer)) = self.timer.take() {
            timer.cancel();
        }
        self.timer = deadline.map(|time| {
            let left = time.saturating_sub(self.epoch.elapsed());
            (time, ctx.notify_after(left, Tick))
        });
    }

    fn perform(&mut self, action: Action, ctx: &mut Ctx<Self>) {
        match action {
            Action::Request {
                id,
                peer,
                query,
                timeout,
            } => self.ask(id, peer, query, timeout, ctx),
            Action::Import(window) => self.import(window, ImportMode::Execute, ctx),
            Action::InsertReceiptChain(window) => {
                self.import(window, ImportMode::InsertReceiptChain, ctx)
            }
            Action::WriteState { id, values } => self.write_state(id, values, ctx),
            Action::CommitPivotState { id, hash } => self.commit_pivot(id, hash, ctx),
            Action::DropPeer { peer, reason } => self.disconnect_useless(peer, &reason),
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
                self.notify_followers(&SyncChanged::Started(progress));
            }
            Action::Ended(Ok(())) => {
                self.report.done(self.setup.chain_reader.head_number());
                self.setup.peers.set_fetching(false);
                // One peer has delivered all that it promised, whatever the others promise.
                self.setup.peers.set_caught_up();
                self.publish();
                self.notify_followers(&SyncChanged::Done);
            }
            Action::Ended(Err(error)) => {
                warn!(%error, "synchronisation failed, retrying");
                self.setup.peers.set_fetching(false);
                self.publish();
                self.notify_followers(&SyncChanged::Failed(error.to_string()));
            }
        }
    }

    fn notify_followers(&self, event: &SyncChanged) {
        for follower in &self.setup.followers {
            if let Err(error) = follower.tell(event.clone()) {
                debug!(follower = follower.path(), %error, "sync event not delivered");
            }
        }
    }

    fn connection(&mut self, key: SyncPeerId) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|it| it.key == key)
    }

    fn ask(
        &mut self,
        id: RequestId,
        key: SyncPeerId,
        query: Query,
        timeout: Duration,
        ctx: &mut Ctx<Self>,
    ) {
        let Some(peer) = self.connection(key).map(|it| it.peer.clone()) else {
            return ctx.notify(PeerGone { id });
        };
        let deadline = Instant::now() + timeout;
        let asked = fetch(peer, query, deadline, self.setup.threads.clone());
        ctx.spawn_then(asked, move |actor: &mut Self, answer, ctx| {
            actor.step(ctx, |rules, chain, now| match answer {
                Ok(Answer::Headers(headers)) => rules.on_headers(id, headers, chain, now),
                Ok(Answer::Bodies(bodies)) => rules.on_bodies(id, bodies, chain, now),
                Ok(Answer::Receipts(receipts)) => rules.on_receipts(id, receipts, chain, now),
                Ok(Answer::Values(values)) => rules.on_values(id, values, chain, now),
                Err(why) => rules.on_request_failed(id, why, chain, now),
            });
        });
    }

    fn disconnect_useless(&mut self, key: SyncPeerId, reason: &SyncError) {
        let Some(connection) = self.connection(key) else {
            return;
        };
        connection.is_dropped = true;
        let peer = connection.peer.clone();
        if let Some(suppressed) = DROPPED_PEER_LOG.admit() {
            warn!(?peer, %reason, suppressed, "synchronisation failed, dropping peer");
        }
        match reason {
            // Slow lines time out too: the peer may come back.
            SyncError::Timeout => {
                peer.penalise(TIMEOUT_POINTS, &reason.to_string());
                peer.disconnect_useless(&reason.to_string());
            }
            _ => peer.penalise(BAN_POINTS, &reason.to_string()),
        }
    }

    /// Passes joins, leaves and new heads of the peers to the state machine.
    fn refresh_peers(&mut self, ctx: &mut Ctx<Self>) {
        let list: Arc<Vec<EthPeer>> = self.setup.peers.list();
        let is_there = |it: &Connection| list.iter().any(|peer| peer.is_same(&it.peer));
        let (stay, gone): (Vec<_>, Vec<_>) = self.connections.drain(..).partition(is_there);
        self.connections = stay;
        let mut heads = Vec::new();
        for peer in list.iter() {
            let head = head_of(peer);
            match self.connections.iter_mut().find(|it| it.peer.is_same(peer)) {
                Some(known) if known.is_dropped || known.head == head => {}
                Some(known) => {
                    known.head = head;
                    heads.push((known.key, head, serves(peer)));
                }
                None => {
                    let key = SyncPeerId(self.next_key);
                    self.next_key += 1;
                    heads.push((key, head, serves(peer)));
                    self.connections.push(Connection {
                        key,
                        peer: peer.clone(),
                        head,
                        is_dropped: false,
                    });
                }
            }
        }
        self.step(ctx, |rules, chain, now| {
            for connection in gone {
                rules.on_peer_left(connection.key, chain, now);
            }
            for (key, head, serves) in heads {
                rules.on_peer(key, head, serves, chain, now);
            }
            rules.on_time(chain, now);
        });
    }
}

fn serves(peer: &EthPeer) -> ServedData {
    ServedData {
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

/// A request whose peer is no longer connected.
#[derive(Debug, Message)]
struct PeerGone {
    id: RequestId,
}

impl Actor for DownloaderActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify_every(FORCE_SYNC_INTERVAL, || ForceSync);
        ctx.notify(ForceSync);
        Ok(())
    }
}

impl Handles<EthPeersChanged> for DownloaderActor {
    type Answer = ();
    // All these messages say the same: look at the peers.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: EthPeersChanged, ctx: &mut Ctx<Self>) {
        self.refresh_peers(ctx);
    }
}

impl Handles<ForceSync> for DownloaderActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: ForceSync, ctx: &mut Ctx<Self>) {
        self.refresh_peers(ctx);
    }
}

impl Handles<CancelSync> for DownloaderActor {
    type Answer = ();

    fn handle(&mut self, _: CancelSync, ctx: &mut Ctx<Self>) {
        info!("synchronisation is canceled");
        self.step(ctx, |rules, _, now| rules.cancel(now));
    }
}

impl Handles<Tick> for DownloaderActor {
    type Answer = ();

    fn handle(&mut self, _: Tick, ctx: &mut Ctx<Self>) {
        self.timer = None;
        self.step(ctx, |rules, chain, now| rules.on_time(chain, now));
    }
}

impl Handles<PeerGone> for DownloaderActor {
    type Answer = ();

    fn handle(&mut self, PeerGone { id }: PeerGone, ctx: &mut Ctx<Self>) {
        self.step(ctx, |rules, chain, now| {
            rules.on_request_failed(id, RequestFailure::Disconnected, chain, now);
        });
    }
}
