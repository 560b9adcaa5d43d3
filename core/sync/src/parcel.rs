//! What arrives from peers, made ready for the rules: hashes and roots taken, nothing decoded
//! that need not be. Taking them is the expensive part, and can be done on any thread.

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
    /// Its hash.
    pub hash: B256,
}

impl HashedHeader {
    /// Reads an encoded header.
    ///
    /// # Errors
    /// Where it is none.
    pub fn read(raw: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self {
            header: rlp::decode_exact(raw)?,
            hash: keccak256(raw),
        })
    }

    /// Bytes that it takes in memory, about.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.header.extra_data.len()
    }

    /// Whether the block of this header has an empty body, which needs no fetching.
    pub fn is_empty(&self) -> bool {
        let header = &self.header;
        header.transactions_root == EMPTY_ROOT_HASH
            && header.ommers_hash == EMPTY_OMMERS_HASH
            && header
                .withdrawals_root
                .is_none_or(|root| root == EMPTY_ROOT_HASH)
    }

    /// Whether this is the header of the block after `parent`.
    pub fn follows(&self, parent: &Self) -> bool {
        self.header.parent_hash == parent.hash
            && parent.header.number.checked_add(1) == Some(self.header.number)
    }
}

/// An encoded body with the roots that its header must state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyParcel {
    /// The root of the trie of transactions.
    pub transactions_root: B256,
    /// Keccak-256 of the list of ommers.
    pub ommers_hash: B256,
    /// The root of the trie of withdrawals, where there is a list of them.
    pub withdrawals_root: Option<B256>,
    /// The encoding, in memory of its own: of a large message nothing else is kept.
    pub raw: Bytes,
}

impl BodyParcel {
    /// Takes the roots of an encoded body.
    ///
    /// # Errors
    /// Where it is not even of the shape of a body. The transactions are not looked at.
    pub fn read(raw: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = List::open_exact(raw)?;
        let transactions = items(fields.next_list()?)?;
        let transactions: Result<Vec<&[u8]>, _> = transactions.into_iter().map(trie_item).collect();
        let ommers = fields.next_raw()?;
        List::open_exact(ommers)?;
        let withdrawals = match fields.is_empty() {
            true => None,
            false => Some(items(fields.next_list()?)?),
        };
        fields.finish()?;
        Ok(Self {
            transactions_root: root(&transactions?)?,
            ommers_hash: keccak256(ommers),
            withdrawals_root: withdrawals.map(|items| root(&items)).transpose()?,
            raw: Bytes::copy_from_slice(raw),
        })
    }

    /// Whether this is the body of the block with this header.
    pub fn belongs_to(&self, header: &Header) -> bool {
        self.transactions_root == header.transactions_root
            && self.ommers_hash == header.ommers_hash
            && self.withdrawals_root == header.withdrawals_root
    }
}

/// The encoded receipts of a block with the root that its header must state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptsParcel {
    /// The root of the trie of receipts.
    pub root: B256,
    /// The encoding, in memory of its own.
    pub raw: Bytes,
}

impl ReceiptsParcel {
    /// Takes the root of a block's encoded receipts.
    ///
    /// # Errors
    /// Where it is no list of receipts by its shape.
    pub fn read(raw: &[u8]) -> Result<Self, DecodeError> {
        let receipts = items(List::open_exact(raw)?)?;
        let receipts: Result<Vec<&[u8]>, _> = receipts.into_iter().map(trie_item).collect();
        Ok(Self {
            root: root(&receipts?)?,
            raw: Bytes::copy_from_slice(raw),
        })
    }
}

/// A part of a block that is fetched by itself.
pub(crate) trait Parcel {
    /// Whether it is of the block with this header.
    fn belongs_to(&self, header: &Header) -> bool;
    /// Its encoding.
    fn into_raw(self) -> Bytes;
}

impl Parcel for BodyParcel {
    fn belongs_to(&self, header: &Header) -> bool {
        self.belongs_to(header)
    }

    fn into_raw(self) -> Bytes {
        self.raw
    }
}

impl Parcel for ReceiptsParcel {
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

/// What the trie holds for an item of a list: a typed one (EIP-2718) without the string around it.
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

/// A block of which all parts are there, its body still encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockParcel {
    /// The header.
    pub header: HashedHeader,
    /// The body that belongs to it; `None`: it is empty.
    pub body: Option<Bytes>,
    /// The receipts that belong to it; `None`: there are none, or they were not fetched.
    pub receipts: Option<Bytes>,
}

impl BlockParcel {
    /// Decodes the receipts.
    ///
    /// # Errors
    /// Where the header's root is that of something else: the block is invalid.
    pub fn decode_receipts(&self) -> Result<Vec<Receipt>, DecodeError> {
        self.receipts
            .as_ref()
            .map_or(Ok(Vec::new()), |raw| rlp::decode_exact(raw))
    }

    /// Decodes the body.
    ///
    /// # Errors
    /// Where the header's roots are those of something that is no body: the block is invalid.
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
            let parcel = BodyParcel::read(&rlp::encode(&body)).unwrap();
            let items = actoreum_primitives::transaction_trie_items(&body.transactions);
            let wanted = match items.is_empty() {
                true => EMPTY_ROOT_HASH,
                false => ordered_root(&items).unwrap(),
            };
            assert_eq!(parcel.transactions_root, wanted);
            assert_eq!(parcel.ommers_hash, body.ommers_hash());
            assert_eq!(
                parcel.withdrawals_root.is_some(),
                body.withdrawals.is_some()
            );
            let header = Header {
                transactions_root: wanted,
                ommers_hash: body.ommers_hash(),
                withdrawals_root: parcel.withdrawals_root,
                ..Header::default()
            };
            assert!(parcel.belongs_to(&header));
            let header = HashedHeader::read(&rlp::encode(&header)).unwrap();
            assert_eq!(header.hash, header.header.hash());
            let block = BlockParcel {
                header,
                body: Some(parcel.raw),
                receipts: None,
            };
            assert_eq!(block.into_block().unwrap().body, body);
        }
    }

    #[test]
    fn what_has_not_the_shape_of_a_body_is_refused() {
        for raw in [
            &[0xc0_u8][..],
            &[0xc2, 0xc0, 0x80],
            &[0x80],
            &[0xc3, 0xc0, 0xc0],
            &[],
        ] {
            assert!(BodyParcel::read(raw).is_err(), "{raw:02x?}");
        }
    }
}
