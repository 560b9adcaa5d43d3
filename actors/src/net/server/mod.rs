//! ServerActor: owns the set of peers, and says who may join it.
//!
//! | message | what happens |
//! |---|---|
//! | `Admit` | the first checkpoint, once a key is proven: is there a place? |
//! | `Greet` | the second, once the Hello is there: the same again, and something in common; the peer is in the set before the answer goes out |
//! | `PeerLeft` | the peer leaves the set, for a reason |
//! | `ConnectionEnded` | the same from the supervisor, where the peer had no time to say so |
//! | [`AddPeer`], [`RemovePeer`] | the list of static nodes, the dialer, and on removal the connection; who is added is no longer kept away |
//! | [`AddTrusted`], [`RemoveTrusted`] | the list of trusted nodes, and the flag of a connection |
//! | [`Ban`] | a node is kept away for a while; it is remembered why |
//! | [`SubscribePeers`], [`Unsubscribe`] | who is told of peers that come and go |
//!
//! The set is published with each change; readers take it without a mailbox. The checks are made
//! twice because other connections change the set in between. An answer to `Greet` comes after
//! the peer is in the published set or refused: a dial ends after that, so the dialer never finds
//! a node neither being dialled nor connected that is about to join.

mod checks;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;

use actoreum_messages::dialer::{AddStatic, PeersChanged, RemoveStatic};
use actoreum_messages::filter::{Change, Event, FilterId, Subscriber, Unsubscribe};
use actoreum_messages::server::{
    AddPeer, AddTrusted, Ban, PeerEvent, RemovePeer, RemoveTrusted, SubscribePeers,
};
use actoreum_wire::nodes::NodeId;
use actoreum_wire::p2p::DisconnectReason;
use tracing::{debug, info};

use super::Shared;
use super::limits::EVENT_SUBSCRIBERS;
use super::peer::{ConnectionId, Direction, End, PeerRecord};
use crate::log_limit::{self, LogLimit};
use crate::supervision::{Actor, Ctx, Failure, Handles, Message};

/// A key is proven: may it go on? From: PeerActor. In the place of geth's `posthandshake`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), DisconnectReason>")]
pub(super) struct Admit {
    pub connection: ConnectionId,
    pub id: NodeId,
    pub direction: Direction,
}

/// The Hello is there: may it join? From: PeerActor. In the place of geth's `addpeer`.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), DisconnectReason>")]
pub(super) struct Greet {
    pub record: Arc<PeerRecord>,
}

/// A peer's connection ends. From: PeerActor. In the place of geth's `delpeer`.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(super) struct PeerLeft {
    pub connection: ConnectionId,
    pub why: End,
}

/// A connection's actor has ended. From: the supervisor.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct ConnectionEnded(pub ConnectionId);

/// See the module.
pub struct ServerActor {
    shared: Arc<Shared>,
    peers: HashMap<NodeId, Arc<PeerRecord>>,
    subscribers: HashMap<FilterId, Subscription>,
    /// The lines "peer connected" and "peer banned": anybody can cause as many as it likes.
    connected: LogLimit,
    banned: LogLimit,
    is_summary_due: bool,
}

/// A period of the log's limits is over.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
struct LogSummary;

/// Somebody who is told. Dropped with its actor, it says that events are lost.
struct Subscription {
    subscriber: Arc<dyn Subscriber>,
    is_ended: bool,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if !self.is_ended {
            self.subscriber.lost();
        }
    }
}

impl ServerActor {
    /// An actor without peers.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            peers: HashMap::new(),
            subscribers: HashMap::new(),
            connected: LogLimit::new(),
            banned: LogLimit::new(),
            is_summary_due: false,
        }
    }

    /// A line was left out of the log: how many there were is said later.
    fn summarise_later(&mut self, ctx: &mut Ctx<Self>) {
        if !self.is_summary_due {
            self.is_summary_due = true;
            ctx.notify_after(log_limit::PERIOD, LogSummary);
        }
    }

    fn publish(&self) {
        let mut peers: Vec<_> = self.peers.values().cloned().collect();
        peers.sort_by_key(|peer| peer.id);
        self.shared.peers.store(Arc::new(peers));
        // A dialer that is down looks at the set when it starts.
        let _ = self.shared.dialer.tell(PeersChanged);
    }

    fn tell(&mut self, peer: NodeId, dropped: Option<String>) {
        if self.subscribers.is_empty() {
            return;
        }
        let event = Arc::new(Event {
            change: Change::Peer(PeerEvent { peer, dropped }),
            rendered: OnceLock::new(),
        });
        self.subscribers.retain(|id, subscription| {
            let takes_more = subscription.subscriber.deliver(*id, &event);
            subscription.is_ended |= !takes_more;
            takes_more
        });
    }

    fn remove(&mut self, connection: ConnectionId, why: &str, is_its_fault: bool) {
        let is_it = |peer: &Arc<PeerRecord>| peer.connection == connection;
        let Some(id) = self.peers.values().find(|peer| is_it(peer)).map(|it| it.id) else {
            return;
        };
        if let Some(peer) = self.peers.remove(&id)
            && is_its_fault
        {
            self.shared.dropped.drop_peer(&peer, why.to_owned());
        }
        self.publish();
        self.tell(id, Some(why.to_owned()));
        debug!(peer = ?id, why, peers = self.peers.len(), "peer removed");
    }

    fn check(&self, id: &NodeId, direction: Direction) -> Result<(), DisconnectReason> {
        let settings = &self.shared.settings;
        let is_inbound = |peer: &&Arc<PeerRecord>| peer.direction == Direction::Inbound;
        checks::may_join(&checks::Applicant {
            is_trusted: self.shared.roster.is_trusted(id),
            direction,
            is_connected: self.peers.contains_key(id),
            is_self: *id == self.shared.local.info().id,
            is_kept_away: self.shared.dropped.is_kept_away(id),
            peers: self.peers.len(),
            inbound: self.peers.values().filter(is_inbound).count(),
            max_peers: settings.max_peers,
            max_inbound: settings.max_inbound(),
        })
    }
}

impl Actor for ServerActor {
    fn started(&mut self, _: &mut Ctx<Self>) -> Result<(), Failure> {
        self.publish();
        Ok(())
    }

    async fn stopped(self, _: &crate::supervision::Exit) {
        self.shared.peers.store(Arc::default());
    }
}

impl Handles<Admit> for ServerActor {
    type Answer = Result<(), DisconnectReason>;

    fn handle(&mut self, admit: Admit, _: &mut Ctx<Self>) -> Self::Answer {
        let answer = self.check(&admit.id, admit.direction);
        if let Err(reason) = answer {
            debug!(connection = admit.connection.0, peer = ?admit.id, %reason, "refused");
        }
        answer
    }
}

impl Handles<Greet> for ServerActor {
    type Answer = Result<(), DisconnectReason>;

    fn handle(&mut self, Greet { record }: Greet, ctx: &mut Ctx<Self>) -> Self::Answer {
        if record.shared.is_empty() {
            return Err(DisconnectReason::UselessPeer);
        }
        self.check(&record.id, record.direction)?;
        let is_trusted = self.shared.roster.is_trusted(&record.id);
        record.is_trusted.store(is_trusted, Relaxed);
        if self.connected.admit().is_some() {
            info!(
                peer = ?record.id, client = %record.client_name, remote = %record.remote,
                direction = ?record.direction, peers = self.peers.len() + 1, "peer connected"
            );
        } else {
            self.summarise_later(ctx);
        }
        let id = record.id;
        self.peers.insert(id, record);
        self.publish();
        self.tell(id, None);
        Ok(())
    }
}

impl Handles<PeerLeft> for ServerActor {
    type Answer = ();

    fn handle(&mut self, PeerLeft { connection, why }: PeerLeft, _: &mut Ctx<Self>) {
        self.remove(connection, &why.to_string(), why.blames_peer());
    }
}

impl Handles<ConnectionEnded> for ServerActor {
    type Answer = ();

    fn handle(&mut self, ConnectionEnded(connection): ConnectionEnded, _: &mut Ctx<Self>) {
        self.remove(connection, "connection ended", false);
    }
}

impl Handles<AddPeer> for ServerActor {
    type Answer = ();

    fn handle(&mut self, AddPeer(node): AddPeer, _: &mut Ctx<Self>) {
        self.shared.roster.add_static(node);
        self.shared.dropped.forgive(&node.id());
        // A dialer that is down reads the list when it starts.
        let _ = self.shared.dialer.tell(AddStatic(node));
    }
}

impl Handles<RemovePeer> for ServerActor {
    type Answer = ();

    fn handle(&mut self, RemovePeer(node): RemovePeer, _: &mut Ctx<Self>) {
        let id = node.id();
        self.shared.roster.remove_static(&id);
        let _ = self.shared.dialer.tell(RemoveStatic(id));
        if let Some(peer) = self.peers.get(&id) {
            peer.disconnect(DisconnectReason::Requested);
        }
    }
}

impl Handles<AddTrusted> for ServerActor {
    type Answer = ();

    fn handle(&mut self, AddTrusted(node): AddTrusted, _: &mut Ctx<Self>) {
        self.set_trusted(node.id(), true);
    }
}

impl Handles<RemoveTrusted> for ServerActor {
    type Answer = ();

    fn handle(&mut self, RemoveTrusted(node): RemoveTrusted, _: &mut Ctx<Self>) {
        self.set_trusted(node.id(), false);
    }
}

impl ServerActor {
    fn set_trusted(&mut self, id: NodeId, is_trusted: bool) {
        self.shared.roster.set_trusted(id, is_trusted);
        if let Some(peer) = self.peers.get(&id) {
            peer.is_trusted.store(is_trusted, Relaxed);
        }
    }
}

impl Handles<Ban> for ServerActor {
    type Answer = ();

    fn handle(
        &mut self,
        Ban {
            peer: id,
            why,
            time,
        }: Ban,
        ctx: &mut Ctx<Self>,
    ) {
        if self.banned.admit().is_some() {
            info!(peer = ?id, why, seconds = time.as_secs(), "peer banned");
        } else {
            self.summarise_later(ctx);
        }
        let peer = self.peers.get(&id).map(Arc::as_ref);
        self.shared.dropped.keep_away(id, peer, why, time);
    }
}

impl Handles<LogSummary> for ServerActor {
    type Answer = ();

    fn handle(&mut self, _: LogSummary, _: &mut Ctx<Self>) {
        self.is_summary_due = false;
        let (connected, banned) = (self.connected.take_left_out(), self.banned.take_left_out());
        let seconds = log_limit::PERIOD.as_secs();
        if connected > 0 {
            info!(count = connected, seconds, "more peers connected");
        }
        if banned > 0 {
            info!(count = banned, seconds, "more peers banned");
        }
    }
}

impl Handles<SubscribePeers> for ServerActor {
    type Answer = ();

    fn handle(&mut self, message: SubscribePeers, _: &mut Ctx<Self>) {
        let subscription = Subscription {
            subscriber: message.subscriber,
            is_ended: false,
        };
        // Beyond the bound it is dropped at once, and hears that events are lost.
        if self.subscribers.len() < EVENT_SUBSCRIBERS {
            self.subscribers.insert(message.id, subscription);
        }
    }
}

impl Handles<Unsubscribe> for ServerActor {
    type Answer = ();

    fn handle(&mut self, Unsubscribe { id }: Unsubscribe, _: &mut Ctx<Self>) {
        if let Some(mut subscription) = self.subscribers.remove(&id) {
            subscription.is_ended = true;
        }
    }
}
