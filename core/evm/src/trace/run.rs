//! Execution of calls, transactions and whole blocks under a tracer.

use actoreum_primitives::{
    Address, B256, BlockHashes, Body, ChainConfig, Header, StateDiff, StateError, StateReader,
};

use super::{Trace, TraceError, TraceOptions, Tracer};
use crate::builder::BlockBuilder;
use crate::call::{CallEnv, CallRequest};
use crate::interrupt::Interrupt;
use crate::limits::MAX_STRUCT_LOG_BYTES;
use crate::outcome::IntermediateRoots;

/// Traces a call.
pub fn trace_call(
    env: &CallEnv<'_>,
    request: &CallRequest,
    options: &TraceOptions,
) -> Result<Trace, TraceError> {
    let (mut machine, tx) = env.machine(request, Tracer::new(options)?)?;
    let result = machine.inspect(tx.clone());
    let result = result.map_err(|error| env.tx_error(&mut machine, error))?;
    let changes = machine.take_changes();
    let (mut overlay, tracer) = machine.into_overlay_and_inspector();
    tracer.finish(&tx, &result, &changes, &mut overlay)
}

/// A block whose transactions are traced, on the state of its parent.
#[derive(Clone, Copy)]
pub struct TracedBlock<'a> {
    /// Config of the chain.
    pub config: &'a ChainConfig,
    /// Header of the block.
    pub header: &'a Header,
    /// Body of the block.
    pub body: &'a Body,
    /// Senders of the transactions.
    pub senders: &'a [Address],
    /// Beneficiary of the block (on clique: its signer).
    pub beneficiary: Address,
    /// State of the parent.
    pub state: &'a dyn StateReader,
    /// Block hashes for BLOCKHASH.
    pub hashes: &'a dyn BlockHashes,
    /// An interrupt that can stop the transactions.
    pub interrupt: Option<Interrupt<'a>>,
}

impl std::fmt::Debug for TracedBlock<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TracedBlock")
            .field("number", &self.header.number)
            .finish_non_exhaustive()
    }
}

/// Traces every transaction of a block.
pub fn trace_block(
    block: &TracedBlock<'_>,
    options: &TraceOptions,
) -> Result<Vec<Trace>, TraceError> {
    run(block, options, None)
}

/// Traces one transaction of a block, after running the transactions before it.
pub fn trace_transaction(
    block: &TracedBlock<'_>,
    index: usize,
    options: &TraceOptions,
) -> Result<Trace, TraceError> {
    run(block, options, Some(index))?
        .pop()
        .ok_or(TraceError::NoSuchTransaction(index))
}

fn run(
    block: &TracedBlock<'_>,
    options: &TraceOptions,
    only: Option<usize>,
) -> Result<Vec<Trace>, TraceError> {
    let TracedBlock {
        config,
        header,
        body,
        senders,
        beneficiary,
        state,
        hashes,
        interrupt,
    } = *block;
    let mut roots = NoRoots;
    let mut builder =
        BlockBuilder::begin(config, header, beneficiary, state, hashes, Some(&mut roots))?;
    if let Some(interrupt) = interrupt {
        builder = builder.with_interrupt(interrupt);
    }
    let mut traces = Vec::new();
    let mut bytes = 0;
    for (index, (transaction, sender)) in body.transactions.iter().zip(senders).enumerate() {
        if only.is_some_and(|only| only != index) {
            builder.try_transaction(transaction, *sender)?;
            continue;
        }
        let tracer = Tracer::new(options)?;
        let trace;
        (builder, trace) = builder.trace_transaction(transaction, *sender, tracer)?;
        // Each trace is bounded by itself; their total in a block is bounded here.
        if let Trace::StructLogs(logs) = &trace {
            bytes += logs.bytes();
            if bytes > MAX_STRUCT_LOG_BYTES {
                return Err(TraceError::TooLarge);
            }
        }
        traces.push(trace);
        if only.is_some() {
            break;
        }
    }
    Ok(traces)
}

/// A source of roots for traces, whose receipts are not used.
struct NoRoots;

impl IntermediateRoots for NoRoots {
    fn root(&mut self, _diff: &StateDiff) -> Result<B256, StateError> {
        Ok(B256::ZERO)
    }
}
