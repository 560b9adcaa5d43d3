//! The backlog of a connection: messages that were read and wait to be answered.

use std::collections::VecDeque;

use actix_web::web::Bytes;

use super::grace::is_batch;
use crate::server::limits::MAX_BACKLOG_BYTES;
use crate::server::quota::ByteCount;

/// Memory of an entry beside the bytes of its message, in bytes, rounded up.
const ENTRY_BYTES: usize = 128;

/// A message whose bytes are counted in the quota of all connections.
pub(super) struct Request {
    pub(super) message: Bytes,
    _bytes: ByteCount,
}

impl Request {
    /// Creates a request whose memory is counted in `bytes`; `None` if the quota is used up.
    pub(super) fn new(message: Bytes, mut bytes: ByteCount) -> Option<Self> {
        let is_counted = bytes.try_add(weight(&message));
        is_counted.then_some(Self {
            message,
            _bytes: bytes,
        })
    }
}

/// Returns the memory of a message, in bytes.
fn weight(message: &Bytes) -> usize {
    ENTRY_BYTES + message.len()
}

/// Requests that wait to be answered, in the order in which they came. They are read ahead because
/// the end of the connection arrives after everything that the client has sent.
#[derive(Default)]
pub(super) struct Backlog {
    waiting: VecDeque<Request>,
    bytes: usize,
}

impl Backlog {
    /// Returns whether a further message may be read.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < MAX_BACKLOG_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn push(&mut self, request: Request) {
        self.bytes += weight(&request.message);
        self.waiting.push_back(request);
    }

    pub(super) fn pop(&mut self) -> Option<Request> {
        let request = self.waiting.pop_front()?;
        self.bytes -= weight(&request.message);
        Some(request)
    }

    /// Drops the batches: nobody reads their answers once the client has gone.
    pub(super) fn drop_batches(&mut self) {
        self.waiting.retain(|request| !is_batch(&request.message));
        self.bytes = self.waiting.iter().map(|it| weight(&it.message)).sum();
    }
}
