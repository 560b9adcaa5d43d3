//! Typed data (EIP-712) for firmwares from 2.4.3 on, which request the members of each struct, then
//! the values one by one, so that the device can show each value and compute the hashes itself.

use alloy_dyn_abi::{DynSolType, DynSolValue};

use super::{TrezorError, frames::Message, protobuf::Encoder};
use crate::TypedData;

const STRUCT_ACK: u16 = 466;
const VALUE_ACK: u16 = 468;

/// Values of `EthereumDataType`.
const UINT: u64 = 1;
const INT: u64 = 2;
const BYTES: u64 = 3;
const STRING: u64 = 4;
const BOOL: u64 = 5;
const ADDRESS: u64 = 6;
const ARRAY: u64 = 7;
const STRUCT: u64 = 8;

/// A part of typed data that the device requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The members of the struct with this name.
    Struct(String),
    /// The value at this path, or the number of elements of an array.
    Value(Vec<u32>),
}

impl Part {
    /// Encodes the message with this part.
    ///
    /// # Errors
    /// If the part does not exist, or the protocol can't express it.
    pub fn of(&self, data: &TypedData) -> Result<Message, TrezorError> {
        match self {
            Self::Struct(name) => members(data, name),
            Self::Value(path) => value(data, path),
        }
    }
}

fn members(data: &TypedData, name: &str) -> Result<Message, TrezorError> {
    let none = TrezorError::Malformed("it asks for a struct that there is not");
    let mut fields = Encoder::default();
    for (name, of_type) in data.members(name).ok_or(none)? {
        let member = Encoder::default()
            .bytes(1, &field_type(&of_type)?)
            .bytes(2, name.as_bytes());
        fields = fields.bytes(1, &member.finish());
    }
    Ok(Message {
        kind: STRUCT_ACK,
        content: fields.finish(),
    })
}

/// Encodes an `EthereumFieldType`.
fn field_type(of_type: &DynSolType) -> Result<Vec<u8>, TrezorError> {
    let of = |data_type| Encoder::default().number(1, data_type);
    let sized = |data_type, size: usize| of(data_type).number(2, size as u64);
    let fields = match of_type {
        DynSolType::Uint(bits) => sized(UINT, bits / 8),
        DynSolType::Int(bits) => sized(INT, bits / 8),
        DynSolType::FixedBytes(size) => sized(BYTES, *size),
        DynSolType::Bytes => of(BYTES),
        DynSolType::String => of(STRING),
        DynSolType::Bool => of(BOOL),
        DynSolType::Address => of(ADDRESS),
        DynSolType::Array(entry) => of(ARRAY).bytes(3, &field_type(entry)?),
        DynSolType::FixedArray(entry, size) => sized(ARRAY, *size).bytes(3, &field_type(entry)?),
        DynSolType::CustomStruct { name, tuple, .. } => {
            sized(STRUCT, tuple.len()).bytes(4, name.as_bytes())
        }
        DynSolType::Function | DynSolType::Tuple(_) => return Err(TrezorError::UnsupportedType),
    };
    Ok(fields.finish().to_vec())
}

fn value(data: &TypedData, path: &[u32]) -> Result<Message, TrezorError> {
    let none = TrezorError::Malformed("it asks for a value that there is not");
    let encoded = match data.value_at(path).ok_or(none.clone())? {
        DynSolValue::Uint(value, bits) => last(&value.to_be_bytes::<32>(), bits / 8).to_vec(),
        DynSolValue::Int(value, bits) => last(&value.to_be_bytes::<32>(), bits / 8).to_vec(),
        DynSolValue::FixedBytes(value, size) => value[..*size].to_vec(),
        DynSolValue::Bytes(value) => value.clone(),
        DynSolValue::String(value) => value.as_bytes().to_vec(),
        DynSolValue::Bool(value) => vec![u8::from(*value)],
        DynSolValue::Address(value) => value.to_vec(),
        DynSolValue::Array(elements) | DynSolValue::FixedArray(elements) => {
            let count = u16::try_from(elements.len()).map_err(|_| TrezorError::TooManyElements)?;
            count.to_be_bytes().to_vec()
        }
        DynSolValue::CustomStruct { .. } => return Err(none),
        DynSolValue::Function(_) | DynSolValue::Tuple(_) => {
            return Err(TrezorError::UnsupportedType);
        }
    };
    Ok(Message {
        kind: VALUE_ACK,
        content: Encoder::default().bytes(1, &encoded).finish(),
    })
}

/// Returns the last `size` bytes of a number, those of its type.
fn last(bytes: &[u8; 32], size: usize) -> &[u8] {
    &bytes[32 - size..]
}
