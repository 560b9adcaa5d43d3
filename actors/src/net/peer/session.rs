//! The course of a connection: handshakes, checkpoints, protocol sessions, close.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use actoreum_messages::peer::{ConnectionId, Direction, Disconnect, DisconnectCause};
use actoreum_messages::server::{PeerLeft, PostHandshakeCheck};
use actoreum_primitives::{PeerId, PublicKey};
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

use super::args::ConnectionArgs;
use super::connection::{Connection, now};
use crate::net::handshake_slots::HandshakeSlot;
use crate::net::limits::{INCOMING_QUEUE, MIN_P2P_VERSION, MIN_TURN_COST, TURN_BYTES, WRITE_BATCH};
use crate::net::peer_control::PeerControl;
use crate::net::protocol::{
    Incoming, Link, Outgoing, PeerHandle, ProtocolHandler, SendQueue, SessionExit,
};
use crate::net::record::{PeerRecord, ProtocolInfo, Traffic};
use crate::net::server::{AddPeerCheck, ServerActor};
use crate::net::shared::Shared;
use actoreum_supervision::{ActorRef, Recipient};

/// The remote node of a connection that is not in the set of peers yet.
struct PendingPeer {
    public_key: PublicKey,
    id: PeerId,
    direction: Direction,
    local: SocketAddr,
    remote: SocketAddr,
}

/// The state of a connection, besides its socket.
pub(super) struct PeerSession {
    pub(super) id: ConnectionId,
    pub(super) shared: Arc<Shared>,
    pub(super) server: ActorRef<ServerActor>,
    pub(super) actor: Recipient<Disconnect>,
    pub(super) disconnect_request: watch::Receiver<Option<DisconnectReason>>,
}

/// The protocol sessions with a peer, and the sender of incoming messages to each.
struct ProtocolSessions {
    running: FuturesUnordered<LocalBoxFuture<'static, SessionExit>>,
    senders: Vec<mpsc::Sender<Incoming>>,
}

impl PeerSession {
    pub(super) async fn run(mut self, args: ConnectionArgs) {
        let ConnectionArgs {
            wire,
            direction,
            expected,
            mut slot,
            set_up,
        } = args;
        let session = self.session(expected);
        let mut connection = Connection::new(session, wire.stream);
        let (queue, queued) = SendQueue::new();
        let traffic = Traffic::default();
        let (local, remote) = (wire.local, wire.remote);
        let mut disconnect_request = self.disconnect_request.clone();
        let joined = tokio::select! {
            biased;
            joined = self.join(&mut connection, traffic, direction, (local, remote)) => joined,
            reason = disconnect_requested(&mut disconnect_request) => Err(DisconnectCause::Local(reason)),
            () = evicted(slot.as_mut()) => Err(DisconnectCause::Evicted),
        };
        drop(slot);
        if let Some(set_up) = set_up {
            let outcome = joined.as_ref().map(|_| ()).map_err(Clone::clone);
            // Fails where the dialer was restarted.
            let _ = set_up.send(outcome);
        }
        let end = match joined {
            Ok(peer) => {
                let end = self.serve(&mut connection, &peer, &queue, queued).await;
                let record = &peer.record;
                debug!(peer = ?record.id, client = %record.client_name, %end, "peer dropped");
                // Where ServerActor is down, its set of peers is empty already.
                let _ = self.server.tell(PeerLeft {
                    connection: self.id,
                    cause: end.clone(),
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
        let entropy = shared.settings.rng.with(|random| random.random());
        let now = now();
        match expected {
            Some(remote) => Session::initiate(config, remote, HandshakeFormat::Eip8, entropy, now),
            None => Session::accept(config, entropy, now),
        }
    }

    /// Runs both handshakes and both checkpoints. On success the peer is in the set of peers.
    async fn join(
        &self,
        connection: &mut Connection,
        traffic: Traffic,
        direction: Direction,
        (local, remote): (SocketAddr, SocketAddr),
    ) -> Result<PeerControl, DisconnectCause> {
        let public_key = match connection.event(&traffic).await? {
            Event::Authenticated { remote } => remote,
            Event::Disconnected(reason) => return Err(DisconnectCause::Remote(reason)),
            other => unreachable_event(&other)?,
        };
        let pending_peer = PendingPeer {
            public_key,
            id: PeerId::of(&public_key),
            direction,
            local,
            remote,
        };
        let server = &self.server;
        let check = PostHandshakeCheck {
            connection: self.id,
            id: pending_peer.id,
            direction,
        };
        let allowed = server
            .ask(check)
            .await
            .map_err(|_| DisconnectCause::ServerStopped)?;
        allowed.map_err(DisconnectCause::Local)?;

        connection.session.send_hello()?;
        let hello = match connection.event(&traffic).await? {
            Event::HelloReceived(hello) => hello,
            Event::Disconnected(reason) => return Err(DisconnectCause::Remote(reason)),
            other => unreachable_event(&other)?,
        };
        if hello.version < MIN_P2P_VERSION {
            return Err(DisconnectCause::Local(
                DisconnectReason::IncompatibleVersion,
            ));
        }
        let peer = PeerControl {
            record: Arc::new(self.record(pending_peer, *hello, connection, traffic)),
            connection: self.actor.clone(),
            server: server.recipient(),
        };
        let check = AddPeerCheck { peer: peer.clone() };
        let added = server
            .ask(check)
            .await
            .map_err(|_| DisconnectCause::ServerStopped)?;
        added.map_err(DisconnectCause::Local)?;
        Ok(peer)
    }

    fn record(
        &self,
        pending_peer: PendingPeer,
        hello: Hello,
        connection: &Connection,
        traffic: Traffic,
    ) -> PeerRecord {
        let shared = connection.session.shared().iter();
        PeerRecord {
            connection: self.id,
            id: pending_peer.id,
            public_key: pending_peer.public_key,
            client_name: hello.client_name,
            capabilities: hello.capabilities,
            shared: shared.map(|it| it.capability.clone()).collect(),
            direction: pending_peer.direction,
            is_trusted: AtomicBool::new(false),
            local: pending_peer.local,
            remote: pending_peer.remote,
            listen_port: u16::try_from(hello.listen_port).unwrap_or_default(),
            since: Instant::now(),
            traffic,
            protocol_info: ProtocolInfo::default(),
            notes: Mutex::default(),
        }
    }

    /// Runs the protocol sessions and moves messages until the connection is to end.
    async fn serve(
        &mut self,
        connection: &mut Connection,
        peer: &PeerControl,
        queue: &SendQueue,
        mut queued: mpsc::UnboundedReceiver<Outgoing>,
    ) -> DisconnectCause {
        let record = peer.record.as_ref();
        let mut sessions = self.begin(peer, queue);
        let mut untaken: Option<(usize, Incoming)> = None;
        let mut turn = Turn::default();
        loop {
            if turn.is_over(record) {
                // The other connections of this thread get their turn.
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
            let sender = untaken
                .as_ref()
                .and_then(|(capability, _)| sessions.senders.get(*capability))
                .cloned();
            let is_flushed = connection.is_flushed();
            tokio::select! {
                biased;
                reason = disconnect_requested(&mut self.disconnect_request) => return DisconnectCause::Local(reason),
                Some(end) = sessions.running.next() => return session_ended(end),
                permit = free_slot(sender.as_ref()) => match (permit, untaken.take()) {
                    (Some(permit), Some((_, message))) => permit.send(message),
                    // The protocol session has ended; the next iteration returns its exit.
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

    fn begin(&self, control: &PeerControl, queue: &SendQueue) -> ProtocolSessions {
        let handler: &dyn ProtocolHandler = self.shared.handler.as_ref();
        let mut sessions = ProtocolSessions {
            running: FuturesUnordered::new(),
            senders: Vec::new(),
        };
        for (capability, negotiated) in control.record.shared.iter().enumerate() {
            let (sender, incoming) = mpsc::channel(INCOMING_QUEUE);
            let peer = PeerHandle {
                control: control.clone(),
                capability,
                negotiated: negotiated.clone(),
                queue: queue.clone(),
            };
            let link = Link { peer, incoming };
            sessions.running.push(handler.run_session(link));
            sessions.senders.push(sender);
        }
        sessions
    }
}

/// The work of a connection since it last yielded to the others.
#[derive(Default)]
struct Turn {
    bytes: u64,
    messages: u64,
}

impl Turn {
    /// Returns whether the turn's budget is used up; if so, the next turn begins.
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

/// Resolves when a disconnect is requested.
async fn disconnect_requested(
    request: &mut watch::Receiver<Option<DisconnectReason>>,
) -> DisconnectReason {
    match request
        .wait_for(Option::is_some)
        .await
        .map(|request| *request)
    {
        Ok(Some(reason)) => reason,
        _ => pending().await,
    }
}

/// Resolves when the handshake's slot is needed for another connection.
async fn evicted(slot: Option<&mut HandshakeSlot>) {
    match slot {
        Some(slot) => slot.evicted().await,
        None => pending().await,
    }
}

/// Waits for a free slot in the queue of the protocol session that a message is for.
async fn free_slot(sender: Option<&mpsc::Sender<Incoming>>) -> Option<mpsc::Permit<'_, Incoming>> {
    match sender {
        Some(sender) => sender.reserve().await.ok(),
        None => pending().await,
    }
}

fn session_ended(end: SessionExit) -> DisconnectCause {
    match end {
        SessionExit::Quit => DisconnectCause::Local(DisconnectReason::Quitting),
        SessionExit::Disconnect(reason) => DisconnectCause::Local(reason),
        SessionExit::Error(text) => DisconnectCause::Protocol(text),
    }
}

/// Returns the cause for an event that an RLPx session cannot yield in its current state.
fn unreachable_event<T>(event: &Event) -> Result<T, DisconnectCause> {
    debug_assert!(false, "{event:?}");
    Err(DisconnectCause::Local(DisconnectReason::ProtocolBreach))
}

/// Handles received events up to a message for a protocol session, which is returned.
fn take_events(
    connection: &mut Connection,
    record: &PeerRecord,
) -> Result<Option<(usize, Incoming)>, DisconnectCause> {
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
            Event::Disconnected(reason) => return Err(DisconnectCause::Remote(reason)),
            Event::Ping | Event::Authenticated { .. } | Event::HelloReceived(_) => {}
        }
    }
    Ok(None)
}

/// Encrypts queued messages, up to [`WRITE_BATCH`] bytes.
fn fill(
    connection: &mut Connection,
    record: &PeerRecord,
    queued: &mut mpsc::UnboundedReceiver<Outgoing>,
) -> Result<(), DisconnectCause> {
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
) -> Result<(), DisconnectCause> {
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
