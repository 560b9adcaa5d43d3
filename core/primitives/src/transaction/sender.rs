//! Senders of transactions, and the rules of the forks for their signatures.

use alloy_primitives::Address;
use rayon::prelude::*;

use super::{Transaction, TxType};
use crate::rlp::{self, Encode};
use crate::{Block, ChainConfig, CryptoError, Fork, keccak256};

/// The reason why a transaction has no valid sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SenderError {
    /// A later fork introduces the transaction's type.
    #[error("transaction type not supported")]
    TypeNotSupported,
    /// The transaction is bound to another chain.
    #[error("invalid chain id for signer: have {have} want {want}")]
    WrongChain {
        /// Chain id of the transaction.
        have: u64,
        /// Chain id of this chain.
        want: u64,
    },
    /// The signature is invalid.
    #[error(transparent)]
    Signature(#[from] CryptoError),
}

/// The rules for signatures in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderRules {
    chain_id: u64,
    fork: Fork,
    is_eip155: bool,
    is_development: bool,
}

impl SenderRules {
    /// Returns the rules of a block.
    pub fn at(config: &ChainConfig, number: u64, timestamp: u64) -> Self {
        Self {
            chain_id: config.chain_id_at(number),
            fork: config.fork_at(number, timestamp),
            is_eip155: config.is_eip155_active(number),
            is_development: config.is_development,
        }
    }

    /// Returns the sender. The type, the chain id and the signature must be valid. From Homestead
    /// on a high s is an error (EIP-2).
    pub fn sender(&self, transaction: &Transaction) -> Result<Address, SenderError> {
        self.check(transaction)?;
        let impersonated = transaction.signature().impersonated();
        if let Some(sender) = impersonated.filter(|_| self.is_development) {
            return Ok(sender);
        }
        Ok(transaction.recover_sender()?)
    }

    /// Returns true if an account with code may send a transaction, which holds on a development
    /// chain, where the user may impersonate any account.
    pub const fn allows_contracts(&self) -> bool {
        self.is_development
    }

    fn check(&self, transaction: &Transaction) -> Result<(), SenderError> {
        let since = match transaction.tx_type() {
            TxType::Legacy => Fork::Frontier,
            TxType::AccessList => Fork::Berlin,
            TxType::DynamicFee => Fork::London,
            TxType::Blob => Fork::Cancun,
            TxType::SetCode => Fork::Prague,
        };
        if self.fork < since {
            return Err(SenderError::TypeNotSupported);
        }
        if let Some(have) = transaction.chain_id() {
            let is_allowed = self.is_eip155 || transaction.tx_type() != TxType::Legacy;
            if !is_allowed {
                return Err(CryptoError::InvalidSignature.into());
            }
            if have != self.chain_id {
                return Err(SenderError::WrongChain {
                    have,
                    want: self.chain_id,
                });
            }
        }
        if self.fork >= Fork::Homestead && transaction.signature().has_high_s() {
            return Err(CryptoError::HighS.into());
        }
        Ok(())
    }
}

/// Recovers the senders of all transactions of `blocks`, block by block, in parallel on the current
/// rayon pool. The result of a block is its senders in order, or the index and error of its first
/// transaction without a valid sender.
pub fn recover_senders(
    config: &ChainConfig,
    blocks: &[Block],
) -> Vec<Result<Vec<Address>, (usize, SenderError)>> {
    let senders: Vec<Result<Address, SenderError>> = blocks
        .par_iter()
        .flat_map(|block| {
            let rules = SenderRules::at(config, block.header.number, block.header.timestamp);
            let transactions = &block.body.transactions;
            transactions
                .par_iter()
                .map(move |transaction| rules.sender(transaction))
        })
        .collect();

    let mut senders = senders.into_iter();
    blocks
        .iter()
        .map(|block| {
            let of_block: Vec<_> = senders
                .by_ref()
                .take(block.body.transactions.len())
                .collect();
            of_block
                .into_iter()
                .enumerate()
                .map(|(index, sender)| sender.map_err(|error| (index, error)))
                .collect()
        })
        .collect()
}

/// Returns the address of the contract that an account creates with a transaction (or a CREATE) of
/// this nonce: the last 20 bytes of Keccak-256 of the RLP list of both.
pub fn contract_address(sender: &Address, nonce: u64) -> Address {
    let mut encoded = Vec::with_capacity(32);
    rlp::encode_list_header(sender.length() + nonce.length(), &mut encoded);
    sender.encode(&mut encoded);
    nonce.encode(&mut encoded);
    Address::from_slice(&keccak256(encoded)[12..])
}
