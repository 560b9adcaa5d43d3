//! Conversion of the node's errors to classes of reasons.

use actoreum_chain::BlockError;
use actoreum_consensus::{ConsensusError, ErrorClass};
use actoreum_evm::{ExecutionError, TxError};
use actoreum_primitives::transaction::SenderError;

use crate::exceptions::{Refusal, TxRefusal};
use crate::report::Difference;

/// Returns the class of a signature error.
pub fn of_sender(error: &SenderError) -> Refusal {
    Refusal::Transaction(match error {
        SenderError::TypeNotSupported => TxRefusal::Type,
        SenderError::WrongChain { .. } => TxRefusal::ChainId,
        SenderError::Signature(_) => TxRefusal::Signature,
    })
}

/// Returns the class of a transaction error; `None` for an error that says nothing about the
/// transaction.
pub fn of_transaction(error: &TxError) -> Option<Refusal> {
    Some(Refusal::Transaction(match error {
        TxError::NonceTooLow { .. } | TxError::NonceTooHigh { .. } | TxError::NonceMax { .. } => {
            TxRefusal::Nonce
        }
        TxError::GasLimitReached => TxRefusal::BlockGas,
        TxError::BlobGasLimitReached { .. }
        | TxError::NoBlobs
        | TxError::TooManyBlobs { .. }
        | TxError::BlobVersion => TxRefusal::Blobs,
        TxError::GasLimitCap { .. } => TxRefusal::GasCap,
        TxError::InsufficientFunds { .. } => TxRefusal::Funds,
        TxError::IntrinsicGas { .. } | TxError::FloorDataGas { .. } => TxRefusal::IntrinsicGas,
        TxError::TypeNotSupported => TxRefusal::Type,
        TxError::ChainId { .. } => TxRefusal::ChainId,
        TxError::TipAboveFeeCap { .. } => TxRefusal::TipAboveFee,
        TxError::FeeCapBelowBaseFee { .. } => TxRefusal::FeeTooLow,
        TxError::SenderNotEoa { .. } => TxRefusal::SenderNotEoa,
        TxError::InitcodeSize { .. } => TxRefusal::InitCode,
        TxError::BlobFeeCapBelowBaseFee { .. } => TxRefusal::BlobFeeTooLow,
        TxError::BlobCreate | TxError::SetCodeCreate { .. } => TxRefusal::Creation,
        TxError::EmptyAuthorizationList { .. } => TxRefusal::Authorizations,
        _ => return None,
    }))
}

/// Returns the class of an execution error; `None` for an error that says nothing about the block.
pub fn of_execution(error: &ExecutionError) -> Option<Refusal> {
    match error {
        ExecutionError::Transaction { error, .. } => of_transaction(error),
        ExecutionError::MissingHeaderField(_) => Some(Refusal::ForkFields),
        ExecutionError::SystemContract { .. } => Some(Refusal::SystemContract),
        ExecutionError::DepositLayout => Some(Refusal::Requests),
        _ => None,
    }
}

/// Returns the class of an error in a header or its ommers; `None` for an error that says nothing
/// about them.
pub fn of_consensus(error: &ConsensusError) -> Option<Refusal> {
    Some(match error {
        ConsensusError::InvalidExcessBlobGas { .. } => Refusal::ExcessBlobGas,
        ConsensusError::MergedOmmersHash => Refusal::Ommers,
        error => match error.class() {
            ErrorClass::Ancestry => Refusal::UnknownParent,
            ErrorClass::Number => Refusal::Number,
            ErrorClass::Timestamp => Refusal::Timestamp,
            ErrorClass::Difficulty => Refusal::Difficulty,
            ErrorClass::GasLimit => Refusal::GasLimit,
            ErrorClass::GasUsed => Refusal::GasUsed,
            ErrorClass::BaseFee => Refusal::BaseFee,
            ErrorClass::ExtraData => Refusal::ExtraData,
            ErrorClass::ForkField => Refusal::ForkFields,
            ErrorClass::BlobGas => Refusal::BlobGasUsed,
            ErrorClass::Ommers => Refusal::Ommers,
            ErrorClass::Seal | ErrorClass::Vote | ErrorClass::Merge => Refusal::Seal,
            ErrorClass::Size => Refusal::Size,
            ErrorClass::Internal => return None,
        },
    })
}

/// Returns the class of an import error; `None` for an error that says nothing about the block.
pub fn of_block(error: &BlockError) -> Option<Refusal> {
    Some(match error {
        BlockError::Consensus(error) => return of_consensus(error),
        BlockError::Execution(error) => return of_execution(error),
        BlockError::Sender { error, .. } => of_sender(error),
        BlockError::NotContiguous { .. } | BlockError::KnownBad(_) => Refusal::UnknownParent,
        BlockError::OmmersHash { .. } => Refusal::OmmersHash,
        BlockError::TransactionsRoot { .. } => Refusal::TransactionsRoot,
        BlockError::WithdrawalsRoot { .. } => Refusal::WithdrawalsRoot,
        BlockError::WithdrawalsPresence | BlockError::WithdrawalsNotAllowed => Refusal::ForkFields,
        BlockError::GasUsed { .. } => Refusal::GasUsed,
        BlockError::BlobGasUsed { .. } => Refusal::BlobGasUsed,
        BlockError::LogsBloom { .. } => Refusal::LogsBloom,
        BlockError::ReceiptsRoot { .. } => Refusal::ReceiptsRoot,
        BlockError::RequestsHash { .. } => Refusal::Requests,
        BlockError::StateRoot { .. } => Refusal::StateRoot,
        _ => return None,
    })
}

/// Compares a refusal with the exception that a vector expects. An unknown exception name accepts
/// every class.
///
/// # Errors
/// The class is none of the exception's classes, or the error says nothing about the block or
/// transaction.
pub fn same_reason(
    exception: &str,
    refusal: Option<Refusal>,
    error: &dyn std::fmt::Display,
) -> Result<(), Difference> {
    let Some(refusal) = refusal else {
        return Err(Difference::new(
            "refusal",
            exception,
            format!("no reason, but: {error}"),
        ));
    };
    let classes = crate::exceptions::classes(exception);
    if classes.is_empty() || classes.contains(&refusal) {
        return Ok(());
    }
    Err(Difference::new(
        "reason of the refusal",
        exception,
        format!("{refusal}: {error}"),
    ))
}
