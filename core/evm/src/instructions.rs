//! The JUMPDEST instruction with a check of the interrupt. The instructions of earlier forks stand in
//! `machine.rs`.

use revm::context_interface::context::ContextError;
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::{InstructionContext, InstructionExecResult, InstructionResult};

use crate::context::EvmContext;
use crate::overlay::OverlayError;

/// The JUMPDEST instruction, which every loop passes, with a check of the interrupt.
pub(crate) fn jumpdest<'a>(
    context: InstructionContext<'_, EvmContext<'a>, EthInterpreter>,
) -> InstructionExecResult {
    let context = context.host;
    if context
        .journaled_state
        .database
        .interrupt_check
        .is_due_at_jump()
    {
        context.error = Err(ContextError::Db(OverlayError::Interrupted));
        return Err(InstructionResult::FatalExternalError);
    }
    Ok(())
}
