//! Failures inside a call, with geth's texts.

use std::fmt;

use actoreum_primitives::{Bytes, U256};
use revm::bytecode::OpCode;
use revm::context_interface::result::{HaltReason, OutOfGasError};
use revm::interpreter::InstructionResult;

/// Maximum number of items on the stack.
const STACK_LIMIT: usize = 1_024;
/// The selector of `Error(string)`.
const ERROR_SELECTOR: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
/// The selector of `Panic(uint256)`.
const PANIC_SELECTOR: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];

/// The reason why a call's code failed. (The call itself was valid: the failure is part of its
/// result, and a block may contain it.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The code reverted its changes and returned this data.
    Revert(Bytes),
    /// The code violated a rule of the EVM; all gas is used up.
    Halt(String),
}

impl Failure {
    /// Returns the message of a revert: the text of `Error(string)`, or the meaning of the code in
    /// `Panic(uint256)`. Returns `None` for anything else.
    pub fn revert_reason(&self) -> Option<String> {
        match self {
            Self::Revert(output) => revert_reason(output),
            Self::Halt(_) => None,
        }
    }
}

/// Writes geth's text: `execution reverted: <reason>`, `out of gas`, …
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revert(_) => match self.revert_reason() {
                Some(reason) => write!(f, "execution reverted: {reason}"),
                None => f.write_str("execution reverted"),
            },
            Self::Halt(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Failure {}

/// Decodes the return data of a revert; see [`Failure::revert_reason`].
pub fn revert_reason(output: &[u8]) -> Option<String> {
    if let Some(arguments) = output.strip_prefix(&ERROR_SELECTOR) {
        let offset = to_usize(arguments.get(..32)?)?;
        let tail = arguments.get(offset..)?;
        let length = to_usize(tail.get(..32)?)?;
        let text = tail.get(32..)?.get(..length)?;
        return Some(String::from_utf8_lossy(text).into_owned());
    }
    let code = output.strip_prefix(&PANIC_SELECTOR)?.get(..32)?;
    let code = U256::from_be_slice(code);
    let text = match u64::try_from(code).unwrap_or(u64::MAX) {
        0x00 => "generic panic",
        0x01 => "assert(false)",
        0x11 => "arithmetic underflow or overflow",
        0x12 => "division or modulo by zero",
        0x21 => "enum overflow",
        0x22 => "invalid encoded storage byte array accessed",
        0x31 => "out-of-bounds array access; popping on an empty array",
        0x32 => "out-of-bounds access of an array or bytesN",
        0x41 => "out of memory",
        0x51 => "uninitialized function",
        _ => return Some(format!("unknown panic code: {code:#x}")),
    };
    Some(text.to_owned())
}

fn to_usize(word: &[u8]) -> Option<usize> {
    usize::try_from(U256::from_be_slice(word)).ok()
}

/// An instruction with the height of the stack before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FailedStep {
    pub(crate) opcode: u8,
    pub(crate) stack: usize,
}

/// Returns the text for the end of a frame; `step` is the last instruction, if it is known.
pub(crate) fn result_text(result: InstructionResult, step: Option<FailedStep>) -> String {
    use InstructionResult as Result;
    match result {
        Result::Revert => "execution reverted".into(),
        Result::CallTooDeep => "max call depth exceeded".into(),
        Result::OutOfFunds | Result::OverflowPayment => "insufficient balance for transfer".into(),
        Result::OutOfGas
        | Result::MemoryOOG
        | Result::MemoryLimitOOG
        | Result::PrecompileOOG
        | Result::ReentrancySentryOOG => "out of gas".into(),
        Result::InvalidOperandOOG => "gas uint64 overflow".into(),
        Result::OpcodeNotFound | Result::InvalidFEOpcode | Result::NotActivated => match step {
            Some(step) => format!("invalid opcode: {}", opcode_name(step.opcode)),
            None => "invalid opcode".into(),
        },
        Result::StateChangeDuringStaticCall | Result::CallNotAllowedInsideStatic => {
            "write protection".into()
        }
        Result::InvalidJump => "invalid jump destination".into(),
        Result::StackUnderflow => match step {
            Some(step) => {
                let needed = OpCode::info_by_op(step.opcode).map_or(0, |info| info.inputs());
                format!("stack underflow ({} <=> {needed})", step.stack)
            }
            None => "stack underflow".into(),
        },
        Result::StackOverflow => match step {
            Some(step) => {
                let growth = OpCode::info_by_op(step.opcode).map_or(0, |info| info.io_diff());
                let limit = STACK_LIMIT.saturating_sub(usize::try_from(growth).unwrap_or(0));
                format!("stack limit reached {} ({limit})", step.stack)
            }
            None => "stack limit reached".into(),
        },
        Result::OutOfOffset => "return data out of bounds".into(),
        Result::CreateCollision => "contract address collision".into(),
        Result::NonceOverflow => "nonce uint64 overflow".into(),
        Result::CreateContractSizeLimit => "max code size exceeded".into(),
        Result::CreateContractStartingWithEF => "invalid code: must not begin with 0xef".into(),
        Result::CreateInitCodeSizeLimit => "max initcode size exceeded".into(),
        Result::PrecompileError => "invalid input".into(),
        other => format!("{other:?}"),
    }
}

/// Returns the text for the end of a whole call.
pub(crate) fn halt_text(reason: HaltReason, step: Option<FailedStep>) -> String {
    match reason {
        HaltReason::PrecompileErrorWithContext(text) => text,
        reason => result_text(InstructionResult::from(reason), step),
    }
}

/// Returns true if the instruction adds information to [`halt_text`].
pub(crate) fn needs_step(reason: &HaltReason) -> bool {
    matches!(
        reason,
        HaltReason::OpcodeNotFound
            | HaltReason::InvalidFEOpcode
            | HaltReason::NotActivated
            | HaltReason::StackUnderflow
            | HaltReason::StackOverflow
    )
}

/// Returns true if the code ran out of gas, for any cost.
pub(crate) fn is_out_of_gas(reason: &HaltReason) -> bool {
    matches!(reason, HaltReason::OutOfGas(kind) if *kind != OutOfGasError::InvalidOperand)
}

/// Returns the name of an instruction, whatever the fork.
pub(crate) fn opcode_name(opcode: u8) -> std::borrow::Cow<'static, str> {
    // revm already names instructions of Amsterdam.
    let is_planned = matches!(opcode, 0x4b | 0xe6..=0xe8);
    match OpCode::info_by_op(opcode) {
        Some(info) if !is_planned => info.name().into(),
        _ => format!("opcode {opcode:#x} not defined").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use revm::primitives::hex;

    #[test]
    fn an_error_string_is_decoded() {
        let output = hex!(
            "08c379a0"
            "0000000000000000000000000000000000000000000000000000000000000020"
            "0000000000000000000000000000000000000000000000000000000000000003"
            "6c6f770000000000000000000000000000000000000000000000000000000000"
        );
        let failure = Failure::Revert(output.to_vec().into());
        assert_eq!(failure.to_string(), "execution reverted: low");
    }

    #[test]
    fn a_panic_code_is_decoded() {
        let mut output = PANIC_SELECTOR.to_vec();
        output.extend(U256::from(0x11).to_be_bytes::<32>());
        assert_eq!(
            revert_reason(&output).unwrap(),
            "arithmetic underflow or overflow"
        );
    }

    #[test]
    fn malformed_revert_data_has_no_reason() {
        let mut overlong = ERROR_SELECTOR.to_vec();
        overlong.extend(U256::MAX.to_be_bytes::<32>());
        for output in [vec![], vec![1, 2, 3], ERROR_SELECTOR.to_vec(), overlong] {
            assert_eq!(revert_reason(&output), None);
        }
        assert_eq!(
            Failure::Revert(Bytes::new()).to_string(),
            "execution reverted"
        );
    }

    #[test]
    fn instructions_are_named_as_in_geth() {
        let step = |opcode, stack| Some(FailedStep { opcode, stack });
        let invalid = |opcode| result_text(InstructionResult::OpcodeNotFound, step(opcode, 0));
        assert_eq!(invalid(0x0c), "invalid opcode: opcode 0xc not defined");
        assert_eq!(invalid(0xfe), "invalid opcode: INVALID");
        let underflow = result_text(InstructionResult::StackUnderflow, step(0x01, 1));
        assert_eq!(underflow, "stack underflow (1 <=> 2)");
        let overflow = result_text(InstructionResult::StackOverflow, step(0x60, 1024));
        assert_eq!(overflow, "stack limit reached 1024 (1023)");
    }
}
