//! Typed transactions and receipts as items of a list (EIP-2718).

use super::TxType;
use crate::rlp::{self, DecodeError, EMPTY_LIST, Header};

/// Encodes a legacy item as its list, and a typed item as a string of its type byte and its list.
pub(crate) fn encode_enveloped(
    tx_type: TxType,
    list_length: usize,
    out: &mut Vec<u8>,
    encode_list: impl FnOnce(&mut Vec<u8>),
) {
    if tx_type != TxType::Legacy {
        Header {
            list: false,
            payload_length: 1 + list_length,
        }
        .encode(out);
        out.push(tx_type as u8);
    }
    encode_list(out);
}

/// Returns the size of the encoding of [`encode_enveloped`].
pub(crate) fn enveloped_length(tx_type: TxType, list_length: usize) -> usize {
    if tx_type == TxType::Legacy {
        list_length
    } else {
        rlp::list_length(1 + list_length)
    }
}

/// Decodes the encoding of [`encode_enveloped`].
pub(crate) fn decode_enveloped<T>(
    buf: &mut &[u8],
    decode_list: impl FnOnce(TxType, &mut &[u8]) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    if buf.first().is_some_and(|first| *first >= EMPTY_LIST) {
        return decode_list(TxType::Legacy, buf);
    }
    let (tx_type, mut list) = TxType::split(rlp::decode_str(buf)?)?;
    if tx_type == TxType::Legacy {
        return Err(DecodeError::Custom("legacy item wrapped in a string"));
    }
    let value = decode_list(tx_type, &mut list)?;
    if list.is_empty() {
        Ok(value)
    } else {
        Err(DecodeError::TrailingBytes)
    }
}
