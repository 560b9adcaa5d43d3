//! The body of an answer, counted in the quota until its client has read it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;

use crate::server::quota::ByteCount;

/// Maximum size of a chunk of the body, in bytes. The connection asks for the next chunk as the
/// client reads.
const CHUNK_BYTES: usize = 64 * 1024;

/// A body whose bytes are counted in the quota of all connections.
pub(super) struct CountedBody {
    rest: Bytes,
    _bytes: ByteCount,
}

impl CountedBody {
    /// Creates a body whose memory is counted in `bytes`.
    pub(super) fn new(body: impl Into<Bytes>, bytes: ByteCount) -> Self {
        Self {
            rest: body.into(),
            _bytes: bytes,
        }
    }
}

impl MessageBody for CountedBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.rest.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let length = self.rest.len().min(CHUNK_BYTES);
        let chunk = self.rest.split_to(length);
        Poll::Ready((!chunk.is_empty()).then_some(Ok(chunk)))
    }
}
