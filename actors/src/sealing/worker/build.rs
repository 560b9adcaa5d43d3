//! Building of one block from pending transactions.

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
use actoreum_txpool::BestTransactions;
use tracing::{debug, trace};

/// Minimum gas of a transaction: with less gas left a block is full.
const MIN_TX_GAS: u64 = 21_000;

/// Bytes of a block that are not its transactions: the header, and the lists around.
const BLOCK_FRAME_BYTES: usize = 2_048;

/// Flags that end the filling of a block early. They are checked before each transaction.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupts {
    /// The block is no longer needed.
    pub(super) is_outdated: Arc<AtomicBool>,
    /// The block is to be sealed with what it has: one transaction at least, where there is one.
    pub(super) is_due: Arc<AtomicBool>,
}

/// A block that lacks only its seal.
pub(super) struct BuildOutcome {
    pub(super) built: BuiltBlock,
    /// Share of the gas limit that was used when the filling was ended early.
    pub(super) share: Option<f64>,
}

/// Builds a block with those of `ommers` that it may include, and with transactions from `offers`,
/// best first.
pub(super) fn build(
    chain_reader: &ChainReader,
    engine: &dyn Engine,
    plan: BuildPlan,
    ommers: &[Header],
    offers: Option<BestTransactions>,
    interrupts: &Interrupts,
) -> Result<BuildOutcome, BuildError> {
    let mut share = None;
    let built =
        actoreum_chain::build_with_outcome(chain_reader, engine, plan, |header, builder, body| {
            body.ommers = select_ommers(chain_reader, engine, header, ommers);
            let Some(offers) = offers else { return Ok(()) };
            let rules = SenderRules::at(chain_reader.config(), header.number, header.timestamp);
            if fill(builder, body, offers, rules, interrupts)? == Filling::EndedEarly {
                let left = builder.gas_left() as f64 / header.gas_limit as f64;
                share = Some(1.0 - left);
            }
            Ok(())
        });
    let built = built?;
    Ok(BuildOutcome { built, share })
}

/// Returns the candidates that the block may include: two at most, in their order.
fn select_ommers(
    chain_reader: &ChainReader,
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
        match engine.verify_ommers(chain_reader, &block) {
            Ok(()) => included = block.body.ommers,
            Err(error) => trace!(hash = %candidate.hash(), %error, "ommer skipped"),
        }
    }
    included
}

#[derive(Debug, PartialEq, Eq)]
enum Filling {
    Complete,
    EndedEarly,
}

/// Adds transactions until the block is full, none is left, or an interrupt ends the filling.
fn fill(
    builder: &mut BlockBuilder<'_>,
    body: &mut Body,
    mut offers: BestTransactions,
    rules: SenderRules,
    interrupts: &Interrupts,
) -> Result<Filling, BuildError> {
    let mut bytes = BLOCK_FRAME_BYTES;
    while builder.gas_left() >= MIN_TX_GAS {
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
            debug!(hash = %offer.hash(), %error, "transaction skipped");
            offers.skip_sender(sender);
            continue;
        }
        match builder.try_transaction(transaction, sender) {
            Ok(_) => {
                bytes += transaction.length();
                body.transactions.push(transaction.clone());
            }
            // The pool has not seen the newest head yet: the sender's next transaction may be
            // valid.
            Err(TxError::NonceTooLow { .. }) => {}
            Err(TxError::State(failure)) => return Err(ExecutionError::State(failure).into()),
            Err(error) => {
                trace!(hash = %offer.hash(), %error, "transaction skipped");
                offers.skip_sender(sender);
            }
        }
    }
    Ok(Filling::Complete)
}
