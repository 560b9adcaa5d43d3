//! Struct logs: every instruction with the EVM's state before it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use actoreum_primitives::{Address, Bytes, U256};
use revm::bytecode::opcode;
use revm::context_interface::result::ExecutionResult;
use revm::interpreter::interpreter_types::{InputsTr, Jumps, LoopControl, ReturnData};
use revm::interpreter::{FrameInput, InstructionResult, Interpreter, InterpreterAction};
use revm::primitives::hex;
use serde::ser::{SerializeSeq, SerializeStruct};
use serde::{Serialize, Serializer};

use super::{TraceError, TraceOptions, TraceStyle};
use crate::failure::{FailedStep, opcode_name, result_text};
use crate::limits::MAX_STRUCT_LOG_BYTES;

type Slots = BTreeMap<U256, U256>;

/// The trace without a named tracer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StructLogTrace {
    /// Gas used by the transaction.
    pub gas: u64,
    /// Whether the transaction failed.
    pub failed: bool,
    /// Return data of the call or of its revert.
    pub return_value: Bytes,
    /// Steps in the order of their execution.
    pub struct_logs: Vec<StructLog>,
    /// Approximate size of the steps in bytes.
    bytes: usize,
}

impl StructLogTrace {
    /// Returns the approximate size of the trace in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// One step: an instruction with the EVM's state before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StructLog {
    pc: u64,
    opcode: u8,
    gas: u64,
    gas_cost: u64,
    depth: usize,
    error: Option<String>,
    stack: Option<Vec<U256>>,
    return_data: Option<Bytes>,
    memory: Option<Vec<u8>>,
    storage: Option<Arc<Slots>>,
    refund: u64,
    style: TraceStyle,
}

/// An inspector that records every step.
#[derive(Debug)]
pub(crate) struct StructLogger {
    options: TraceOptions,
    with_memory: bool,
    logs: Vec<StructLog>,
    bytes: usize,
    is_too_large: bool,
    /// Whether the last step was recorded.
    is_recorded: bool,
    storage: HashMap<Address, Arc<Slots>>,
    /// Refund counter at the start of each running frame, outermost first.
    refunds: Vec<i64>,
    refund: i64,
}

impl StructLogger {
    pub(crate) fn new(options: &TraceOptions) -> Self {
        let by_default = options.style == TraceStyle::Geth18;
        let with_memory = options.enable_memory.unwrap_or(by_default) && !options.disable_memory;
        Self {
            options: options.clone(),
            with_memory,
            logs: Vec::new(),
            bytes: 0,
            is_too_large: false,
            is_recorded: false,
            storage: HashMap::new(),
            refunds: Vec::new(),
            refund: 0,
        }
    }

    pub(crate) fn enter(&mut self) {
        self.refunds.push(self.refund);
    }

    pub(crate) fn exit(&mut self) {
        self.refunds.pop();
    }

    pub(crate) fn step(&mut self, interpreter: &Interpreter) {
        self.refund = self.refunds.last().copied().unwrap_or_default() + interpreter.gas.refunded();
        let is_full = self.options.limit != 0 && self.logs.len() >= self.options.limit;
        self.is_recorded = !is_full && !self.is_too_large;
        if !self.is_recorded {
            return;
        }
        let opcode = interpreter.bytecode.opcode();
        let stack = (!self.options.disable_stack).then(|| interpreter.stack.data().clone());
        let memory = self
            .with_memory
            .then(|| interpreter.memory.context_memory().to_vec());
        let return_data = self
            .options
            .enable_return_data
            .then(|| interpreter.return_data.buffer().clone())
            .filter(|data| !data.is_empty());
        let storage = self.written_storage(interpreter, opcode);
        let log = StructLog {
            pc: interpreter.bytecode.pc() as u64,
            opcode,
            gas: interpreter.gas.remaining(),
            gas_cost: 0,
            depth: self.refunds.len(),
            error: None,
            stack,
            return_data,
            memory,
            storage,
            refund: u64::try_from(self.refund).unwrap_or(0),
            style: self.options.style,
        };
        self.bytes += log.weight();
        self.is_too_large = self.bytes > MAX_STRUCT_LOG_BYTES;
        self.logs.push(log);
    }

    /// Returns the storage written so far, including the slot that SSTORE is about to write.
    fn written_storage(&mut self, interpreter: &Interpreter, opcode: u8) -> Option<Arc<Slots>> {
        if self.options.disable_storage {
            return None;
        }
        let is_sstore = opcode == opcode::SSTORE;
        if self.options.style == TraceStyle::Current && !is_sstore {
            return None;
        }
        let slots = self
            .storage
            .entry(interpreter.input.target_address())
            .or_default();
        if is_sstore
            && let (Ok(key), Ok(value)) = (interpreter.stack.peek(0), interpreter.stack.peek(1))
        {
            Arc::make_mut(slots).insert(key, value);
        }
        Some(Arc::clone(slots))
    }

    pub(crate) fn step_end(&mut self, interpreter: &mut Interpreter) {
        if !self.is_recorded {
            return;
        }
        let Some(log) = self.logs.last_mut() else {
            return;
        };
        let mut cost = log.gas.saturating_sub(interpreter.gas.remaining());
        match interpreter.bytecode.action() {
            // The gas for a contract creation is subtracted as well, but it is not a cost.
            Some(InterpreterAction::NewFrame(FrameInput::Create(inputs))) => {
                cost = cost.saturating_sub(inputs.gas_limit());
            }
            Some(InterpreterAction::Return(result)) => {
                log.error = early_error(result.result, log);
            }
            _ => {}
        }
        log.gas_cost = cost;
        match self.options.style {
            // geth 1.8 reads the memory after it has grown and before it is written.
            TraceStyle::Geth18 => {
                if let Some(memory) = &mut log.memory
                    && memory.len() < interpreter.memory.len()
                {
                    self.bytes += interpreter.memory.len() - memory.len();
                    memory.resize(interpreter.memory.len(), 0);
                }
            }
            TraceStyle::Current => {
                if log.opcode == opcode::SLOAD
                    && !self.options.disable_storage
                    && let Some(Ok(key)) = log
                        .stack
                        .as_ref()
                        .map(|stack| stack.last().copied().ok_or(()))
                    && let Ok(value) = interpreter.stack.peek(0)
                {
                    let address = interpreter.input.target_address();
                    let slots = self.storage.entry(address).or_default();
                    Arc::make_mut(slots).insert(key, value);
                    log.storage = Some(Arc::clone(slots));
                }
            }
        }
    }

    pub(crate) fn finish(self, result: &ExecutionResult) -> Result<StructLogTrace, TraceError> {
        if self.is_too_large {
            return Err(TraceError::TooLarge);
        }
        Ok(StructLogTrace {
            gas: result.tx_gas_used(),
            failed: !result.is_success(),
            return_value: result.output().cloned().unwrap_or_default(),
            struct_logs: self.logs,
            bytes: self.bytes,
        })
    }
}

/// Returns the error to show in a step. Only an error that stopped the instruction before it began
/// is shown; the steps that follow show any other.
fn early_error(result: InstructionResult, log: &StructLog) -> Option<String> {
    use InstructionResult as Result;
    let is_early = match result {
        Result::StackUnderflow
        | Result::StackOverflow
        | Result::OutOfGas
        | Result::MemoryOOG
        | Result::InvalidOperandOOG
        | Result::ReentrancySentryOOG => true,
        Result::OpcodeNotFound
        | Result::NotActivated
        | Result::InvalidFEOpcode
        | Result::StateChangeDuringStaticCall
        | Result::CallNotAllowedInsideStatic => log.style == TraceStyle::Geth18,
        _ => false,
    };
    let stack = log.stack.as_ref().map_or(0, Vec::len);
    is_early.then(|| {
        result_text(
            result,
            Some(FailedStep {
                opcode: log.opcode,
                stack,
            }),
        )
    })
}

impl StructLog {
    /// Returns the approximate size of the step in bytes.
    fn weight(&self) -> usize {
        let stack = self.stack.as_ref().map_or(0, |stack| stack.len() * 32);
        let memory = self.memory.as_ref().map_or(0, Vec::len);
        let returned = self.return_data.as_ref().map_or(0, |data| data.len());
        let slots = self.storage.as_ref().map_or(0, |slots| slots.len() * 64);
        size_of::<Self>() + stack + memory + returned + slots
    }
}

impl Serialize for StructLogTrace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("trace", 4)?;
        object.serialize_field("gas", &self.gas)?;
        object.serialize_field("failed", &self.failed)?;
        object.serialize_field("returnValue", &hex::encode(&self.return_value))?;
        object.serialize_field("structLogs", &self.struct_logs)?;
        object.end()
    }
}

impl Serialize for StructLog {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_old = self.style == TraceStyle::Geth18;
        let mut object = serializer.serialize_struct("log", 11)?;
        object.serialize_field("pc", &self.pc)?;
        match (self.opcode, is_old) {
            (opcode::KECCAK256, true) => object.serialize_field("op", "SHA3")?,
            (opcode, _) => object.serialize_field("op", &opcode_name(opcode))?,
        }
        object.serialize_field("gas", &self.gas)?;
        object.serialize_field("gasCost", &self.gas_cost)?;
        object.serialize_field("depth", &self.depth)?;
        match &self.error {
            // geth 1.8 serialises the error's fields, of which there are none.
            Some(_) if is_old => object.serialize_field("error", &BTreeMap::<(), ()>::new())?,
            Some(text) => object.serialize_field("error", text)?,
            None => {}
        }
        if let Some(stack) = &self.stack {
            object.serialize_field(
                "stack",
                &Stack {
                    items: stack,
                    is_padded: is_old,
                },
            )?;
        }
        if let Some(data) = &self.return_data {
            object.serialize_field("returnData", data)?;
        }
        if let Some(memory) = &self.memory {
            object.serialize_field("memory", &Memory(memory))?;
        }
        if let Some(slots) = &self.storage {
            object.serialize_field("storage", &Storage(slots))?;
        }
        if self.refund != 0 && !is_old {
            object.serialize_field("refund", &self.refund)?;
        }
        object.end()
    }
}

struct Stack<'a> {
    items: &'a [U256],
    is_padded: bool,
}

impl Serialize for Stack<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.items.len()))?;
        for item in self.items {
            if self.is_padded {
                list.serialize_element(&format_args!("{item:064x}"))?;
            } else {
                list.serialize_element(&format_args!("{item:#x}"))?;
            }
        }
        list.end()
    }
}

/// Memory in words of 32 bytes, as hexadecimal digits without a prefix.
struct Memory<'a>(&'a [u8]);

impl Serialize for Memory<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.chunks_exact(32).map(hex::encode))
    }
}

/// Slots and values of 64 hexadecimal digits, without a prefix.
struct Storage<'a>(&'a Slots);

impl Serialize for Storage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let slots = self.0.iter();
        serializer
            .collect_map(slots.map(|(key, value)| (format!("{key:064x}"), format!("{value:064x}"))))
    }
}
