//! Requests for headers.

use actoreum_primitives::B256;
use actoreum_primitives::rlp::{self, DecodeError, Encode, List, decode_str};

use crate::limits::MAX_HEADERS;
use crate::rlp::put_list;

/// Where a run of headers starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockOrigin {
    /// At the block with this hash.
    Hash(B256),
    /// At the canonical block with this number.
    Number(u64),
}

/// Asks for headers: `amount` of them from `origin` on, each `skip` + 1 blocks further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GetBlockHeaders {
    /// The first header.
    pub origin: BlockOrigin,
    /// How many; nobody has to send that many.
    pub amount: u64,
    /// How many blocks to leave out between two.
    pub skip: u64,
    /// Towards genesis instead of away from it.
    pub reverse: bool,
}

impl GetBlockHeaders {
    /// How many headers to send at most: `amount`, or our limit.
    pub fn served(&self) -> usize {
        usize::try_from(self.amount)
            .unwrap_or(usize::MAX)
            .min(MAX_HEADERS)
    }

    /// The number of the header behind the one with `number`; `None` where the run leaves the
    /// numbers that there are. Whatever a stranger wrote into `skip`, this does not overflow.
    pub fn next_number(&self, number: u64) -> Option<u64> {
        let step = self.skip.checked_add(1)?;
        if self.reverse {
            number.checked_sub(step)
        } else {
            number.checked_add(step)
        }
    }

    /// The numbers of the headers to send, if the first has the number `first`.
    pub fn numbers(&self, first: u64) -> impl Iterator<Item = u64> {
        std::iter::successors(Some(first), |&number| self.next_number(number)).take(self.served())
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_list(out, |out| {
            match self.origin {
                BlockOrigin::Hash(hash) => hash.encode(out),
                BlockOrigin::Number(number) => number.encode(out),
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
            Ok(hash) => BlockOrigin::Hash(hash),
            Err(_) => BlockOrigin::Number(rlp::decode_exact(raw_origin)?),
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
