//! Round trips of every message in every version, and what a hostile peer sends.

mod blocks;
mod headers;
mod lists;
mod made;
mod round_trips;
mod status;

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
