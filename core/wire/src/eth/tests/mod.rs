//! Tests of the eth protocol: round trips of every message in every version, and attacks of a
//! hostile peer.

mod blocks;
mod headers;
mod lists;
mod round_trips;
mod status;
mod strategies;

use actoreum_primitives::rlp::{self, Encode};
use actoreum_primitives::{
    Address, B256, Block, Body, Bytes as Value, Header, LegacyTx, Log, PooledTransaction, Receipt,
    ReceiptOutcome, Signature, Transaction, TxPayload, TxType, U256, Withdrawal,
};
use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::limits::*;
use crate::rlp::put_list;
