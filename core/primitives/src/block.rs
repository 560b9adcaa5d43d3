//! Blocks and their bodies.

use alloy_primitives::B256;

use crate::rlp::{self, Decode, DecodeError, Encode, List};
use crate::{EMPTY_OMMERS_HASH, Header, Transaction, Withdrawal, keccak256, rlp_struct};

/// The content of a block apart from its header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// Transactions in the order of their execution.
    pub transactions: Vec<Transaction>,
    /// Headers of stale blocks that are rewarded; at most two.
    pub ommers: Vec<Header>,
    /// Withdrawals, from Shanghai on (EIP-4895); the list may be empty.
    pub withdrawals: Option<Vec<Withdrawal>>,
}

rlp_struct!(Body { transactions, ommers } optional { withdrawals });

impl Body {
    /// Returns Keccak-256 of the RLP list of ommers, which the header's `ommers_hash` must equal.
    pub fn ommers_hash(&self) -> B256 {
        if self.ommers.is_empty() {
            return EMPTY_OMMERS_HASH;
        }
        keccak256(rlp::encode(&self.ommers))
    }
}

/// A block. Its encoding (on the wire and in export files) is one list: the header, then the body's
/// fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// The transactions, ommers and withdrawals.
    pub body: Body,
}

impl Block {
    /// Returns the header's hash. It is computed on every call.
    pub fn hash(&self) -> B256 {
        self.header.hash()
    }

    fn payload_length(&self) -> usize {
        self.header.length()
            + self.body.transactions.length()
            + self.body.ommers.length()
            + self.body.withdrawals.as_ref().map_or(0, Encode::length)
    }
}

impl Encode for Block {
    fn encode(&self, out: &mut Vec<u8>) {
        rlp::encode_list_header(self.payload_length(), out);
        self.header.encode(out);
        self.body.transactions.encode(out);
        self.body.ommers.encode(out);
        if let Some(withdrawals) = &self.body.withdrawals {
            withdrawals.encode(out);
        }
    }

    fn length(&self) -> usize {
        rlp::list_length(self.payload_length())
    }
}

impl Decode for Block {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        let mut list = List::open(buf)?;
        let block = Self {
            header: list.next()?,
            body: Body {
                transactions: list.next()?,
                ommers: list.next()?,
                withdrawals: list.next_optional()?,
            },
        };
        list.finish()?;
        Ok(block)
    }
}

/// Returns the values of the transactions trie, in the order of their index.
pub fn transaction_trie_items(transactions: &[Transaction]) -> Vec<Vec<u8>> {
    transactions.iter().map(Transaction::encode_2718).collect()
}

/// Returns the values of the withdrawals trie, in the order of their index.
pub fn withdrawal_trie_items(withdrawals: &[Withdrawal]) -> Vec<Vec<u8>> {
    withdrawals.iter().map(rlp::encode).collect()
}
