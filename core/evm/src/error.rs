//! Errors of transactions and of blocks.

use actoreum_primitives::{Address, B256, StateError, U256};
use revm::context::BlockEnv;
use revm::context::TxEnv;
use revm::context_interface::Transaction as _;
use revm::context_interface::result::{EVMError, InvalidHeader, InvalidTransaction};

use crate::overlay::OverlayError;
use crate::precompiles::OverrideError;

/// The reason why a transaction cannot be included in a block; nothing of the transaction was
/// executed. The texts are geth's wherever geth has one, because clients match them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TxError {
    /// The sender has already sent a transaction with this nonce.
    #[error("nonce too low: address {sender}, tx: {tx} state: {state}")]
    NonceTooLow {
        /// Sender of the transaction.
        sender: Address,
        /// Nonce of the transaction.
        tx: u64,
        /// Next nonce of the sender.
        state: u64,
    },
    /// An earlier transaction of the sender is missing.
    #[error("nonce too high: address {sender}, tx: {tx} state: {state}")]
    NonceTooHigh {
        /// Sender of the transaction.
        sender: Address,
        /// Nonce of the transaction.
        tx: u64,
        /// Next nonce of the sender.
        state: u64,
    },
    /// The nonce is not below 2^64 - 1 (EIP-2681).
    #[error("nonce has max value: address {sender}, nonce: {nonce}")]
    NonceMax {
        /// Sender of the transaction.
        sender: Address,
        /// Nonce of the transaction.
        nonce: u64,
    },
    /// The block has less gas left than the transaction may use.
    #[error("gas limit reached")]
    GasLimitReached,
    /// The block has less room for blobs than the transaction needs (EIP-4844).
    #[error("blob gas limit reached: {used} used, {tx} more, limit {limit}")]
    BlobGasLimitReached {
        /// Blob gas used by the block so far.
        used: u64,
        /// Blob gas of this transaction.
        tx: u64,
        /// Maximum blob gas of a block by the schedule.
        limit: u64,
    },
    /// The gas limit exceeds the maximum for one transaction (EIP-7825).
    #[error("transaction gas limit too high (cap: {cap}, tx: {gas_limit})")]
    GasLimitCap {
        /// Maximum gas limit of a transaction.
        cap: u64,
        /// Gas limit of this transaction.
        gas_limit: u64,
    },
    /// The sender cannot pay for gas, blobs and value together.
    #[error("insufficient funds for gas * price + value: address {sender} have {have} want {want}")]
    InsufficientFunds {
        /// Sender of the transaction.
        sender: Address,
        /// Balance of the sender in wei.
        have: U256,
        /// Maximum cost of the transaction in wei; 2^256 - 1 if it is more.
        want: U256,
    },
    /// The sender cannot pay for the value alone, or has nothing left for the gas.
    #[error("insufficient funds for transfer")]
    InsufficientFundsForTransfer,
    /// The gas limit does not cover the transaction's cost before its first instruction.
    #[error("intrinsic gas too low: have {have}, want {want}")]
    IntrinsicGas {
        /// Gas limit of the transaction.
        have: u64,
        /// Intrinsic gas of the transaction.
        want: u64,
    },
    /// The gas limit does not cover the floor cost of the call data (EIP-7623).
    #[error("insufficient gas for floor data gas cost: have {have}, want {want}")]
    FloorDataGas {
        /// Gas limit of the transaction.
        have: u64,
        /// Floor cost in gas.
        want: u64,
    },
    /// A later fork introduces the transaction's type, or the type does not exist.
    #[error("transaction type not supported")]
    TypeNotSupported,
    /// The transaction is signed for another chain.
    #[error("invalid chain id for signer: have {have} want {want}")]
    ChainId {
        /// Chain id of the transaction.
        have: u64,
        /// Chain id of this chain.
        want: u64,
    },
    /// The priority fee exceeds the fee cap, which includes it (EIP-1559).
    #[error(
        "max priority fee per gas higher than max fee per gas: address {sender}, \
         maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee_cap}"
    )]
    TipAboveFeeCap {
        /// Sender of the transaction.
        sender: Address,
        /// Maximum tip per gas for the beneficiary, in wei.
        tip: U256,
        /// Maximum fee per gas in wei.
        fee_cap: U256,
    },
    /// The fee cap is below the block's base fee (EIP-1559).
    #[error(
        "max fee per gas less than block base fee: address {sender}, maxFeePerGas: {fee_cap}, \
         baseFee: {base_fee}"
    )]
    FeeCapBelowBaseFee {
        /// Sender of the transaction.
        sender: Address,
        /// Maximum fee per gas in wei.
        fee_cap: u128,
        /// Base fee of the block per gas, in wei.
        base_fee: u64,
    },
    /// The sender is an account with code other than an EIP-7702 delegation (EIP-3607).
    #[error("sender not an eoa: address {sender}, codehash: {code_hash}")]
    SenderNotEoa {
        /// Sender of the transaction.
        sender: Address,
        /// Hash of the sender's code.
        code_hash: B256,
    },
    /// The init code is longer than 49,152 bytes (EIP-3860).
    #[error("max initcode size exceeded: code size {size} limit {limit}")]
    InitcodeSize {
        /// Size of the init code in bytes.
        size: usize,
        /// Maximum size of the init code in bytes.
        limit: usize,
    },
    /// The blob fee cap is below the block's blob base fee (EIP-4844).
    #[error(
        "max fee per blob gas less than block blob gas fee: address {sender} \
         blobGasFeeCap: {fee_cap}, blobBaseFee: {base_fee}"
    )]
    BlobFeeCapBelowBaseFee {
        /// Sender of the transaction.
        sender: Address,
        /// Maximum fee per blob gas in wei.
        fee_cap: u128,
        /// Blob base fee of the block per blob gas, in wei.
        base_fee: u128,
    },
    /// A blob transaction has no blob (EIP-4844).
    #[error("blob transaction missing blob hashes")]
    NoBlobs,
    /// A transaction has too many blobs (EIP-4844, EIP-7594).
    #[error("too many blobs in transaction (have {have}, max {max})")]
    TooManyBlobs {
        /// Number of blobs of the transaction.
        have: usize,
        /// Maximum number of blobs.
        max: usize,
    },
    /// A versioned hash does not start with the version, 0x01 (EIP-4844).
    #[error("blob hash version mismatch (supported 1)")]
    BlobVersion,
    /// A blob transaction has no recipient (EIP-4844).
    #[error("blob transaction of type create")]
    BlobCreate,
    /// A set-code transaction has an empty authorization list (EIP-7702).
    #[error("EIP-7702 transaction with empty auth list (sender {sender})")]
    EmptyAuthorizationList {
        /// Sender of the transaction.
        sender: Address,
    },
    /// A set-code transaction has no recipient (EIP-7702).
    #[error("EIP-7702 transaction cannot be used to create contract (sender {sender})")]
    SetCodeCreate {
        /// Sender of the transaction.
        sender: Address,
    },
    /// No [`crate::IntermediateRoots`] was given for a block before Byzantium, whose receipts hold
    /// the state root after each transaction.
    #[error("a state root after each transaction is needed before byzantium")]
    MissingRoots,
    /// The caller's interrupt stopped the execution.
    #[error("execution aborted")]
    Interrupted,
    /// The state overrides of a call contradict each other or the rules.
    #[error(transparent)]
    Override(#[from] OverrideError),
    /// revm returned an error for which this type has no variant.
    #[error("{0}")]
    Other(String),
    /// The state could not be read, which says nothing about the transaction.
    #[error(transparent)]
    State(#[from] StateFailure),
}

/// A [`StateError`] that can be compared, as a part of the errors in this module.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct StateFailure(#[from] pub StateError);

impl PartialEq for StateFailure {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for StateFailure {}

impl From<StateError> for TxError {
    fn from(error: StateError) -> Self {
        Self::State(StateFailure(error))
    }
}

/// The reason why a block cannot be executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutionError {
    /// The block holds an invalid transaction.
    #[error("could not apply tx {index}: {error}")]
    Transaction {
        /// Index of the transaction in the block, from zero.
        index: usize,
        /// Error of the transaction.
        error: TxError,
    },
    /// The number of senders differs from the number of transactions.
    #[error("{senders} senders for {transactions} transactions")]
    SenderCount {
        /// Number of transactions in the body.
        transactions: usize,
        /// Number of senders given.
        senders: usize,
    },
    /// The header lacks a field that its fork requires.
    #[error("header has no {0}")]
    MissingHeaderField(&'static str),
    /// The contract that collects requests is not deployed, or failed (EIP-7002, EIP-7251). On a
    /// chain with a beacon chain such a block is invalid.
    #[error("system contract {address} {reason}")]
    SystemContract {
        /// Address of the contract.
        address: Address,
        /// Description of the problem.
        reason: &'static str,
    },
    /// A log of the deposit contract does not have the layout of a deposit (EIP-6110).
    #[error("invalid deposit event layout")]
    DepositLayout,
    /// revm could not run at all, which is a bug in this program.
    #[error("evm failed: {0}")]
    Evm(String),
    /// The state could not be read, which says nothing about the block.
    #[error(transparent)]
    State(#[from] StateFailure),
}

impl From<StateError> for ExecutionError {
    fn from(error: StateError) -> Self {
        Self::State(StateFailure(error))
    }
}

impl ExecutionError {
    /// Converts the error of a system call, which has no transaction that could be invalid.
    pub(crate) fn from_system_call(error: EVMError<OverlayError>) -> Self {
        match error {
            EVMError::Database(OverlayError::State(error)) => error.into(),
            EVMError::Database(error) => Self::Evm(error.to_string()),
            other => Self::Evm(other.to_string()),
        }
    }
}

/// Converts revm's error about a transaction.
pub(crate) fn tx_error(
    error: EVMError<OverlayError>,
    tx: &TxEnv,
    block: &BlockEnv,
    chain_id: u64,
    code_hash: Option<B256>,
) -> TxError {
    let sender = tx.caller;
    let invalid = match error {
        EVMError::Transaction(invalid) => invalid,
        EVMError::Database(OverlayError::State(error)) => return error.into(),
        EVMError::Database(OverlayError::Interrupted) => return TxError::Interrupted,
        EVMError::Header(InvalidHeader::PrevrandaoNotSet | InvalidHeader::ExcessBlobGasNotSet) => {
            return TxError::Other("header lacks a field that its fork requires".into());
        }
        EVMError::Custom(text) => return TxError::Other(text),
        EVMError::CustomAny(error) => return TxError::Other(error.to_string()),
    };
    match invalid {
        InvalidTransaction::NonceTooLow { tx, state } => TxError::NonceTooLow { sender, tx, state },
        InvalidTransaction::NonceTooHigh { tx, state } => {
            TxError::NonceTooHigh { sender, tx, state }
        }
        InvalidTransaction::NonceOverflowInTransaction => TxError::NonceMax {
            sender,
            nonce: tx.nonce,
        },
        InvalidTransaction::CallerGasLimitMoreThanBlock => TxError::GasLimitReached,
        InvalidTransaction::TxGasLimitGreaterThanCap { gas_limit, cap } => {
            TxError::GasLimitCap { cap, gas_limit }
        }
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => TxError::InsufficientFunds {
            sender,
            have: *balance,
            want: *fee,
        },
        InvalidTransaction::OverflowPaymentInTransaction => TxError::InsufficientFunds {
            sender,
            have: U256::ZERO,
            want: U256::MAX,
        },
        InvalidTransaction::CallGasCostMoreThanGasLimit {
            initial_gas,
            gas_limit,
        } => TxError::IntrinsicGas {
            have: gas_limit,
            want: initial_gas,
        },
        InvalidTransaction::GasFloorMoreThanGasLimit {
            gas_floor,
            gas_limit,
        } => TxError::FloorDataGas {
            have: gas_limit,
            want: gas_floor,
        },
        InvalidTransaction::Eip2930NotSupported
        | InvalidTransaction::Eip1559NotSupported
        | InvalidTransaction::Eip4844NotSupported
        | InvalidTransaction::Eip7702NotSupported
        | InvalidTransaction::Eip7873NotSupported
        | InvalidTransaction::AccessListNotSupported
        | InvalidTransaction::MaxFeePerBlobGasNotSupported
        | InvalidTransaction::BlobVersionedHashesNotSupported
        | InvalidTransaction::AuthorizationListNotSupported => TxError::TypeNotSupported,
        InvalidTransaction::InvalidChainId | InvalidTransaction::MissingChainId => {
            TxError::ChainId {
                have: tx.chain_id.unwrap_or_default(),
                want: chain_id,
            }
        }
        InvalidTransaction::PriorityFeeGreaterThanMaxFee => TxError::TipAboveFeeCap {
            sender,
            tip: U256::from(tx.gas_priority_fee.unwrap_or_default()),
            fee_cap: U256::from(tx.gas_price),
        },
        InvalidTransaction::GasPriceLessThanBasefee => TxError::FeeCapBelowBaseFee {
            sender,
            fee_cap: tx.gas_price,
            base_fee: block.basefee,
        },
        InvalidTransaction::RejectCallerWithCode => TxError::SenderNotEoa {
            sender,
            code_hash: code_hash.unwrap_or_default(),
        },
        InvalidTransaction::CreateInitCodeSizeLimit => TxError::InitcodeSize {
            size: tx.input().len(),
            limit: revm::primitives::eip3860::MAX_INITCODE_SIZE,
        },
        InvalidTransaction::BlobGasPriceGreaterThanMax {
            block_blob_gas_price,
            tx_max_fee_per_blob_gas,
        } => TxError::BlobFeeCapBelowBaseFee {
            sender,
            fee_cap: tx_max_fee_per_blob_gas,
            base_fee: block_blob_gas_price,
        },
        InvalidTransaction::EmptyBlobs => TxError::NoBlobs,
        InvalidTransaction::TooManyBlobs { max, have } => TxError::TooManyBlobs { have, max },
        InvalidTransaction::BlobVersionNotSupported => TxError::BlobVersion,
        InvalidTransaction::BlobCreateTransaction => TxError::BlobCreate,
        InvalidTransaction::EmptyAuthorizationList => TxError::EmptyAuthorizationList { sender },
        other => TxError::Other(other.to_string()),
    }
}
