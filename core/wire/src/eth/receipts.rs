//! The receipts of blocks, in the form of eth/63 and in that of eth/69 (EIP-7642).

use actoreum_primitives::rlp::{Decode, DecodeError, Encode, List};
use actoreum_primitives::{Receipt, TxType};

use super::{LazyList, WireItem};
use crate::limits::{MAX_EXPANDED_RECEIPTS, MAX_RECEIPTS, MIN_RECEIPT_SIZE, MIN_SLIM_RECEIPT_SIZE};
use crate::rlp::{count_plausible, put_list};

/// The receipts of one block, in the order of its transactions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockReceipts(pub Vec<Receipt>);

impl Encode for BlockReceipts {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn length(&self) -> usize {
        self.0.length()
    }
}

impl Decode for BlockReceipts {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        Vec::decode(buf).map(Self)
    }
}

impl WireItem for BlockReceipts {
    const LIMIT: usize = MAX_RECEIPTS;
    const MIN_SIZE: usize = 1;

    fn check(mut raw: &[u8]) -> Result<(), DecodeError> {
        count_plausible(&List::open(&mut raw)?, usize::MAX, MIN_RECEIPT_SIZE).map(drop)
    }
}

/// The receipts of one block without their blooms, which the receiver computes from the logs: each is
/// a list of the type, the status or state root, the cumulative gas and the logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlimReceipts(pub Vec<Receipt>);

impl Encode for SlimReceipts {
    fn encode(&self, out: &mut Vec<u8>) {
        put_list(out, |out| {
            for receipt in &self.0 {
                put_list(out, |out| {
                    (receipt.tx_type as u64).encode(out);
                    receipt.outcome.encode(out);
                    receipt.cumulative_gas_used.encode(out);
                    receipt.logs.encode(out);
                });
            }
        });
    }

    fn length(&self) -> usize {
        let mut out = Vec::new();
        self.encode(&mut out);
        out.len()
    }
}

impl Decode for SlimReceipts {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        let mut list = List::open(buf)?;
        let mut receipts = Vec::new();
        while !list.is_empty() {
            receipts.push(slim_receipt(&mut list)?);
        }
        Ok(Self(receipts))
    }
}

impl WireItem for SlimReceipts {
    const LIMIT: usize = MAX_RECEIPTS;
    const MIN_SIZE: usize = 1;

    fn check(mut raw: &[u8]) -> Result<(), DecodeError> {
        count_plausible(&List::open(&mut raw)?, usize::MAX, MIN_SLIM_RECEIPT_SIZE).map(drop)
    }
}

/// Encodes the receipts of one block with their blooms, each for itself: a receipt of five bytes grows
/// to more than 260. Takes the bytes from `room`.
fn expand(mut raw: &[u8], room: &mut usize) -> Result<Vec<u8>, DecodeError> {
    let mut list = List::open(&mut raw)?;
    let mut receipts = Vec::new();
    while !list.is_empty() {
        let start = receipts.len();
        slim_receipt(&mut list)?.encode(&mut receipts);
        let left = room.checked_sub(receipts.len() - start);
        *room = left.ok_or(DecodeError::Custom("too many receipts"))?;
    }
    let mut out = Vec::with_capacity(receipts.len() + MAX_LIST_HEADER);
    put_list(&mut out, |out| out.append(&mut receipts));
    Ok(out)
}

/// Maximum size of the header of a list.
const MAX_LIST_HEADER: usize = 9;

fn slim_receipt(list: &mut List<'_>) -> Result<Receipt, DecodeError> {
    let mut fields = list.next_list()?;
    let receipt = Receipt::new(
        tx_type(fields.next()?)?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
    );
    fields.finish()?;
    Ok(receipt)
}

fn tx_type(number: u64) -> Result<TxType, DecodeError> {
    let mut known = TxType::ALL.into_iter();
    let found = known.find(|tx_type| *tx_type as u64 == number);
    found.ok_or(DecodeError::UnsupportedTxType)
}

/// The receipts of several blocks, as one message has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptLists {
    /// With blooms, up to eth/68.
    Full(LazyList<BlockReceipts>),
    /// Without blooms, from eth/69 on.
    Slim(LazyList<SlimReceipts>),
}

impl ReceiptLists {
    /// Returns the number of blocks.
    pub fn len(&self) -> usize {
        match self {
            Self::Full(list) => list.len(),
            Self::Slim(list) => list.len(),
        }
    }

    /// Returns whether there are no blocks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the receipts of each block in the encoding with blooms.
    ///
    /// # Errors
    /// A block claims more receipts than its bytes hold, or its receipts without blooms do not decode,
    /// or all together exceed [`MAX_EXPANDED_RECEIPTS`]. Receipts with blooms are not decoded.
    pub fn encoded(&self) -> Result<Vec<Vec<u8>>, DecodeError> {
        match self {
            Self::Full(list) => {
                let checked = list.raw().map(|raw| {
                    BlockReceipts::check(raw)?;
                    Ok(raw.to_vec())
                });
                checked.collect()
            }
            Self::Slim(list) => {
                let mut room = MAX_EXPANDED_RECEIPTS;
                list.raw().map(|raw| expand(raw, &mut room)).collect()
            }
        }
    }

    pub(super) fn is_slim(&self) -> bool {
        matches!(self, Self::Slim(_))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Full(list) => list.encode(out),
            Self::Slim(list) => list.encode(out),
        }
    }
}
