//! Requests to sign transactions.

use actoreum_primitives::{AccessListItem, Address, TxPayload, U256};

use super::{frames::Message, message::MAX_DATA_CHUNK, protobuf::Encoder};
use crate::DerivationPath;

const SIGN_LEGACY: u16 = 58;
const SIGN_DYNAMIC_FEE: u16 = 452;

/// Encodes the request to sign a transaction, with the first [`MAX_DATA_CHUNK`] bytes of its input;
/// the device requests the rest. `None` if no firmware supports the transaction's type.
pub fn sign_transaction(path: &DerivationPath, payload: &TxPayload) -> Option<Message> {
    let fields = Encoder::default().numbers(1, path.components());
    let first = payload.input();
    let first = first.get(..MAX_DATA_CHUNK).unwrap_or(first);
    let length = payload.input().len() as u64;
    let nonce = U256::from(payload.nonce());
    let gas_limit = U256::from(payload.gas_limit());
    let (kind, fields) = match payload {
        TxPayload::Legacy(tx) => {
            let fields = integer(fields, 2, nonce);
            let fields = integer(fields, 3, tx.gas_price);
            let mut fields = integer(fields, 4, gas_limit);
            if let Some(to) = tx.to {
                // Firmwares before 1.8 and 2.1 read the bytes, later ones the digits.
                fields = fields.bytes(5, to.as_slice()).bytes(11, &digits(&to));
            }
            let mut fields = integer(fields, 6, tx.value)
                .bytes(7, first)
                .number(8, length);
            if let Some(chain_id) = tx.chain_id {
                fields = fields.number(9, chain_id);
            }
            (SIGN_LEGACY, fields)
        }
        TxPayload::DynamicFee(tx) => {
            let fields = integer(fields, 2, nonce);
            let fields = integer(fields, 3, tx.max_fee_per_gas);
            let fields = integer(fields, 4, tx.max_priority_fee_per_gas);
            let mut fields = integer(fields, 5, gas_limit);
            if let Some(to) = tx.to {
                fields = fields.bytes(6, &digits(&to));
            }
            let fields = integer(fields, 7, tx.value)
                .bytes(8, first)
                .number(9, length)
                .number(10, tx.chain_id);
            let fields = tx
                .access_list
                .iter()
                .fold(fields, |fields, item| fields.bytes(11, &access(item)));
            (SIGN_DYNAMIC_FEE, fields)
        }
        TxPayload::AccessList(_) | TxPayload::Blob(_) | TxPayload::SetCode(_) => return None,
    };
    Some(Message {
        kind,
        content: fields.finish(),
    })
}

/// Writes a number in its minimal big-endian bytes.
fn integer(fields: Encoder, field: u32, value: U256) -> Encoder {
    fields.bytes(field, &value.to_be_bytes_trimmed_vec())
}

/// Returns an address as hex digits with their checksum (EIP-55).
fn digits(address: &Address) -> Vec<u8> {
    address.to_string().into_bytes()
}

fn access(item: &AccessListItem) -> Vec<u8> {
    let fields = Encoder::default().bytes(1, &digits(&item.address));
    let keys = item.storage_keys.iter();
    let fields = keys.fold(fields, |fields, key| fields.bytes(2, key.as_slice()));
    fields.finish().to_vec()
}
