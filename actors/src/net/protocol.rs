//! The seam between the network and what is spoken over it.
//!
//! A [`ProtocolHandler`] says what it can speak and, for each peer that speaks it too, runs one
//! conversation: a future that lives in the peer's actor. It gets a [`Link`]:
//!
//! ```text
//!   socket -> PeerActor -> (one message, untaken) -> Link::receive -+
//!                                                                    conversation
//!   socket <- PeerActor <- (queue bounded in bytes) <- PeerHandle::send, try_send
//!                                                                    any actor
//! ```
//!
//! - The next message is read from the socket when the conversation has taken the last: a slow
//!   conversation slows its peer and nobody else.
//! - [`PeerHandle`] is what others hold: cheap to clone, usable from any thread. `try_send` says
//!   that there is no room, and the caller drops what it has (gossip); `send` waits (answers).
//! - A conversation that ends ends the connection, with the reason that it returns. When the
//!   connection ends otherwise, the conversation is dropped where it waits: what it must take
//!   back (a place in a set of peers) belongs into a guard with a `Drop`.
//!
//! The future runs on the network's thread, which all connections share by turns
//! ([`super::limits::TURN_BYTES`]). What takes longer than a tenth of a millisecond belongs on a
//! pool, the decompression of a large payload, too: it comes as it travelled.

use std::sync::Arc;

use actoreum_primitives::{B256, U256};
use actoreum_wire::p2p::{self, Capability, DisconnectReason, Payload};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::limits::{MIN_SEND_COST, SEND_BUDGET};
use super::peer::PeerRecord;

/// What is spoken above the base protocol, in all of its versions.
pub trait ProtocolHandler: Send + Sync + 'static {
    /// Its versions, as capabilities to offer; all of one name.
    fn offered(&self) -> Vec<p2p::Protocol>;

    /// Pairs for the node's record, RLP-encoded.
    fn record_entries(&self) -> Vec<(String, Vec<u8>)> {
        Vec::new()
    }

    /// Speaks with a peer until the end of one of them. Called when both handshakes are over and
    /// the peer is in the set of peers.
    fn converse(&self, link: Link) -> LocalBoxFuture<'static, ConversationEnd>;
}

/// Why a conversation ended, and what the peer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConversationEnd {
    /// There is nothing more to say: `client quitting`.
    Quit,
    /// For one of devp2p's reasons.
    Disconnect(DisconnectReason),
    /// The peer did something wrong: `subprotocol error`. The text is for the log.
    Error(String),
}

/// A message of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Its code within the protocol.
    pub id: u64,
    /// Its payload. A large one is decompressed on a pool: see the module.
    pub payload: Payload,
}

/// One conversation's end of a connection.
pub struct Link {
    /// The peer, for this conversation and for whoever else shall send to it.
    pub peer: PeerHandle,
    pub(super) incoming: mpsc::Receiver<Incoming>,
}

impl Link {
    /// The next message; `None` once the connection has ended.
    pub async fn receive(&mut self) -> Option<Incoming> {
        self.incoming.recv().await
    }
}

/// Why a message was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The peer does not read as fast as we write: drop the message.
    #[error("the peer's queue is full")]
    Full,
    /// The connection has ended.
    #[error("the peer is gone")]
    Gone,
}

/// A message on its way to the socket.
pub(super) struct Outgoing {
    pub(super) capability: usize,
    pub(super) id: u64,
    pub(super) payload: Bytes,
    /// Its share of the queue's bytes, given back once it is encrypted.
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

    /// Senders that wait hear that the peer is gone.
    pub(super) fn close(&self) {
        self.budget.close();
    }

    fn push(&self, outgoing: Outgoing) -> Result<(), SendError> {
        self.messages.send(outgoing).map_err(|_| SendError::Gone)
    }
}

/// What a message takes of the budget: its bytes, or all where it is larger than that.
fn cost(payload: &Bytes) -> u32 {
    let bytes = payload.len().clamp(MIN_SEND_COST, SEND_BUDGET);
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// A connected peer, as a protocol sees it.
#[derive(Debug, Clone)]
pub struct PeerHandle {
    pub(super) record: Arc<PeerRecord>,
    pub(super) capability: usize,
    pub(super) negotiated: Capability,
    pub(super) queue: SendQueue,
}

impl PeerHandle {
    /// Who it is, how it is connected, and what was measured.
    pub fn record(&self) -> &Arc<PeerRecord> {
        &self.record
    }

    /// The protocol and the version that is spoken.
    pub fn capability(&self) -> &Capability {
        &self.negotiated
    }

    /// Queues a message, if there is room.
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

    /// Queues a message, after waiting for room in line with others. Dropping the future takes
    /// the message back.
    ///
    /// # Errors
    /// [`SendError::Gone`]: the connection ended first.
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
        self.record.disconnect(reason);
    }

    /// Counts something against the peer (points above zero), or in its favour (below). At
    /// [`super::limits::WORST_SCORE`] it is sent away, and not connected to for a while.
    pub fn penalise(&self, points: i64, why: &str) {
        self.record.penalise(points, why);
    }

    /// Ends the connection with a peer that is of no use, and keeps it away for
    /// [`super::limits::USELESS_TIME`].
    pub fn send_away(&self, why: &str) {
        self.record.send_away(why);
    }

    /// Says what `admin_peers` shows of the conversation.
    pub fn show(&self, info: EthInfo) {
        *self.record.eth.lock() = Some(info);
    }
}

/// What an eth conversation shows of its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EthInfo {
    /// The version that is spoken.
    pub version: u64,
    /// The total difficulty of its best block, as it says.
    pub total_difficulty: U256,
    /// The hash of that block.
    pub head: B256,
}
