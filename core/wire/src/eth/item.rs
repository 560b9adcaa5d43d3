//! Items of the lists in messages, and the bounds of each.

use actoreum_primitives::rlp::{Decode, DecodeError, Encode, List};
use actoreum_primitives::{Body, Bytes, Header, PooledTransaction, Transaction};

use crate::limits::{
    MAX_BODIES, MAX_ENCODED_HEADER, MAX_HEADERS, MAX_NODE_DATA, MAX_POOLED_TRANSACTIONS,
    MAX_TRANSACTIONS, MIN_HEADER_SIZE, MIN_TRANSACTION_SIZE, MIN_WITHDRAWAL_SIZE,
};
use crate::rlp::count_plausible;

/// An item of a list in a message from a peer.
pub trait WireItem: Encode + Decode {
    /// Maximum number of items in a message.
    const LIMIT: usize;
    /// Minimum size of a valid item, on average.
    const MIN_SIZE: usize;

    /// Checks the structure of an encoding before it is decoded: bounds what decoding allocates.
    fn check(_raw: &[u8]) -> Result<(), DecodeError> {
        Ok(())
    }
}

impl WireItem for Header {
    const LIMIT: usize = MAX_HEADERS;
    const MIN_SIZE: usize = MIN_HEADER_SIZE;

    fn check(raw: &[u8]) -> Result<(), DecodeError> {
        if raw.len() > MAX_ENCODED_HEADER {
            Err(DecodeError::Custom("header is too long"))
        } else {
            Ok(())
        }
    }
}

impl WireItem for Transaction {
    const LIMIT: usize = MAX_TRANSACTIONS;
    const MIN_SIZE: usize = MIN_TRANSACTION_SIZE;
}

impl WireItem for PooledTransaction {
    const LIMIT: usize = MAX_POOLED_TRANSACTIONS;
    const MIN_SIZE: usize = MIN_TRANSACTION_SIZE;
}

impl WireItem for Bytes {
    const LIMIT: usize = MAX_NODE_DATA;
    const MIN_SIZE: usize = 1;
}

/// Size of two empty lists in a list.
const MIN_BODY_SIZE: usize = 3;

impl WireItem for Body {
    const LIMIT: usize = MAX_BODIES;
    const MIN_SIZE: usize = MIN_BODY_SIZE;

    fn check(mut raw: &[u8]) -> Result<(), DecodeError> {
        let mut fields = List::open(&mut raw)?;
        check_body_fields(&mut fields)
    }
}

/// Bounds the numbers of transactions, ommers and withdrawals by the bytes that hold them.
pub(super) fn check_body_fields(fields: &mut List<'_>) -> Result<(), DecodeError> {
    for minimum in [MIN_TRANSACTION_SIZE, MIN_HEADER_SIZE] {
        count_plausible(&fields.next_list()?, usize::MAX, minimum)?;
    }
    if !fields.is_empty() {
        count_plausible(&fields.next_list()?, usize::MAX, MIN_WITHDRAWAL_SIZE)?;
    }
    Ok(())
}
