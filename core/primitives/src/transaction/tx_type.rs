//! The type byte of EIP-2718.

use crate::rlp::{DecodeError, EMPTY_LIST};

/// A transaction's type (EIP-2718).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TxType {
    /// A transaction from before EIP-2718.
    Legacy = 0,
    /// A transaction with an access list (EIP-2930, Berlin).
    AccessList = 1,
    /// A transaction with a fee market (EIP-1559, London).
    DynamicFee = 2,
    /// A transaction with blobs (EIP-4844, Cancun).
    Blob = 3,
    /// A transaction with authorizations to set code (EIP-7702, Prague).
    SetCode = 4,
}

impl TxType {
    /// Every type.
    pub const ALL: [Self; 5] = [
        Self::Legacy,
        Self::AccessList,
        Self::DynamicFee,
        Self::Blob,
        Self::SetCode,
    ];

    /// Returns the type for the byte before an envelope; it is never legacy.
    pub fn from_prefix(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::AccessList),
            2 => Some(Self::DynamicFee),
            3 => Some(Self::Blob),
            4 => Some(Self::SetCode),
            _ => None,
        }
    }

    /// Splits an encoding of EIP-2718 into type and payload. A first byte of 0xc0 or above begins a
    /// legacy list; a lower one is a type.
    pub(crate) fn split(bytes: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let (&first, rest) = bytes
            .split_first()
            .ok_or(DecodeError::InputTooShort { needed: None })?;
        if first >= EMPTY_LIST {
            return Ok((Self::Legacy, bytes));
        }
        let tx_type = Self::from_prefix(first).ok_or(DecodeError::UnsupportedTxType)?;
        Ok((tx_type, rest))
    }
}
