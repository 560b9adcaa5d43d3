//! Handle to a peer that speaks eth.

mod error;
mod known;
mod session_handle;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use actoreum_primitives::{
    B256, Body, Bytes as Value, Header, PeerId, PooledTransaction, U256, rlp::DecodeError,
};
use actoreum_wire::eth::{
    BlockAnnouncement, BlockRange, EthMessage, EthVersion, GetBlockHeaders, HashOrNumber, LazyList,
    MessageId, ReceiptLists, TransactionAnnouncement, WireItem,
};
use actoreum_wire::p2p::DisconnectReason;
use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

pub use self::error::RequestError;
pub(super) use self::known::KnownHashes;
pub(super) use self::session_handle::{PeerAnswer, PeerRequest, SessionHandle};
use super::limits::{
    KNOWN_BLOCKS, KNOWN_TRANSACTIONS, MALFORMED_POINTS, MAX_POOLED_ANSWER_BYTES, MISMATCH_POINTS,
    REMEMBERED_BLOCKS, REMEMBERED_TRANSACTIONS, UNREQUESTED_POINTS, UNSOLICITED_POINTS,
};
use crate::net::protocol::{PeerHandle, SendError};

/// A peer that speaks eth. Cheap to clone, usable from any thread and after the peer has left.
///
/// A request ends with the answer, at its deadline, or with the session; dropping its future
/// abandons the request, and no other caller gets its answer. Answers are checked against the
/// request: one that cannot be decoded, has more items than requested, or others, counts against
/// the peer, and the caller gets an error. An answer with fewer items than requested, or none, is
/// left to the caller's judgement.
#[derive(Clone)]
pub struct EthPeer(Arc<Inner>);

struct Inner {
    handle: PeerHandle,
    version: EthVersion,
    session: Box<dyn SessionHandle>,
    /// Published by the session.
    head: ArcSwap<PeerHead>,
    /// Published by the session.
    outstanding: AtomicUsize,
    known_blocks: Mutex<KnownHashes>,
    known_transactions: Mutex<KnownHashes>,
    announced_blocks: Mutex<VecDeque<BlockAnnouncement>>,
    announced_transactions: Mutex<VecDeque<TransactionAnnouncement>>,
}

/// The best block that a peer claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerHead {
    /// Hash of the block.
    pub hash: B256,
    /// Total difficulty of the block.
    pub total_difficulty: U256,
}

/// The details of a peer's eth session, published with the peer's record once its status message
/// was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EthInfo {
    /// The negotiated version.
    pub version: u64,
    /// The total difficulty of the peer's best block, as the peer claims.
    pub total_difficulty: U256,
    /// The hash of that block.
    pub head: B256,
    /// The blocks that the peer has, as it claims; from eth/69 on.
    pub range: Option<BlockRange>,
}

/// Appends to a queue that keeps the last `max` items.
fn remember<T: Copy>(remembered: &Mutex<VecDeque<T>>, more: &[T], max: usize) {
    let mut remembered = remembered.lock();
    remembered.extend(more);
    let too_many = remembered.len().saturating_sub(max);
    remembered.drain(..too_many);
}

impl EthPeer {
    /// Creates the handle of a peer whose status was accepted.
    pub(super) fn new(
        handle: PeerHandle,
        version: EthVersion,
        head: PeerHead,
        session: impl SessionHandle + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            handle,
            version,
            session: Box::new(session),
            head: ArcSwap::from_pointee(head),
            outstanding: AtomicUsize::new(0),
            known_blocks: Mutex::new(KnownHashes::new(KNOWN_BLOCKS)),
            known_transactions: Mutex::new(KnownHashes::new(KNOWN_TRANSACTIONS)),
            announced_blocks: Mutex::default(),
            announced_transactions: Mutex::default(),
        }))
    }

    /// Returns the node id.
    pub fn id(&self) -> PeerId {
        self.0.handle.record().id
    }

    /// Returns the negotiated version.
    pub fn version(&self) -> EthVersion {
        self.0.version
    }

    /// Returns the client name that the peer sent.
    pub fn name(&self) -> &str {
        &self.0.handle.record().client_name
    }

    /// Returns the connection.
    pub fn handle(&self) -> &PeerHandle {
        &self.0.handle
    }

    /// Returns the best block that the peer claimed last.
    pub fn head(&self) -> PeerHead {
        **self.0.head.load()
    }

    /// Sets the best block of the peer. A head with less total difficulty than the known one is
    /// ignored; returns false then. For the session alone.
    pub(super) fn set_head(&self, head: PeerHead) -> bool {
        let is_better = head.total_difficulty > self.head().total_difficulty;
        if is_better {
            self.0.head.store(Arc::new(head));
            self.0.handle.publish(EthInfo {
                version: self.0.version.number(),
                total_difficulty: head.total_difficulty,
                head: head.hash,
                range: None,
            });
        }
        is_better
    }

    /// Sets the blocks that a peer of a merged chain has. For the session alone.
    pub(super) fn set_range(&self, range: BlockRange) {
        let head = PeerHead {
            hash: range.latest_hash,
            ..self.head()
        };
        self.0.head.store(Arc::new(head));
        self.0.handle.publish(EthInfo {
            version: self.0.version.number(),
            total_difficulty: head.total_difficulty,
            head: head.hash,
            range: Some(range),
        });
    }

    /// Returns whether the peer has a block: it was sent one way or the other.
    pub fn knows_block(&self, hash: &B256) -> bool {
        self.0.known_blocks.lock().contains(hash)
    }

    /// Remembers that the peer has a block. Returns false where that was known.
    pub(super) fn mark_block(&self, hash: &B256) -> bool {
        self.0.known_blocks.lock().insert(hash)
    }

    /// Returns whether the peer has a transaction: it was sent one way or the other.
    pub fn knows_transaction(&self, hash: &B256) -> bool {
        self.0.known_transactions.lock().contains(hash)
    }

    /// Remembers that the peer has these transactions.
    pub(super) fn mark_transactions<'a>(&self, hashes: impl IntoIterator<Item = &'a B256>) {
        let mut known = self.0.known_transactions.lock();
        for hash in hashes {
            known.insert(hash);
        }
    }

    /// Returns the last blocks that the peer sent or announced.
    pub(super) fn announced_blocks(&self) -> Vec<BlockAnnouncement> {
        Vec::from(self.0.announced_blocks.lock().clone())
    }

    /// Remembers blocks that the peer sent or announced.
    pub(super) fn mark_announced_blocks(&self, blocks: &[BlockAnnouncement]) {
        remember(&self.0.announced_blocks, blocks, REMEMBERED_BLOCKS);
    }

    /// Returns the last announced transactions that were unknown to us.
    pub(super) fn announced_transactions(&self) -> Vec<TransactionAnnouncement> {
        Vec::from(self.0.announced_transactions.lock().clone())
    }

    /// Remembers transactions that the peer announced.
    pub(super) fn mark_announced_transactions(&self, transactions: &[TransactionAnnouncement]) {
        let remembered = &self.0.announced_transactions;
        remember(remembered, transactions, REMEMBERED_TRANSACTIONS);
    }

    /// Returns whether both are the same connection, not only the same node.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns the number of outstanding requests, including abandoned ones.
    pub fn outstanding(&self) -> usize {
        self.0.outstanding.load(Relaxed)
    }

    /// Publishes the number of outstanding requests.
    pub(super) fn set_outstanding(&self, outstanding: usize) {
        self.0.outstanding.store(outstanding, Relaxed);
    }

    /// Adds penalty points to the peer's score; at 100 it is disconnected and banned for a while.
    /// Negative points count in its favour.
    pub fn penalise(&self, points: i64, why: &str) {
        self.0.handle.penalise(points, why);
    }

    /// Charges the peer for bytes that are useless and break no rule. Penalised beyond a budget
    /// that refills with time.
    pub(super) fn charge_useless(&self, bytes: usize, what: &'static str) {
        self.0.session.charge_useless(bytes, what);
    }

    /// Penalises an answer without a request.
    pub(super) fn unsolicited(&self, answer: MessageId) {
        let why = format!("unsolicited {answer:?}");
        self.penalise(UNSOLICITED_POINTS, &why);
    }

    /// Counts useless work that the peer caused, in the units of
    /// [`WASTE_BURST_UNITS`](super::limits::WASTE_BURST_UNITS). Returns a pause before the peer's
    /// next message where it is too much; a peer that exceeds the limit too often is banned.
    pub(super) async fn count_waste(&self, units: u32, why: String) -> Option<Duration> {
        self.0.session.count_waste(units, why).await
    }

    /// Counts useless work as [`count_waste`](Self::count_waste) does, where nothing is paused.
    pub(super) fn note_waste(&self, units: u32, why: String) {
        self.0.session.note_waste(units, why);
    }

    /// Disconnects a useless peer and bans it for a minute.
    pub fn disconnect_useless(&self, why: &str) {
        self.0.handle.disconnect_useless(why);
    }

    /// Ends the connection.
    pub fn disconnect(&self, reason: DisconnectReason) {
        self.0.handle.disconnect(reason);
    }

    /// Requests `amount` headers from `origin` on, with `skip` blocks left out between two, towards
    /// genesis where `reverse` is set. The answer begins at `origin` and has that distance between
    /// its numbers; nothing more is checked.
    ///
    /// # Errors
    /// [`RequestError`]
    pub async fn headers(
        &self,
        origin: HashOrNumber,
        amount: u64,
        skip: u64,
        reverse: bool,
        deadline: Instant,
    ) -> Result<Vec<Header>, RequestError> {
        let request = GetBlockHeaders {
            origin,
            amount,
            skip,
            reverse,
        };
        let answer = self.request(PeerRequest::Headers(request), deadline);
        let EthMessage::BlockHeaders(_, list) = answer.await? else {
            return Err(self.wrong("another message"));
        };
        let headers = self.take(&list, usize::try_from(amount).unwrap_or(usize::MAX))?;
        self.check_headers(&request, &headers)?;
        Ok(headers)
    }

    /// Requests headers as [`Self::headers`] does, and returns them undecoded; nothing is checked
    /// but their number.
    ///
    /// # Errors
    /// [`RequestError`]
    pub async fn raw_headers(
        &self,
        origin: HashOrNumber,
        amount: u64,
        skip: u64,
        reverse: bool,
        deadline: Instant,
    ) -> Result<LazyList<Header>, RequestError> {
        let request = GetBlockHeaders {
            origin,
            amount,
            skip,
            reverse,
        };
        let answer = self.request(PeerRequest::Headers(request), deadline);
        match answer.await? {
            EthMessage::BlockHeaders(_, list) => {
                self.bounded(list, usize::try_from(amount).unwrap_or(usize::MAX))
            }
            _ => Err(self.wrong("another message")),
        }
    }

    /// Requests bodies as [`Self::bodies`] does, and returns them undecoded; nothing is checked but
    /// their number.
    ///
    /// # Errors
    /// [`RequestError`]
    pub async fn raw_bodies(
        &self,
        hashes: Vec<B256>,
        deadline: Instant,
    ) -> Result<LazyList<Body>, RequestError> {
        let asked = hashes.len();
        let answer = self.request(PeerRequest::Bodies(hashes), deadline);
        match answer.await? {
            EthMessage::BlockBodies(_, list) => self.bounded(list, asked),
            _ => Err(self.wrong("another message")),
        }
    }

    /// Requests the receipts of blocks by their hashes, and returns them undecoded; nothing is
    /// checked but their number. Receipts that the peer lacks are left out. Since eth/63.
    ///
    /// # Errors
    /// [`RequestError`]
    pub async fn raw_receipts(
        &self,
        hashes: Vec<B256>,
        deadline: Instant,
    ) -> Result<ReceiptLists, RequestError> {
        let asked = hashes.len();
        let answer = self.request(PeerRequest::Receipts(hashes), deadline);
        match answer.await? {
            EthMessage::Receipts(_, lists) => {
                self.check_count(lists.len(), asked)?;
                Ok(lists)
            }
            _ => Err(self.wrong("another message")),
        }
    }

    /// Requests the bodies of blocks by their hashes; those that the peer lacks are left out.
    ///
    /// # Errors
    /// [`RequestError`]
    pub async fn bodies(
        &self,
        hashes: Vec<B256>,
        deadline: Instant,
    ) -> Result<Vec<Body>, RequestError> {
        let list = self.raw_bodies(hashes, deadline).await?;
        list.decode().map_err(|error| self.malformed(&error))
    }

    /// Requests trie nodes and code by their hashes, in any order; those that the peer lacks are
    /// left out. eth/63 to eth/66.
    ///
    /// # Errors
    /// [`RequestError`]
    pub async fn node_data(
        &self,
        hashes: Vec<B256>,
        deadline: Instant,
    ) -> Result<Vec<Value>, RequestError> {
        let asked = hashes.len();
        let answer = self.request(PeerRequest::NodeData(hashes), deadline);
        match answer.await? {
            EthMessage::NodeData(_, list) => self.take(&list, asked),
            _ => Err(self.wrong("another message")),
        }
    }

    /// Requests announced transactions, and returns them undecoded; nothing is checked but their
    /// number and the size of the answer ([`MAX_POOLED_ANSWER_BYTES`]). Transactions that the peer
    /// no longer has are left out. Since eth/65.
    ///
    /// # Errors
    /// [`RequestError`]
    pub async fn raw_pooled_transactions(
        &self,
        hashes: Vec<B256>,
        deadline: Instant,
    ) -> Result<LazyList<PooledTransaction>, RequestError> {
        let asked = hashes.len();
        let answer = self.request(PeerRequest::Transactions(hashes), deadline);
        let EthMessage::PooledTransactions(_, list) = answer.await? else {
            return Err(self.wrong("another message"));
        };
        if list.encoded_len() > MAX_POOLED_ANSWER_BYTES {
            Err(self.wrong("more bytes of transactions than an answer has"))
        } else {
            self.bounded(list, asked)
        }
    }

    /// Has the session send a request, and waits for the answer of the peer.
    async fn request(&self, request: PeerRequest, deadline: Instant) -> PeerAnswer {
        self.0.session.request(request, deadline).await
    }

    fn bounded<T: WireItem>(
        &self,
        list: LazyList<T>,
        asked: usize,
    ) -> Result<LazyList<T>, RequestError> {
        self.check_count(list.len(), asked)?;
        Ok(list)
    }

    fn check_count(&self, answered: usize, asked: usize) -> Result<(), RequestError> {
        if answered > asked {
            let why = "more than was asked for";
            self.penalise(UNREQUESTED_POINTS, why);
            return Err(RequestError::Wrong(why.to_owned()));
        }
        Ok(())
    }

    fn take<T: WireItem>(&self, list: &LazyList<T>, asked: usize) -> Result<Vec<T>, RequestError> {
        self.check_count(list.len(), asked)?;
        list.decode().map_err(|error| self.malformed(&error))
    }

    fn check_headers(
        &self,
        request: &GetBlockHeaders,
        headers: &[Header],
    ) -> Result<(), RequestError> {
        let Some(first) = headers.first() else {
            return Ok(());
        };
        let is_first = match request.origin {
            HashOrNumber::Hash(hash) => first.hash() == hash,
            HashOrNumber::Number(number) => first.number == number,
        };
        if !is_first {
            return Err(self.wrong("headers from another block on"));
        }
        let are_steps = headers.windows(2).all(|pair| match pair {
            [one, next] => request.next_number(one.number) == Some(next.number),
            _ => true,
        });
        if are_steps {
            Ok(())
        } else {
            Err(self.wrong("headers of other blocks"))
        }
    }

    fn wrong(&self, why: &str) -> RequestError {
        self.penalise(MISMATCH_POINTS, why);
        RequestError::Wrong(why.to_owned())
    }

    /// Penalises a peer that sent something undecodable.
    pub(super) fn malformed(&self, error: &DecodeError) -> RequestError {
        let why = error.to_string();
        self.penalise(MALFORMED_POINTS, &why);
        RequestError::Wrong(why)
    }

    /// Queues a message, if there is room.
    pub(super) fn try_send(&self, message: &EthMessage) -> Result<(), SendError> {
        let payload = message
            .encode(self.0.version)
            .map_err(|_| SendError::Gone)?;
        self.try_send_encoded(message.id(), Bytes::from(payload))
    }

    /// Queues an encoded message, if there is room.
    pub(super) fn try_send_encoded(&self, id: MessageId, payload: Bytes) -> Result<(), SendError> {
        self.0.handle.try_send(id.code(), payload)
    }

    /// Queues a message, after waiting for room.
    pub(super) async fn send(&self, message: &EthMessage) -> Result<(), SendError> {
        let payload = message
            .encode(self.0.version)
            .map_err(|_| SendError::Gone)?;
        let sent = self
            .0
            .handle
            .send(message.id().code(), Bytes::from(payload));
        sent.await
    }
}

impl fmt::Debug for EthPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, version) = (self.id(), self.version().number());
        write!(f, "EthPeer({id:?}, eth/{version})")
    }
}
