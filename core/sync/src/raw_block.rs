//! Headers, bodies and receipts as peers send them, with their hashes and trie roots. Nothing is
//! decoded that need not be. Taking the hashes and roots is the expensive part, and can be done on
//! any thread.

use actoreum_primitives::rlp::{self, DecodeError, List};
use actoreum_primitives::{
    B256, Block, Body, Bytes, EMPTY_OMMERS_HASH, EMPTY_ROOT_HASH, Header, Receipt, keccak256,
};
use actoreum_trie::ordered_root;

/// A header with its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedHeader {
    /// The header.
    pub header: Header,
    /// Keccak-256 of the header's RLP encoding.
    pub hash: B256,
}

impl HashedHeader {
    /// Decodes an RLP header and hashes it.
    ///
    /// # Errors
    /// If `raw` is not the encoding of a header.
    pub fn read(raw: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self {
            header: rlp::decode_exact(raw)?,
            hash: keccak256(raw),
        })
    }

    /// Returns the approximate number of bytes that the header takes in memory.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.header.extra_data.len()
    }

    /// Returns true if the block of this header has an empty body, which needs no fetching.
    pub fn is_empty(&self) -> bool {
        let header = &self.header;
        header.transactions_root == EMPTY_ROOT_HASH
            && header.ommers_hash == EMPTY_OMMERS_HASH
            && header
                .withdrawals_root
                .is_none_or(|root| root == EMPTY_ROOT_HASH)
    }

    /// Returns true if this is the header of the block after `parent`.
    pub fn follows(&self, parent: &Self) -> bool {
        self.header.parent_hash == parent.hash
            && parent.header.number.checked_add(1) == Some(self.header.number)
    }
}

/// An RLP-encoded body with the roots that its header must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBody {
    /// Root of the transaction trie.
    pub transactions_root: B256,
    /// Keccak-256 of the RLP list of ommers.
    pub ommers_hash: B256,
    /// Root of the withdrawal trie, if the body has a list of withdrawals.
    pub withdrawals_root: Option<B256>,
    /// RLP encoding, copied out of the message that it came in: a slice would keep the whole
    /// message in memory.
    pub raw: Bytes,
}

impl RawBody {
    /// Computes the roots of an encoded body.
    ///
    /// # Errors
    /// If `raw` does not have the structure of a body. The transactions are not decoded.
    pub fn read(raw: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = List::open_exact(raw)?;
        let transactions = items(fields.next_list()?)?;
        let transactions: Result<Vec<&[u8]>, _> = transactions.into_iter().map(trie_item).collect();
        let ommers = fields.next_raw()?;
        List::open_exact(ommers)?;
        let withdrawals = if fields.is_empty() {
            None
        } else {
            Some(items(fields.next_list()?)?)
        };
        fields.finish()?;
        Ok(Self {
            transactions_root: root(&transactions?)?,
            ommers_hash: keccak256(ommers),
            withdrawals_root: withdrawals.map(|items| root(&items)).transpose()?,
            raw: Bytes::copy_from_slice(raw),
        })
    }

    /// Returns true if this is the body of the block with this header.
    pub fn belongs_to(&self, header: &Header) -> bool {
        self.transactions_root == header.transactions_root
            && self.ommers_hash == header.ommers_hash
            && self.withdrawals_root == header.withdrawals_root
    }
}

/// The RLP-encoded receipts of a block with the root that its header must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawReceipts {
    /// Root of the receipt trie.
    pub root: B256,
    /// RLP encoding, copied out of the message that it came in.
    pub raw: Bytes,
}

impl RawReceipts {
    /// Computes the root of a block's encoded receipts.
    ///
    /// # Errors
    /// If `raw` does not have the structure of a list of receipts.
    pub fn read(raw: &[u8]) -> Result<Self, DecodeError> {
        let receipts = items(List::open_exact(raw)?)?;
        let receipts: Result<Vec<&[u8]>, _> = receipts.into_iter().map(trie_item).collect();
        Ok(Self {
            root: root(&receipts?)?,
            raw: Bytes::copy_from_slice(raw),
        })
    }
}

/// A part of a block that is fetched by itself: its body or its receipts.
pub(crate) trait BlockPart {
    /// Returns true if the part belongs to the block with this header.
    fn belongs_to(&self, header: &Header) -> bool;
    /// Returns the RLP encoding.
    fn into_raw(self) -> Bytes;
}

impl BlockPart for RawBody {
    fn belongs_to(&self, header: &Header) -> bool {
        self.belongs_to(header)
    }

    fn into_raw(self) -> Bytes {
        self.raw
    }
}

impl BlockPart for RawReceipts {
    fn belongs_to(&self, header: &Header) -> bool {
        self.root == header.receipts_root
    }

    fn into_raw(self) -> Bytes {
        self.raw
    }
}

fn items<'a>(mut list: List<'a>) -> Result<Vec<&'a [u8]>, DecodeError> {
    let mut items = Vec::new();
    while !list.is_empty() {
        items.push(list.next_raw()?);
    }
    Ok(items)
}

/// Returns what the trie holds for an item of a list: a typed item (EIP-2718) without the string
/// around it.
fn trie_item(raw: &[u8]) -> Result<&[u8], DecodeError> {
    match raw.first() {
        Some(0xc0..) => Ok(raw),
        _ => rlp::decode_str(&mut { raw }),
    }
}

fn root(items: &[&[u8]]) -> Result<B256, DecodeError> {
    if items.is_empty() {
        return Ok(EMPTY_ROOT_HASH);
    }
    ordered_root(items).map_err(|_| DecodeError::Custom("an item that no trie can hold"))
}

/// A block with all its parts, its body and receipts still RLP-encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBlock {
    /// The header.
    pub header: HashedHeader,
    /// RLP encoding of the body that belongs to the header; `None` if the body is empty.
    pub body: Option<Bytes>,
    /// RLP encoding of the receipts that belong to the header; `None` if there are none, or if they
    /// were not fetched.
    pub receipts: Option<Bytes>,
}

impl RawBlock {
    /// Decodes the receipts.
    ///
    /// # Errors
    /// If the receipts do not decode although their root is the header's: the block is invalid.
    pub fn decode_receipts(&self) -> Result<Vec<Receipt>, DecodeError> {
        self.receipts
            .as_ref()
            .map_or(Ok(Vec::new()), |raw| rlp::decode_exact(raw))
    }

    /// Decodes the body.
    ///
    /// # Errors
    /// If the body does not decode although its roots are the header's: the block is invalid.
    pub fn into_block(self) -> Result<Block, DecodeError> {
        let header = self.header.header;
        let body = match &self.body {
            Some(raw) => rlp::decode_exact(raw)?,
            None => Body {
                withdrawals: header.withdrawals_root.map(|_| Vec::new()),
                ..Body::default()
            },
        };
        Ok(Block { header, body })
    }
}

#[cfg(test)]
mod tests {
    use actoreum_primitives::{LegacyTx, SecretKey, TxPayload, U256, Withdrawal};

    use super::*;

    fn body(transactions: u64, withdrawals: Option<Vec<Withdrawal>>) -> Body {
        let key = SecretKey::from_bytes(&[7; 32]).unwrap();
        let transactions = (0..transactions).map(|nonce| {
            let payload = LegacyTx {
                nonce,
                value: U256::from(nonce),
                ..LegacyTx::default()
            };
            TxPayload::Legacy(payload).sign(&key)
        });
        Body {
            transactions: transactions.collect(),
            ommers: vec![Header::default()],
            withdrawals,
        }
    }

    #[test]
    fn roots_of_a_body_are_those_of_its_decoded_parts() {
        let withdrawal = Withdrawal {
            index: 1,
            validator_index: 2,
            address: actoreum_primitives::Address::repeat_byte(3),
            amount: 4,
        };
        for body in [
            body(0, None),
            body(3, None),
            body(200, Some(vec![withdrawal])),
        ] {
            let raw_body = RawBody::read(&rlp::encode(&body)).unwrap();
            let items = actoreum_primitives::transaction_trie_items(&body.transactions);
            let wanted = if items.is_empty() {
                EMPTY_ROOT_HASH
            } else {
                ordered_root(&items).unwrap()
            };
            assert_eq!(raw_body.transactions_root, wanted);
            assert_eq!(raw_body.ommers_hash, body.ommers_hash());
            assert_eq!(
                raw_body.withdrawals_root.is_some(),
                body.withdrawals.is_some()
            );
            let header = Header {
                transactions_root: wanted,
                ommers_hash: body.ommers_hash(),
                withdrawals_root: raw_body.withdrawals_root,
                ..Header::default()
            };
            assert!(raw_body.belongs_to(&header));
            let header = HashedHeader::read(&rlp::encode(&header)).unwrap();
            assert_eq!(header.hash, header.header.hash());
            let block = RawBlock {
                header,
                body: Some(raw_body.raw),
                receipts: None,
            };
            assert_eq!(block.into_block().unwrap().body, body);
        }
    }

    #[test]
    fn a_malformed_body_is_refused() {
        for raw in [
            &[0xc0_u8][..],
            &[0xc2, 0xc0, 0x80],
            &[0x80],
            &[0xc3, 0xc0, 0xc0],
            &[],
        ] {
            assert!(RawBody::read(raw).is_err(), "{raw:02x?}");
        }
    }
}
