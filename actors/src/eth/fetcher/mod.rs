//! FetcherActor: fetches blocks and transactions that peers announce, and imports single blocks
//! that peers propagate.
//!
//! | message | what happens |
//! |---|---|
//! | [`BlocksAnnounced`] | remembered; requested when the blocks do not arrive by themselves |
//! | [`BlockPropagated`] | waits for its parent, then: header checked, decoded, propagated, imported |
//! | [`TransactionsAnnounced`] | remembered; requested when they do not arrive by themselves |
//! | [`TransactionsArrived`] | not requested any more; a peer that announced a false type or size is banned |
//! | [`ChainChanged`] | blocks that wait for a parent look for it |
//! | `PollDue` | the timer of the next request expired |
//! | `PeerSetChanged` | announcements and blocks of peers that have left are dropped |
//!
//! The rules are in [`BlockFetcher`] and [`TransactionFetcher`]. The last announcements are also
//! remembered with the peer: after a restart, the actor begins with those that are still missing.

mod import;
mod setup;

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use actoreum_messages::events::ChainChanged;
use actoreum_messages::fetcher::{
    BlockPropagated, BlocksAnnounced, TransactionsAnnounced, TransactionsArrived,
};
use actoreum_primitives::rlp::DecodeError;
use actoreum_primitives::{B256, Body, PeerId};
use actoreum_sync::RawBody;
use actoreum_sync::fetcher::limits::FETCH_TIMEOUT;
use actoreum_sync::fetcher::{BlockFetcher, FetchAction, Propagated};
use actoreum_sync::transactions::{FetchTransactions, TransactionFetcher, TxMetadata};
use actoreum_txpool::AddError;
use actoreum_wire::eth::{HashOrNumber, LazyList, TransactionAnnouncement, WireItem as _};
use futures_util::stream;
use rand::Rng;
use tokio::time::Instant;

use super::limits::{
    FALSE_ANNOUNCEMENT_POINTS, INVALID_POINTS, MISMATCH_POINTS, NOISE_POINTS, REFUSED_TRANSACTIONS,
    UNREQUESTED_POINTS, USELESS_ANNOUNCEMENT_UNITS,
};
use super::peer::{EthPeer, KnownHashes, RequestError};
use super::shared::EthShared;
use super::transactions;
use crate::txpool::Submitted;
use actoreum_supervision::{Actor, Ctx, Failure, Handles, Message, TaskHandle, WhenFull};

pub use self::setup::FetcherSetup;

/// Minimum pause between two polls; timers that end within it share one poll.
const MIN_PAUSE: Duration = Duration::from_millis(10);

/// Timer message: a request or an import is due.
#[derive(Debug, Clone, Copy, Message)]
struct PollDue;

/// A peer joined, left, or has another head.
#[derive(Debug, Clone, Copy, Message)]
struct PeerSetChanged;

/// Actor that fetches announced blocks and transactions; see the module.
pub struct FetcherActor {
    setup: FetcherSetup,
    blocks: BlockFetcher,
    transactions: TransactionFetcher,
    /// Announced transactions that the pool did not accept.
    refused: KnownHashes,
    /// Zero of the clock of the state machines.
    epoch: Instant,
    timer: Option<(Duration, TaskHandle)>,
}

impl FetcherActor {
    /// Creates the actor, without announcements.
    pub fn new(setup: FetcherSetup) -> Self {
        let seed = setup.rng.with(|random| random.random());
        Self {
            setup,
            blocks: BlockFetcher::new(seed),
            transactions: TransactionFetcher::default(),
            refused: KnownHashes::new(REFUSED_TRANSACTIONS),
            epoch: Instant::now(),
            timer: None,
        }
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    fn height(&self) -> u64 {
        self.setup.shared.chain_reader.head_number()
    }

    fn peer(&self, id: &PeerId) -> Option<EthPeer> {
        self.setup.shared.peers.get(id)
    }

    /// Polls both state machines, performs their actions, and sets the timer for the next ones.
    fn poll(&mut self, ctx: &mut Ctx<Self>) {
        let (now, height) = (self.now(), self.height());
        let chain = self.setup.shared.chain_reader.clone();
        // A header that cannot be read counts as present: it is not fetched.
        let has = |hash: &B256| !matches!(chain.header_by_hash(hash), Ok(None));
        for action in self.blocks.poll(now, height, has) {
            self.perform(action, ctx);
        }
        let snapshot = self.setup.shared.txpool.snapshot();
        let refused = &self.refused;
        let has = |hash: &B256| {
            refused.contains(hash) || snapshot.as_ref().is_some_and(|it| it.get(hash).is_some())
        };
        for request in self.transactions.poll(now, has) {
            self.fetch_transactions(request, ctx);
        }
        self.publish_announced();
        self.set_timer(ctx);
    }

    /// Publishes the number of announced transactions. Sessions report arrived transactions only
    /// where it is not zero.
    fn publish_announced(&self) {
        self.setup
            .shared
            .announced
            .store(self.transactions.len(), Relaxed);
    }

    fn set_timer(&mut self, ctx: &mut Ctx<Self>) {
        let next = self.blocks.next_timeout().into_iter();
        let Some(next) = next.chain(self.transactions.next_timeout()).min() else {
            return;
        };
        let now = self.now();
        if self
            .timer
            .as_ref()
            .is_some_and(|(at, _)| *at > now && *at <= next)
        {
            return;
        }
        if let Some((_, timer)) = self.timer.take() {
            timer.cancel();
        }
        let pause = next.saturating_sub(now).max(MIN_PAUSE);
        self.timer = Some((now + pause, ctx.notify_after(pause, PollDue)));
    }

    /// Drops the requests to a peer that has left.
    fn peer_left(&mut self, peer: &PeerId, ctx: &mut Ctx<Self>) {
        self.blocks.peer_left(self.now(), peer);
        self.transactions.peer_left(peer);
        ctx.notify(PollDue);
    }

    fn penalise(&self, peer: &PeerId, points: i64, why: &str) {
        if let Some(peer) = self.peer(peer) {
            peer.penalise(points, why);
        }
    }

    fn perform(&mut self, action: FetchAction, ctx: &mut Ctx<Self>) {
        match action {
            FetchAction::Penalise { peer, why } => self.penalise(&peer, MISMATCH_POINTS, why),
            FetchAction::Header { peer, hash } => self.fetch_header(peer, hash, ctx),
            FetchAction::Bodies { peer, hashes } => self.fetch_bodies(peer, hashes, ctx),
            FetchAction::Import { peer, block } => {
                let hash = block.header.hash;
                let import = import::import(self.setup.clone(), *block);
                ctx.spawn_then(import, move |actor, fault, ctx| {
                    if let Some(fault) = fault {
                        actor.penalise(&peer, INVALID_POINTS, &fault);
                    }
                    actor.blocks.on_import_end(&hash);
                    actor.poll(ctx);
                });
            }
        }
    }

    fn fetch_header(&mut self, id: PeerId, hash: B256, ctx: &mut Ctx<Self>) {
        let Some(peer) = self.peer(&id) else {
            return self.peer_left(&id, ctx);
        };
        let deadline = Instant::now() + FETCH_TIMEOUT;
        let ask = async move {
            let origin = HashOrNumber::Hash(hash);
            let headers = peer.headers(origin, 1, 0, false, deadline).await;
            headers.ok().and_then(|headers| headers.into_iter().next())
        };
        ctx.spawn_then(ask, move |actor, header, ctx| {
            let (now, height) = (actor.now(), actor.height());
            let blame = actor.blocks.on_header(now, height, id, hash, header);
            if let Some(action) = blame {
                actor.perform(action, ctx);
            }
            actor.poll(ctx);
        });
    }

    fn fetch_bodies(&mut self, id: PeerId, hashes: Vec<B256>, ctx: &mut Ctx<Self>) {
        let Some(peer) = self.peer(&id) else {
            return self.peer_left(&id, ctx);
        };
        let deadline = Instant::now() + FETCH_TIMEOUT;
        let threads = self.setup.shared.threads.clone();
        let asked = hashes.clone();
        let ask = async move {
            let bodies = peer.raw_bodies(asked, deadline).await.ok()?;
            let take_roots = move || with_roots(&bodies);
            match threads.job("ComputeBodyRoots").run(take_roots).await.ok()? {
                Ok(bodies) => Some(bodies),
                Err(error) => {
                    peer.malformed(&error);
                    None
                }
            }
        };
        ctx.spawn_then(ask, move |actor, bodies, ctx| {
            let bodies = bodies.unwrap_or_default();
            actor.blocks.on_bodies(actor.now(), id, &hashes, bodies);
            actor.poll(ctx);
        });
    }

    fn fetch_transactions(&mut self, request: FetchTransactions, ctx: &mut Ctx<Self>) {
        let FetchTransactions { peer: id, hashes } = request;
        let Some(peer) = self.peer(&id) else {
            return self.peer_left(&id, ctx);
        };
        let ask = fetch_transactions(self.setup.shared.clone(), peer, hashes);
        ctx.spawn_then(ask, move |actor, fetched: Fetched, ctx| {
            for (hash, metadata) in fetched.arrived {
                actor.arrived(&hash, &id, metadata);
            }
            for hash in fetched.refused {
                actor.refused.insert(&hash);
            }
            let missing = actor.transactions.on_response(&id);
            if fetched.is_violation {
                // The connection is about to end: nothing more is requested.
                actor.transactions.peer_left(&id);
            } else if fetched.is_answered {
                actor.count_useless_announcements(
                    &id,
                    missing,
                    "announces transactions that it does not deliver",
                );
            }
            actor.poll(ctx);
        });
    }

    /// Adds an announcement. Returns false where the peer has announced too much.
    fn announce(&mut self, now: Duration, peer: PeerId, it: &TransactionAnnouncement) -> bool {
        let metadata = it
            .type_and_size
            .map(|(tx_type, size)| TxMetadata { tx_type, size });
        self.transactions.announce(now, peer, it.hash, metadata)
    }

    /// Handles the arrival of a transaction. A peer that announced it with another type or size is
    /// banned, as geth 1.13 does.
    fn arrived(&mut self, hash: &B256, from: &PeerId, came: TxMetadata) {
        for peer in self.transactions.on_transaction(hash, from, came) {
            let why = format!(
                "announced transaction {hash} with another type or size: it has type {} and {} \
                 bytes",
                came.tx_type, came.size
            );
            self.penalise(&peer, FALSE_ANNOUNCEMENT_POINTS, &why);
        }
    }

    /// Counts useless announcements against a peer.
    fn count_useless_announcements(&self, peer: &PeerId, count: usize, why: &str) {
        if let (Some(peer), 1..) = (self.peer(peer), count) {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            // The peer sent nothing that could be delayed, so the pause is not made.
            let units = count.saturating_mul(USELESS_ANNOUNCEMENT_UNITS);
            peer.note_waste(units, why.to_owned());
        }
    }
}

/// Result of a request for transactions.
#[derive(Debug, Default)]
struct Fetched {
    /// The peer has answered, even if with nothing.
    is_answered: bool,
    /// Whether the answer broke a rule for which the peer is banned.
    is_violation: bool,
    /// Transactions of the answer.
    arrived: Vec<(B256, TxMetadata)>,
    /// Those of them that are not requested again.
    refused: Vec<B256>,
}

/// Requests transactions from a peer and submits them to the pool.
async fn fetch_transactions(shared: EthShared, peer: EthPeer, hashes: Vec<B256>) -> Fetched {
    let deadline = Instant::now() + FETCH_TIMEOUT;
    let mut fetched = Fetched::default();
    let answer = peer.raw_pooled_transactions(hashes.clone(), deadline).await;
    let transactions = match answer {
        Ok(transactions) => transactions,
        Err(error) => {
            fetched.is_violation = matches!(error, RequestError::Wrong(_));
            return fetched;
        }
    };
    fetched.is_answered = true;
    // The answer takes the peer's own room for unchecked bytes, or a part of the shared budget.
    let bytes = transactions.encoded_len();
    let Some(_room) = transactions::reserve(&shared, bytes) else {
        // The peer is not to blame: another one is asked.
        fetched.is_answered = false;
        return fetched;
    };
    let mut is_asked = true;
    let each = |submitted: &[Submitted]| {
        is_asked &= submitted.iter().all(|it| hashes.contains(&it.hash));
        for it in submitted {
            let metadata = TxMetadata {
                tx_type: it.tx_type as u8,
                size: u32::try_from(it.size).unwrap_or(u32::MAX),
            };
            match &it.result {
                // The hash does not cover the blobs: another peer may send the right ones.
                Err(AddError::Sidecar(_)) => continue,
                Ok(_) | Err(AddError::Known(_)) => {}
                // A refused transaction may be accepted later, when it is announced again.
                Err(_) => fetched.refused.push(it.hash),
            }
            fetched.arrived.push((it.hash, metadata));
        }
    };
    if let Err(violation) = transactions::submit(&shared, &peer, &transactions, each).await {
        violation.penalise(&peer);
        fetched.is_violation = true;
    }
    if !is_asked {
        fetched.is_violation = true;
        peer.penalise(UNREQUESTED_POINTS, "transactions that were not requested");
    }
    fetched
}

/// Splits bodies into raw bodies with their roots.
fn with_roots(bodies: &LazyList<Body>) -> Result<Vec<RawBody>, DecodeError> {
    let with_root = |raw| {
        Body::check(raw)?;
        RawBody::read(raw)
    };
    bodies.raw().map(with_root).collect()
}

impl Actor for FetcherActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let (now, height) = (self.now(), self.height());
        for peer in self.setup.shared.peers.list().iter() {
            for it in peer.announced_blocks() {
                let id = peer.id();
                self.blocks.announce(now, height, id, it.hash, it.number);
            }
            for it in peer.announced_transactions() {
                // A transaction that cannot be looked up is fetched needlessly, which does no harm.
                let is_sealed = self.setup.shared.chain_reader.transaction(&it.hash);
                if is_sealed.is_ok_and(|found| found.is_some()) {
                    continue;
                }
                self.announce(now, peer.id(), &it);
            }
        }
        self.publish_announced();
        self.set_timer(ctx);
        let changes = self.setup.shared.peers.changes();
        ctx.attach(stream::unfold(changes, |mut changes| async move {
            changes.changed().await.ok()?;
            Some((PeerSetChanged, changes))
        }));
        Ok(())
    }
}

impl Handles<BlocksAnnounced> for FetcherActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::Wait;

    fn handle(&mut self, message: BlocksAnnounced, ctx: &mut Ctx<Self>) {
        let (now, height, peer) = (self.now(), self.height(), message.peer);
        let mut blocks = message.blocks.iter();
        let is_too_much =
            blocks.any(|it| !self.blocks.announce(now, height, peer, it.hash, it.number));
        if is_too_much {
            self.penalise(&peer, NOISE_POINTS, "announces too many blocks");
        }
        self.poll(ctx);
    }
}

impl Handles<BlockPropagated> for FetcherActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::Wait;

    fn handle(&mut self, message: BlockPropagated, ctx: &mut Ctx<Self>) {
        let BlockPropagated { peer, block } = message;
        let size = block.body.as_ref().map_or(0, |body| body.len());
        let useless = match self.blocks.on_block(self.height(), peer, block) {
            Propagated::Accepted => None,
            Propagated::TooFar => Some("blocks far from our head"),
            Propagated::PeerFull => Some("more blocks than are kept"),
        };
        if let (Some(what), Some(peer)) = (useless, self.peer(&peer)) {
            peer.charge_useless(size, what);
        }
        self.poll(ctx);
        // The peer may have left while its block was in the mailbox.
        if self.peer(&peer).is_none() {
            self.blocks.peer_left(self.now(), &peer);
        }
    }
}

impl Handles<PeerSetChanged> for FetcherActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: PeerSetChanged, ctx: &mut Ctx<Self>) {
        let peers = self.setup.shared.peers.list();
        for id in self.blocks.peers() {
            if !peers.iter().any(|peer| peer.id() == id) {
                self.peer_left(&id, ctx);
            }
        }
    }
}

impl Handles<TransactionsAnnounced> for FetcherActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::Wait;

    fn handle(&mut self, message: TransactionsAnnounced, ctx: &mut Ctx<Self>) {
        let (now, peer) = (self.now(), message.peer);
        let mut dropped = 0;
        for it in &message.transactions {
            if self.refused.contains(&it.hash) {
                continue;
            }
            // Announcements beyond the limit are repeated by other peers, or mined.
            dropped += usize::from(!self.announce(now, peer, it));
        }
        self.count_useless_announcements(&peer, dropped, "announces too many transactions");
        self.poll(ctx);
    }
}

impl Handles<TransactionsArrived> for FetcherActor {
    type Answer = ();
    // Whether a transaction is present is checked again before it is requested.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, message: TransactionsArrived, _: &mut Ctx<Self>) {
        let from = message.peer;
        for (hash, tx_type, size) in message.transactions {
            self.arrived(&hash, &from, TxMetadata { tx_type, size });
        }
        self.publish_announced();
    }
}

impl Handles<ChainChanged> for FetcherActor {
    type Answer = ();
    // All these messages say the same.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: ChainChanged, ctx: &mut Ctx<Self>) {
        self.blocks.on_chain_changed();
        self.poll(ctx);
    }
}

impl Handles<PollDue> for FetcherActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: PollDue, ctx: &mut Ctx<Self>) {
        self.poll(ctx);
    }
}
