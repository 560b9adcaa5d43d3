//! `callTracer`: the tree of calls.

use actoreum_primitives::{Address, Bytes, U256};
use revm::context::TxEnv;
use revm::context_interface::CreateScheme;
use revm::context_interface::result::ExecutionResult;
use revm::interpreter::interpreter_types::Jumps;
use revm::interpreter::{
    CallInputs, CallOutcome, CallScheme, CreateInputs, CreateOutcome, InstructionResult,
    Interpreter, InterpreterResult,
};
use revm::primitives::{B256, Log, TxKind};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{TraceError, TraceStyle, TracerConfig};
use crate::context::EvmContext;
use crate::failure::{FailedStep, result_text, revert_reason};
use crate::limits::MAX_CALL_FRAMES;

/// A call, a contract creation or a self-destruct, with its inner calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFrame {
    kind: &'static str,
    from: Address,
    to: Option<Address>,
    value: Option<U256>,
    gas: u64,
    gas_used: u64,
    input: Bytes,
    output: Bytes,
    error: Option<String>,
    revert_reason: Option<String>,
    calls: Vec<CallFrame>,
    logs: Vec<CallLog>,
    /// Whether code ran, in which case geth 1.8 reports the gas.
    has_code: bool,
    style: TraceStyle,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct CallLog {
    log: Log,
    /// Number of the frame's calls before the log.
    position: usize,
}

/// An inspector that builds the tree of calls.
#[derive(Debug)]
pub(crate) struct CallTracer {
    style: TraceStyle,
    config: TracerConfig,
    /// Running frames, outermost first.
    open: Vec<CallFrame>,
    top: Option<CallFrame>,
    frames: usize,
    is_too_large: bool,
    last_step: Option<FailedStep>,
}

impl CallTracer {
    pub(crate) fn new(style: TraceStyle, config: TracerConfig) -> Self {
        Self {
            style,
            config,
            open: Vec::new(),
            top: None,
            frames: 0,
            is_too_large: false,
            last_step: None,
        }
    }

    /// Records the instruction. The last one of a frame that violates a rule caused the failure.
    pub(crate) fn step(&mut self, interpreter: &Interpreter) {
        let opcode = interpreter.bytecode.opcode();
        self.last_step = Some(FailedStep {
            opcode,
            stack: interpreter.stack.len(),
        });
    }

    fn frame(&self, kind: &'static str, from: Address, gas: u64, input: Bytes) -> CallFrame {
        CallFrame {
            kind,
            from,
            to: None,
            value: None,
            gas,
            gas_used: 0,
            input,
            output: Bytes::new(),
            error: None,
            revert_reason: None,
            calls: Vec::new(),
            logs: Vec::new(),
            has_code: false,
            style: self.style,
        }
    }

    pub(crate) fn enter_call(&mut self, context: &EvmContext<'_>, inputs: &CallInputs) {
        let input = inputs.input.bytes(context);
        let (kind, from, value) = match inputs.scheme {
            CallScheme::Call => ("CALL", inputs.caller, Some(inputs.call_value())),
            CallScheme::CallCode => ("CALLCODE", inputs.caller, Some(inputs.call_value())),
            CallScheme::DelegateCall => (
                "DELEGATECALL",
                inputs.target_address,
                Some(inputs.call_value()),
            ),
            CallScheme::StaticCall => ("STATICCALL", inputs.caller, None),
        };
        let mut frame = self.frame(kind, from, inputs.gas_limit, input);
        frame.to = Some(inputs.bytecode_address);
        frame.value = value;
        frame.has_code = !inputs.known_bytecode.1.is_empty();
        self.open.push(frame);
    }

    pub(crate) fn enter_create(&mut self, inputs: &CreateInputs) {
        let kind = match inputs.scheme() {
            CreateScheme::Create2 { .. } => "CREATE2",
            _ => "CREATE",
        };
        let input = inputs.init_code().clone();
        let mut frame = self.frame(kind, inputs.caller(), inputs.gas_limit(), input);
        frame.value = Some(inputs.value());
        frame.has_code = true;
        self.open.push(frame);
    }

    pub(crate) fn exit_call(&mut self, outcome: &CallOutcome) {
        // geth 1.8 treats the call of a precompile as a single instruction.
        let is_hidden = self.style == TraceStyle::Geth18
            && outcome.was_precompile_called
            && self.open.len() > 1;
        self.exit(&outcome.result, None, is_hidden);
    }

    pub(crate) fn exit_create(&mut self, outcome: &CreateOutcome) {
        self.exit(&outcome.result, outcome.address, false);
    }

    fn exit(&mut self, result: &InterpreterResult, created: Option<Address>, is_hidden: bool) {
        let Some(mut frame) = self.open.pop() else {
            return;
        };
        // The call was refused before it began, and geth does not report such a call.
        let is_refused = matches!(
            result.result,
            InstructionResult::CallTooDeep
                | InstructionResult::OutOfFunds
                | InstructionResult::CreateCollision
                | InstructionResult::NonceOverflow
        );
        frame.gas_used = if result.is_halt() {
            frame.gas
        } else {
            frame.gas.saturating_sub(result.gas.remaining())
        };
        if created.is_some() {
            frame.to = created;
        }
        if result.is_ok() {
            frame.output = result.output.clone();
        } else {
            frame.error = Some(result_text(result.result, self.last_step));
            if frame.kind.starts_with("CREATE") {
                frame.to = None;
            }
            if result.result == InstructionResult::Revert {
                frame.output = result.output.clone();
                frame.revert_reason = revert_reason(&frame.output);
            }
        }
        if self.open.is_empty() {
            self.top = Some(frame);
        } else if !is_hidden && !is_refused {
            self.add(frame);
        }
    }

    /// Adds a finished frame to the running one.
    fn add(&mut self, frame: CallFrame) {
        if self.config.only_top_call || self.is_too_large {
            return;
        }
        self.frames += 1;
        self.is_too_large = self.frames > MAX_CALL_FRAMES;
        if let Some(parent) = self.open.last_mut() {
            parent.calls.push(frame);
        }
    }

    pub(crate) fn log(&mut self, log: Log) {
        let is_wanted =
            self.config.with_log && (!self.config.only_top_call || self.open.len() == 1);
        if is_wanted && let Some(frame) = self.open.last_mut() {
            let position = frame.calls.len();
            frame.logs.push(CallLog { log, position });
        }
    }

    pub(crate) fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        let mut frame = self.frame("SELFDESTRUCT", contract, 0, Bytes::new());
        frame.to = Some(target);
        frame.value = Some(value);
        self.add(frame);
    }

    pub(crate) fn finish(
        self,
        tx: &TxEnv,
        result: &ExecutionResult,
    ) -> Result<CallFrame, TraceError> {
        if self.is_too_large {
            return Err(TraceError::TooLarge);
        }
        let mut top = self.top.unwrap_or_else(|| {
            let kind = if tx.kind.is_create() {
                "CREATE"
            } else {
                "CALL"
            };
            CallTracer::new(self.style, self.config).frame(kind, tx.caller, 0, tx.data.clone())
        });
        if let TxKind::Call(to) = tx.kind {
            top.to = Some(to);
        }
        if self.style == TraceStyle::Current {
            top.gas = tx.gas_limit;
            top.gas_used = result.tx_gas_used();
        }
        drop_failed_logs(&mut top, false);
        Ok(top)
    }
}

/// Removes the logs of calls that failed or whose caller failed.
fn drop_failed_logs(frame: &mut CallFrame, has_failed: bool) {
    let has_failed = has_failed || frame.error.is_some();
    if has_failed {
        frame.logs.clear();
    }
    for call in &mut frame.calls {
        drop_failed_logs(call, has_failed);
    }
}

fn hex_number(number: u64) -> String {
    format!("{number:#x}")
}

impl Serialize for CallFrame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.style {
            TraceStyle::Geth18 => self.serialize_geth_18(serializer),
            TraceStyle::Current => self.serialize_current(serializer),
        }
    }
}

impl CallFrame {
    fn serialize_current<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("call", 12)?;
        object.serialize_field("from", &self.from)?;
        object.serialize_field("gas", &hex_number(self.gas))?;
        object.serialize_field("gasUsed", &hex_number(self.gas_used))?;
        if let Some(to) = &self.to {
            object.serialize_field("to", to)?;
        }
        object.serialize_field("input", &self.input)?;
        if !self.output.is_empty() {
            object.serialize_field("output", &self.output)?;
        }
        if let Some(error) = &self.error {
            object.serialize_field("error", error)?;
        }
        if let Some(reason) = &self.revert_reason {
            object.serialize_field("revertReason", reason)?;
        }
        if !self.calls.is_empty() {
            object.serialize_field("calls", &self.calls)?;
        }
        if !self.logs.is_empty() {
            object.serialize_field("logs", &self.logs)?;
        }
        if let Some(value) = &self.value {
            object.serialize_field("value", value)?;
        }
        object.serialize_field("type", self.kind)?;
        object.end()
    }

    fn serialize_geth_18<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("call", 10)?;
        object.serialize_field("type", self.kind)?;
        if self.kind == "SELFDESTRUCT" {
            return object.end();
        }
        object.serialize_field("from", &self.from)?;
        if let Some(to) = &self.to {
            object.serialize_field("to", to)?;
        }
        if let Some(value) = &self.value
            && self.kind != "DELEGATECALL"
        {
            object.serialize_field("value", value)?;
        }
        object.serialize_field("gas", &hex_number(self.gas))?;
        object.serialize_field("gasUsed", &hex_number(self.gas_used))?;
        object.serialize_field("input", &self.input)?;
        match &self.error {
            None => object.serialize_field("output", &self.output)?,
            Some(error) => object.serialize_field("error", error)?,
        }
        if !self.calls.is_empty() {
            object.serialize_field("calls", &self.calls)?;
        }
        object.end()
    }
}

impl Serialize for CallLog {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let topics: &[B256] = self.log.data.topics();
        let mut object = serializer.serialize_struct("log", 4)?;
        object.serialize_field("address", &self.log.address)?;
        object.serialize_field("topics", topics)?;
        object.serialize_field("data", &self.log.data.data)?;
        object.serialize_field("position", &hex_number(self.position as u64))?;
        object.end()
    }
}
