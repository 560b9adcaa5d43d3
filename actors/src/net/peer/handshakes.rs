//! The beginning of a connection: both handshakes and both checkpoints.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actoreum_messages::peer::{ConnectionId, Direction, Disconnect, DisconnectCause};
use actoreum_messages::server::PostHandshakeCheck;
use actoreum_primitives::{PeerId, PublicKey};
use actoreum_supervision::{ActorRef, Recipient};
use actoreum_wire::p2p::{DisconnectReason, Event, Hello, Session, SessionConfig};
use actoreum_wire::rlpx::HandshakeFormat;
use parking_lot::Mutex;
use rand::Rng;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::args::ConnectionArgs;
use super::connection::{Connection, now};
use super::messages::HandshakesDone;
use crate::net::handshake_slots::HandshakeSlot;
use crate::net::limits::MIN_P2P_VERSION;
use crate::net::peer_control::PeerControl;
use crate::net::record::{PeerRecord, ProtocolInfo, Traffic};
use crate::net::server::{AddPeerCheck, ServerActor};
use crate::net::shared::Shared;

/// The remote node of a connection that is not in the set of peers yet.
struct PendingPeer {
    public_key: PublicKey,
    id: PeerId,
    direction: Direction,
    local: SocketAddr,
    remote: SocketAddr,
}

/// The arguments of the handshakes of a connection, from its actor.
pub(super) struct Handshakes {
    pub(super) id: ConnectionId,
    pub(super) shared: Arc<Shared>,
    pub(super) server: ActorRef<ServerActor>,
    pub(super) actor: Recipient<Disconnect>,
}

impl Handshakes {
    /// Runs both handshakes and both checkpoints, until `disconnect` has a reason to end them, or
    /// until the handshake's slot is needed for another connection.
    pub(super) async fn run(
        self,
        args: ConnectionArgs,
        disconnect: oneshot::Receiver<DisconnectReason>,
    ) -> HandshakesDone {
        let ConnectionArgs {
            wire,
            direction,
            expected,
            mut slot,
            set_up,
        } = args;
        let mut connection = Connection::new(self.session(expected), wire.stream);
        let traffic = Traffic::default();
        let ends = (wire.local, wire.remote);
        let outcome = tokio::select! {
            biased;
            joined = self.join(&mut connection, traffic, direction, ends) => joined,
            reason = requested(disconnect) => Err(DisconnectCause::Local(reason)),
            () = evicted(slot.as_mut()) => Err(DisconnectCause::Evicted),
        };
        drop(slot);
        if let Some(set_up) = set_up {
            let outcome = outcome.as_ref().map(|_| ()).map_err(Clone::clone);
            // Fails where the dialer was restarted.
            let _ = set_up.send(outcome);
        }
        HandshakesDone {
            connection,
            outcome,
        }
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
}

/// Resolves when a disconnect is requested.
async fn requested(disconnect: oneshot::Receiver<DisconnectReason>) -> DisconnectReason {
    match disconnect.await {
        Ok(reason) => reason,
        Err(_) => pending().await,
    }
}

/// Resolves when the handshake's slot is needed for another connection.
async fn evicted(slot: Option<&mut HandshakeSlot>) {
    match slot {
        Some(slot) => slot.evicted().await,
        None => pending().await,
    }
}

/// Returns the cause for an event that an RLPx session cannot yield in its current state.
fn unreachable_event<T>(event: &Event) -> Result<T, DisconnectCause> {
    debug_assert!(false, "{event:?}");
    Err(DisconnectCause::Local(DisconnectReason::ProtocolBreach))
}
