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
mod local;
mod report;
mod status;

use std::sync::Arc;
use std::time::Duration;

use actoreum_chain::{BlockError, ChainReader, ImportError};
use actoreum_consensus::Disposition;
use actoreum_messages::chain::{
    AdoptState, BlockOrigin, ImportBlocks, ImportRefused, Imported, KeepBlocks,
};
use actoreum_messages::downloader::{CancelSync, PeersChanged};
use actoreum_messages::events::SyncChanged;
use actoreum_primitives::rlp::DecodeError;
use actoreum_primitives::{B256, Block, Receipt};
use actoreum_storage::Commit;
use actoreum_sync::BlockParcel;
use actoreum_sync::downloader::{
    Action, Downloader, ImportFailure, LocalChain, Mode, PeerHead, PeerKey, Query, RequestId,
    Serves, SyncError, Unanswered, Window,
};
use actoreum_sync::state::{self, Piece};
use actoreum_wire::eth::MessageId;
use actoreum_wire::p2p::DisconnectReason;
use futures_util::{FutureExt, stream};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::limits::TIMEOUT_POINTS;
use super::{EthPeer, EthPeers};
use crate::chain::ChainActor;
use crate::supervision::{
    Actor, ActorRef, AskError, Ctx, Failure, Handles, JobError, Message, Pool, Recipient,
    TaskHandle, WhenFull,
};
use fetch::{Answer, fetch};
use local::Local;
use report::{Content, Report};

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
                self.publish();
                let progress = self.setup.status.progress().unwrap_or_default();
                self.tell_followers(&SyncChanged::Started(progress));
            }
            Action::Ended(Ok(())) => {
                self.report.done(self.setup.reader.head_number());
                self.publish();
                self.tell_followers(&SyncChanged::Done);
            }
            Action::Ended(Err(error)) => {
                warn!(%error, "synchronisation failed, retrying");
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
        warn!(?peer, %reason, "synchronisation failed, dropping peer");
        match reason {
            // Slow lines do this too: it may come back.
            SyncError::Timeout => {
                peer.penalise(TIMEOUT_POINTS, &reason.to_string());
                peer.disconnect(DisconnectReason::UselessPeer);
            }
            _ => peer.penalise(POINTS_OF_A_LIAR, &reason.to_string()),
        }
    }

    /// Decodes a window and hands it to ChainActor, behind the one before.
    fn import(&mut self, window: Window, way: Way, ctx: &mut Ctx<Self>) {
        let Window { id, blocks } = window;
        let last = blocks.last().map(|block| {
            let header = &block.header;
            (header.header.number, header.hash)
        });
        let (tell, heard) = oneshot::channel();
        let before = self.handed_over.replace(heard);
        let decoded = self.setup.pool.run(move || decode(blocks));
        let chain = self.setup.chain.clone();
        let imported = async move {
            let decoded = decoded.await;
            if let Some(before) = before {
                // An error says the same: the one before is no longer in the way.
                let _ = before.await;
            }
            let (blocks, receipts) = decoded.map_err(stopped)??;
            let content = content_of(&blocks);
            let origin = BlockOrigin::Bulk;
            let asked = match way {
                Way::Execute => chain.ask(ImportBlocks { blocks, origin }).left_future(),
                Way::Keep => chain.ask(KeepBlocks { blocks, receipts }).right_future(),
            };
            drop(tell);
            outcome(asked.await).map(|_| content)
        };
        ctx.spawn_then(imported, move |actor: &mut Self, result, ctx| {
            if let (Ok(content), Some((number, hash))) = (&result, last) {
                debug!(number, %hash, blocks = content.blocks, "imported chain segment");
                if let Some(progress) = actor.rules.progress(&Local(&actor.setup.reader)) {
                    actor.report.add(*content, &progress);
                }
            }
            let result = result.map(|_| ());
            actor.tell_rules(ctx, |rules, chain, now| {
                rules.on_imported(id, result, chain, now);
            });
        });
    }

    /// Writes pieces of a state, on the pool.
    fn write_state(&mut self, id: u64, pieces: Vec<Piece>, ctx: &mut Ctx<Self>) {
        let store = self.setup.reader.store().clone();
        let write = move || {
            let mut commit = Commit::new();
            for piece in &pieces {
                match piece.kind {
                    state::Kind::Code => commit.put_code(&piece.hash, &piece.data),
                    state::Kind::AccountNode | state::Kind::StorageNode => {
                        commit.put_incoming_node(&piece.hash, &piece.data);
                    }
                }
            }
            store.commit(commit)
        };
        let written = self.setup.pool.run(write);
        ctx.spawn_then(written, move |actor: &mut Self, result, ctx| {
            let result = match result {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            actor.tell_rules(ctx, |rules, chain, now| {
                rules.on_written(id, result, chain, now);
            });
        });
    }

    fn adopt(&mut self, id: u64, hash: B256, ctx: &mut Ctx<Self>) {
        info!(block = %hash, "state is whole, adopting it");
        let asked = self.setup.chain.ask(AdoptState { hash });
        ctx.spawn_then(asked, move |actor: &mut Self, answer, ctx| {
            let result = outcome(answer).map(|_| ());
            if result.is_ok() {
                let number = actor.setup.reader.head_number();
                info!(number, "state adopted, executing blocks from here on");
            }
            actor.tell_rules(ctx, |rules, chain, now| {
                rules.on_imported(id, result, chain, now);
            });
        });
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

/// What becomes of a window.
#[derive(Debug, Clone, Copy)]
enum Way {
    Execute,
    Keep,
}

/// Blocks of a window, and the receipts that came with each.
type Decoded = (Vec<Block>, Vec<Vec<Receipt>>);

fn decode(parcels: Vec<BlockParcel>) -> Result<Decoded, ImportFailure> {
    let mut decoded = (Vec::with_capacity(parcels.len()), Vec::new());
    for parcel in parcels {
        let (number, hash) = (parcel.header.header.number, parcel.header.hash);
        let bad = |error: DecodeError| ImportFailure::Bad {
            number,
            hash,
            reason: error.to_string(),
        };
        decoded.1.push(parcel.decode_receipts().map_err(bad)?);
        decoded.0.push(parcel.into_block().map_err(bad)?);
    }
    Ok(decoded)
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

fn content_of(blocks: &[Block]) -> Content {
    let transactions = blocks.iter().map(|it| it.body.transactions.len() as u64);
    Content {
        blocks: blocks.len() as u64,
        transactions: transactions.sum(),
        gas: blocks.iter().map(|it| it.header.gas_used).sum(),
    }
}

fn stopped(error: JobError) -> ImportFailure {
    ImportFailure::Stopped(error.to_string())
}

/// What ChainActor's answer says about the blocks.
fn outcome(
    answer: Result<Result<Imported, ImportRefused>, AskError>,
) -> Result<Imported, ImportFailure> {
    match answer {
        Ok(Ok(imported)) => Ok(imported),
        Ok(Err(ImportRefused::Invalid(refused))) => Err(refusal(&refused)),
        Ok(Err(refused)) => Err(ImportFailure::Stopped(refused.to_string())),
        Err(error) => Err(ImportFailure::Stopped(error.to_string())),
    }
}

fn refusal(refused: &ImportError) -> ImportFailure {
    // Nobody may make us go back behind the states that are kept.
    let is_too_deep = matches!(refused.error, BlockError::PrunedAncestor(_));
    match refused.error.disposition() == Disposition::Bad || is_too_deep {
        true => ImportFailure::Bad {
            number: refused.number,
            hash: refused.hash,
            reason: refused.error.to_string(),
        },
        false => ImportFailure::Stopped(refused.to_string()),
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
        let changes = self.setup.peers.changes();
        ctx.attach(stream::unfold(changes, |mut changes| async move {
            changes.changed().await.ok()?;
            Some((PeersChanged, changes))
        }));
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
