//! A peer that speaks eth, as those hold it who ask it for something.

mod known;
mod requests;
mod useless;
mod waste;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actoreum_primitives::{
    B256, Body, Bytes as Value, Header, PooledTransaction, U256, rlp::DecodeError,
};
use actoreum_wire::eth::{
    BlockAnnouncement, BlockOrigin, BlockReceipts, EthMessage, EthVersion, GetBlockHeaders,
    LazyList, MessageId, RequestId, TransactionAnnouncement, WireItem,
};
use actoreum_wire::nodes::NodeId;
use actoreum_wire::p2p::DisconnectReason;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

pub(super) use self::known::KnownHashes;
use self::requests::{Delivery, Requests};
use self::useless::UselessBudget;
use self::waste::{Verdict, WasteMeter};
use super::limits::{
    ANSWER_CREDIT, KNOWN_BLOCKS, KNOWN_TRANSACTIONS, MALFORMED_POINTS, MISMATCH_POINTS,
    POOLED_ANSWER_BYTES, REMEMBERED_BLOCKS, REMEMBERED_TRANSACTIONS, TIMEOUT_POINTS,
    UNSOLICITED_POINTS, USELESS_POINTS, WASTE_PAUSE, WASTE_POINTS,
};
use crate::net::protocol::{EthInfo, PeerHandle, SendError};

/// A peer that speaks eth. Cheap to clone, usable from any thread and after the peer has gone.
///
/// A request's future is its owner: it ends with the answer, at its deadline, or with the peer;
/// whoever drops it takes the question back, and nobody else gets its answer. Answers are held to
/// what was asked for: what cannot be decoded, is more, or is something else counts against the
/// peer, and the asker gets an error. An answer with less than was asked for, or nothing, is the
/// asker's to judge.
#[derive(Clone)]
pub struct EthPeer(Arc<Inner>);

struct Inner {
    handle: PeerHandle,
    version: EthVersion,
    head: Mutex<PeerHead>,
    requests: Requests,
    known_blocks: Mutex<KnownHashes>,
    known_transactions: Mutex<KnownHashes>,
    announced_blocks: Mutex<VecDeque<BlockAnnouncement>>,
    announced_transactions: Mutex<VecDeque<TransactionAnnouncement>>,
    useless: Mutex<UselessBudget>,
    waste: Mutex<WasteMeter>,
}

/// The best block of a peer, as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerHead {
    /// Its hash.
    pub hash: B256,
    /// The sum of the difficulties up to it.
    pub total_difficulty: U256,
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// There was none in time; counted against the peer.
    #[error("timeout")]
    Timeout,
    /// The connection has ended.
    #[error("the peer is gone")]
    Gone,
    /// The version that is spoken has no such request.
    #[error("eth/{0} has no such request")]
    NotSpoken(u64),
    /// Too many requests to this peer wait for their answers.
    #[error("too many requests wait for this peer")]
    Busy,
    /// The answer cannot be one to this request; counted against the peer.
    #[error("wrong answer: {0}")]
    Wrong(String),
}

/// Adds to the last so many.
fn remember<T: Copy>(remembered: &Mutex<VecDeque<T>>, more: &[T], most: usize) {
    let mut remembered = remembered.lock();
    remembered.extend(more);
    let too_many = remembered.len().saturating_sub(most);
    remembered.drain(..too_many);
}

impl EthPeer {
    /// A peer whose status has come.
    pub(super) fn new(handle: PeerHandle, version: EthVersion, head: PeerHead) -> Self {
        Self(Arc::new(Inner {
            handle,
            version,
            head: Mutex::new(head),
            requests: Requests::default(),
            known_blocks: Mutex::new(KnownHashes::new(KNOWN_BLOCKS)),
            known_transactions: Mutex::new(KnownHashes::new(KNOWN_TRANSACTIONS)),
            announced_blocks: Mutex::default(),
            announced_transactions: Mutex::default(),
            useless: Mutex::new(UselessBudget::new(Instant::now())),
            waste: Mutex::new(WasteMeter::new(Instant::now())),
        }))
    }

    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.0.handle.record().id
    }

    /// The version that is spoken.
    pub fn version(&self) -> EthVersion {
        self.0.version
    }

    /// What it calls itself.
    pub fn name(&self) -> &str {
        &self.0.handle.record().client_name
    }

    /// The connection below.
    pub fn handle(&self) -> &PeerHandle {
        &self.0.handle
    }

    /// Its best block, as it said last.
    pub fn head(&self) -> PeerHead {
        *self.0.head.lock()
    }

    /// It says that it has a better block. Less than it said before is not taken; false then.
    pub(super) fn set_head(&self, head: PeerHead) -> bool {
        let mut known = self.0.head.lock();
        let is_better = head.total_difficulty > known.total_difficulty;
        if is_better {
            *known = head;
            self.0.handle.show(EthInfo {
                version: self.0.version.number(),
                total_difficulty: head.total_difficulty,
                head: head.hash,
            });
        }
        is_better
    }

    /// Whether it has a block: it was sent one way or the other.
    pub fn knows_block(&self, hash: &B256) -> bool {
        self.0.known_blocks.lock().contains(hash)
    }

    /// Remembers that it has a block. False where that was known.
    pub(super) fn mark_block(&self, hash: &B256) -> bool {
        self.0.known_blocks.lock().insert(hash)
    }

    /// Whether it has a transaction: it was sent one way or the other.
    pub fn knows_transaction(&self, hash: &B256) -> bool {
        self.0.known_transactions.lock().contains(hash)
    }

    /// Remembers that it has these transactions.
    pub(super) fn mark_transactions<'a>(&self, hashes: impl IntoIterator<Item = &'a B256>) {
        let mut known = self.0.known_transactions.lock();
        for hash in hashes {
            known.insert(hash);
        }
    }

    /// The last blocks that it sent or announced.
    pub(super) fn announced_blocks(&self) -> Vec<BlockAnnouncement> {
        Vec::from(self.0.announced_blocks.lock().clone())
    }

    /// Remembers that it sent or announced these blocks.
    pub(super) fn mark_announced_blocks(&self, blocks: &[BlockAnnouncement]) {
        remember(&self.0.announced_blocks, blocks, REMEMBERED_BLOCKS);
    }

    /// The last transactions that it announced and that were not here then.
    pub(super) fn announced_transactions(&self) -> Vec<TransactionAnnouncement> {
        Vec::from(self.0.announced_transactions.lock().clone())
    }

    /// Remembers that it announced these transactions.
    pub(super) fn mark_announced_transactions(&self, transactions: &[TransactionAnnouncement]) {
        let remembered = &self.0.announced_transactions;
        remember(remembered, transactions, REMEMBERED_TRANSACTIONS);
    }

    /// Whether both are the same connection, not only the same node.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Requests that wait for their answers, those with them whose asker has given up.
    pub fn outstanding(&self) -> usize {
        self.0.requests.len()
    }

    /// Counts something against the peer: above zero, of 100 points at which it is sent away and
    /// not connected to for a while. Below zero in its favour.
    pub fn penalise(&self, points: i64, why: &str) {
        self.0.handle.penalise(points, why);
    }

    /// It sent so many bytes that are of no use and break no rule. Counts against it beyond a
    /// budget that fills up with time.
    pub(super) fn charge_useless(&self, bytes: usize, what: &str) {
        let is_within = self.0.useless.lock().take(bytes, Instant::now());
        if !is_within {
            self.penalise(USELESS_POINTS, &format!("sends too much of no use: {what}"));
        }
    }

    /// Whether an answer of this kind may be one to a request that it was sent.
    pub(super) fn expects(&self, answer: MessageId) -> bool {
        self.0.requests.expects(answer)
    }

    /// It sent an answer that nobody asked for.
    pub(super) fn unsolicited(&self, answer: MessageId) {
        let why = format!("{answer:?} that nobody asked for");
        self.penalise(UNSOLICITED_POINTS, &why);
    }

    /// Counts what the peer made us do in vain, in the units of
    /// [`WASTE_BURST_UNITS`](super::limits::WASTE_BURST_UNITS). How long it is to be left alone
    /// where it is too much; where that was so too often, it is banned.
    pub(super) fn count_waste(&self, units: u32, why: &str) -> Option<Duration> {
        let verdict = self.0.waste.lock().add(Instant::now(), units);
        let points = match verdict {
            Verdict::Tolerated => return None,
            Verdict::Excessive => WASTE_POINTS,
            Verdict::Incorrigible => MALFORMED_POINTS,
        };
        self.penalise(points, why);
        Some(WASTE_PAUSE)
    }

    /// Ends the connection with a peer that is of no use, and keeps it away for a minute.
    pub fn send_away(&self, why: &str) {
        self.0.handle.send_away(why);
    }

    /// Ends the connection.
    pub fn disconnect(&self, reason: DisconnectReason) {
        self.0.handle.disconnect(reason);
    }

    /// Asks for `amount` headers from `origin` on, each `skip` + 1 blocks further, towards genesis
    /// where `reverse`. The answer begins at `origin` and has that distance between its numbers;
    /// nothing more is checked.
    ///
    /// # Errors
    /// [`RequestError`]
    pub async fn headers(
        &self,
        origin: BlockOrigin,
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
        let question = |id| EthMessage::GetBlockHeaders(id, request);
        let answer = self.ask(question, MessageId::BlockHeaders, deadline);
        let EthMessage::BlockHeaders(_, list) = answer.await? else {
            return Err(self.wrong("another message"));
        };
        let headers = self.take(&list, usize::try_from(amount).unwrap_or(usize::MAX))?;
        self.check_headers(&request, &headers)?;
        Ok(headers)
    }

    /// As [`Self::headers`], still encoded; nothing is checked but their number.
    ///
    /// # Errors
    /// [`RequestError`]
    pub async fn raw_headers(
        &self,
        origin: BlockOrigin,
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
        let question = |id| EthMessage::GetBlockHeaders(id, request);
        let answer = self.ask(question, MessageId::BlockHeaders, deadline);
        match answer.await? {
            EthMessage::BlockHeaders(_, list) => {
                self.bounded(list, usize::try_from(amount).unwrap_or(usize::MAX))
            }
            _ => Err(self.wrong("another message")),
        }
    }

    /// As [`Self::bodies`], still encoded; nothing is checked but their number.
    ///
    /// # Errors
    /// [`RequestError`]
    pub async fn raw_bodies(
        &self,
        hashes: Vec<B256>,
        deadline: Instant,
    ) -> Result<LazyList<Body>, RequestError> {
        let asked = hashes.len();
        let question = |id| EthMessage::GetBlockBodies(id, hashes);
        let answer = self.ask(question, MessageId::BlockBodies, deadline);
        match answer.await? {
            EthMessage::BlockBodies(_, list) => self.bounded(list, asked),
            _ => Err(self.wrong("another message")),
        }
    }

    /// Asks for the receipts of blocks by their hashes, still encoded; nothing is checked but their
    /// number. Those that it does not have are left out. From eth/63 on.
    ///
    /// # Errors
    /// [`RequestError`]
    pub async fn raw_receipts(
        &self,
        hashes: Vec<B256>,
        deadline: Instant,
    ) -> Result<LazyList<BlockReceipts>, RequestError> {
        let asked = hashes.len();
        let question = |id| EthMessage::GetReceipts(id, hashes);
        let answer = self.ask(question, MessageId::Receipts, deadline);
        match answer.await? {
            EthMessage::Receipts(_, list) => self.bounded(list, asked),
            _ => Err(self.wrong("another message")),
        }
    }

    /// Asks for the bodies of blocks by their hashes; those that it does not have are left out.
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

    /// Asks for trie nodes and code by their hashes, in any order; those that it does not have
    /// are left out. eth/63 to eth/66.
    ///
    /// # Errors
    /// [`RequestError`]
    pub async fn node_data(
        &self,
        hashes: Vec<B256>,
        deadline: Instant,
    ) -> Result<Vec<Value>, RequestError> {
        let asked = hashes.len();
        let question = |id| EthMessage::GetNodeData(id, hashes);
        let answer = self.ask(question, MessageId::NodeData, deadline);
        match answer.await? {
            EthMessage::NodeData(_, list) => self.take(&list, asked),
            _ => Err(self.wrong("another message")),
        }
    }

    /// Asks for announced transactions, still encoded; nothing is checked but their number and
    /// that an answer has no more bytes than any client sends. Those that it does not have any
    /// more are left out. From eth/65 on.
    ///
    /// # Errors
    /// [`RequestError`]
    pub async fn raw_pooled_transactions(
        &self,
        hashes: Vec<B256>,
        deadline: Instant,
    ) -> Result<LazyList<PooledTransaction>, RequestError> {
        let asked = hashes.len();
        let question = |id| EthMessage::GetPooledTransactions(id, hashes);
        let answer = self.ask(question, MessageId::PooledTransactions, deadline);
        let EthMessage::PooledTransactions(_, list) = answer.await? else {
            return Err(self.wrong("another message"));
        };
        match list.encoded_len() > POOLED_ANSWER_BYTES {
            true => Err(self.wrong("more bytes of transactions than an answer has")),
            false => self.bounded(list, asked),
        }
    }

    async fn ask(
        &self,
        question: impl FnOnce(RequestId) -> EthMessage,
        answer: MessageId,
        deadline: Instant,
    ) -> Result<EthMessage, RequestError> {
        let inner = &*self.0;
        if !inner.version.has(answer) {
            return Err(RequestError::NotSpoken(inner.version.number()));
        }
        let (mut begun, receiver) = inner.requests.begin(answer)?;
        let question = question(begun.id);
        let code = question.id().code();
        let payload = question.encode(inner.version);
        let payload = payload.map_err(|_| RequestError::NotSpoken(inner.version.number()))?;
        // Requests are sent in the order in which they began: the queue's places are given in
        // line, and this one is taken at the first poll.
        let answered = timeout_at(deadline, async {
            let sent = inner.handle.send(code, Bytes::from(payload));
            sent.await.map_err(|_| RequestError::Gone)?;
            begun.sent();
            receiver.await.map_err(|_| RequestError::Gone)
        });
        match answered.await {
            Ok(Ok(message)) => {
                if inner.handle.record().traffic.score() < 0 {
                    self.penalise(-ANSWER_CREDIT, "answered in time");
                }
                Ok(message)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => {
                self.penalise(TIMEOUT_POINTS, "no answer in time");
                Err(RequestError::Timeout)
            }
        }
    }

    fn bounded<T: WireItem>(
        &self,
        list: LazyList<T>,
        asked: usize,
    ) -> Result<LazyList<T>, RequestError> {
        match list.len() > asked {
            true => Err(self.wrong("more than was asked for")),
            false => Ok(list),
        }
    }

    fn take<T: WireItem>(&self, list: &LazyList<T>, asked: usize) -> Result<Vec<T>, RequestError> {
        if list.len() > asked {
            return Err(self.wrong("more than was asked for"));
        }
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
            BlockOrigin::Hash(hash) => first.hash() == hash,
            BlockOrigin::Number(number) => first.number == number,
        };
        if !is_first {
            return Err(self.wrong("headers from another block on"));
        }
        let are_steps = headers.windows(2).all(|pair| match pair {
            [one, next] => request.next_number(one.number) == Some(next.number),
            _ => true,
        });
        match are_steps {
            true => Ok(()),
            false => Err(self.wrong("headers of other blocks")),
        }
    }

    fn wrong(&self, why: &str) -> RequestError {
        self.penalise(MISMATCH_POINTS, why);
        RequestError::Wrong(why.to_owned())
    }

    /// Something that does not decode came from this peer.
    pub(super) fn malformed(&self, error: &DecodeError) -> RequestError {
        let why = error.to_string();
        self.penalise(MALFORMED_POINTS, &why);
        RequestError::Wrong(why)
    }

    /// Brings an answer to whoever asked.
    pub(super) fn answered(&self, message: EthMessage) {
        let answer = message.id();
        if self.0.requests.deliver(self.0.version, message) == Delivery::Unsolicited {
            self.unsolicited(answer);
        }
    }

    /// The conversation has ended.
    pub(super) fn close(&self) {
        self.0.requests.close();
    }

    /// Queues a message, if there is room.
    pub(super) fn try_send(&self, message: &EthMessage) -> Result<(), SendError> {
        let payload = message
            .encode(self.0.version)
            .map_err(|_| SendError::Gone)?;
        self.try_send_encoded(message.id(), Bytes::from(payload))
    }

    /// As [`try_send`](Self::try_send), of a message that is encoded already.
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
