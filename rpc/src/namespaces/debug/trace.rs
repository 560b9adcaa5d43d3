//! The `debug_trace*` methods: transactions, blocks and calls under the tracers of core/evm.
//!
//! Blocks under the rules that geth 1.8 knew (up to Petersburg) are traced in its output format, so
//! that networks of that time keep their tools. From Istanbul on the output format is that of
//! today's geth.

use std::time::Duration;

use actoreum_chain::{Ancestors, SealedHeader};
use actoreum_evm::TxError;
use actoreum_evm::trace::{
    Trace, TraceError, TraceOptions, TraceStyle, TracedBlock, trace_block, trace_call,
    trace_transaction,
};
use actoreum_primitives::rlp::Decode as _;
use actoreum_primitives::{
    Address, B256, Block, Bytes, Fork, Header, Transaction, recover_senders,
};
use serde_json::Value;

use crate::error::{RpcError, truncate};
use crate::namespaces::block_id::{BlockId, BlockNumber};
use crate::namespaces::eth::blocks::FoundBlock;
use crate::namespaces::eth::{BlockOverrideArgs, CallArgs, StateOverrideArgs, blocks, call};
use crate::node::{Node, storage};
use crate::server::deadline::Deadline;
use crate::server::json::{JsonOut, Serialized, WriteJson};
use crate::server::limits::{MAX_ECHOED_NAME, MAX_TRACE_TIMEOUT, TRACE_TIMEOUT};
use crate::server::method::Method;
use crate::server::object::Object;
use crate::server::param::{FromParam, ParamError};

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::heavy("debug_traceBlock", &["rlp", "options"], block_rlp),
        Method::heavy("debug_traceBlockByHash", &["hash", "options"], by_hash),
        Method::heavy("debug_traceBlockByNumber", &["block", "options"], by_number),
        Method::heavy("debug_traceCall", &["call", "block", "options"], one_call),
        Method::heavy(
            "debug_traceTransaction",
            &["hash", "options"],
            one_transaction,
        ),
    ]
}

/// The options of a trace.
#[derive(Debug, Clone)]
struct TraceArgs {
    options: TraceOptions,
    timeout: Duration,
    states: StateOverrideArgs,
    blocks: BlockOverrideArgs,
}

impl Default for TraceArgs {
    fn default() -> Self {
        Self {
            options: TraceOptions::default(),
            timeout: TRACE_TIMEOUT,
            states: StateOverrideArgs::default(),
            blocks: BlockOverrideArgs::default(),
        }
    }
}

impl FromParam for TraceArgs {
    const SCHEMA: &'static str = r#"{"title":"trace options","type":"object","properties":{"tracer":{"type":"string"},"tracerConfig":{"type":"object"},"timeout":{"type":"string"}}}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let object = Object::new(raw, "tracers.TraceConfig")?;
        let mut known: Value = serde_json::from_str(raw)
            .map_err(|error| ParamError::text(format!("invalid trace options: {error}")))?;
        drop_nulls(&mut known);
        let mut options: TraceOptions = serde_json::from_value(known)
            .map_err(|error| ParamError::text(format!("invalid trace options: {error}")))?;
        // The name of the tracer is echoed, and a script in its place can be long.
        options.tracer = options
            .tracer
            .map(|name| truncate(&name, MAX_ECHOED_NAME).to_owned());
        let timeout = match object.get::<String>("timeout")? {
            Some(text) => duration(&text).ok_or_else(|| {
                let shown = truncate(&text, MAX_ECHOED_NAME);
                ParamError::text(format!("time: invalid duration {shown}"))
            })?,
            None => TRACE_TIMEOUT,
        };
        Ok(Self {
            options,
            timeout: timeout.min(MAX_TRACE_TIMEOUT),
            states: object.get("stateOverrides")?.unwrap_or_default(),
            blocks: object.get("blockOverrides")?.unwrap_or_default(),
        })
    }
}

/// Removes members that are null: they count as absent.
fn drop_nulls(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|_, member| !member.is_null());
        members.values_mut().for_each(drop_nulls);
    }
}

/// Parses a duration as Go writes it: `5s`, `1m30s`, `250ms`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .filter(|length| *length > 0)?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit_length = after
            .find(|letter: char| letter.is_ascii_digit() || letter == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_length)?;
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" | "μs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        let part = Duration::try_from_secs_f64(number * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// Returns the output format of traces in a block with this header.
fn style(node: &Node, header: &Header) -> TraceStyle {
    if node.chain_reader.config().fork_of(header) < Fork::Istanbul {
        TraceStyle::Geth18
    } else {
        TraceStyle::Current
    }
}

/// The trace of one transaction in the trace of a block.
struct TransactionTrace {
    transaction: B256,
    trace: Trace,
}

impl WriteJson for TransactionTrace {
    fn write_json(&self, out: &mut JsonOut) {
        let mut object = out.object();
        object.field("txHash", self.transaction);
        object.field("result", Serialized(&self.trace)).end();
    }
}

/// A block to be executed again, and the state of its parent.
pub(super) struct Replay<'n> {
    node: &'n Node,
    block: &'n Block,
    senders: &'n [Address],
    parent: SealedHeader,
    state: actoreum_storage::StateView,
    /// The recipient of the fees, for a block whose seal does not name it yet.
    author: Option<Address>,
}

impl<'n> Replay<'n> {
    /// Prepares a block and the state of its parent.
    ///
    /// # Errors
    /// Fails for genesis, and if the parent is unknown, is not canonical, or its state is not
    /// available.
    pub(super) fn new(
        node: &'n Node,
        block: &'n Block,
        senders: &'n [Address],
    ) -> Result<Self, RpcError> {
        let header = &block.header;
        if header.number == 0 {
            return Err(RpcError::server("genesis is not traceable"));
        }
        let hash = header.parent_hash;
        let parent = node.chain_reader.header_by_hash(&hash).map_err(storage)?;
        let parent = parent.filter(|parent| parent.number + 1 == header.number);
        let parent = parent.ok_or_else(|| {
            RpcError::server(format!("parent {} not found", unprefixed_hex(&hash)))
        })?;
        if !node.is_canonical(&parent)? {
            return Err(RpcError::server(format!(
                "state of block {hash} is not available: it is not canonical"
            )));
        }
        let state = node.chain_reader.state_at(parent.number);
        Ok(Self {
            node,
            block,
            senders,
            parent,
            state: state.map_err(|error| RpcError::server(error.to_string()))?,
            author: None,
        })
    }

    /// Returns the state before the block.
    pub(super) fn state(&self) -> &actoreum_storage::StateView {
        &self.state
    }

    /// Calls `with` with the block in the form that core/evm needs.
    pub(super) fn with<T>(
        &self,
        interrupt: actoreum_evm::Interrupt<'_>,
        with: impl FnOnce(&TracedBlock<'_>) -> Result<T, RpcError>,
    ) -> Result<T, RpcError> {
        let node = self.node;
        let hashes = Ancestors::after(&node.chain_reader, &self.parent).map_err(storage)?;
        let author = self
            .author
            .or_else(|| node.engine.author(&self.block.header).ok());
        with(&TracedBlock {
            config: node.chain_reader.config(),
            header: &self.block.header,
            body: &self.block.body,
            senders: self.senders,
            beneficiary: author.unwrap_or(self.block.header.beneficiary),
            state: &self.state,
            hashes: &hashes,
            interrupt: Some(interrupt),
        })
    }
}

/// Formats a hash without `0x`, as geth 1.8 prints it in these errors.
pub(super) fn unprefixed_hex(hash: &B256) -> String {
    format!("{hash:x}").trim_start_matches("0x").to_owned()
}

/// Converts the error of a trace.
pub(super) fn failed(error: TraceError) -> RpcError {
    RpcError::server(match error {
        TraceError::Transaction(TxError::Interrupted) => "execution timeout".to_owned(),
        other => other.to_string(),
    })
}

/// Traces all transactions of a block.
fn whole_block(
    node: &Node,
    block: &Block,
    senders: &[Address],
    author: Option<Address>,
    args: TraceArgs,
) -> Result<Vec<TransactionTrace>, RpcError> {
    let mut options = args.options;
    options.style = style(node, &block.header);
    let deadline = Deadline::after(args.timeout);
    let mut replay = Replay::new(node, block, senders)?;
    replay.author = author;
    let traces = replay.with(&|| deadline.is_over(), |block| {
        trace_block(block, &options).map_err(failed)
    })?;
    let transactions = block.body.transactions.iter().map(Transaction::hash);
    Ok(transactions
        .zip(traces)
        .map(|(transaction, trace)| TransactionTrace { transaction, trace })
        .collect())
}

/// Traces a block of this chain, or the pending block. `missing` is the error if there is none.
fn known_block(
    node: &Node,
    found: Option<FoundBlock>,
    args: Option<TraceArgs>,
    missing: impl FnOnce() -> String,
) -> Result<Vec<TransactionTrace>, RpcError> {
    let found = found.ok_or_else(|| RpcError::server(missing()))?;
    let senders = found.senders(node)?;
    let author = found.pending.as_ref().map(|pending| pending.author);
    let args = args.unwrap_or_default();
    whole_block(node, &found.block, &senders, author, args)
}

fn by_number(
    node: &Node,
    (number, args): (BlockNumber, Option<TraceArgs>),
) -> Result<Vec<TransactionTrace>, RpcError> {
    let found = blocks::block(node, number.into())?;
    known_block(node, found, args, || match number {
        BlockNumber::Number(number) => format!("block #{number} not found"),
        _ => "block not found".to_owned(),
    })
}

fn by_hash(
    node: &Node,
    (hash, args): (B256, Option<TraceArgs>),
) -> Result<Vec<TransactionTrace>, RpcError> {
    let found = blocks::block(node, BlockId::from(hash))?;
    known_block(node, found, args, || {
        format!("block #{} not found", unprefixed_hex(&hash))
    })
}

/// Traces a block that need not be known here. Its parent must be.
fn block_rlp(
    node: &Node,
    (rlp, args): (Bytes, Option<TraceArgs>),
) -> Result<Vec<TransactionTrace>, RpcError> {
    let mut rest: &[u8] = &rlp;
    let block = Block::decode(&mut rest)
        .map_err(|error| RpcError::server(format!("could not decode block: {error}")))?;
    let recovered = recover_senders(node.chain_reader.config(), std::slice::from_ref(&block)).pop();
    let senders = match recovered {
        Some(Ok(senders)) => senders,
        Some(Err((_, error))) => return Err(RpcError::server(error.to_string())),
        None => Vec::new(),
    };
    whole_block(node, &block, &senders, None, args.unwrap_or_default())
}

fn one_transaction(
    node: &Node,
    (hash, args): (B256, Option<TraceArgs>),
) -> Result<Serialized<Trace>, RpcError> {
    let args = args.unwrap_or_default();
    let deadline = Deadline::after(args.timeout);
    transaction(node, hash, args.options, deadline).map(Serialized)
}

/// Traces a transaction of this chain, until `deadline`.
pub(crate) fn transaction(
    node: &Node,
    hash: B256,
    mut options: TraceOptions,
    deadline: Deadline,
) -> Result<Trace, RpcError> {
    let found = blocks::transaction(node, hash)?;
    let found = found.ok_or_else(|| {
        RpcError::server(format!("transaction {} not found", unprefixed_hex(&hash)))
    })?;
    options.style = style(node, &found.block.header);
    let replay = Replay::new(node, &found.block, &found.senders)?;
    replay.with(&|| deadline.is_over(), |block| {
        trace_transaction(block, found.index, &options).map_err(failed)
    })
}

fn one_call(
    node: &Node,
    (request, id, args): (CallArgs, Option<BlockId>, Option<TraceArgs>),
) -> Result<Serialized<Trace>, RpcError> {
    let id = id.unwrap_or(BlockNumber::Latest.into());
    if id == BlockId::Number(BlockNumber::Pending) {
        return Err(RpcError::server(
            "tracing on top of pending is not supported",
        ));
    }
    let context =
        call::call_context(node, id)?.ok_or_else(|| RpcError::server("block not found"))?;
    let args = args.unwrap_or_default();
    let mut options = args.options;
    options.style = style(node, context.header());
    let deadline = Deadline::after(args.timeout);
    let (states, blocks) = (args.states.0, args.blocks.0);
    call::run(node, &context, &states, &blocks, deadline, |env| {
        trace_call(env, &request.0, &options)
            .map(Serialized)
            .map_err(failed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_in_go() {
        assert_eq!(duration("5s"), Some(Duration::from_secs(5)));
        assert_eq!(duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        for wrong in [
            "",
            "5",
            "s",
            "-5s",
            "5 s",
            "5d",
            "1..5s",
            "99999999999999999999h",
        ] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn unknown_options_are_ignored_and_known_ones_bounded() {
        let args = TraceArgs::from_raw(
            r#"{"tracer":"callTracer","tracerConfig":null,"reexec":5,"timeout":"100h"}"#,
        )
        .unwrap();
        assert_eq!(args.options.tracer.as_deref(), Some("callTracer"));
        assert_eq!(args.timeout, MAX_TRACE_TIMEOUT);
        let script = format!("{{\"tracer\":\"{}\"}}", "x".repeat(10_000));
        let args = TraceArgs::from_raw(&script).unwrap();
        assert_eq!(args.options.tracer.unwrap().len(), MAX_ECHOED_NAME);
        assert!(TraceArgs::from_raw("[]").is_err());
        assert!(TraceArgs::from_raw("{\"timeout\":\"soon\"}").is_err());
        assert!(TraceArgs::from_raw("{\"disableStorage\":3}").is_err());
    }
}
