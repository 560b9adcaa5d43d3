//! Why a transaction, or the block around it, cannot stand.

use actoreum_primitives::{Address, B256, StateError, U256};
use revm::context::BlockEnv;
use revm::context::TxEnv;
use revm::context_interface::Transaction as _;
use revm::context_interface::result::{EVMError, InvalidHeader, InvalidTransaction};

use crate::interrupt::INTERRUPTED;
use crate::overlay::OverlayError;
use crate::precompiles::OverrideError;

/// Why a transaction cannot be part of a block (nothing of it was executed). The texts are
/// geth's where geth has one, so that clients which match on them go on working.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TxError {
    /// The sender has sent a transaction with this nonce before.
    #[error("nonce too low: address {sender}, tx: {tx} state: {state}")]
    NonceTooLow {
        /// Who sent it.
        sender: Address,
        /// The transaction's nonce.
        tx: u64,
        /// The next nonce of the sender.
        state: u64,
    },
    /// An earlier transaction of the sender is missing.
    #[error("nonce too high: address {sender}, tx: {tx} state: {state}")]
    NonceTooHigh {
        /// Who sent it.
        sender: Address,
        /// The transaction's nonce.
        tx: u64,
        /// The next nonce of the sender.
        state: u64,
    },
    /// EIP-2681: a nonce stays below 2^64 - 1.
    #[error("nonce has max value: address {sender}, nonce: {nonce}")]
    NonceMax {
        /// Who sent it.
        sender: Address,
        /// The transaction's nonce.
        nonce: u64,
    },
    /// The block has less gas left than the transaction may use.
    #[error("gas limit reached")]
    GasLimitReached,
    /// EIP-4844: the block has less room for blobs than the transaction brings.
    #[error("blob gas limit reached: {used} used, {tx} more, limit {limit}")]
    BlobGasLimitReached {
        /// Blob gas of the block so far.
        used: u64,
        /// Blob gas of this transaction.
        tx: u64,
        /// The most that the schedule allows in one block.
        limit: u64,
    },
    /// EIP-7825: one transaction may not use more gas than this.
    #[error("transaction gas limit too high (cap: {cap}, tx: {gas_limit})")]
    GasLimitCap {
        /// The most gas that one transaction may ask for.
        cap: u64,
        /// What it asks for.
        gas_limit: u64,
    },
    /// The sender cannot pay for gas, blobs and value together.
    #[error("insufficient funds for gas * price + value: address {sender} have {have} want {want}")]
    InsufficientFunds {
        /// Who sent it.
        sender: Address,
        /// The sender's balance in wei.
        have: U256,
        /// The most that the transaction can cost, in wei; 2^256 - 1 where it is more.
        want: U256,
    },
    /// The sender cannot pay for the value alone, or has nothing left for the gas.
    #[error("insufficient funds for transfer")]
    InsufficientFundsForTransfer,
    /// The gas limit does not cover what the transaction costs before its first instruction.
    #[error("intrinsic gas too low: have {have}, want {want}")]
    IntrinsicGas {
        /// The gas limit.
        have: u64,
        /// The intrinsic gas.
        want: u64,
    },
    /// EIP-7623: the gas limit does not cover the floor price of the call data.
    #[error("insufficient gas for floor data gas cost: have {have}, want {want}")]
    FloorDataGas {
        /// The gas limit.
        have: u64,
        /// The floor.
        want: u64,
    },
    /// The transaction's type comes with a later fork, or does not exist.
    #[error("transaction type not supported")]
    TypeNotSupported,
    /// The transaction is signed for another chain.
    #[error("invalid chain id for signer: have {have} want {want}")]
    ChainId {
        /// The transaction's chain.
        have: u64,
        /// This chain.
        want: u64,
    },
    /// EIP-1559: the priority fee is part of the fee cap and cannot exceed it.
    #[error(
        "max priority fee per gas higher than max fee per gas: address {sender}, \
         maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee_cap}"
    )]
    TipAboveFeeCap {
        /// Who sent it.
        sender: Address,
        /// The most that goes to the beneficiary, in wei a gas.
        tip: U256,
        /// The most that is paid, in wei a gas.
        fee_cap: U256,
    },
    /// EIP-1559: the fee cap does not reach the block's base fee.
    #[error(
        "max fee per gas less than block base fee: address {sender}, maxFeePerGas: {fee_cap}, \
         baseFee: {base_fee}"
    )]
    FeeCapBelowBaseFee {
        /// Who sent it.
        sender: Address,
        /// The most that is paid, in wei a gas.
        fee_cap: u128,
        /// The block's base fee, in wei a gas.
        base_fee: u64,
    },
    /// EIP-3607: an account with code sends nothing (an EIP-7702 delegation aside).
    #[error("sender not an eoa: address {sender}, codehash: {code_hash}")]
    SenderNotEoa {
        /// Who sent it.
        sender: Address,
        /// The hash of its code.
        code_hash: B256,
    },
    /// EIP-3860: more than 49,152 bytes of creation code.
    #[error("max initcode size exceeded: code size {size} limit {limit}")]
    InitcodeSize {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// EIP-4844: the blob fee cap does not reach the block's blob base fee.
    #[error(
        "max fee per blob gas less than block blob gas fee: address {sender} \
         blobGasFeeCap: {fee_cap}, blobBaseFee: {base_fee}"
    )]
    BlobFeeCapBelowBaseFee {
        /// Who sent it.
        sender: Address,
        /// The most that is paid, in wei a blob gas.
        fee_cap: u128,
        /// The block's price, in wei a blob gas.
        base_fee: u128,
    },
    /// EIP-4844: a blob transaction has at least one blob.
    #[error("blob transaction missing blob hashes")]
    NoBlobs,
    /// EIP-4844, EIP-7594: more blobs than one transaction may bring.
    #[error("too many blobs in transaction (have {have}, max {max})")]
    TooManyBlobs {
        /// Blobs brought.
        have: usize,
        /// Blobs allowed.
        max: usize,
    },
    /// EIP-4844: a versioned hash starts with the version, 0x01.
    #[error("blob hash version mismatch (supported 1)")]
    BlobVersion,
    /// EIP-4844: a blob transaction has a recipient.
    #[error("blob transaction of type create")]
    BlobCreate,
    /// EIP-7702: the authorization list is what the type is for.
    #[error("EIP-7702 transaction with empty auth list (sender {sender})")]
    EmptyAuthorizationList {
        /// Who sent it.
        sender: Address,
    },
    /// EIP-7702: such a transaction has a recipient.
    #[error("EIP-7702 transaction cannot be used to create contract (sender {sender})")]
    SetCodeCreate {
        /// Who sent it.
        sender: Address,
    },
    /// Before Byzantium each receipt holds the state root after its transaction, which only the
    /// keeper of the trie can compute.
    #[error("a state root after each transaction is needed before byzantium")]
    MissingRoots,
    /// The caller's interrupt stopped it while it ran.
    #[error("{}", crate::interrupt::INTERRUPTED)]
    Interrupted,
    /// The state overrides of a call contradict each other or the rules.
    #[error(transparent)]
    Override(#[from] OverrideError),
    /// A rule of revm that has no name here.
    #[error("{0}")]
    Other(String),
    /// The state could not be read: this says nothing about the transaction.
    #[error(transparent)]
    State(#[from] StateFailure),
}

/// [`StateError`] as a part of errors that can be compared.
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

/// Why a block cannot be executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutionError {
    /// The block holds a transaction that cannot be there.
    #[error("could not apply tx {index}: {error}")]
    Transaction {
        /// Its place in the block, from zero.
        index: usize,
        /// What is wrong with it.
        error: TxError,
    },
    /// As many senders as transactions must be given.
    #[error("{senders} senders for {transactions} transactions")]
    SenderCount {
        /// Transactions in the body.
        transactions: usize,
        /// Senders given.
        senders: usize,
    },
    /// The header lacks a field that its fork requires.
    #[error("header has no {0}")]
    MissingHeaderField(&'static str),
    /// EIP-7002, EIP-7251: the contract that collects requests is not deployed, or failed. On a
    /// chain with a beacon chain such a block is invalid.
    #[error("system contract {address} {reason}")]
    SystemContract {
        /// The contract.
        address: Address,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// EIP-6110: a log of the deposit contract is not laid out as a deposit.
    #[error("invalid deposit event layout")]
    DepositLayout,
    /// revm refused to run at all: a fault of this program.
    #[error("evm failed: {0}")]
    Evm(String),
    /// The state could not be read: this says nothing about the block.
    #[error(transparent)]
    State(#[from] StateFailure),
}

impl From<StateError> for ExecutionError {
    fn from(error: StateError) -> Self {
        Self::State(StateFailure(error))
    }
}

impl ExecutionError {
    /// From an error of a system call, which has no transaction that could be wrong.
    pub(crate) fn from_system_call(error: EVMError<OverlayError>) -> Self {
        match error {
            EVMError::Database(error) => error.0.into(),
            other => Self::Evm(other.to_string()),
        }
    }
}

/// What revm says about a transaction, in our words.
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
        EVMError::Database(error) => return error.0.into(),
        EVMError::Header(InvalidHeader::PrevrandaoNotSet | InvalidHeader::ExcessBlobGasNotSet) => {
            return TxError::Other("header lacks a field that its fork requires".into());
        }
        EVMError::Custom(text) if text == INTERRUPTED => return TxError::Interrupted,
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
