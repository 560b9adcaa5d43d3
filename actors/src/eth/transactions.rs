//! Checks the transactions that a peer sends and submits them to the pool.
//!
//! ```text
//!   session -- message --> Intake -- Unchecked --> check: slice by slice --> the pool
//!                          (bounded in bytes)             (TransactionVerifier)
//! ```

use std::sync::Arc;

use actoreum_primitives::{B256, Transaction, TxType};
use actoreum_txpool::{AddError, PeerFault};
use actoreum_wire::eth::LazyList;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::sleep;
use tracing::debug;

use super::limits::{
    FALSE_SIDECAR_POINTS, INVALID_POINTS, INVALID_TRANSACTION_UNITS, MALFORMED_POINTS,
    USELESS_TRANSACTION_UNITS, WASTE_PAUSE,
};
use super::peer::EthPeer;
use super::shared::EthShared;
use crate::txpool::limits::{
    MIN_UNCHECKED_COST, PEER_UNCHECKED_BYTES, SLICE_BYTES, SLICE_TRANSACTIONS,
};
use crate::txpool::{RawTransaction, RemoteError, Submitted, TransactionVerifier};

/// Undecoded transactions of one message, with a permit for the bytes that they occupy until they
/// are checked.
pub(super) struct Unchecked {
    list: LazyList<Transaction>,
    _room: OwnedSemaphorePermit,
}

/// Queue of one peer's messages that wait to be checked. The peer has a few bytes of its own; a
/// larger message takes bytes of the budget that all peers share.
pub(super) struct Intake {
    room: Arc<Semaphore>,
    verifier: TransactionVerifier,
    unchecked: mpsc::UnboundedSender<Unchecked>,
}

impl Intake {
    /// Returns an empty queue and its receiving end.
    pub(super) fn new(verifier: TransactionVerifier) -> (Self, mpsc::UnboundedReceiver<Unchecked>) {
        let (unchecked, to_check) = mpsc::unbounded_channel();
        let intake = Self {
            room: Arc::new(Semaphore::new(PEER_UNCHECKED_BYTES)),
            verifier,
            unchecked,
        };
        (intake, to_check)
    }

    /// Queues a message and returns the number of transactions that were dropped.
    ///
    /// A message that fits into the peer's own bytes waits for room; its peer is not read
    /// meanwhile. A larger message takes room of the shared budget; where there is none, only its
    /// beginning is queued.
    pub(super) async fn take(&self, list: LazyList<Transaction>) -> usize {
        let (all, bytes) = (list.len(), list.encoded_len());
        if bytes > PEER_UNCHECKED_BYTES
            && let Some(room) = self.verifier.reserve(bytes)
        {
            self.push(list, room);
            return 0;
        }
        let list = if bytes > PEER_UNCHECKED_BYTES {
            list.prefix(PEER_UNCHECKED_BYTES)
        } else {
            list
        };
        let cost = list
            .encoded_len()
            .clamp(MIN_UNCHECKED_COST, PEER_UNCHECKED_BYTES);
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        let dropped = all - list.len();
        // The semaphore is never closed.
        if let Ok(room) = Arc::clone(&self.room).acquire_many_owned(cost).await {
            self.push(list, room);
        }
        dropped
    }

    fn push(&self, list: LazyList<Transaction>, room: OwnedSemaphorePermit) {
        let unchecked = Unchecked { list, _room: room };
        // The receiving end lives as long as this one.
        let _ = self.unchecked.send(unchecked);
    }
}

/// Reserves room for a peer's answer until it is checked. A small answer needs none (`Some(None)`):
/// a peer answers one request of transactions at a time. A larger one takes bytes of the budget
/// that all peers share; `None` where there are not enough.
pub(super) fn reserve(shared: &EthShared, bytes: usize) -> Option<Option<OwnedSemaphorePermit>> {
    if bytes > PEER_UNCHECKED_BYTES {
        shared.txpool.verifier.reserve(bytes).map(Some)
    } else {
        Some(None)
    }
}

/// Protocol violation by a peer, which ends its session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    /// A transaction does not decode.
    #[error("Invalid message - Transactions: {0}")]
    Malformed(String),
    /// Blob transactions are announced, never broadcast (EIP-4844). The text is geth's.
    #[error("disallowed broadcast blob transaction")]
    BlobBroadcast,
}

/// Checks and submits broadcast transactions, one message after the other. `arrived` is called with
/// the results of each slice. Returns only on a violation.
pub(super) async fn check_broadcasts(
    shared: &EthShared,
    peer: &EthPeer,
    mut to_check: mpsc::UnboundedReceiver<Unchecked>,
    arrived: impl Fn(&[Submitted]),
) -> Violation {
    while let Some(unchecked) = to_check.recv().await {
        if unchecked.list.raw().any(is_blob) {
            return Violation::BlobBroadcast;
        }
        if let Err(violation) = submit(shared, peer, &unchecked.list, &arrived).await {
            return violation;
        }
    }
    // The session has ended; this future is dropped with it.
    std::future::pending().await
}

/// Returns whether an encoded transaction is a blob transaction: an RLP string that begins with the
/// blob type byte.
fn is_blob(mut raw: &[u8]) -> bool {
    let content = actoreum_primitives::rlp::decode_str(&mut raw);
    content.is_ok_and(|content| content.first() == Some(&(TxType::Blob as u8)))
}

/// Submits a peer's transactions to the pool, slice by slice, and counts the useless ones against
/// the peer. `each` is called with the results of each slice. Returns early where the pool does not
/// answer or the peer has left.
///
/// # Errors
/// A transaction cannot be decoded; those before it may have been accepted.
pub(super) async fn submit<T: RawTransaction>(
    shared: &EthShared,
    peer: &EthPeer,
    list: &LazyList<T>,
    mut each: impl FnMut(&[Submitted]),
) -> Result<(), Violation> {
    for slice in list.split(SLICE_TRANSACTIONS, SLICE_BYTES) {
        let submitted = match shared.txpool.submit_remote(peer.id(), slice).await {
            Ok(submitted) => submitted,
            Err(RemoteError::Malformed(error)) => {
                return Err(Violation::Malformed(error.to_string()));
            }
            Err(error) => {
                debug!(%error, "a peer's transactions were not submitted");
                return Ok(());
            }
        };
        peer.mark_transactions(submitted.iter().map(|it| &it.hash));
        each(&submitted);
        count_useless(shared, peer, &submitted).await;
    }
    Ok(())
}

/// Counts useless and invalid transactions against their peer, and pauses where there are too many.
/// During a sync the transactions may be valid on a state that this node does not have yet: there
/// is a pause, and nothing is counted.
async fn count_useless(shared: &EthShared, peer: &EthPeer, submitted: &[Submitted]) {
    let errors = || submitted.iter().filter_map(|it| it.result.as_ref().err());
    if let Some(error) = errors().find(|it| it.is_always_invalid()) {
        let has_false_sidecar = errors().any(AddError::is_false_sidecar);
        let points = if has_false_sidecar {
            FALSE_SIDECAR_POINTS
        } else {
            INVALID_POINTS
        };
        peer.penalise(points, &format!("sent a transaction: {error}"));
    }
    let count = |waste| errors().filter(|it| it.peer_fault() == waste).count();
    let (useless, invalid) = (count(PeerFault::Useless), count(PeerFault::Invalid));
    let units =
        useless * USELESS_TRANSACTION_UNITS as usize + invalid * INVALID_TRANSACTION_UNITS as usize;
    if units == 0 {
        return;
    }
    if shared.peers.is_fetching() {
        if useless + invalid > submitted.len() / 4 {
            sleep(WASTE_PAUSE).await;
        }
        return;
    }
    let example = errors().find(|it| it.peer_fault() != PeerFault::None);
    let example = example.map(ToString::to_string).unwrap_or_default();
    let why = format!("sent too many useless transactions, the last one: {example}");
    let units = u32::try_from(units).unwrap_or(u32::MAX);
    if let Some(pause) = peer.count_waste(units, why).await {
        sleep(pause).await;
    }
}

/// Counts the dropped transactions of a message against its peer.
pub(super) async fn count_dropped(peer: &EthPeer, dropped: usize) {
    let units = dropped.saturating_mul(USELESS_TRANSACTION_UNITS as usize);
    let units = u32::try_from(units).unwrap_or(u32::MAX);
    let why = format!("sent more transactions than can be checked, {dropped} were dropped");
    debug!(
        ?peer,
        dropped, "transactions of a large message were dropped"
    );
    if let Some(pause) = peer.count_waste(units, why).await {
        sleep(pause).await;
    }
}

impl Violation {
    /// Penalises the peer; returns the text of the disconnect.
    pub(super) fn penalise(&self, peer: &EthPeer) -> String {
        let why = self.to_string();
        peer.penalise(MALFORMED_POINTS, &why);
        why
    }
}

/// Returns hash, type and size of each submitted transaction, which announcements are compared
/// with.
pub(super) fn descriptions(submitted: &[Submitted]) -> Vec<(B256, u8, u32)> {
    let describe = |it: &Submitted| {
        let size = u32::try_from(it.size).unwrap_or(u32::MAX);
        (it.hash, it.tx_type as u8, size)
    };
    submitted.iter().map(describe).collect()
}
