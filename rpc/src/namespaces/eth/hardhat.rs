//! The errors of failed calls and transactions as Hardhat Network reports them (`--dev.as hardhat`).
//!
//! Test suites compare these texts, and a transaction that fails is an error of the method that sent
//! it. What Hardhat knows from the sources of the contracts is not known here: the name of a custom
//! error, and why a call without a reason reverted.

use actoreum_evm::Failure;
use actoreum_evm::trace::{TraceOptions, TracerConfig};
use actoreum_primitives::{B256, Bytes, U256};
use serde_json::{Value, json};

use super::blocks::FoundBlock;
use crate::error::{INTERNAL_ERROR, RpcError, SERVER_ERROR};
use crate::namespaces::debug;
use crate::namespaces::dev::DevIdentity;
use crate::node::Node;
use crate::server::deadline::Deadline;
use crate::server::limits::TRACE_TIMEOUT;

const PANIC_SELECTOR: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];
/// The text before the reason of a failure in the EVM.
const EXCEPTION: &str = "Error: VM Exception while processing transaction: ";
const OUT_OF_GAS: &str = "Transaction ran out of gas";

/// Returns the error of a call that failed.
pub(super) fn failed_call(failure: &Failure) -> RpcError {
    error(failure, None)
}

/// Returns the error of a transaction in a block of this chain, if it failed there and this node
/// answers as Hardhat.
pub(super) fn failed_transaction(node: &Node, hash: B256) -> Result<Option<RpcError>, RpcError> {
    if node.settings.identity != DevIdentity::Hardhat {
        return Ok(None);
    }
    let Some((found, index)) = FoundBlock::of_transaction(node, &hash)? else {
        return Ok(None);
    };
    let receipts = found.receipts(node)?;
    let receipt = receipts.as_ref().and_then(|receipts| receipts.get(index));
    if !receipt.is_some_and(|receipt| receipt.outcome.is_failure()) {
        return Ok(None);
    }
    let failure = failure_in_block(node, hash)?;
    Ok(Some(error(&failure, Some(hash))))
}

/// Executes a failed transaction of a block again. Receipts do not hold the returned data.
fn failure_in_block(node: &Node, hash: B256) -> Result<Failure, RpcError> {
    let options = TraceOptions {
        tracer: Some("callTracer".to_owned()),
        tracer_config: TracerConfig {
            only_top_call: true,
            ..TracerConfig::default()
        },
        ..TraceOptions::default()
    };
    let deadline = Deadline::after(TRACE_TIMEOUT);
    let trace = debug::trace_transaction(node, hash, options, deadline)?;
    let trace = serde_json::to_value(&trace).unwrap_or_default();
    let text = |name: &str| trace.get(name).and_then(Value::as_str).unwrap_or_default();
    let output: Bytes = text("output").parse().unwrap_or_default();
    Ok(match text("error") {
        "execution reverted" => Failure::Revert(output),
        halt => Failure::Halt(halt.to_owned()),
    })
}

/// Returns the error with the data that Hardhat adds: the text again, the returned data, and the hash
/// of a transaction.
fn error(failure: &Failure, transaction: Option<B256>) -> RpcError {
    let (code, message, output) = match failure {
        Failure::Revert(output) => (INTERNAL_ERROR, reverted(output), output.clone()),
        Failure::Halt(halt) if halt.contains("out of gas") => {
            (SERVER_ERROR, OUT_OF_GAS.to_owned(), Bytes::new())
        }
        Failure::Halt(halt) if halt.contains("invalid opcode") => (
            INTERNAL_ERROR,
            format!("{EXCEPTION}invalid opcode"),
            Bytes::new(),
        ),
        Failure::Halt(halt) => (INTERNAL_ERROR, format!("{EXCEPTION}{halt}"), Bytes::new()),
    };
    let mut data = json!({"message": message, "data": output});
    if let (Some(hash), Some(object)) = (transaction, data.as_object_mut()) {
        object.insert("txHash".to_owned(), json!(hash));
    }
    RpcError::new(code, message).with_data(data.to_string())
}

/// Returns the text about a revert with this data.
fn reverted(output: &Bytes) -> String {
    if output.is_empty() {
        return "Error: Transaction reverted without a reason string".to_owned();
    }
    let panic = output.strip_prefix(&PANIC_SELECTOR);
    if let Some(code) = panic.and_then(|code| code.get(..32)) {
        let code = U256::from_be_slice(code);
        return format!(
            "{EXCEPTION}reverted with panic code {code:#x} ({})",
            panic_meaning(code)
        );
    }
    match Failure::Revert(output.clone()).revert_reason() {
        Some(reason) => format!("{EXCEPTION}reverted with reason string '{reason}'"),
        None => {
            format!("{EXCEPTION}reverted with an unrecognized custom error (return data: {output})")
        }
    }
}

/// Returns the meaning of one of Solidity's panic codes.
fn panic_meaning(code: U256) -> &'static str {
    match u64::try_from(code).unwrap_or(u64::MAX) {
        0x01 => "Assertion error",
        0x11 => "Arithmetic operation overflowed outside of an unchecked block",
        0x12 => "Division or modulo division by zero",
        0x21 => "Tried to convert a value into an enum, but the value was too big or negative",
        0x22 => "Incorrectly encoded storage byte array",
        0x31 => ".pop() was called on an empty array",
        0x32 => "Array accessed at an out-of-bounds or negative index",
        0x41 => "Too much memory was allocated, or an array was created that is too large",
        0x51 => "Called a zero-initialized variable of internal function type",
        _ => "Unknown panic code",
    }
}

#[cfg(test)]
mod tests {
    use actoreum_primitives::alloy_primitives::hex;

    use super::*;

    fn message(output: &[u8]) -> String {
        let failed = failed_call(&Failure::Revert(Bytes::copy_from_slice(output)));
        assert_eq!(failed.code, INTERNAL_ERROR);
        failed.message.into_owned()
    }

    #[test]
    fn reverts_have_the_texts_of_hardhat() {
        let mut reason = hex!("08c379a0").to_vec();
        reason.extend(U256::from(32).to_be_bytes::<32>());
        reason.extend(U256::from(2).to_be_bytes::<32>());
        reason.extend(b"no");
        reason.resize(100, 0);
        assert!(message(&reason).ends_with(": reverted with reason string 'no'"));
        let mut panic = PANIC_SELECTOR.to_vec();
        panic.extend(U256::from(1).to_be_bytes::<32>());
        assert!(message(&panic).ends_with("reverted with panic code 0x1 (Assertion error)"));
        assert!(message(&hex!("12345678")).ends_with("custom error (return data: 0x12345678)"));
        assert!(
            message(&PANIC_SELECTOR).contains("custom error"),
            "it is cut off"
        );
        assert!(message(&[]).ends_with("reverted without a reason string"));
    }

    #[test]
    fn the_hash_of_a_failed_transaction_is_in_the_data() {
        let hash = B256::repeat_byte(7);
        let failed = error(&Failure::Halt("out of gas".to_owned()), Some(hash));
        assert_eq!((failed.code, &*failed.message), (SERVER_ERROR, OUT_OF_GAS));
        let data: Value = serde_json::from_str(&failed.data.unwrap()).unwrap();
        assert_eq!(
            data,
            json!({"message": OUT_OF_GAS, "data": "0x", "txHash": hash})
        );
    }
}
