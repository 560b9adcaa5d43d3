//! The errors of a simulation, with the codes of execution-apis.

use std::time::Duration;

use actoreum_evm::TxError;

use crate::error::{INTERNAL_ERROR, RpcError, SERVER_ERROR};

/// The nonce is below the sender's.
const NONCE_TOO_LOW: i64 = -38010;
/// The nonce is above the sender's.
const NONCE_TOO_HIGH: i64 = -38011;
/// The fee cap is below the base fee.
const FEE_CAP_TOO_LOW: i64 = -38012;
/// The gas does not cover the intrinsic cost.
const INTRINSIC_GAS: i64 = -38013;
/// The sender cannot pay for gas and value.
const INSUFFICIENT_FUNDS: i64 = -38014;
/// The calls of a block use more gas than the block has.
const BLOCK_GAS_LIMIT_REACHED: i64 = -38015;
/// The sender is a contract.
const SENDER_IS_NOT_EOA: i64 = -38024;
/// The init code is too long.
const INIT_CODE_TOO_LONG: i64 = -38025;

/// Returns the error of a call that asks for more gas than its block has left.
pub(super) fn block_gas_limit_reached(used: u64, limit: u64) -> RpcError {
    RpcError::new(
        BLOCK_GAS_LIMIT_REACHED,
        format!("block gas limit reached: {used} >= {limit}"),
    )
}

/// Converts the error of a call that could not start or was interrupted. `gas` is the call's; `None`
/// for the beginning of a block.
pub(super) fn refused(error: &TxError, gas: Option<u64>, timeout: Option<Duration>) -> RpcError {
    let code = match error {
        TxError::Interrupted => {
            let text = timeout.map_or_else(
                || error.to_string(),
                |timeout| format!("execution aborted (timeout = {timeout:?})"),
            );
            return RpcError::server(text);
        }
        TxError::Override(_) => SERVER_ERROR,
        TxError::NonceTooLow { .. } => NONCE_TOO_LOW,
        TxError::NonceTooHigh { .. } => NONCE_TOO_HIGH,
        TxError::FeeCapBelowBaseFee { .. } => FEE_CAP_TOO_LOW,
        TxError::IntrinsicGas { .. } => INTRINSIC_GAS,
        TxError::InsufficientFunds { .. } | TxError::InsufficientFundsForTransfer => {
            INSUFFICIENT_FUNDS
        }
        TxError::SenderNotEoa { .. } => SENDER_IS_NOT_EOA,
        TxError::InitcodeSize { .. } => INIT_CODE_TOO_LONG,
        TxError::TipAboveFeeCap { .. } => crate::error::INVALID_PARAMS,
        _ => INTERNAL_ERROR,
    };
    let text = match gas {
        Some(gas) => format!("err: {error} (supplied gas {gas})"),
        None => error.to_string(),
    };
    RpcError::new(code, text)
}
