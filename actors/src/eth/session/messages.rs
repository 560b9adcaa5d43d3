//! Messages to EthSessionActor.

use std::time::Duration;

use actoreum_primitives::B256;
use actoreum_supervision::Message;
use actoreum_wire::eth::{EthMessage, GetBlockHeaders, RequestId};
use tokio::time::Instant;

use crate::eth::peer::PeerAnswer;
use crate::eth::transactions::Violation;
use crate::net::protocol::{Incoming, SessionExit};

/// Messages of the peer, in their order. Answered when all of them are handled, so that the session
/// has one batch at a time.
///
/// From: the session's part in PeerActor. Replaces geth's `protoRW.in`.
#[derive(Message)]
pub(super) struct EthFrames(pub(super) Vec<Incoming>);

/// The connection has ended, and the actor ends with it. To itself.
#[derive(Message)]
pub(super) struct ConnectionEnded;

/// Requests headers. As all requests it is answered with the peer's answer, at the deadline, or
/// when the session ends.
///
/// From: holders of an `EthPeer`. Replaces geth's `peer.RequestHeadersByHash` and
/// `RequestHeadersByNumber`.
#[derive(Message)]
#[answer(PeerAnswer)]
pub(super) struct RequestHeaders(pub(super) GetBlockHeaders, pub(super) Instant);

/// Requests the bodies of blocks by their hashes; see [`RequestHeaders`].
#[derive(Message)]
#[answer(PeerAnswer)]
pub(super) struct RequestBodies(pub(super) Vec<B256>, pub(super) Instant);

/// Requests the receipts of blocks by their hashes; see [`RequestHeaders`].
#[derive(Message)]
#[answer(PeerAnswer)]
pub(super) struct RequestReceipts(pub(super) Vec<B256>, pub(super) Instant);

/// Requests trie nodes and code by their hashes; see [`RequestHeaders`].
#[derive(Message)]
#[answer(PeerAnswer)]
pub(super) struct RequestNodeData(pub(super) Vec<B256>, pub(super) Instant);

/// Requests announced transactions; see [`RequestHeaders`].
#[derive(Message)]
#[answer(PeerAnswer)]
pub(super) struct RequestTransactions(pub(super) Vec<B256>, pub(super) Instant);

/// Charges the peer for bytes that are useless and break no rule. It is penalised beyond a budget
/// that refills with time.
///
/// From: the session itself, and FetcherActor.
#[derive(Message)]
pub(super) struct UselessDataReceived {
    pub(super) bytes: usize,
    pub(super) what: &'static str,
}

/// Counts useless work that the peer caused, in the units of
/// [`WASTE_BURST_UNITS`](crate::eth::limits::WASTE_BURST_UNITS). The answer is a pause before the
/// peer's next message, where it is too much; a peer that exceeds the limit too often is banned.
///
/// From: the session itself, and FetcherActor.
#[derive(Message)]
#[answer(Option<Duration>)]
pub(super) struct WasteCaused {
    pub(super) units: u32,
    pub(super) why: String,
}

/// A large message was decoded on the thread pool. To itself.
#[derive(Message)]
pub(super) struct FrameDecoded(pub(super) Result<EthMessage, SessionExit>);

/// A message of the peer is handled: the next one follows. To itself.
#[derive(Message)]
pub(super) struct FrameHandled(pub(super) Result<(), SessionExit>);

/// A request that had to wait for room in the queue was queued, or was given up. To itself.
#[derive(Message)]
pub(super) struct RequestQueued {
    pub(super) id: RequestId,
    pub(super) is_sent: bool,
}

/// The deadline of a request. To itself.
#[derive(Message)]
pub(super) struct RequestDue(pub(super) RequestId);

/// Broadcast transactions violate the protocol. To itself.
#[derive(Message)]
pub(super) struct BroadcastRefused(pub(super) Violation);
