//! The execution of one simulated block.

use actoreum_chain::{SealedHeader, complete_header};
use actoreum_evm::{CallRequest, Failure, IndexedLog, SimulatedBlock, SimulationEnv, TxError};
use actoreum_primitives::{
    B256, BlobTx, Block, Body, Bytes, DynamicFeeTx, Header, LegacyTx, SetCodeTx, StateAfter,
    StateDiff, Transaction, TxPayload,
};
use actoreum_storage::TrieBuffer;

use super::args::SimulatedCallArgs;
use super::errors::{block_gas_limit_reached, refused};
use super::sequence::{self, PlannedBlock};
use super::{SimulatedResult, Simulation, SimulationError};
use crate::error::{REVERTED, RpcError, VM_ERROR};
use crate::node::storage;
use crate::render::{LogMeta, write_log};
use crate::server::json::{JsonOut, WriteJson};

/// Executes a block on the state of its parent, which is the base's after `before`. Returns the block
/// and its changes, which are also applied to `tries`. `gas_left` is what the calls of the whole
/// simulation may still use.
pub(super) fn simulate_block(
    simulation: &Simulation<'_>,
    block: &PlannedBlock,
    parent: &SealedHeader,
    before: &StateDiff,
    gas_left: &mut u64,
    tries: &mut TrieBuffer,
) -> Result<(SimulatedResult, StateDiff), SimulationError> {
    let node = simulation.node;
    let config = node.chain_reader.config();
    let mut header = sequence::header(config, block, parent, simulation.validates);
    let state = node.chain_reader.state_at(simulation.base.number);
    let below = state.map_err(storage)?;
    let state = StateAfter {
        below: &below,
        diff: before,
    };
    let buffer = &*tries;
    let deadline = simulation.deadline;
    let interrupt = || deadline.is_over();
    let root_after = |diff: &StateDiff| Ok(buffer.root_after(diff)?);
    let env = SimulationEnv {
        config,
        state: &state,
        hashes: &simulation.hashes,
        root_after: &root_after,
        validates: simulation.validates,
        logs_transfers: simulation.traces_transfers,
        interrupt: Some(&interrupt),
    };
    let blob_base_fee = block.args.header.fields.blob_base_fee;
    let timeout = node.settings.call_timeout;
    let mut running = SimulatedBlock::begin(env, &header, &block.args.states, blob_base_fee)
        .map_err(|error| refused(&error, None, timeout))?;
    let mut results = Vec::with_capacity(block.args.calls.len());
    let mut senders = Vec::with_capacity(block.args.calls.len());
    let withdrawals = &block.args.header.withdrawals;
    let mut body = Body {
        withdrawals: header.withdrawals_root.map(|_| withdrawals.clone()),
        ..Body::default()
    };
    for call in &block.args.calls {
        let (request, transaction) = transaction(
            call,
            &header,
            config.chain_id_at(header.number),
            *gas_left,
            &mut running,
        )?;
        let gas = request.gas.unwrap_or(0);
        let done = running.call(&request, &transaction);
        let done = done.map_err(|error| refused(&error, Some(gas), timeout))?;
        *gas_left = gas_left.saturating_sub(done.outcome.gas_used);
        results.push(CallResult::new(done, &transaction, results.len(), &header));
        senders.push(call.sender());
        body.transactions.push(transaction);
    }
    if deadline.is_over() {
        return Err(refused(&TxError::Interrupted, None, timeout).into());
    }
    let rewards = node.engine.rewards(config, &header, &body.ommers);
    let outcome = running.finish(&rewards, body.withdrawals.as_deref().unwrap_or_default());
    let outcome = outcome.map_err(|error| RpcError::server(error.to_string()))?;
    complete_header(&mut header, &body, &outcome).map_err(storage)?;
    header.state_root = tries.apply(header.number, &outcome.diff)?;
    let hash = header.hash();
    for result in &mut results {
        result.set_block(hash);
    }
    let result = SimulatedResult {
        block: Block { header, body },
        hash,
        senders: Some(senders),
        calls: results,
    };
    Ok((result, outcome.diff))
}

/// Returns a call with the fields that it left out, and the transaction that stands for it.
fn transaction(
    call: &SimulatedCallArgs,
    header: &Header,
    chain_id: u64,
    gas_left: u64,
    block: &mut SimulatedBlock<'_>,
) -> Result<(CallRequest, Transaction), RpcError> {
    if let Some(have) = call.chain_id.filter(|have| *have != chain_id) {
        return Err(RpcError::invalid_params(format!(
            "chainId does not match node's (have={have}, want={chain_id})"
        )));
    }
    let nonce = match call.nonce {
        Some(nonce) => nonce,
        None => block.nonce(call.sender()).map_err(storage)?,
    };
    let mut request = call.request.clone();
    let block_left = header.gas_limit.saturating_sub(block.gas_used());
    let gas = request.gas.unwrap_or(block_left);
    if gas > block_left {
        return Err(block_gas_limit_reached(block.gas_used(), header.gas_limit));
    }
    request.gas = Some(gas.min(gas_left));
    if header.base_fee_per_gas.is_none() {
        request.gas_price.get_or_insert_default();
    } else if request.gas_price.is_none() {
        request.max_fee_per_gas.get_or_insert_default();
        request.max_priority_fee_per_gas.get_or_insert_default();
    }
    let payload = payload(&request, nonce, chain_id);
    Ok((request, Transaction::unsigned(payload)))
}

/// Returns the payload of a call with a price. A call with a gas price is a legacy transaction.
fn payload(request: &CallRequest, nonce: u64, chain_id: u64) -> TxPayload {
    let gas_limit = request.gas.unwrap_or(0);
    let (to, value, input) = (request.to, request.value, request.input.clone());
    let max_fee_per_gas = request.max_fee_per_gas.unwrap_or_default();
    let max_priority_fee_per_gas = request.max_priority_fee_per_gas.unwrap_or_default();
    let access_list = request.access_list.clone();
    if let Some(gas_price) = request.gas_price {
        return TxPayload::Legacy(LegacyTx {
            chain_id: None,
            nonce,
            gas_price,
            gas_limit,
            to,
            value,
            input,
        });
    }
    match to {
        Some(to) if !request.authorization_list.is_empty() => TxPayload::SetCode(SetCodeTx {
            chain_id,
            nonce,
            max_priority_fee_per_gas,
            max_fee_per_gas,
            gas_limit,
            to,
            value,
            input,
            access_list,
            authorization_list: request.authorization_list.clone(),
        }),
        Some(to) if !request.blob_hashes.is_empty() => TxPayload::Blob(BlobTx {
            chain_id,
            nonce,
            max_priority_fee_per_gas,
            max_fee_per_gas,
            gas_limit,
            to,
            value,
            input,
            access_list,
            max_fee_per_blob_gas: request.max_fee_per_blob_gas.unwrap_or_default(),
            blob_versioned_hashes: request.blob_hashes.clone(),
        }),
        to => TxPayload::DynamicFee(DynamicFeeTx {
            chain_id,
            nonce,
            max_priority_fee_per_gas,
            max_fee_per_gas,
            gas_limit,
            to,
            value,
            input,
            access_list,
        }),
    }
}

/// The result of a simulated call.
pub(super) struct CallResult {
    output: Bytes,
    failure: Option<Failure>,
    gas_used: u64,
    max_gas_used: u64,
    logs: Vec<IndexedLog>,
    /// The position of the logs; each log has an index of its own.
    meta: LogMeta,
}

impl CallResult {
    fn new(
        done: actoreum_evm::SimulatedCall,
        transaction: &Transaction,
        index: usize,
        header: &Header,
    ) -> Self {
        let failure = done.outcome.failure;
        Self {
            output: match failure {
                None => done.outcome.output,
                Some(_) => Bytes::new(),
            },
            failure,
            gas_used: done.outcome.gas_used,
            max_gas_used: done.max_gas_used,
            logs: done.logs,
            meta: LogMeta {
                block_hash: B256::ZERO,
                block_number: header.number,
                block_timestamp: header.timestamp,
                transaction_hash: transaction.hash(),
                transaction_index: index as u64,
                log_index: 0,
                removed: false,
            },
        }
    }

    /// Sets the hash of the block, which is known when the block is complete.
    fn set_block(&mut self, hash: B256) {
        self.meta.block_hash = hash;
    }
}

impl WriteJson for CallResult {
    fn write_json(&self, out: &mut JsonOut) {
        let mut object = out.object();
        object.field("returnData", &self.output);
        object
            .key("logs")
            .array(self.logs.iter().map(|entry| PlacedLog {
                entry,
                meta: self.meta,
            }));
        object
            .quantity("gasUsed", self.gas_used)
            .quantity("maxUsedGas", self.max_gas_used)
            .quantity("status", u64::from(self.failure.is_none()));
        if let Some(failure) = &self.failure {
            let mut error = object.key("error").object();
            error.field("message", failure.to_string());
            match failure {
                Failure::Revert(data) => {
                    error.key("code").number(REVERTED.unsigned_abs());
                    error.field("data", data);
                }
                Failure::Halt(_) => error.key("code").raw(&VM_ERROR.to_string()),
            }
            error.end();
        }
        object.end();
    }
}

/// A log with its position.
struct PlacedLog<'a> {
    entry: &'a IndexedLog,
    meta: LogMeta,
}

impl WriteJson for PlacedLog<'_> {
    fn write_json(&self, out: &mut JsonOut) {
        let meta = LogMeta {
            log_index: self.entry.index,
            ..self.meta
        };
        write_log(out, &self.entry.log, &meta);
    }
}
