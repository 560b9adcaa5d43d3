//! Messages that a connection has sent beyond those that are being answered.

use std::collections::VecDeque;

use actix_web::web::Bytes;

use super::is_batch;
use crate::limits::MAX_BACKLOG_BYTES;
use crate::quota::ByteCount;

/// Memory of a message beside its bytes, rounded up.
const ENTRY_BYTES: usize = 128;

/// A message with its part of the quota of all connections.
pub(super) struct Request {
    pub(super) message: Bytes,
    _bytes: ByteCount,
}

impl Request {
    /// `None` where the quota is used up.
    pub(super) fn new(message: Bytes, mut bytes: ByteCount) -> Option<Self> {
        let is_counted = bytes.try_add(weight(&message));
        is_counted.then_some(Self {
            message,
            _bytes: bytes,
        })
    }
}

fn weight(message: &Bytes) -> usize {
    ENTRY_BYTES + message.len()
}

/// Messages that wait for their turn. They are read ahead, since the end of a client that leaves
/// stands behind all that it has sent.
#[derive(Default)]
pub(super) struct Backlog {
    waiting: VecDeque<Request>,
    bytes: usize,
}

impl Backlog {
    /// Whether a further message is to be read.
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

    /// Drops the batches, whose client has left.
    pub(super) fn drop_batches(&mut self) {
        self.waiting.retain(|request| !is_batch(&request.message));
        self.bytes = self.waiting.iter().map(|it| weight(&it.message)).sum();
    }
}
