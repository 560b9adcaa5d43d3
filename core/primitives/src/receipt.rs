//! Transaction receipts.

use alloy_primitives::{B256, Bloom};

use crate::rlp::{self, Decode, DecodeError, Encode, List};
use crate::transaction::{TxType, decode_enveloped, encode_enveloped, enveloped_length};
use crate::{Log, logs_bloom};

/// The outcome of a transaction as its receipt states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptOutcome {
    /// The state root after the transaction (before Byzantium).
    StateRoot(B256),
    /// The status, true for success (from Byzantium on, EIP-658).
    Status(bool),
}

impl ReceiptOutcome {
    /// Returns true if the receipt states that the transaction failed. A receipt from before
    /// Byzantium never states it.
    pub fn is_failure(&self) -> bool {
        *self == Self::Status(false)
    }
}

impl Encode for ReceiptOutcome {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::StateRoot(root) => root.encode(out),
            Self::Status(success) => success.encode(out),
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::StateRoot(root) => root.length(),
            Self::Status(_) => 1,
        }
    }
}

impl Decode for ReceiptOutcome {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        match rlp::decode_str(buf)? {
            [] => Ok(Self::Status(false)),
            [1] => Ok(Self::Status(true)),
            root => B256::try_from(root)
                .map(Self::StateRoot)
                .map_err(|_| DecodeError::Custom("receipt status is neither a flag nor a root")),
        }
    }
}

/// A receipt as the receipts trie holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction's type (EIP-2718).
    pub tx_type: TxType,
    /// Status or state root.
    pub outcome: ReceiptOutcome,
    /// Gas used in the block by all transactions up to and including this one.
    pub cumulative_gas_used: u64,
    /// The bloom of `logs`.
    pub logs_bloom: Bloom,
    /// Logs in the order of their emission.
    pub logs: Vec<Log>,
}

impl Receipt {
    /// Creates a receipt and computes the bloom of its logs.
    pub fn new(
        tx_type: TxType,
        outcome: ReceiptOutcome,
        cumulative_gas_used: u64,
        logs: Vec<Log>,
    ) -> Self {
        let logs_bloom = logs_bloom(&logs);
        Self {
            tx_type,
            outcome,
            cumulative_gas_used,
            logs_bloom,
            logs,
        }
    }

    fn payload_length(&self) -> usize {
        self.outcome.length()
            + self.cumulative_gas_used.length()
            + self.logs_bloom.length()
            + self.logs.length()
    }

    fn encode_payload(&self, out: &mut Vec<u8>) {
        rlp::encode_list_header(self.payload_length(), out);
        self.outcome.encode(out);
        self.cumulative_gas_used.encode(out);
        self.logs_bloom.encode(out);
        self.logs.encode(out);
    }

    fn decode_payload(tx_type: TxType, buf: &mut &[u8]) -> Result<Self, DecodeError> {
        let mut list = List::open(buf)?;
        let receipt = Self {
            tx_type,
            outcome: list.next()?,
            cumulative_gas_used: list.next()?,
            logs_bloom: list.next()?,
            logs: list.next()?,
        };
        list.finish()?;
        Ok(receipt)
    }

    /// Returns the encoding of EIP-2718 (a type byte before the list; none for a legacy
    /// transaction), which is the value in the receipts trie.
    pub fn encode_2718(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + rlp::list_length(self.payload_length()));
        if self.tx_type != TxType::Legacy {
            out.push(self.tx_type as u8);
        }
        self.encode_payload(&mut out);
        out
    }

    /// Decodes the encoding of [`Receipt::encode_2718`]. Trailing bytes are an error.
    pub fn decode_2718(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (tx_type, mut payload) = TxType::split(bytes)?;
        let receipt = Self::decode_payload(tx_type, &mut payload)?;
        if payload.is_empty() {
            Ok(receipt)
        } else {
            Err(DecodeError::TrailingBytes)
        }
    }
}

/// The encoding of an item of a list (eth/63 `Receipts`): a typed receipt is wrapped in a string.
impl Encode for Receipt {
    fn encode(&self, out: &mut Vec<u8>) {
        let payload_length = rlp::list_length(self.payload_length());
        encode_enveloped(self.tx_type, payload_length, out, |out| {
            self.encode_payload(out)
        });
    }

    fn length(&self) -> usize {
        enveloped_length(self.tx_type, rlp::list_length(self.payload_length()))
    }
}

impl Decode for Receipt {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        decode_enveloped(buf, Self::decode_payload)
    }
}

/// Returns the values of the receipts trie, in the order of their index.
pub fn receipt_trie_items(receipts: &[Receipt]) -> Vec<Vec<u8>> {
    receipts.iter().map(Receipt::encode_2718).collect()
}
