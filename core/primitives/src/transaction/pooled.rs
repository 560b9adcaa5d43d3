//! Transactions in the form that pools exchange: with their blobs (EIP-4844, EIP-7594).

use alloy_primitives::{Bytes, FixedBytes};

use super::{Transaction, TxType, decode_enveloped, encode_enveloped, enveloped_length};
use crate::limits::BLOB_BYTES;
use crate::rlp::{self, Decode, DecodeError, Encode, List};

/// The `wrapper_version` of a sidecar with cell proofs (EIP-7594).
const CELL_PROOFS_VERSION: u8 = 1;

/// The KZG proofs of a sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SidecarProofs {
    /// One proof for each blob (EIP-4844).
    Blob(Vec<FixedBytes<48>>),
    /// 128 proofs for each blob, one for each cell (EIP-7594, Osaka).
    Cell(Vec<FixedBytes<48>>),
}

/// The blobs of a transaction with their commitments and proofs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobSidecar {
    /// Blobs of 131,072 bytes each.
    pub blobs: Vec<Bytes>,
    /// KZG commitment to each blob.
    pub commitments: Vec<FixedBytes<48>>,
    /// KZG proofs of the commitments.
    pub proofs: SidecarProofs,
}

impl BlobSidecar {
    fn proofs(&self) -> &[FixedBytes<48>] {
        match &self.proofs {
            SidecarProofs::Blob(proofs) | SidecarProofs::Cell(proofs) => proofs,
        }
    }

    fn version_length(&self) -> usize {
        usize::from(matches!(self.proofs, SidecarProofs::Cell(_)))
    }
}

/// A transaction in the form that pools exchange. A blob transaction includes its blobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PooledTransaction {
    /// The transaction as a block contains it.
    pub transaction: Transaction,
    /// The sidecar: present for every blob transaction, absent for every other.
    pub sidecar: Option<BlobSidecar>,
}

impl PooledTransaction {
    /// Returns the canonical encoding of EIP-2718 in the network form.
    pub fn encode_2718(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + self.list_length());
        if self.transaction.tx_type() != TxType::Legacy {
            out.push(self.transaction.tx_type() as u8);
        }
        self.encode_list(&mut out);
        out
    }

    /// Decodes the encoding of [`PooledTransaction::encode_2718`]. Trailing bytes and a blob
    /// transaction without its blobs are errors.
    pub fn decode_2718(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (tx_type, mut list) = TxType::split(bytes)?;
        let pooled = Self::decode_list(tx_type, &mut list)?;
        if list.is_empty() {
            Ok(pooled)
        } else {
            Err(DecodeError::TrailingBytes)
        }
    }

    fn payload_length(&self, sidecar: &BlobSidecar) -> usize {
        self.transaction.list_length()
            + sidecar.version_length()
            + sidecar.blobs.length()
            + sidecar.commitments.length()
            + sidecar.proofs().length()
    }

    fn list_length(&self) -> usize {
        match &self.sidecar {
            Some(sidecar) => rlp::list_length(self.payload_length(sidecar)),
            None => self.transaction.list_length(),
        }
    }

    fn encode_list(&self, out: &mut Vec<u8>) {
        let Some(sidecar) = &self.sidecar else {
            return self.transaction.encode_list(out);
        };
        rlp::encode_list_header(self.payload_length(sidecar), out);
        self.transaction.encode_list(out);
        if matches!(sidecar.proofs, SidecarProofs::Cell(_)) {
            out.push(CELL_PROOFS_VERSION);
        }
        sidecar.blobs.encode(out);
        sidecar.commitments.encode(out);
        sidecar.proofs().encode(out);
    }

    fn decode_list(tx_type: TxType, buf: &mut &[u8]) -> Result<Self, DecodeError> {
        if tx_type != TxType::Blob {
            let transaction = Transaction::decode_list(tx_type, buf)?;
            return Ok(Self {
                transaction,
                sidecar: None,
            });
        }
        let mut list = List::open(buf)?;
        let mut raw_transaction = list.next_raw()?;
        let transaction = Transaction::decode_list(tx_type, &mut raw_transaction)?;
        let has_version = list.remaining().first() == Some(&CELL_PROOFS_VERSION);
        if has_version {
            list.next_raw()?;
        }
        let blobs: Vec<Bytes> = decode_blobs(list.next_list()?)?;
        let commitments = list.next()?;
        let proofs = list.next()?;
        list.finish()?;
        let proofs = if has_version {
            SidecarProofs::Cell(proofs)
        } else {
            SidecarProofs::Blob(proofs)
        };
        Ok(Self {
            transaction,
            sidecar: Some(BlobSidecar {
                blobs,
                commitments,
                proofs,
            }),
        })
    }
}

fn decode_blobs(mut list: List<'_>) -> Result<Vec<Bytes>, DecodeError> {
    let mut blobs = Vec::new();
    while !list.is_empty() {
        let blob: Bytes = list.next()?;
        if blob.len() != BLOB_BYTES {
            return Err(DecodeError::UnexpectedLength);
        }
        blobs.push(blob);
    }
    Ok(blobs)
}

impl Encode for PooledTransaction {
    fn encode(&self, out: &mut Vec<u8>) {
        let tx_type = self.transaction.tx_type();
        encode_enveloped(tx_type, self.list_length(), out, |out| {
            self.encode_list(out)
        });
    }

    fn length(&self) -> usize {
        enveloped_length(self.transaction.tx_type(), self.list_length())
    }
}

impl Decode for PooledTransaction {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        decode_enveloped(buf, Self::decode_list)
    }
}
