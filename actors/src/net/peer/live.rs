//! The life of a connection.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use actoreum_primitives::PublicKey;
use actoreum_wire::nodes::NodeId;
use actoreum_wire::p2p::{DisconnectReason, Event, Hello, Session, SessionConfig};
use actoreum_wire::rlpx::HandshakeFormat;
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use rand::Rng;
use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;
use tokio::time::Instant;
use tracing::{debug, trace};

use super::connection::{Connection, End, now};
use super::record::{ConnectionId, PeerRecord, Traffic};
use super::{Beginning, Direction, PeerActor};
use crate::net::Shared;
use crate::net::limits::{
    MIN_TURN_COST, OLDEST_P2P_VERSION, TURN_BYTES, UNTAKEN_MESSAGES, WRITE_BATCH,
};
use crate::net::places::Place;
use crate::net::protocol::{
    ConversationEnd, Incoming, Link, Outgoing, PeerHandle, ProtocolHandler, SendQueue,
};
use crate::net::server::{Admit, Greet, PeerLeft};
use crate::supervision::ActorRef;

/// Who a connection is with, before it is a peer.
struct Stranger {
    public_key: PublicKey,
    id: NodeId,
    direction: Direction,
    local: std::net::SocketAddr,
    remote: std::net::SocketAddr,
}

/// What the life of a connection needs.
pub(super) struct Life {
    pub(super) id: ConnectionId,
    pub(super) shared: Arc<Shared>,
    pub(super) actor: ActorRef<PeerActor>,
    pub(super) wish: watch::Receiver<Option<DisconnectReason>>,
}

/// The conversations with a peer, and the way to each.
struct Conversations {
    running: FuturesUnordered<LocalBoxFuture<'static, ConversationEnd>>,
    ways: Vec<mpsc::Sender<Incoming>>,
}

impl Life {
    pub(super) async fn run(mut self, beginning: Beginning) {
        let Beginning {
            wire,
            direction,
            expected,
            mut place,
            set_up,
        } = beginning;
        let session = self.session(expected);
        let mut connection = Connection::new(session, wire.stream);
        let (queue, queued) = SendQueue::new();
        let traffic = Traffic::default();
        let (local, remote) = (wire.local, wire.remote);
        let mut wish = self.wish.clone();
        let entered = tokio::select! {
            biased;
            entered = self.enter(&mut connection, traffic, direction, (local, remote)) => entered,
            reason = wished(&mut wish) => Err(End::Local(reason)),
            () = evicted(place.as_mut()) => Err(End::Evicted),
        };
        drop(place);
        if let Some(set_up) = set_up {
            let outcome = entered.as_ref().map(|_| ()).map_err(Clone::clone);
            // A dialer that was restarted does not wait any more.
            let _ = set_up.send(outcome);
        }
        let end = match entered {
            Ok(record) => {
                let end = self.serve(&mut connection, &record, &queue, queued).await;
                debug!(peer = ?record.id, client = %record.client_name, %end, "peer dropped");
                // Where the server is down, it has forgotten every peer already.
                let _ = self.shared.server.tell(PeerLeft {
                    connection: self.id,
                    why: end.clone(),
                });
                end
            }
            Err(end) => {
                debug!(%remote, ?direction, %end, "connection not set up");
                end
            }
        };
        queue.close();
        connection.close(end.reason()).await;
    }

    fn session(&self, expected: Option<PublicKey>) -> Session {
        let shared = &self.shared;
        let mut config = SessionConfig::new(
            shared.local.key().clone(),
            &shared.settings.client_name,
            shared.handler.offered(),
        );
        config.listen_port = shared.local.info().endpoint.tcp;
        let entropy = shared.settings.chance.choose(|random| random.random());
        let now = now();
        match expected {
            Some(remote) => Session::initiate(config, remote, HandshakeFormat::Eip8, entropy, now),
            None => Session::accept(config, entropy, now),
        }
    }

    /// Both handshakes and both checkpoints. At its end the peer is in the set.
    async fn enter(
        &self,
        connection: &mut Connection,
        traffic: Traffic,
        direction: Direction,
        (local, remote): (std::net::SocketAddr, std::net::SocketAddr),
    ) -> Result<Arc<PeerRecord>, End> {
        let public_key = match connection.event(&traffic).await? {
            Event::Authenticated { remote } => remote,
            Event::Disconnected(reason) => return Err(End::Remote(reason)),
            other => unreachable_event(&other)?,
        };
        let stranger = Stranger {
            public_key,
            id: NodeId::of(&public_key),
            direction,
            local,
            remote,
        };
        let server = &self.shared.server;
        let admit = Admit {
            connection: self.id,
            id: stranger.id,
            direction,
        };
        let admitted = server.ask(admit).await.map_err(|_| End::ServerStopped)?;
        admitted.map_err(End::Local)?;

        connection.session.send_hello()?;
        let hello = match connection.event(&traffic).await? {
            Event::HelloReceived(hello) => hello,
            Event::Disconnected(reason) => return Err(End::Remote(reason)),
            other => unreachable_event(&other)?,
        };
        if hello.version < OLDEST_P2P_VERSION {
            return Err(End::Local(DisconnectReason::IncompatibleVersion));
        }
        let record = Arc::new(self.record(stranger, *hello, connection, traffic));
        let greet = Greet {
            record: Arc::clone(&record),
        };
        let greeted = server.ask(greet).await.map_err(|_| End::ServerStopped)?;
        greeted.map_err(End::Local)?;
        Ok(record)
    }

    fn record(
        &self,
        stranger: Stranger,
        hello: Hello,
        connection: &Connection,
        traffic: Traffic,
    ) -> PeerRecord {
        let shared = connection.session.shared().iter();
        PeerRecord {
            connection: self.id,
            id: stranger.id,
            public_key: stranger.public_key,
            client_name: hello.client_name,
            capabilities: hello.capabilities,
            shared: shared.map(|it| it.capability.clone()).collect(),
            direction: stranger.direction,
            is_trusted: AtomicBool::new(false),
            local: stranger.local,
            remote: stranger.remote,
            listen_port: u16::try_from(hello.listen_port).unwrap_or_default(),
            since: Instant::now(),
            traffic,
            eth: Mutex::new(None),
            notes: Mutex::default(),
            actor: self.actor.clone(),
            server: self.shared.server.clone(),
        }
    }

    /// Carries messages until somebody ends it.
    async fn serve(
        &mut self,
        connection: &mut Connection,
        record: &Arc<PeerRecord>,
        queue: &SendQueue,
        mut queued: mpsc::UnboundedReceiver<Outgoing>,
    ) -> End {
        let mut conversations = self.begin(record, queue);
        let mut untaken: Option<(usize, Incoming)> = None;
        let mut turn = Turn::default();
        loop {
            if turn.is_over(record) {
                // The other connections of this thread come first now.
                yield_now().await;
            }
            if untaken.is_none() {
                match take_events(connection, record) {
                    Ok(message) => untaken = message,
                    Err(end) => return end,
                }
            }
            if connection.is_flushed()
                && let Err(end) = fill(connection, record, &mut queued)
            {
                return end;
            }
            let way = untaken
                .as_ref()
                .and_then(|(capability, _)| conversations.ways.get(*capability))
                .cloned();
            let is_flushed = connection.is_flushed();
            tokio::select! {
                biased;
                reason = wished(&mut self.wish) => return End::Local(reason),
                Some(end) = conversations.running.next() => return ended(end),
                permit = room(way.as_ref()) => match (permit, untaken.take()) {
                    (Some(permit), Some((_, message))) => permit.send(message),
                    // The conversation has ended, which is about to be seen.
                    _ => untaken = None,
                },
                moved = connection.turn(untaken.is_none(), &record.traffic) => {
                    if let Err(end) = moved {
                        return end;
                    }
                }
                Some(message) = queued.recv(), if is_flushed => {
                    if let Err(end) = encrypt(connection, record, &message) {
                        return end;
                    }
                }
            }
        }
    }

    fn begin(&self, record: &Arc<PeerRecord>, queue: &SendQueue) -> Conversations {
        let handler: &dyn ProtocolHandler = self.shared.handler.as_ref();
        let mut conversations = Conversations {
            running: FuturesUnordered::new(),
            ways: Vec::new(),
        };
        for (capability, negotiated) in record.shared.iter().enumerate() {
            let (way, incoming) = mpsc::channel(UNTAKEN_MESSAGES);
            let peer = PeerHandle {
                record: Arc::clone(record),
                capability,
                negotiated: negotiated.clone(),
                queue: queue.clone(),
            };
            let link = Link { peer, incoming };
            conversations.running.push(handler.converse(link));
            conversations.ways.push(way);
        }
        conversations
    }
}

/// What a connection did since it last let others go on.
#[derive(Default)]
struct Turn {
    bytes: u64,
    messages: u64,
}

impl Turn {
    /// Whether it did as much as it may in one turn. The next one begins then.
    fn is_over(&mut self, record: &PeerRecord) -> bool {
        let traffic = &record.traffic;
        let bytes = traffic.bytes_in.load(Relaxed) + traffic.bytes_out.load(Relaxed);
        let messages = traffic.messages_in.load(Relaxed);
        let cost = (bytes - self.bytes) + (messages - self.messages) * MIN_TURN_COST as u64;
        let is_over = cost >= TURN_BYTES as u64;
        if is_over {
            *self = Self { bytes, messages };
        }
        is_over
    }
}

/// Resolves when somebody wants the connection to end.
async fn wished(wish: &mut watch::Receiver<Option<DisconnectReason>>) -> DisconnectReason {
    match wish.wait_for(Option::is_some).await.map(|wish| *wish) {
        Ok(Some(reason)) => reason,
        _ => pending().await,
    }
}

/// Resolves when a handshake's place is needed for somebody else.
async fn evicted(place: Option<&mut Place>) {
    match place {
        Some(place) => place.evicted().await,
        None => pending().await,
    }
}

/// A place with the conversation that a message is for.
async fn room(way: Option<&mpsc::Sender<Incoming>>) -> Option<mpsc::Permit<'_, Incoming>> {
    match way {
        Some(way) => way.reserve().await.ok(),
        None => pending().await,
    }
}

fn ended(end: ConversationEnd) -> End {
    match end {
        ConversationEnd::Quit => End::Local(DisconnectReason::Quitting),
        ConversationEnd::Disconnect(reason) => End::Local(reason),
        ConversationEnd::Error(text) => End::Conversation(text),
    }
}

/// A session gives its events in order; another at this place is a fault in it.
fn unreachable_event<T>(event: &Event) -> Result<T, End> {
    debug_assert!(false, "{event:?}");
    Err(End::Local(DisconnectReason::ProtocolBreach))
}

/// Handles what has come until a message for a conversation, or until nothing more is there.
fn take_events(
    connection: &mut Connection,
    record: &PeerRecord,
) -> Result<Option<(usize, Incoming)>, End> {
    while let Some(event) = connection.session.poll(now())? {
        match event {
            Event::Message {
                capability,
                id,
                payload,
            } => {
                record.traffic.messages_in.fetch_add(1, Relaxed);
                return Ok(Some((capability, Incoming { id, payload })));
            }
            Event::Pong => {
                if let Some(round_trip) = connection.session.round_trip() {
                    record.traffic.set_latency(round_trip);
                }
            }
            Event::Disconnected(reason) => return Err(End::Remote(reason)),
            Event::Ping | Event::Authenticated { .. } | Event::HelloReceived(_) => {}
        }
    }
    Ok(None)
}

/// Encrypts what waits, up to a batch.
fn fill(
    connection: &mut Connection,
    record: &PeerRecord,
    queued: &mut mpsc::UnboundedReceiver<Outgoing>,
) -> Result<(), End> {
    while connection.session.output_len() < WRITE_BATCH
        && let Ok(message) = queued.try_recv()
    {
        encrypt(connection, record, &message)?;
    }
    Ok(())
}

fn encrypt(
    connection: &mut Connection,
    record: &PeerRecord,
    message: &Outgoing,
) -> Result<(), End> {
    let Outgoing {
        capability,
        id,
        payload,
        ..
    } = message;
    trace!(peer = ?record.id, id, bytes = payload.len(), "message sent");
    record.traffic.messages_out.fetch_add(1, Relaxed);
    connection.session.send(*capability, *id, payload)?;
    Ok(())
}
