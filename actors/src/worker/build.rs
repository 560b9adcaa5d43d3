//! Building one block from what the pool has pending.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use actoreum_chain::{BuildError, BuildPlan, BuiltBlock, ChainReader};
use actoreum_consensus::{
    Engine,
    limits::{MAX_BLOCK_RLP_BYTES, MAX_OMMERS},
};
use actoreum_evm::{BlockBuilder, ExecutionError, TxError};
use actoreum_primitives::{Block, Body, Header, SenderRules, rlp::Encode};
use actoreum_txpool::Best;
use tracing::{debug, trace};

/// The least gas that a transaction can use: below it a block is full.
const LEAST_TX_GAS: u64 = 21_000;

/// Bytes of a block that are not its transactions: the header, and the lists around.
const BLOCK_FRAME_BYTES: usize = 2_048;

/// What ends the filling of a block early. It is looked at before each transaction.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupts {
    /// Nobody wants the block any more.
    pub(super) is_outdated: Arc<AtomicBool>,
    /// It is to be sealed with what it holds: one transaction at least, where there is one.
    pub(super) is_due: Arc<AtomicBool>,
}

/// A block that lacks nothing but its seal.
pub(super) struct Made {
    pub(super) built: BuiltBlock,
    /// Where its filling was ended early: which share of its gas was used by then.
    pub(super) share: Option<f64>,
}

/// Builds a block, with those of `ommers` that it may include, from `offers`: transactions, best
/// first.
pub(super) fn build(
    reader: &ChainReader,
    engine: &dyn Engine,
    plan: BuildPlan,
    ommers: &[Header],
    offers: Option<Best>,
    interrupts: &Interrupts,
) -> Result<Made, BuildError> {
    let mut share = None;
    let built = actoreum_chain::build_whole(reader, engine, plan, |header, builder, body| {
        body.ommers = include(reader, engine, header, ommers);
        let Some(offers) = offers else { return Ok(()) };
        let rules = SenderRules::at(reader.config(), header.number, header.timestamp);
        if fill(builder, body, offers, rules, interrupts)? == Filling::EndedEarly {
            let left = builder.gas_left() as f64 / header.gas_limit as f64;
            share = Some(1.0 - left);
        }
        Ok(())
    });
    let built = built?;
    Ok(Made { built, share })
}

/// Which of the candidates the block may include: two at most, in their order.
fn include(
    reader: &ChainReader,
    engine: &dyn Engine,
    header: &Header,
    candidates: &[Header],
) -> Vec<Header> {
    let mut included: Vec<Header> = Vec::new();
    for candidate in candidates {
        if included.len() >= MAX_OMMERS {
            break;
        }
        let mut ommers = included.clone();
        ommers.push(candidate.clone());
        let block = Block {
            header: header.clone(),
            body: Body {
                ommers,
                ..Body::default()
            },
        };
        match engine.verify_ommers(reader, &block) {
            Ok(()) => included = block.body.ommers,
            Err(error) => trace!(hash = %candidate.hash(), %error, "ommer left out"),
        }
    }
    included
}

#[derive(Debug, PartialEq, Eq)]
enum Filling {
    Complete,
    EndedEarly,
}

/// Adds transactions until the block is full or nothing is left, or its time is over.
fn fill(
    builder: &mut BlockBuilder<'_>,
    body: &mut Body,
    mut offers: Best,
    rules: SenderRules,
    interrupts: &Interrupts,
) -> Result<Filling, BuildError> {
    let mut bytes = BLOCK_FRAME_BYTES;
    while builder.gas_left() >= LEAST_TX_GAS {
        if interrupts.is_outdated.load(Ordering::Relaxed) {
            return Err(BuildError::Interrupted);
        }
        if interrupts.is_due.load(Ordering::Relaxed) && !body.transactions.is_empty() {
            return Ok(Filling::EndedEarly);
        }
        let Some(offer) = offers.next() else { break };
        let (transaction, sender) = (offer.transaction(), offer.sender());
        if bytes + transaction.length() > MAX_BLOCK_RLP_BYTES {
            offers.skip_sender(sender);
            continue;
        }
        if let Err(error) = rules.sender(transaction) {
            debug!(hash = %offer.hash(), %error, "transaction left out");
            offers.skip_sender(sender);
            continue;
        }
        match builder.try_transaction(transaction, sender) {
            Ok(_) => {
                bytes += transaction.length();
                body.transactions.push(transaction.clone());
            }
            // The pool has not seen the newest head yet: the sender's next one may do.
            Err(TxError::NonceTooLow { .. }) => {}
            Err(TxError::State(failure)) => return Err(ExecutionError::State(failure).into()),
            Err(error) => {
                trace!(hash = %offer.hash(), %error, "transaction left out");
                offers.skip_sender(sender);
            }
        }
    }
    Ok(Filling::Complete)
}
