//! The interface between the network and the protocols above the p2p base protocol.
//!
//! A [`ProtocolHandler`] offers capabilities and, for each peer that shares one, runs a
//! session: a future inside the peer's actor. The session gets a [`Link`]:
//!
//! ```text
//!   socket -> PeerActor -> (queue of one batch) -> Link::receive -> session
//!
//!   socket <- PeerActor <- (queue bounded in bytes) <- PeerHandle::send, try_send <- any actor
//! ```
//!
//! - A batch has the messages that one read from the socket has completed. The socket is read again
//!   when the session has taken the last batch: a slow session slows its own peer only.
//! - [`PeerHandle`] is cheap to clone and usable from any thread. While the queue is full,
//!   `try_send` fails, and the caller drops the message (gossip); `send` waits (answers).
//! - When a session ends, the connection ends for the reason that the session returns. When the
//!   connection ends otherwise, the session's future is dropped at its current await: cleanup
//!   (such as the removal from a set of peers) belongs in the `Drop` of a guard.
//!
//! The future runs on the network's thread, which all connections share by turns
//! ([`super::limits::TURN_BYTES`]). Work that takes longer than a tenth of a millisecond belongs on
//! a thread pool. So does the decompression of a large payload, which is passed on compressed.

use std::any::Any;
use std::sync::Arc;
use std::vec;

use actoreum_supervision::{ChildSpec, DynamicRef, StartError};
use actoreum_wire::nodes::Enr;
use actoreum_wire::p2p::{self, Capability, DisconnectReason, Payload};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::yield_now;

use super::arbiter::on_arbiter;
use super::limits::{MIN_SEND_COST, MIN_TURN_COST, SEND_BUDGET, TURN_BYTES};
use super::peer_control::PeerControl;
use super::record::PeerRecord;

/// A protocol above the p2p base protocol, in all of its versions.
pub trait ProtocolHandler: Send + Sync + 'static {
    /// Returns the versions as capabilities to offer, all of one name.
    fn offered(&self) -> Vec<p2p::Protocol>;

    /// Returns the protocol's pairs for the node's record (ENR), RLP-encoded.
    fn record_entries(&self) -> Vec<(String, Vec<u8>)> {
        Vec::new()
    }

    /// Returns whether a node with this record may be on the same chain, so that it is worth a dial.
    fn accepts_record(&self, _: &Enr) -> bool {
        true
    }

    /// Runs the protocol with a peer until the session or the connection ends. Called when both
    /// handshakes are over and the peer is in the set of peers.
    fn run_session(&self, link: Link) -> LocalBoxFuture<'static, SessionExit>;
}

/// The reason why a session ended, which decides the disconnect reason sent to the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionExit {
    /// The session is done: `client quitting` is sent.
    Quit,
    /// One of devp2p's reasons, which is sent.
    Disconnect(DisconnectReason),
    /// The peer violated the protocol: `subprotocol error` is sent. The text is for the log.
    Error(String),
}

/// A message of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The message code within the protocol.
    pub id: u64,
    /// The payload. A large one is to be decompressed on a thread pool: see the module.
    pub payload: Payload,
}

/// A session's side of the connection to its peer.
pub struct Link {
    /// The handle for sending to the peer, which may be cloned for other actors.
    pub peer: PeerHandle,
    /// Batches of messages: those that one read from the socket has completed.
    batches: mpsc::Receiver<Vec<Incoming>>,
    batch: vec::IntoIter<Incoming>,
    /// Messages that were received since the session last yielded to the other connections.
    received: usize,
    actors: DynamicRef,
}

impl Link {
    pub(super) fn new(
        peer: PeerHandle,
        batches: mpsc::Receiver<Vec<Incoming>>,
        actors: DynamicRef,
    ) -> Self {
        Self {
            peer,
            batches,
            batch: Vec::new().into_iter(),
            received: 0,
            actors,
        }
    }

    /// Starts an actor of the session, on the network's thread. It is temporary; it has to end with
    /// the session by itself, also where the session ends before this future has resolved, which
    /// is when the actor has started.
    ///
    /// # Errors
    /// The actor's own failure; or there are too many, or the network stops.
    pub fn start_actor(
        &self,
        child: ChildSpec,
    ) -> impl Future<Output = Result<(), StartError>> + Send + use<> {
        self.actors.start(on_arbiter(child))
    }

    /// Receives the messages that have arrived together, at least one; `None` once the connection
    /// has ended. Nothing more than the next batch is read until it is received.
    pub async fn receive_batch(&mut self) -> Option<Vec<Incoming>> {
        let rest: Vec<Incoming> = self.batch.by_ref().collect();
        if rest.is_empty() {
            self.batches.recv().await
        } else {
            Some(rest)
        }
    }

    /// Receives the next message; `None` once the connection has ended. Dropping the future loses
    /// nothing.
    pub async fn receive(&mut self) -> Option<Incoming> {
        if self.received >= TURN_BYTES / MIN_TURN_COST {
            self.received = 0;
            yield_now().await;
        }
        loop {
            if let Some(message) = self.batch.next() {
                self.received += 1;
                return Some(message);
            }
            self.batch = self.batches.recv().await?.into_iter();
        }
    }
}

/// The error of a message that was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The queue is full: the peer reads more slowly than messages are sent.
    #[error("the peer's queue is full")]
    Full,
    /// The connection has ended.
    #[error("the peer is gone")]
    Gone,
}

/// A message queued for the socket.
pub(super) struct Outgoing {
    pub(super) capability: usize,
    pub(super) id: u64,
    pub(super) payload: Bytes,
    /// The message's share of the queue's bytes, released once the message is encrypted.
    _cost: OwnedSemaphorePermit,
}

/// A queue of messages to one peer, bounded in bytes.
#[derive(Debug, Clone)]
pub(super) struct SendQueue {
    messages: mpsc::UnboundedSender<Outgoing>,
    budget: Arc<Semaphore>,
}

impl SendQueue {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Outgoing>) {
        let (messages, queued) = mpsc::unbounded_channel();
        let budget = Arc::new(Semaphore::new(SEND_BUDGET));
        (Self { messages, budget }, queued)
    }

    /// Closes the queue: waiting senders get [`SendError::Gone`].
    pub(super) fn close(&self) {
        self.budget.close();
    }

    fn push(&self, outgoing: Outgoing) -> Result<(), SendError> {
        self.messages.send(outgoing).map_err(|_| SendError::Gone)
    }
}

/// Returns a message's share of the budget: its bytes, at most the whole budget.
fn cost(payload: &Bytes) -> u32 {
    let bytes = payload.len().clamp(MIN_SEND_COST, SEND_BUDGET);
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// The handle of a connected peer for one protocol.
#[derive(Debug, Clone)]
pub struct PeerHandle {
    pub(super) control: PeerControl,
    pub(super) capability: usize,
    pub(super) negotiated: Capability,
    pub(super) queue: SendQueue,
}

impl PeerHandle {
    /// Returns the peer's record: identity, connection and counters.
    pub fn record(&self) -> &Arc<PeerRecord> {
        &self.control.record
    }

    /// Returns the negotiated capability: protocol and version.
    pub fn capability(&self) -> &Capability {
        &self.negotiated
    }

    /// Queues a message, unless the queue is full.
    ///
    /// # Errors
    /// [`SendError`]; the message is not sent.
    pub fn try_send(&self, id: u64, payload: Bytes) -> Result<(), SendError> {
        let budget = Arc::clone(&self.queue.budget);
        let cost = budget
            .try_acquire_many_owned(cost(&payload))
            .map_err(|error| match error {
                tokio::sync::TryAcquireError::NoPermits => SendError::Full,
                tokio::sync::TryAcquireError::Closed => SendError::Gone,
            })?;
        self.queue.push(Outgoing {
            capability: self.capability,
            id,
            payload,
            _cost: cost,
        })
    }

    /// Queues a message, after waiting for room in the queue; senders are served in order.
    /// Dropping the future takes the message back.
    ///
    /// # Errors
    /// [`SendError::Gone`] where the connection ended first.
    pub async fn send(&self, id: u64, payload: Bytes) -> Result<(), SendError> {
        let budget = Arc::clone(&self.queue.budget);
        let acquired = budget.acquire_many_owned(cost(&payload)).await;
        self.queue.push(Outgoing {
            capability: self.capability,
            id,
            payload,
            _cost: acquired.map_err(|_| SendError::Gone)?,
        })
    }

    /// Ends the connection.
    pub fn disconnect(&self, reason: DisconnectReason) {
        self.control.disconnect(reason);
    }

    /// Lowers the peer's score by `points`, or raises it where they are negative. At
    /// [`super::limits::BAN_SCORE`] the peer is disconnected and banned for
    /// [`super::limits::BAN_TIME`], unless it is trusted.
    pub fn penalise(&self, points: i64, why: &str) {
        self.control.penalise(points, why);
    }

    /// Disconnects a useless peer, and bans it for [`super::limits::USELESS_BAN_TIME`] unless it is
    /// trusted.
    pub fn disconnect_useless(&self, why: &str) {
        self.control.disconnect_useless(why);
    }

    /// Publishes the protocol's details about the peer with the peer's record; `admin_peers` shows
    /// them.
    pub fn publish<T: Any + Send + Sync>(&self, info: T) {
        self.record().protocol_info.set(info);
    }
}
