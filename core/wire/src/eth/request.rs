//! Requests for headers (GetBlockHeaders).

use actoreum_primitives::B256;
use actoreum_primitives::rlp::{self, DecodeError, Encode, List, decode_str};

use crate::limits::MAX_HEADERS;
use crate::rlp::put_list;

/// Origin of a request for headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HashOrNumber {
    /// The block with this hash.
    Hash(B256),
    /// The canonical block with this number.
    Number(u64),
}

/// A request for `amount` headers from `origin` on, each `skip` + 1 blocks further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GetBlockHeaders {
    /// Block of the first header.
    pub origin: HashOrNumber,
    /// Number of headers; the responder may send fewer.
    pub amount: u64,
    /// Number of blocks to leave out between two headers.
    pub skip: u64,
    /// True if the numbers descend.
    pub reverse: bool,
}

impl GetBlockHeaders {
    /// Returns the maximum number of headers to send: `amount`, or [`MAX_HEADERS`].
    pub fn served(&self) -> usize {
        usize::try_from(self.amount)
            .unwrap_or(usize::MAX)
            .min(MAX_HEADERS)
    }

    /// Returns the number of the header after the one with `number`; `None` if there is no such
    /// number. No value of `skip` overflows.
    pub fn next_number(&self, number: u64) -> Option<u64> {
        let step = self.skip.checked_add(1)?;
        if self.reverse {
            number.checked_sub(step)
        } else {
            number.checked_add(step)
        }
    }

    /// Returns the numbers of the headers to send, if the first has the number `first`.
    pub fn numbers(&self, first: u64) -> impl Iterator<Item = u64> {
        std::iter::successors(Some(first), |&number| self.next_number(number)).take(self.served())
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_list(out, |out| {
            match self.origin {
                HashOrNumber::Hash(hash) => hash.encode(out),
                HashOrNumber::Number(number) => number.encode(out),
            }
            self.amount.encode(out);
            self.skip.encode(out);
            self.reverse.encode(out);
        });
    }

    pub(super) fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = List::open_exact(message)?;
        let raw_origin = fields.next_raw()?;
        let origin = match B256::try_from(decode_str(&mut { raw_origin })?) {
            Ok(hash) => HashOrNumber::Hash(hash),
            Err(_) => HashOrNumber::Number(rlp::decode_exact(raw_origin)?),
        };
        let request = Self {
            origin,
            amount: fields.next()?,
            skip: fields.next()?,
            reverse: fields.next()?,
        };
        fields.finish()?;
        Ok(request)
    }
}
