//! ServerActor: owns the set of peers, and decides which connections join it.
//!
//! | message | effect |
//! |---|---|
//! | [`PostHandshakeCheck`] | first checkpoint, after the RLPx handshake: bans and limits |
//! | `AddPeerCheck` | second checkpoint, after the Hello messages: the same checks, and a shared capability; the peer is in the set before the answer is sent |
//! | [`PeerLeft`] | the peer is removed from the set, with a reason |
//! | [`ConnectionEnded`] | the same, sent by the supervisor when a connection's actor has ended |
//! | [`AddPeer`], [`RemovePeer`] | the list of static nodes, the dialer, and on removal the connection; adding a node lifts its ban |
//! | [`AddTrusted`], [`RemoveTrusted`] | the list of trusted nodes, and the flag of a connection |
//! | [`Ban`] | a node is banned for a while, with a reason |
//! | [`SubscribePeers`], [`Unsubscribe`] | subscriptions to added and removed peers |
//!
//! The set is published with each change; readers load it without a mailbox. The checks are made
//! twice because other connections change the set in between. `AddPeerCheck` is answered after
//! the peer is in the published set or refused, and a dial ends after that: so the dialer never
//! sees a node as neither being dialled nor connected while it is about to join.

mod checks;

use actoreum_primitives::PeerId;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;

use actoreum_messages::dialer::{AddStatic, PeerSetChanged, RemoveStatic};
use actoreum_messages::events::PeerEvent;
use actoreum_messages::filter::{Change, Event, FilterId, Subscriber, Unsubscribe};
use actoreum_messages::peer::{ConnectionId, Direction};
use actoreum_messages::server::{
    AddPeer, AddTrusted, Ban, ConnectionEnded, PeerLeft, PostHandshakeCheck, RemovePeer,
    RemoveTrusted, SubscribePeers,
};
use actoreum_wire::p2p::DisconnectReason;
use tracing::{debug, info};

use super::limits::MAX_EVENT_SUBSCRIBERS;
use super::peer_control::PeerControl;
use super::shared::Shared;
use crate::log_limit::{self, LogLimit};
use actoreum_supervision::{Actor, Ctx, Failure, Handles, Message, Recipient};

/// The second checkpoint: whether a connection may join the set of peers once its Hello was
/// received. Sent by PeerActor. Corresponds to geth's `checkpointAddPeer`. Unlike the other messages
/// between actors it is not in `actoreum_messages`: it contains the live record of the connection.
#[derive(Debug, Clone, Message)]
#[answer(Result<(), DisconnectReason>)]
pub(super) struct AddPeerCheck {
    pub peer: PeerControl,
}

/// DialerActor, as the recipient of ServerActor's messages.
#[derive(Clone)]
pub(super) struct DialerRecipients {
    pub add_static: Recipient<AddStatic>,
    pub remove_static: Recipient<RemoveStatic>,
    pub peer_set_changed: Recipient<PeerSetChanged>,
}

/// The actor that owns the set of peers; see the module.
pub struct ServerActor {
    shared: Arc<Shared>,
    dialer: DialerRecipients,
    peers: HashMap<PeerId, PeerControl>,
    subscribers: HashMap<FilterId, Subscription>,
    /// Limits on the log lines "peer connected" and "peer banned", which remote nodes can cause
    /// without end.
    connected: LogLimit,
    banned: LogLimit,
    is_summary_due: bool,
}

/// Logs the number of suppressed lines. Sent by the actor's own timer.
#[derive(Debug, Clone, Copy, Message)]
struct LogSummary;

/// A subscription to peer events. Unless it was ended, its drop reports that events are lost.
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
    /// Creates an actor without peers.
    pub(super) fn new(shared: Arc<Shared>, dialer: DialerRecipients) -> Self {
        Self {
            shared,
            dialer,
            peers: HashMap::new(),
            subscribers: HashMap::new(),
            connected: LogLimit::new(),
            banned: LogLimit::new(),
            is_summary_due: false,
        }
    }

    /// Schedules the summary of suppressed log lines.
    fn summarise_later(&mut self, ctx: &mut Ctx<Self>) {
        if !self.is_summary_due {
            self.is_summary_due = true;
            ctx.notify_after(log_limit::PERIOD, LogSummary);
        }
    }

    fn publish(&self) {
        let mut peers: Vec<_> = self
            .peers
            .values()
            .map(|it| Arc::clone(&it.record))
            .collect();
        peers.sort_by_key(|peer| peer.id);
        self.shared.peers.store(Arc::new(peers));
        // A dialer that is down looks at the set when it starts.
        let _ = self.dialer.peer_set_changed.tell(PeerSetChanged);
    }

    fn tell(&mut self, peer: PeerId, dropped: Option<String>) {
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
        let mut records = self.peers.values().map(|it| &it.record);
        let Some(id) = records
            .find(|it| it.connection == connection)
            .map(|it| it.id)
        else {
            return;
        };
        if let Some(peer) = self.peers.remove(&id)
            && is_its_fault
        {
            self.shared.bans.note_dropped(&peer.record, why.to_owned());
        }
        self.publish();
        self.tell(id, Some(why.to_owned()));
        debug!(peer = ?id, why, peers = self.peers.len(), "peer removed");
    }

    fn check(&self, id: &PeerId, direction: Direction) -> Result<(), DisconnectReason> {
        let settings = &self.shared.settings;
        let is_inbound = |peer: &&PeerControl| peer.record.direction == Direction::Inbound;
        checks::may_join(&checks::PeerCandidate {
            is_trusted: self.shared.static_and_trusted.is_trusted(id),
            direction,
            is_connected: self.peers.contains_key(id),
            is_self: *id == self.shared.local.info().id,
            is_banned: self.shared.bans.is_banned(id),
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

    async fn stopped(self, _: &actoreum_supervision::Exit) {
        self.shared.peers.store(Arc::default());
    }
}

impl Handles<PostHandshakeCheck> for ServerActor {
    type Answer = Result<(), DisconnectReason>;

    fn handle(&mut self, check: PostHandshakeCheck, _: &mut Ctx<Self>) -> Self::Answer {
        let answer = self.check(&check.id, check.direction);
        if let Err(reason) = answer {
            debug!(connection = check.connection.0, peer = ?check.id, %reason, "refused");
        }
        answer
    }
}

impl Handles<AddPeerCheck> for ServerActor {
    type Answer = Result<(), DisconnectReason>;

    fn handle(&mut self, AddPeerCheck { peer }: AddPeerCheck, ctx: &mut Ctx<Self>) -> Self::Answer {
        let record = &peer.record;
        if record.shared.is_empty() {
            return Err(DisconnectReason::UselessPeer);
        }
        self.check(&record.id, record.direction)?;
        let is_trusted = self.shared.static_and_trusted.is_trusted(&record.id);
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
        self.peers.insert(id, peer);
        self.publish();
        self.tell(id, None);
        Ok(())
    }
}

impl Handles<PeerLeft> for ServerActor {
    type Answer = ();

    fn handle(&mut self, PeerLeft { connection, cause }: PeerLeft, _: &mut Ctx<Self>) {
        self.remove(connection, &cause.to_string(), cause.is_peer_fault());
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
        self.shared.static_and_trusted.add_static(node.clone());
        self.shared.bans.unban(&node.id());
        // A dialer that is down reads the list when it starts.
        let _ = self.dialer.add_static.tell(AddStatic(node));
    }
}

impl Handles<RemovePeer> for ServerActor {
    type Answer = ();

    fn handle(&mut self, RemovePeer(node): RemovePeer, _: &mut Ctx<Self>) {
        let id = node.id();
        self.shared.static_and_trusted.remove_static(&id);
        let _ = self.dialer.remove_static.tell(RemoveStatic(id));
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
    fn set_trusted(&mut self, id: PeerId, is_trusted: bool) {
        self.shared.static_and_trusted.set_trusted(id, is_trusted);
        if let Some(peer) = self.peers.get(&id) {
            peer.record.is_trusted.store(is_trusted, Relaxed);
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
        let peer = self.peers.get(&id).map(|it| it.record.as_ref());
        self.shared.bans.ban(id, peer, why, time);
    }
}

impl Handles<LogSummary> for ServerActor {
    type Answer = ();

    fn handle(&mut self, _: LogSummary, _: &mut Ctx<Self>) {
        self.is_summary_due = false;
        let (connected, banned) = (
            self.connected.take_suppressed(),
            self.banned.take_suppressed(),
        );
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
        // Above the bound the subscription is dropped at once, which reports lost events.
        if self.subscribers.len() < MAX_EVENT_SUBSCRIBERS {
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
