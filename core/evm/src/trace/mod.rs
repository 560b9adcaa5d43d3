//! Traces of transactions and calls, step by step or as a summary, in geth's formats.
//!
//! A `Tracer` is an inspector of revm that observes the execution. Afterwards `Tracer::finish`
//! turns its observations into a [`Trace`], which serialises to the result of geth's `debug_trace*`
//! methods.

mod call_tracer;
mod four_byte;
mod options;
mod prestate;
mod prestate_by_step;
mod run;
mod struct_logger;

use std::collections::BTreeMap;

use actoreum_primitives::{StateError, U256};
use revm::Inspector;
use revm::context::TxEnv;
use revm::context_interface::result::ExecutionResult;
use revm::handler::FrameResult;
use revm::interpreter::{
    CallInputs, CallOutcome, CreateInputs, CreateOutcome, FrameInput, Interpreter,
};
use revm::primitives::{Address, Log};
use revm::state::EvmState;
use serde::Serialize;

use crate::context::EvmContext;
use crate::error::{ExecutionError, TxError};
use crate::overlay::Overlay;

pub use call_tracer::CallFrame;
pub use options::{TraceOptions, TraceStyle, TracerConfig};
pub use prestate::{PrestateAccount, PrestateTrace};
pub use run::{TracedBlock, trace_block, trace_call, trace_transaction};
pub use struct_logger::{StructLog, StructLogTrace};

use call_tracer::CallTracer;
use four_byte::FourByteTracer;
use prestate_by_step::StepPrestateTracer;
use struct_logger::StructLogger;

/// The result of a tracer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Trace {
    /// All instructions; used without a named tracer.
    StructLogs(StructLogTrace),
    /// The result of `callTracer`.
    Calls(Box<CallFrame>),
    /// The result of `prestateTracer`.
    Prestate(PrestateTrace),
    /// The result of `4byteTracer`: number of calls by selector and size of the arguments, as
    /// `0x27dc297e-128`.
    FourByte(BTreeMap<String, u64>),
    /// The result of `noopTracer`: an empty object.
    Noop {},
}

/// The reason why there is no trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// No tracer has this name.
    #[error(
        "tracer {0:?} not found: there are callTracer, prestateTracer, 4byteTracer, noopTracer"
    )]
    UnknownTracer(String),
    /// The trace exceeds its limit.
    #[error("trace is too large: ask for fewer steps (limit), without memory, or for less")]
    TooLarge,
    /// The block has no transaction with this index.
    #[error("transaction index {0} out of range for block")]
    NoSuchTransaction(usize),
    /// The transaction or call cannot be executed.
    #[error(transparent)]
    Transaction(#[from] TxError),
    /// The block around the transaction cannot be executed.
    #[error(transparent)]
    Block(#[from] ExecutionError),
}

impl From<StateError> for TraceError {
    fn from(error: StateError) -> Self {
        Self::Transaction(error.into())
    }
}

/// A tracer selected by the options.
pub(crate) enum Tracer {
    StructLogs(StructLogger),
    Calls(CallTracer),
    Prestate { diff_mode: bool },
    StepPrestate(StepPrestateTracer),
    FourByte(FourByteTracer),
    Noop,
}

impl Tracer {
    pub(crate) fn new(options: &TraceOptions) -> Result<Self, TraceError> {
        let style = options.style;
        let config = options.tracer_config;
        Ok(match options.tracer.as_deref() {
            None | Some("") => Self::StructLogs(StructLogger::new(options)),
            Some("callTracer") => Self::Calls(CallTracer::new(style, config)),
            Some("prestateTracer") => match style {
                TraceStyle::Geth18 => Self::StepPrestate(StepPrestateTracer::default()),
                TraceStyle::Current => Self::Prestate {
                    diff_mode: config.diff_mode,
                },
            },
            Some("4byteTracer") => Self::FourByte(FourByteTracer::default()),
            Some("noopTracer") => Self::Noop,
            Some(other) => return Err(TraceError::UnknownTracer(other.to_owned())),
        })
    }

    /// Returns the trace. `changes` are not committed to `overlay` yet.
    pub(crate) fn finish(
        self,
        tx: &TxEnv,
        result: &ExecutionResult,
        changes: &EvmState,
        overlay: &mut Overlay<'_>,
    ) -> Result<Trace, TraceError> {
        Ok(match self {
            Self::StructLogs(logger) => Trace::StructLogs(logger.finish(result)?),
            Self::Calls(tracer) => Trace::Calls(Box::new(tracer.finish(tx, result)?)),
            Self::Prestate { diff_mode } => {
                Trace::Prestate(prestate::finish(diff_mode, changes, overlay)?)
            }
            Self::StepPrestate(tracer) => Trace::Prestate(tracer.finish(tx, changes, overlay)?),
            Self::FourByte(tracer) => Trace::FourByte(tracer.finish(tx)),
            Self::Noop => Trace::Noop {},
        })
    }
}

impl<'a> Inspector<EvmContext<'a>> for Tracer {
    fn step(&mut self, interpreter: &mut Interpreter, context: &mut EvmContext<'a>) {
        match self {
            Self::StructLogs(logger) => logger.step(interpreter),
            Self::Calls(tracer) => tracer.step(interpreter),
            Self::StepPrestate(tracer) => tracer.step(interpreter, context),
            _ => {}
        }
    }

    fn step_end(&mut self, interpreter: &mut Interpreter, _context: &mut EvmContext<'a>) {
        if let Self::StructLogs(logger) = self {
            logger.step_end(interpreter);
        }
    }

    fn log(&mut self, _context: &mut EvmContext<'a>, log: Log) {
        if let Self::Calls(tracer) = self {
            tracer.log(log);
        }
    }

    fn frame_start(
        &mut self,
        _context: &mut EvmContext<'a>,
        _input: &mut FrameInput,
    ) -> Option<FrameResult> {
        if let Self::StructLogs(logger) = self {
            logger.enter();
        }
        None
    }

    fn frame_end(
        &mut self,
        _context: &mut EvmContext<'a>,
        _input: &FrameInput,
        _result: &mut FrameResult,
    ) {
        if let Self::StructLogs(logger) = self {
            logger.exit();
        }
    }

    fn call(
        &mut self,
        context: &mut EvmContext<'a>,
        inputs: &mut CallInputs,
    ) -> Option<CallOutcome> {
        match self {
            Self::Calls(tracer) => tracer.enter_call(context, inputs),
            Self::FourByte(tracer) => tracer.enter_call(context, inputs),
            _ => {}
        }
        None
    }

    fn call_end(
        &mut self,
        _context: &mut EvmContext<'a>,
        _inputs: &CallInputs,
        outcome: &mut CallOutcome,
    ) {
        match self {
            Self::Calls(tracer) => tracer.exit_call(outcome),
            Self::FourByte(tracer) => tracer.exit_call(outcome),
            _ => {}
        }
    }

    fn create(
        &mut self,
        _context: &mut EvmContext<'a>,
        inputs: &mut CreateInputs,
    ) -> Option<CreateOutcome> {
        match self {
            Self::Calls(tracer) => tracer.enter_create(inputs),
            Self::FourByte(tracer) => tracer.enter_create(),
            _ => {}
        }
        None
    }

    fn create_end(
        &mut self,
        _context: &mut EvmContext<'a>,
        _inputs: &CreateInputs,
        outcome: &mut CreateOutcome,
    ) {
        match self {
            Self::Calls(tracer) => tracer.exit_create(outcome),
            Self::FourByte(tracer) => tracer.exit_create(),
            _ => {}
        }
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        if let Self::Calls(tracer) = self {
            tracer.selfdestruct(contract, target, value);
        }
    }
}
