//! The session of a peer, as the peer's handle uses it. The handle does not know the actor.

use std::time::Duration;

use actoreum_primitives::B256;
use actoreum_wire::eth::{EthMessage, GetBlockHeaders};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::error::RequestError;

/// The answer of a peer, undecoded where it is long.
pub(in crate::eth) type PeerAnswer = Result<EthMessage, RequestError>;

/// A request to a peer.
pub(in crate::eth) enum PeerRequest {
    /// A range of headers.
    Headers(GetBlockHeaders),
    /// The bodies of blocks by their hashes.
    Bodies(Vec<B256>),
    /// The receipts of blocks by their hashes.
    Receipts(Vec<B256>),
    /// Trie nodes and code by their hashes.
    NodeData(Vec<B256>),
    /// Announced transactions by their hashes.
    Transactions(Vec<B256>),
}

/// The session of a peer. A session that is down has ended with its connection.
pub(in crate::eth) trait SessionHandle: Send + Sync {
    /// Sends a request, and resolves to the answer of the peer: at the latest at the deadline, or
    /// when the session ends.
    fn request(&self, request: PeerRequest, deadline: Instant) -> BoxFuture<'static, PeerAnswer>;

    /// Charges the peer for useless bytes.
    fn charge_useless(&self, bytes: usize, what: &'static str);

    /// Counts useless work, and resolves to a pause before the peer's next message where it is too
    /// much.
    fn count_waste(&self, units: u32, why: String) -> BoxFuture<'static, Option<Duration>>;

    /// Counts useless work where nothing is paused.
    fn note_waste(&self, units: u32, why: String);
}
