//! Traces: what a transaction or a call did, step by step or in outline, in geth's shapes.
//!
//! One tracer looks on while the machine runs ([`Tracer`], an inspector of revm's), then
//! [`Tracer::finish`] turns what it saw into a [`Trace`], which serialises as geth's
//! `debug_trace*` methods return it.

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

use crate::error::{ExecutionError, TxError};
use crate::machine::EvmContext;
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

/// What a tracer saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Trace {
    /// Every instruction (no tracer named).
    StructLogs(StructLogTrace),
    /// `callTracer`.
    Calls(Box<CallFrame>),
    /// `prestateTracer`.
    Prestate(PrestateTrace),
    /// `4byteTracer`: how often each selector was called with so many bytes of arguments, as
    /// `0x27dc297e-128`.
    FourByte(BTreeMap<String, u64>),
    /// `noopTracer`: an empty object.
    Noop {},
}

/// Why there is no trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// No tracer has this name.
    #[error(
        "tracer {0:?} not found: there are callTracer, prestateTracer, 4byteTracer, noopTracer"
    )]
    UnknownTracer(String),
    /// The trace outgrew its limit.
    #[error("trace is too large: ask for fewer steps (limit), without memory, or for less")]
    TooLarge,
    /// The block has no such transaction.
    #[error("transaction index {0} out of range for block")]
    NoSuchTransaction(usize),
    /// The transaction or call cannot run.
    #[error(transparent)]
    Transaction(#[from] TxError),
    /// The block around it cannot run.
    #[error(transparent)]
    Block(#[from] ExecutionError),
}

impl From<StateError> for TraceError {
    fn from(error: StateError) -> Self {
        Self::Transaction(error.into())
    }
}

/// The tracer that the options ask for.
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

    /// Concludes. `changes` have not been committed to `overlay` yet.
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
            logger.leave();
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
            Self::Calls(tracer) => tracer.leave_call(outcome),
            Self::FourByte(tracer) => tracer.leave_call(outcome),
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
            Self::Calls(tracer) => tracer.leave_create(outcome),
            Self::FourByte(tracer) => tracer.leave_create(),
            _ => {}
        }
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        if let Self::Calls(tracer) = self {
            tracer.selfdestruct(contract, target, value);
        }
    }
}
