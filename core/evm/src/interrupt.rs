//! Code that runs too long, told to stop.

use revm::context_interface::context::ContextError;
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::{InstructionContext, InstructionExecResult, InstructionResult};

use crate::machine::EvmContext;

/// Asked again and again while code runs: true stops it ([`crate::TxError::Interrupted`]).
///
/// Where code knows of none, nothing is asked and nothing is slower.
pub type Interrupt<'a> = &'a dyn Fn() -> bool;

/// What tells an interrupt from revm's own errors on its way out.
pub(crate) const INTERRUPTED: &str = "execution aborted";

/// Jumps between two looks at the interrupt. It usually reads a clock (some 25 ns); a round of the
/// shortest loop takes about as long, so looking at each would double it.
const JUMPS_A_LOOK: u32 = 256;

/// The interrupt of one machine, with how long ago it was asked.
#[derive(Default)]
pub(crate) struct Watch<'a> {
    interrupt: Option<Interrupt<'a>>,
    jumps: u32,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(interrupt: Interrupt<'a>) -> Self {
        Self {
            interrupt: Some(interrupt),
            jumps: 0,
        }
    }

    /// Whether to stop; asked in each frame.
    pub(crate) fn is_due(&self) -> bool {
        self.interrupt.is_some_and(|interrupt| interrupt())
    }

    fn is_due_at_jump(&mut self) -> bool {
        self.jumps = self.jumps.wrapping_add(1);
        self.jumps.is_multiple_of(JUMPS_A_LOOK) && self.is_due()
    }
}

/// JUMPDEST, which every loop passes, with a look at the interrupt.
pub(crate) fn jumpdest<'a>(
    context: InstructionContext<'_, EvmContext<'a>, EthInterpreter>,
) -> InstructionExecResult {
    let context = context.host;
    if context.journaled_state.database.watch.is_due_at_jump() {
        context.error = Err(ContextError::Custom(INTERRUPTED.to_owned()));
        return Err(InstructionResult::FatalExternalError);
    }
    Ok(())
}
