//! Errors of adding a transaction to the pool.

use actoreum_primitives::{Address, B256, Fork, SenderError, StateError, U256};

/// The reason why the pool refused a transaction. The texts are those of geth 1.8.27, and of later
/// versions for later features, because clients match on them.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// The pool has the transaction already.
    #[error("known transaction: {0:x}")]
    Known(B256),
    /// The transaction exceeds the size limit.
    #[error("oversized data")]
    Oversized,
    /// The transaction's type needs a later fork, or is not supported by this chain.
    #[error("transaction type not supported: type {tx_type} rejected, pool not yet in {since:?}")]
    TypeNotSupported {
        /// The EIP-2718 type byte.
        tx_type: u8,
        /// The fork that introduces the type.
        since: Fork,
    },
    /// The chain has Cancun's rules and no blob schedule.
    #[error("transaction type not supported: this chain takes no blobs")]
    NoBlobMarket,
    /// The transaction's gas limit exceeds the block gas limit.
    #[error("exceeds block gas limit")]
    GasLimit,
    /// The transaction's gas limit exceeds the cap per transaction (EIP-7825).
    #[error("transaction gas limit too high (cap: {cap}, tx: {have})")]
    GasLimitCap {
        /// Maximum gas limit of a transaction.
        cap: u64,
        /// Gas limit of the transaction.
        have: u64,
    },
    /// The signature of a legacy transaction is invalid on this chain.
    #[error("invalid sender")]
    InvalidSender,
    /// The signature of a typed transaction is invalid on this chain.
    #[error("invalid sender: {0}")]
    InvalidTypedSender(SenderError),
    /// The sender is a contract (EIP-3607).
    #[error("sender not an eoa: address {sender}, codehash: {code_hash}")]
    SenderNotEoa {
        /// The sender's address.
        sender: Address,
        /// The hash of the sender's code.
        code_hash: B256,
    },
    /// The transaction's tip is below the pool's minimum, or its price is below every price in a
    /// full pool.
    #[error("transaction underpriced")]
    Underpriced,
    /// The transaction would replace another one and does not bump its price enough.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    /// The priority fee exceeds the fee cap (EIP-1559).
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFeeCap,
    /// The nonce is below the account's nonce in the state.
    #[error("nonce too low")]
    NonceTooLow,
    /// The nonce is 2^64 - 1, which EIP-2681 excludes.
    #[error("nonce has max value")]
    NonceMax,
    /// The sender's balance does not cover the transaction.
    #[error("insufficient funds for gas * price + value")]
    InsufficientFunds,
    /// The sender's balance does not cover the transaction together with the sender's other
    /// transactions in the pool.
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, \
         tx cost {cost}, overshot {overshot}"
    )]
    Overdraft {
        /// The sender's balance, in wei.
        balance: U256,
        /// The maximum cost of the sender's other transactions, in wei.
        queued: U256,
        /// The maximum cost of this transaction, in wei.
        cost: U256,
        /// The missing amount, in wei.
        overshot: U256,
    },
    /// The gas limit is below the intrinsic gas.
    #[error("intrinsic gas too low")]
    IntrinsicGas,
    /// The gas limit is below the floor price of the data (EIP-7623).
    #[error("insufficient gas for floor data gas cost: gas {have}, minimum needed {want}")]
    FloorDataGas {
        /// Gas limit of the transaction.
        have: u64,
        /// Minimum gas limit.
        want: u64,
    },
    /// The init code is too long (EIP-3860).
    #[error("max initcode size exceeded: code size {have}, limit {limit}")]
    InitcodeSize {
        /// Length of the init code in bytes.
        have: usize,
        /// Maximum length in bytes.
        limit: usize,
    },
    /// A blob transaction came without its sidecar.
    #[error("missing sidecar in blob transaction")]
    MissingSidecar,
    /// The sidecar does not match the transaction's blob hashes.
    #[error("{0}")]
    Sidecar(String),
    /// A blob transaction has no blobs.
    #[error("blobless blob transaction")]
    Blobless,
    /// The transaction has too many blobs.
    #[error("transaction blob limit exceeded: blob count {have}, limit {limit}")]
    TooManyBlobs {
        /// Number of blobs.
        have: usize,
        /// Maximum number of blobs.
        limit: usize,
    },
    /// A set-code transaction has no authorizations (EIP-7702).
    #[error("set code tx must have at least one authorization tuple")]
    NoAuthorizations,
    /// The account's queue is full.
    #[error("account limit exceeded")]
    AccountLimit,
    /// A delegated account has a transaction in the pool already. Others can spend the balance of
    /// such an account (EIP-7702), so the pool holds one of its transactions at a time.
    #[error("in-flight transaction limit reached for delegated accounts")]
    DelegatedInFlight,
    /// An authority of the transaction has several transactions in the pool, all of which the new
    /// delegation could invalidate (EIP-7702).
    #[error("authority already reserved")]
    AuthorityReserved,
    /// The transaction of a delegated account does not have the next nonce.
    #[error("gapped-nonce tx from delegated accounts")]
    DelegatedGap,
    /// The pool is full of executable transactions, and this one, which is not executable yet,
    /// can't replace any of them.
    #[error("future transaction tries to replace pending")]
    FutureReplacesPending,
    /// There is no room, whatever the transaction's price.
    #[error("txpool is full")]
    Full,
    /// The peer has as many transactions in the pool as a peer may have.
    #[error("too many transactions of one peer")]
    PeerLimit,
    /// The state could not be read; the transaction may be valid.
    #[error(transparent)]
    State(#[from] StateError),
}

impl AddError {
    /// Returns true if the transaction is invalid for every pool, at every head of the chain: the
    /// peer that sent it did not validate it.
    ///
    /// An invalid signature is not among these errors: nodes of one network may differ in their
    /// chain id, which no handshake compares before eth/64, and then honest nodes propagate such
    /// transactions. See [`Self::peer_fault`].
    pub fn is_always_invalid(&self) -> bool {
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

    /// Returns true if the blobs of the transaction, or their proofs, are missing or are not its own.
    pub fn is_false_sidecar(&self) -> bool {
        matches!(self, Self::MissingSidecar | Self::Sidecar(_))
    }

    /// Returns the fault of the peer that sent a transaction with this error.
    ///
    /// Honest peers send some such transactions: heads differ for a moment, and accounts are
    /// emptied meanwhile. A transaction that is known, that competes with one in the pool, or that
    /// the pool's settings refuse (minimum tip, limits) is no fault.
    pub fn peer_fault(&self) -> PeerFault {
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
            | Self::GasLimitCap { .. } => PeerFault::Useless,
            Self::InvalidSender | Self::InvalidTypedSender(_) => PeerFault::Invalid,
            _ => PeerFault::None,
        }
    }
}

/// The fault of a peer that sent a refused transaction; see [`AddError::peer_fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerFault {
    /// No fault.
    None,
    /// The transaction is not executable at this node's head. It may have been at the peer's.
    Useless,
    /// The transaction's signature is invalid on this chain.
    Invalid,
}
