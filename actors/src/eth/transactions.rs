//! Transactions on their way from a peer's conversation to the pool.
//!
//! ```text
//!   conversation -- message --> Intake -- Unchecked --> check: slice by slice --> the pool
//!                               (bounded in bytes)             (TransactionVerifier)
//! ```

use std::sync::Arc;

use actoreum_primitives::{B256, Transaction, TxType};
use actoreum_txpool::Waste;
use actoreum_wire::eth::LazyList;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::sleep;
use tracing::debug;

use super::limits::{
    INVALID_POINTS, INVALID_TRANSACTION_UNITS, MALFORMED_POINTS, USELESS_TRANSACTION_UNITS,
    WASTE_PAUSE,
};
use super::peer::EthPeer;
use super::setup::EthSetup;
use crate::txpool::limits::{
    MIN_UNCHECKED_COST, PEER_UNCHECKED_BYTES, SLICE_BYTES, SLICE_TRANSACTIONS,
};
use crate::txpool::{RawTransaction, RemoteError, Submitted, TransactionVerifier};

/// Transactions of a message, not decoded, with the room that they take until they are checked.
pub(super) struct Unchecked {
    list: LazyList<Transaction>,
    _room: OwnedSemaphorePermit,
}

/// Messages of one peer that wait to be checked: few bytes of its own, and a part of what all
/// peers share where one message has more.
pub(super) struct Intake {
    room: Arc<Semaphore>,
    verifier: TransactionVerifier,
    unchecked: mpsc::UnboundedSender<Unchecked>,
}

impl Intake {
    /// An empty one, and its other end.
    pub(super) fn new(verifier: TransactionVerifier) -> (Self, mpsc::UnboundedReceiver<Unchecked>) {
        let (unchecked, to_check) = mpsc::unbounded_channel();
        let intake = Self {
            room: Arc::new(Semaphore::new(PEER_UNCHECKED_BYTES)),
            verifier,
            unchecked,
        };
        (intake, to_check)
    }

    /// Takes a message in. Waits for room where it is small enough to have a part of the peer's
    /// own: its peer is not read meanwhile. Of a larger one, for which there is no room among what
    /// all share, only the beginning is taken: how many transactions were dropped.
    pub(super) async fn take(&self, list: LazyList<Transaction>) -> usize {
        let (all, bytes) = (list.len(), list.encoded_len());
        if bytes > PEER_UNCHECKED_BYTES
            && let Some(room) = self.verifier.reserve(bytes)
        {
            self.push(list, room);
            return 0;
        }
        let list = match bytes > PEER_UNCHECKED_BYTES {
            true => list.prefix(PEER_UNCHECKED_BYTES),
            false => list,
        };
        let cost = list
            .encoded_len()
            .clamp(MIN_UNCHECKED_COST, PEER_UNCHECKED_BYTES);
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        let dropped = all - list.len();
        // It is never closed.
        if let Ok(room) = Arc::clone(&self.room).acquire_many_owned(cost).await {
            self.push(list, room);
        }
        dropped
    }

    fn push(&self, list: LazyList<Transaction>, room: OwnedSemaphorePermit) {
        let unchecked = Unchecked { list, _room: room };
        // The other end lives as long as this one.
        let _ = self.unchecked.send(unchecked);
    }
}

/// Room for an answer of a peer until it is checked: where it is small, that of the one answer that
/// a peer gives at a time; else a part of what all share, if there is some.
pub(super) fn room(setup: &EthSetup, bytes: usize) -> Option<Option<OwnedSemaphorePermit>> {
    match bytes > PEER_UNCHECKED_BYTES {
        true => setup.pool.verifier.reserve(bytes).map(Some),
        false => Some(None),
    }
}

/// What a peer sent breaks the protocol: the end of its conversation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    /// A transaction does not decode.
    #[error("Invalid message - Transactions: {0}")]
    Malformed(String),
    /// Blob transactions are announced, never sent unasked (EIP-4844); geth's words.
    #[error("disallowed broadcast blob transaction")]
    BlobBroadcast,
}

/// Checks and submits what a peer sends unasked, one message after the other.
pub(super) async fn check_broadcasts(
    setup: &EthSetup,
    peer: &EthPeer,
    mut to_check: mpsc::UnboundedReceiver<Unchecked>,
) -> Violation {
    while let Some(unchecked) = to_check.recv().await {
        if unchecked.list.raw().any(is_blob) {
            return Violation::BlobBroadcast;
        }
        let tell = |submitted: &[Submitted]| setup.tell_arrived(peer, submitted);
        if let Err(violation) = submit(setup, peer, &unchecked.list, tell).await {
            return violation;
        }
    }
    // The conversation has ended, and this with it.
    std::future::pending().await
}

/// Whether an encoded transaction is one with blobs: an RLP string that begins with its type.
fn is_blob(mut raw: &[u8]) -> bool {
    let content = actoreum_primitives::rlp::decode_str(&mut raw);
    content.is_ok_and(|content| content.first() == Some(&(TxType::Blob as u8)))
}

/// Hands what a peer sent to the pool, slice by slice, and counts against the peer what nobody
/// could have taken. `each` sees what came of each slice. Ends early where the pool does not answer
/// or the peer has left.
///
/// # Errors
/// A transaction cannot be decoded; those before it may have been taken.
pub(super) async fn submit<T: RawTransaction>(
    setup: &EthSetup,
    peer: &EthPeer,
    list: &LazyList<T>,
    mut each: impl FnMut(&[Submitted]),
) -> Result<(), Violation> {
    for slice in list.split(SLICE_TRANSACTIONS, SLICE_BYTES) {
        let submitted = match setup.pool.submit_remote(peer.id().0, slice).await {
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
        judge(setup, peer, &submitted).await;
    }
    Ok(())
}

/// Counts useless transactions against their peer, and makes it wait where there are too many.
/// While a sync is under way they may be those of a state that we do not have yet: it waits, and
/// nothing is counted.
async fn judge(setup: &EthSetup, peer: &EthPeer, submitted: &[Submitted]) {
    let errors = || submitted.iter().filter_map(|it| it.result.as_ref().err());
    if let Some(error) = errors().find(|it| it.is_fault()) {
        peer.penalise(INVALID_POINTS, &format!("sent a transaction: {error}"));
    }
    let count = |waste| errors().filter(|it| it.waste() == waste).count();
    let (useless, invalid) = (count(Waste::Useless), count(Waste::Invalid));
    let units =
        useless * USELESS_TRANSACTION_UNITS as usize + invalid * INVALID_TRANSACTION_UNITS as usize;
    if units == 0 {
        return;
    }
    if setup.peers.is_fetching() {
        if useless + invalid > submitted.len() / 4 {
            sleep(WASTE_PAUSE).await;
        }
        return;
    }
    let example = errors().find(|it| it.waste() != Waste::None);
    let example = example.map(ToString::to_string).unwrap_or_default();
    let why = format!("sent too many useless transactions, the last one: {example}");
    let units = u32::try_from(units).unwrap_or(u32::MAX);
    if let Some(pause) = peer.count_waste(units, &why) {
        sleep(pause).await;
    }
}

/// Counts against a peer what was dropped of its message.
pub(super) async fn count_dropped(peer: &EthPeer, dropped: usize) {
    let units = dropped.saturating_mul(USELESS_TRANSACTION_UNITS as usize);
    let units = u32::try_from(units).unwrap_or(u32::MAX);
    let why = format!("sent more transactions than can be checked, {dropped} were dropped");
    debug!(
        ?peer,
        dropped, "transactions of a large message were dropped"
    );
    if let Some(pause) = peer.count_waste(units, &why) {
        sleep(pause).await;
    }
}

impl Violation {
    /// Counts it against the peer; the text for its farewell.
    pub(super) fn blame(&self, peer: &EthPeer) -> String {
        let why = self.to_string();
        peer.penalise(MALFORMED_POINTS, &why);
        why
    }
}

/// Hashes of what was submitted, with type and size: what an announcement is held to.
pub(super) fn described(submitted: &[Submitted]) -> Vec<(B256, u8, u32)> {
    let describe = |it: &Submitted| {
        let size = u32::try_from(it.size).unwrap_or(u32::MAX);
        (it.hash, it.tx_type as u8, size)
    };
    submitted.iter().map(describe).collect()
}
