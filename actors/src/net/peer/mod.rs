//! PeerActor: one connection, from its first byte to its last byte.
//!
//! ```text
//!   accepted or dialled
//!         |  RLPx handshake
//!         v
//!   first checkpoint (ServerActor: PostHandshakeCheck)
//!         |  Hello
//!         v
//!   second checkpoint (ServerActor: AddPeerCheck)  -> in the set of peers
//!         |
//!         v
//!   protocol sessions, pings, until one side disconnects  -> out of the set
//! ```
//!
//! The actor owns all parts of a connection: the socket, the RLPx session, the protocol sessions.
//! When the actor ends, in whatever way, all of them are dropped, and the supervisor notifies
//! ServerActor. The actor is temporary: a lost peer is dialled again, not restarted.
//!
//! | message | effect |
//! |---|---|
//! | [`Disconnect`] | the reason is sent to the peer, and the actor ends |
//! | `HandshakesDone` | the protocol sessions, the reader and the timer begin |
//! | `FramesArrived` | the messages in the frames are passed to their sessions in one batch each |
//! | `ProtocolReady` | a session has taken its batch: the socket is read on |
//! | `MessageQueued`, `OutputWritten` | queued messages are encrypted and written, batch by batch |
//! | `KeepaliveDue` | a ping is sent; a silent peer is disconnected |
//! | `ProtocolEnded`, `EndDue` | the reason is sent to the peer, and the connection closed |
//! | `ConnectionClosed` | the actor ends |
//!
//! All but the first are the actor's own: the items of its streams (`messages.rs`).

mod args;
mod connected;
mod connection;
mod handshakes;
mod messages;

use std::cell::RefCell;
use std::mem;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use actoreum_messages::peer::{ConnectionId, Direction, Disconnect, DisconnectCause};
use actoreum_messages::server::{ConnectionEnded, PeerLeft};
use actoreum_wire::p2p::DisconnectReason;
use futures_util::{FutureExt, stream};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tracing::debug;

pub(super) use self::args::ConnectionArgs;
use self::connected::Connected;
use self::connection::{SharedConnection, close};
use self::handshakes::Handshakes;
use self::messages::{
    ConnectionClosed, EndDue, FramesArrived, HandshakesDone, KeepaliveDue, MessageQueued,
    OutputWritten, ProtocolEnded, ProtocolReady,
};
use super::arbiter::on_arbiter;
use super::limits::{CLOSE_TIMEOUT, PEER_MAILBOX};
use super::protocol::SessionExit;
use super::server::ServerActor;
use super::shared::Shared;
use actoreum_supervision::{
    Actor, ActorRef, ChildSpec, Ctx, DynamicRef, Failure, Handles, StartError,
};

static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// Starts the actors of connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connections {
    pub(super) shared: Arc<Shared>,
    /// Admits peers.
    pub(super) server: ActorRef<ServerActor>,
    /// The supervisor of the connections' actors.
    pub(super) supervisor: DynamicRef,
    /// The supervisor of the actors of protocol sessions.
    pub(super) sessions: DynamicRef,
}

impl Connections {
    /// Starts the actor of a connection.
    ///
    /// # Errors
    /// The bound on connections is reached, or their supervisor is down.
    pub(super) fn start(
        &self,
        args: ConnectionArgs,
    ) -> impl Future<Output = Result<(), StartError>> + Send + use<> {
        self.supervisor.start(self.child(args))
    }

    fn child(&self, args: ConnectionArgs) -> ChildSpec {
        let id = ConnectionId(CONNECTIONS.fetch_add(1, Relaxed));
        let me: ActorRef<PeerActor> = ActorRef::new(&id.0.to_string());
        let args = Mutex::new(Some(args));
        let factory = {
            let (shared, server) = (Arc::clone(&self.shared), self.server.clone());
            let sessions = self.sessions.clone();
            move || {
                let args = args.lock().take().ok_or("a connection begins once")?;
                Ok::<_, Failure>(PeerActor {
                    id,
                    shared: Arc::clone(&shared),
                    server: server.clone(),
                    sessions: sessions.clone(),
                    remote: args.wire.remote,
                    direction: args.direction,
                    state: State::New(Box::new(args)),
                })
            }
        };
        on_arbiter(ChildSpec::new(&me, factory))
            .mailbox(PEER_MAILBOX)
            .stop_timeout(CLOSE_TIMEOUT)
            .monitored_by(&self.server, move |_| ConnectionEnded(id))
    }
}

/// The actor of one connection; see the module.
pub struct PeerActor {
    id: ConnectionId,
    shared: Arc<Shared>,
    server: ActorRef<ServerActor>,
    sessions: DynamicRef,
    remote: SocketAddr,
    direction: Direction,
    state: State,
}

/// The course of a connection.
enum State {
    New(Box<ConnectionArgs>),
    /// The handshakes run. The sender ends them; `None` once it was used.
    Handshakes(Option<oneshot::Sender<DisconnectReason>>),
    Connected(Box<Connected>),
    /// The disconnect message is sent.
    Closing,
}

impl PeerActor {
    /// Runs a step of a connected peer, if it still is one. An error ends the connection.
    fn step(
        &mut self,
        ctx: &mut Ctx<Self>,
        step: impl FnOnce(&mut Connected, &mut Ctx<Self>) -> Result<(), DisconnectCause>,
    ) {
        let State::Connected(connected) = &mut self.state else {
            return;
        };
        if let Err(cause) = step(connected, ctx) {
            self.end(cause, ctx);
        }
    }

    /// Ends the connection of a peer.
    fn end(&mut self, cause: DisconnectCause, ctx: &mut Ctx<Self>) {
        let State::Connected(connected) = mem::replace(&mut self.state, State::Closing) else {
            return;
        };
        connected.cancel();
        let record = &connected.peer.record;
        debug!(peer = ?record.id, client = %record.client_name, end = %cause, "peer dropped");
        let reason = cause.reason();
        // Where ServerActor is down, its set of peers is empty already.
        let _ = self.server.tell(PeerLeft {
            connection: self.id,
            cause,
        });
        close_and_stop(connected.connection, reason, ctx);
    }
}

/// Sends the disconnect reason and closes the socket; then the actor ends.
fn close_and_stop(
    connection: SharedConnection,
    reason: Option<DisconnectReason>,
    ctx: &mut Ctx<PeerActor>,
) {
    let closed = close(connection, reason).map(|()| ConnectionClosed);
    ctx.attach(stream::once(closed));
}

fn session_ended(end: SessionExit) -> DisconnectCause {
    match end {
        SessionExit::Quit => DisconnectCause::Local(DisconnectReason::Quitting),
        SessionExit::Disconnect(reason) => DisconnectCause::Local(reason),
        SessionExit::Error(text) => DisconnectCause::Protocol(text),
    }
}

impl Actor for PeerActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let (disconnect, requested) = oneshot::channel();
        let state = mem::replace(&mut self.state, State::Handshakes(Some(disconnect)));
        let State::New(args) = state else {
            return Err("a connection begins once".into());
        };
        let handshakes = Handshakes {
            id: self.id,
            shared: Arc::clone(&self.shared),
            server: self.server.clone(),
            actor: ctx.me().recipient(),
        };
        ctx.attach(stream::once(handshakes.run(*args, requested)));
        Ok(())
    }
}

impl Handles<Disconnect> for PeerActor {
    type Answer = ();

    fn handle(&mut self, Disconnect(reason): Disconnect, ctx: &mut Ctx<Self>) {
        match &mut self.state {
            State::Handshakes(disconnect) => {
                if let Some(disconnect) = disconnect.take() {
                    // The handshakes report their end.
                    let _ = disconnect.send(reason);
                }
            }
            State::Connected(_) => self.end(DisconnectCause::Local(reason), ctx),
            State::New(_) | State::Closing => {}
        }
    }
}

impl Handles<HandshakesDone> for PeerActor {
    type Answer = ();

    fn handle(&mut self, done: HandshakesDone, ctx: &mut Ctx<Self>) {
        let connection = Rc::new(RefCell::new(done.connection));
        match done.outcome {
            Ok(peer) => {
                let handler = self.shared.handler.as_ref();
                let connected = Connected::begin(connection, peer, handler, &self.sessions, ctx);
                self.state = State::Connected(Box::new(connected));
                self.step(ctx, Connected::on_frames);
                self.step(ctx, Connected::on_keepalive);
            }
            Err(end) => {
                let (remote, direction) = (self.remote, self.direction);
                debug!(%remote, ?direction, %end, "connection not set up");
                self.state = State::Closing;
                close_and_stop(connection, end.reason(), ctx);
            }
        }
    }
}

impl Handles<FramesArrived> for PeerActor {
    type Answer = ();

    fn handle(&mut self, FramesArrived(read): FramesArrived, ctx: &mut Ctx<Self>) {
        self.step(ctx, |connected, ctx| connected.on_read(read, ctx));
    }
}

impl Handles<ProtocolReady> for PeerActor {
    type Answer = ();

    fn handle(&mut self, ready: ProtocolReady, ctx: &mut Ctx<Self>) {
        self.step(ctx, |connected, ctx| {
            connected.on_protocol_ready(ready, ctx)
        });
    }
}

impl Handles<MessageQueued> for PeerActor {
    type Answer = ();

    fn handle(&mut self, queued: MessageQueued, ctx: &mut Ctx<Self>) {
        self.step(ctx, |connected, ctx| connected.on_queued(queued, ctx));
    }
}

impl Handles<OutputWritten> for PeerActor {
    type Answer = ();

    fn handle(&mut self, OutputWritten(written): OutputWritten, ctx: &mut Ctx<Self>) {
        self.step(ctx, |connected, ctx| connected.on_written(written, ctx));
    }
}

impl Handles<KeepaliveDue> for PeerActor {
    type Answer = ();

    fn handle(&mut self, _: KeepaliveDue, ctx: &mut Ctx<Self>) {
        self.step(ctx, Connected::on_keepalive);
    }
}

impl Handles<ProtocolEnded> for PeerActor {
    type Answer = ();

    fn handle(&mut self, ProtocolEnded(exit): ProtocolEnded, ctx: &mut Ctx<Self>) {
        self.end(session_ended(exit), ctx);
    }
}

impl Handles<EndDue> for PeerActor {
    type Answer = ();

    fn handle(&mut self, EndDue(cause): EndDue, ctx: &mut Ctx<Self>) {
        self.end(cause, ctx);
    }
}

impl Handles<ConnectionClosed> for PeerActor {
    type Answer = ();

    fn handle(&mut self, _: ConnectionClosed, ctx: &mut Ctx<Self>) {
        ctx.stop();
    }
}
