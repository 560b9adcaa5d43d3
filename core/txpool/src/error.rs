//! Why a transaction is not taken.

use actoreum_primitives::{Address, B256, Fork, SenderError, StateError, U256};

/// Why a transaction is not taken. The texts are geth 1.8.27's, and later ones' for what came
/// later, so that clients which match on them go on working.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// It is in the pool already.
    #[error("known transaction: {0:x}")]
    Known(B256),
    /// It is larger than any transaction may be.
    #[error("oversized data")]
    Oversized,
    /// Its type comes with a later fork, or this chain takes none of it.
    #[error("transaction type not supported: type {tx_type} rejected, pool not yet in {since:?}")]
    TypeNotSupported {
        /// The EIP-2718 type byte.
        tx_type: u8,
        /// The fork that brings it.
        since: Fork,
    },
    /// The chain has Cancun's rules and no room for blobs.
    #[error("transaction type not supported: this chain takes no blobs")]
    NoBlobMarket,
    /// It asks for more gas than a block has.
    #[error("exceeds block gas limit")]
    GasLimit,
    /// It asks for more gas than a transaction may (EIP-7825).
    #[error("transaction gas limit too high (cap: {cap}, tx: {have})")]
    GasLimitCap {
        /// Gas that a transaction may ask for.
        cap: u64,
        /// Gas that it asks for.
        have: u64,
    },
    /// Its signature is not valid here.
    #[error("invalid sender")]
    InvalidSender,
    /// The signature of a typed transaction is not valid here.
    #[error("invalid sender: {0}")]
    InvalidTypedSender(SenderError),
    /// The sender is a contract (EIP-3607).
    #[error("sender not an eoa: address {sender}, codehash: {code_hash}")]
    SenderNotEoa {
        /// Who sent it.
        sender: Address,
        /// The hash of its code.
        code_hash: B256,
    },
    /// It offers less than the pool asks for, or less than everything in a full pool.
    #[error("transaction underpriced")]
    Underpriced,
    /// It takes the place of another one and does not offer enough more.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    /// The tip is part of the fee and can't be more (EIP-1559).
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFeeCap,
    /// The sender has used this nonce.
    #[error("nonce too low")]
    NonceTooLow,
    /// A nonce stays below 2^64 - 1 (EIP-2681).
    #[error("nonce has max value")]
    NonceMax,
    /// The sender can't pay for it at all.
    #[error("insufficient funds for gas * price + value")]
    InsufficientFunds,
    /// The sender can't pay for it together with what it has in the pool.
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, \
         tx cost {cost}, overshot {overshot}"
    )]
    Overdraft {
        /// What the sender has, in wei.
        balance: U256,
        /// What its other transactions may cost, in wei.
        queued: U256,
        /// What this one may cost, in wei.
        cost: U256,
        /// What is missing, in wei.
        overshot: U256,
    },
    /// It can't pay for what it costs before its first instruction.
    #[error("intrinsic gas too low")]
    IntrinsicGas,
    /// It can't pay for the least price of its data (EIP-7623).
    #[error("insufficient gas for floor data gas cost: gas {have}, minimum needed {want}")]
    FloorDataGas {
        /// Gas that it asks for.
        have: u64,
        /// Gas that it needs.
        want: u64,
    },
    /// Its creation code is too long (EIP-3860).
    #[error("max initcode size exceeded: code size {have}, limit {limit}")]
    InitcodeSize {
        /// Bytes given.
        have: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A blob transaction comes with its blobs.
    #[error("missing sidecar in blob transaction")]
    MissingSidecar,
    /// Its blobs are not what it says.
    #[error("{0}")]
    Sidecar(String),
    /// A blob transaction has a blob at least.
    #[error("blobless blob transaction")]
    Blobless,
    /// It has more blobs than a transaction may.
    #[error("transaction blob limit exceeded: blob count {have}, limit {limit}")]
    TooManyBlobs {
        /// Blobs brought.
        have: usize,
        /// Blobs allowed.
        limit: usize,
    },
    /// A transaction that sets code says whose (EIP-7702).
    #[error("set code tx must have at least one authorization tuple")]
    NoAuthorizations,
    /// The account has as many transactions waiting as it may.
    #[error("account limit exceeded")]
    AccountLimit,
    /// Others can spend what a delegated account has (EIP-7702), so one at a time is taken.
    #[error("in-flight transaction limit reached for delegated accounts")]
    DelegatedInFlight,
    /// An account whose code it sets has several transactions here, which would become worthless
    /// together (EIP-7702).
    #[error("authority already reserved")]
    AuthorityReserved,
    /// From a delegated account only the next nonce is taken.
    #[error("gapped-nonce tx from delegated accounts")]
    DelegatedGap,
    /// The pool is full of executable transactions, which this one, that can't be executed yet,
    /// does not push out.
    #[error("future transaction tries to replace pending")]
    FutureReplacesPending,
    /// There is no room, whatever it offers.
    #[error("txpool is full")]
    Full,
    /// The peer that sent it has as many in the pool as one peer may.
    #[error("too many transactions of one peer")]
    PeerLimit,
    /// The state could not be read: this says nothing about the transaction.
    #[error(transparent)]
    State(#[from] StateError),
}

impl AddError {
    /// Whether no pool can have taken the transaction, at no head of the chain: whoever passed it
    /// on did not check it. A signature that is not valid here is not among these: nodes of one
    /// network may differ in their chain id, which no handshake compares before eth/64, and then
    /// honest ones pass such transactions on. See [`Self::waste`].
    pub fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::Oversized
                | Self::TipAboveFeeCap
                | Self::NonceMax
                | Self::MissingSidecar
                | Self::Sidecar(_)
                | Self::Blobless
        )
    }

    /// What a remote transaction with this error says of the peer that passed it on. Honest peers
    /// pass some on: heads differ for a moment, accounts are emptied meanwhile. What is here
    /// already, what competes with it and what the pool's settings refuse (the least tip, its room)
    /// says nothing.
    pub fn waste(&self) -> Waste {
        match self {
            Self::InsufficientFunds
            | Self::Overdraft { .. }
            | Self::NonceTooLow
            | Self::SenderNotEoa { .. }
            | Self::IntrinsicGas
            | Self::FloorDataGas { .. }
            | Self::InitcodeSize { .. }
            | Self::NoAuthorizations
            | Self::TooManyBlobs { .. }
            | Self::GasLimit
            | Self::GasLimitCap { .. } => Waste::Useless,
            Self::InvalidSender | Self::InvalidTypedSender(_) => Waste::Invalid,
            _ => Waste::None,
        }
    }
}

/// What a peer's transaction that was refused says of the peer; see [`AddError::waste`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waste {
    /// Nothing.
    None,
    /// It can't be executed at our head. It may have been possible at the peer's.
    Useless,
    /// Its signature is not valid on this chain.
    Invalid,
}
