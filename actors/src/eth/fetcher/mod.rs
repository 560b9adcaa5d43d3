//! FetcherActor: fetches blocks and transactions that peers announce, and imports blocks that
//! arrive one by one.
//!
//! | message | what happens |
//! |---|---|
//! | [`BlocksAnnounced`] | remembered; asked for when they do not come by themselves |
//! | [`BlockPropagated`] | waits for its parent, then: header checked, decoded, propagated, imported |
//! | [`TransactionsAnnounced`] | remembered; asked for when they do not come by themselves |
//! | [`TransactionsArrived`] | not asked for any more; a peer that described them falsely is banned |
//! | [`ChainChanged`] | blocks that wait for a parent look for it |
//! | `Due` | it is time for one of those |
//! | `PeersMoved` | what came from peers that have gone goes, too |
//!
//! The rules are [`BlockFetcher`] and [`TransactionFetcher`]. What was announced last is remembered
//! with the peer, too: a new generation begins with what of it is not here.

mod import;

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use actoreum_messages::events::ChainChanged;
use actoreum_messages::fetcher::{
    BlockPropagated, BlocksAnnounced, TransactionsAnnounced, TransactionsArrived,
};
use actoreum_primitives::rlp::DecodeError;
use actoreum_primitives::{B256, Body};
use actoreum_sync::BodyParcel;
use actoreum_sync::fetcher::limits::FETCH_TIMEOUT;
use actoreum_sync::fetcher::{BlockFetcher, FetchAction, PeerId, Propagated};
use actoreum_sync::transactions::{Description, FetchTransactions, TransactionFetcher};
use actoreum_txpool::AddError;
use actoreum_wire::eth::{BlockOrigin, LazyList, TransactionAnnouncement, WireItem as _};
use actoreum_wire::nodes::NodeId;
use futures_util::stream;
use rand::Rng;
use tokio::time::Instant;

use super::limits::{
    FALSE_ANNOUNCEMENT_POINTS, INVALID_POINTS, MISMATCH_POINTS, NOISE_POINTS, REFUSED_TRANSACTIONS,
    VAIN_ANNOUNCEMENT_UNITS,
};
use super::peer::{EthPeer, KnownHashes};
use super::setup::EthSetup;
use super::transactions;
use crate::supervision::{Actor, Ctx, Failure, Handles, Message, TaskHandle, WhenFull};
use crate::txpool::Submitted;

/// Between two looks at least: what is due within it is done together.
const LEAST_PAUSE: Duration = Duration::from_millis(10);

/// Something is due.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
struct Due;

/// Peers came or went, or one has another head.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
struct PeersMoved;

/// See the module.
pub struct FetcherActor {
    setup: EthSetup,
    blocks: BlockFetcher,
    transactions: TransactionFetcher,
    /// Announced transactions that the pool did not take.
    refused: KnownHashes,
    /// The zero of the rules' clock.
    epoch: Instant,
    timer: Option<(Duration, TaskHandle)>,
}

impl FetcherActor {
    /// A generation.
    pub fn new(setup: EthSetup) -> Self {
        let seed = setup.chance.choose(|random| random.random());
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
        self.setup.chain.head_number()
    }

    fn peer(&self, id: &PeerId) -> Option<EthPeer> {
        self.setup.peers.get(&NodeId(*id))
    }

    /// Does what is to be done now, and comes back when something else is.
    fn turn(&mut self, ctx: &mut Ctx<Self>) {
        let (now, height) = (self.now(), self.height());
        let chain = self.setup.chain.clone();
        // What cannot be read is not fetched either.
        let has = |hash: &B256| !matches!(chain.header_by_hash(hash), Ok(None));
        for action in self.blocks.poll(now, height, has) {
            self.act(action, ctx);
        }
        let snapshot = self.setup.pool.snapshot();
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

    /// Conversations tell what arrives only where somebody waits for it.
    fn publish_announced(&self) {
        self.setup.announced.store(self.transactions.len(), Relaxed);
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
        let pause = next.saturating_sub(now).max(LEAST_PAUSE);
        self.timer = Some((now + pause, ctx.notify_after(pause, Due)));
    }

    /// A peer that is asked for something has gone.
    fn peer_left(&mut self, peer: &PeerId, ctx: &mut Ctx<Self>) {
        self.blocks.peer_left(self.now(), peer);
        self.transactions.peer_left(peer);
        ctx.notify(Due);
    }

    fn blame(&self, peer: &PeerId, points: i64, why: &str) {
        if let Some(peer) = self.peer(peer) {
            peer.penalise(points, why);
        }
    }

    fn act(&mut self, action: FetchAction, ctx: &mut Ctx<Self>) {
        match action {
            FetchAction::Blame { peer, why } => self.blame(&peer, MISMATCH_POINTS, why),
            FetchAction::Header { peer, hash } => self.fetch_header(peer, hash, ctx),
            FetchAction::Bodies { peer, hashes } => self.fetch_bodies(peer, hashes, ctx),
            FetchAction::Import { peer, block } => {
                let hash = block.header.hash;
                let import = import::import(self.setup.clone(), *block);
                ctx.spawn_then(import, move |actor, fault, ctx| {
                    if let Some(fault) = fault {
                        actor.blame(&peer, INVALID_POINTS, &fault);
                    }
                    actor.blocks.done(&hash);
                    actor.turn(ctx);
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
            let origin = BlockOrigin::Hash(hash);
            let headers = peer.headers(origin, 1, 0, false, deadline).await;
            headers.ok().and_then(|headers| headers.into_iter().next())
        };
        ctx.spawn_then(ask, move |actor, header, ctx| {
            let (now, height) = (actor.now(), actor.height());
            let blame = actor.blocks.header_came(now, height, id, hash, header);
            if let Some(action) = blame {
                actor.act(action, ctx);
            }
            actor.turn(ctx);
        });
    }

    fn fetch_bodies(&mut self, id: PeerId, hashes: Vec<B256>, ctx: &mut Ctx<Self>) {
        let Some(peer) = self.peer(&id) else {
            return self.peer_left(&id, ctx);
        };
        let deadline = Instant::now() + FETCH_TIMEOUT;
        let serving = self.setup.serving.clone();
        let asked = hashes.clone();
        let ask = async move {
            let bodies = peer.raw_bodies(asked, deadline).await.ok()?;
            let take_roots = move || with_roots(&bodies);
            match serving.run(take_roots).await.ok()? {
                Ok(bodies) => Some(bodies),
                Err(error) => {
                    peer.malformed(&error);
                    None
                }
            }
        };
        ctx.spawn_then(ask, move |actor, bodies, ctx| {
            let bodies = bodies.unwrap_or_default();
            actor.blocks.bodies_came(actor.now(), id, &hashes, bodies);
            actor.turn(ctx);
        });
    }

    fn fetch_transactions(&mut self, request: FetchTransactions, ctx: &mut Ctx<Self>) {
        let FetchTransactions { peer: id, hashes } = request;
        let Some(peer) = self.peer(&id) else {
            return self.peer_left(&id, ctx);
        };
        let ask = fetch_transactions(self.setup.clone(), peer, hashes);
        ctx.spawn_then(ask, move |actor, fetched: Fetched, ctx| {
            for (hash, description) in fetched.arrived {
                actor.arrived(&hash, &id, description);
            }
            for hash in fetched.refused {
                actor.refused.insert(&hash);
            }
            let missing = actor.transactions.came(&id);
            if fetched.is_answered {
                actor.count_vain(&id, missing, "announces transactions that it does not have");
            }
            actor.turn(ctx);
        });
    }

    /// Takes an announcement down. False where the peer has announced too much.
    fn announce(&mut self, now: Duration, peer: PeerId, it: &TransactionAnnouncement) -> bool {
        let description = it
            .kind_and_size
            .map(|(tx_type, size)| Description { tx_type, size });
        self.transactions.announce(now, peer, it.hash, description)
    }

    /// A transaction is here; a peer that announced it with another type or size is banned, as
    /// geth 1.13 does.
    fn arrived(&mut self, hash: &B256, from: &PeerId, came: Description) {
        for peer in self.transactions.arrived(hash, from, came) {
            let why = format!(
                "announced transaction {hash} with another type or size: it has type {} and {} \
                 bytes",
                came.tx_type, came.size
            );
            self.blame(&peer, FALSE_ANNOUNCEMENT_POINTS, &why);
        }
    }

    /// Counts announcements against a peer that were of no use.
    fn count_vain(&self, peer: &PeerId, count: usize, why: &str) {
        if let (Some(peer), 1..) = (self.peer(peer), count) {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            // It is not asked, so that there is no pause to make.
            let _ = peer.count_waste(count.saturating_mul(VAIN_ANNOUNCEMENT_UNITS), why);
        }
    }
}

/// What came of a request for transactions.
#[derive(Debug, Default)]
struct Fetched {
    /// The peer has answered, be it with nothing.
    is_answered: bool,
    /// What came.
    arrived: Vec<(B256, Description)>,
    /// What of it is not to be asked for again.
    refused: Vec<B256>,
}

/// Asks a peer for transactions and hands them to the pool.
async fn fetch_transactions(setup: EthSetup, peer: EthPeer, hashes: Vec<B256>) -> Fetched {
    let deadline = Instant::now() + FETCH_TIMEOUT;
    let mut fetched = Fetched::default();
    let answer = peer.raw_pooled_transactions(hashes.clone(), deadline).await;
    let Ok(transactions) = answer else {
        return fetched;
    };
    fetched.is_answered = true;
    // The peer's own part of what may wait to be checked, or a part of what all share.
    let bytes = transactions.encoded_len();
    let Some(_room) = transactions::room(&setup, bytes) else {
        // Nothing against the peer: another one is asked.
        fetched.is_answered = false;
        return fetched;
    };
    let mut is_asked = true;
    let each = |submitted: &[Submitted]| {
        is_asked &= submitted.iter().all(|it| hashes.contains(&it.hash));
        for it in submitted {
            let description = Description {
                tx_type: it.tx_type as u8,
                size: u32::try_from(it.size).unwrap_or(u32::MAX),
            };
            match &it.result {
                // The hash does not cover the blobs: somebody else may send the right ones.
                Err(AddError::Sidecar(_)) => continue,
                Ok(_) | Err(AddError::Known(_)) => {}
                // What is refused for the moment's sake may be taken later, when it comes again.
                Err(_) => fetched.refused.push(it.hash),
            }
            fetched.arrived.push((it.hash, description));
        }
    };
    if let Err(violation) = transactions::submit(&setup, &peer, &transactions, each).await {
        violation.blame(&peer);
    }
    if !is_asked {
        peer.penalise(MISMATCH_POINTS, "transactions that were not asked for");
    }
    fetched
}

/// The bodies with their roots, still encoded.
fn with_roots(bodies: &LazyList<Body>) -> Result<Vec<BodyParcel>, DecodeError> {
    let with_root = |raw| {
        Body::check(raw)?;
        BodyParcel::read(raw)
    };
    bodies.raw().map(with_root).collect()
}

impl Actor for FetcherActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let (now, height) = (self.now(), self.height());
        for peer in self.setup.peers.list().iter() {
            for it in peer.announced_blocks() {
                let id = peer.id().0;
                self.blocks.announce(now, height, id, it.hash, it.number);
            }
            for it in peer.announced_transactions() {
                // One that cannot be read is fetched in vain.
                let is_sealed = self.setup.chain.transaction(&it.hash);
                if is_sealed.is_ok_and(|found| found.is_some()) {
                    continue;
                }
                self.announce(now, peer.id().0, &it);
            }
        }
        self.publish_announced();
        self.set_timer(ctx);
        let changes = self.setup.peers.changes();
        ctx.attach(stream::unfold(changes, |mut changes| async move {
            changes.changed().await.ok()?;
            Some((PeersMoved, changes))
        }));
        Ok(())
    }
}

impl Handles<BlocksAnnounced> for FetcherActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::Wait;

    fn handle(&mut self, message: BlocksAnnounced, ctx: &mut Ctx<Self>) {
        let (now, height, peer) = (self.now(), self.height(), message.peer.0);
        let mut blocks = message.blocks.iter();
        let is_too_much =
            blocks.any(|it| !self.blocks.announce(now, height, peer, it.hash, it.number));
        if is_too_much {
            self.blame(&peer, NOISE_POINTS, "announces too many blocks");
        }
        self.turn(ctx);
    }
}

impl Handles<BlockPropagated> for FetcherActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::Wait;

    fn handle(&mut self, message: BlockPropagated, ctx: &mut Ctx<Self>) {
        let BlockPropagated { peer, block } = message;
        let size = block.body.as_ref().map_or(0, |body| body.len());
        let useless = match self.blocks.propagated(self.height(), peer.0, block) {
            Propagated::Taken => None,
            Propagated::Far => Some("blocks far from our head"),
            Propagated::Full => Some("more blocks than are kept"),
        };
        if let (Some(what), Some(peer)) = (useless, self.peer(&peer.0)) {
            peer.charge_useless(size, what);
        }
        self.turn(ctx);
        // It may have gone while its block was on the way here.
        if self.peer(&peer.0).is_none() {
            self.blocks.peer_left(self.now(), &peer.0);
        }
    }
}

impl Handles<PeersMoved> for FetcherActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: PeersMoved, ctx: &mut Ctx<Self>) {
        let peers = self.setup.peers.list();
        for id in self.blocks.peers() {
            if !peers.iter().any(|peer| peer.id().0 == id) {
                self.peer_left(&id, ctx);
            }
        }
    }
}

impl Handles<TransactionsAnnounced> for FetcherActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::Wait;

    fn handle(&mut self, message: TransactionsAnnounced, ctx: &mut Ctx<Self>) {
        let (now, peer) = (self.now(), message.peer.0);
        let mut dropped = 0;
        for it in &message.transactions {
            if self.refused.contains(&it.hash) {
                continue;
            }
            // What is more than can be remembered is announced by others, or mined.
            dropped += usize::from(!self.announce(now, peer, it));
        }
        self.count_vain(&peer, dropped, "announces too many transactions");
        self.turn(ctx);
    }
}

impl Handles<TransactionsArrived> for FetcherActor {
    type Answer = ();
    // What is here is seen before it is asked for.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, message: TransactionsArrived, _: &mut Ctx<Self>) {
        let from = message.peer.0;
        for (hash, tx_type, size) in message.transactions {
            self.arrived(&hash, &from, Description { tx_type, size });
        }
        self.publish_announced();
    }
}

impl Handles<ChainChanged> for FetcherActor {
    type Answer = ();
    // Each says the same.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: ChainChanged, ctx: &mut Ctx<Self>) {
        self.blocks.chain_moved();
        self.turn(ctx);
    }
}

impl Handles<Due> for FetcherActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: Due, ctx: &mut Ctx<Self>) {
        self.turn(ctx);
    }
}
