//! `RLPTests`: valid encodings, and invalid ones that must not decode.

use actoreum_primitives::rlp::{self, Decode, DecodeError, Encode, List};
use actoreum_primitives::{Bytes, U256};
use serde_json::Value;

use crate::archive::ArchivedFile;
use crate::json::{self, parse_hex};
use crate::report::{Difference, Report, same};

/// Any RLP item.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Text(Bytes),
    List(Vec<Item>),
}

impl Encode for Item {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(bytes) => bytes.encode(out),
            Self::List(items) => items.encode(out),
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Text(bytes) => bytes.length(),
            Self::List(items) => items.length(),
        }
    }
}

impl Decode for Item {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        if buf.first().is_some_and(|first| *first < rlp::EMPTY_LIST) {
            return Bytes::decode(buf).map(Self::Text);
        }
        let mut list = List::open(buf)?;
        let mut items = Vec::new();
        while let Some(item) = list.next_optional()? {
            items.push(item);
        }
        Ok(Self::List(items))
    }
}

/// Returns a decimal number of any size in big endian without leading zeros.
fn big_endian(decimal: &str) -> Vec<u8> {
    let mut bytes = Vec::<u8>::new();
    for digit in decimal.bytes() {
        let mut carry = u32::from(digit - b'0');
        for byte in &mut bytes {
            carry += u32::from(*byte) * 10;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        if carry > 0 {
            bytes.push(carry as u8);
        }
    }
    bytes.reverse();
    bytes
}

fn item(value: &Value) -> Item {
    match value {
        Value::Number(number) => {
            let number = U256::from(number.as_u64().expect("the vectors' bare numbers fit u64"));
            Item::Text(number.to_be_bytes_trimmed_vec().into())
        }
        Value::String(text) => match text.strip_prefix('#') {
            Some(decimal) => Item::Text(big_endian(decimal).into()),
            None => Item::Text(text.clone().into_bytes().into()),
        },
        Value::Array(values) => Item::List(values.iter().map(item).collect()),
        other => panic!("no RLP vector holds {other}"),
    }
}

fn run_one(input: &Value, encoded: &str) -> Result<(), Difference> {
    let Some(encoded) = parse_hex(encoded) else {
        return Err(Difference::new("out", "hexadecimal", encoded));
    };
    let decoded = rlp::decode_exact::<Item>(&encoded);
    match input.as_str() {
        Some("INVALID") => match decoded {
            Err(_) => Ok(()),
            Ok(item) => Err(Difference::new("decoding", "an error", format!("{item:?}"))),
        },
        Some("VALID") => match decoded {
            Ok(item) => same("encoding again", &encoded, &rlp::encode(&item).into()),
            Err(error) => Err(Difference::new("decoding", "an item", error)),
        },
        _ => {
            let item = item(input);
            same("encoding", &encoded, &rlp::encode(&item).into())?;
            same("length", &encoded.len(), &item.length())?;
            same("decoding", &Ok(item), &decoded)
        }
    }
}

/// Runs a file of `RLPTests`.
pub fn run(file: &ArchivedFile, report: &Report) {
    let vectors = json::named_vectors(&file.content).expect("an RLP file is a JSON object");
    for (name, text) in vectors {
        let vector: Value = serde_json::from_str(text.get()).expect("an RLP vector is JSON");
        let encoded = vector["out"].as_str().unwrap_or_default();
        report.record(
            "rlp",
            "-",
            &format!("{} {name}", file.path),
            run_one(&vector["in"], encoded),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size() {
        assert_eq!(big_endian("0"), [] as [u8; 0]);
        assert_eq!(big_endian("1000"), [3, 232]);
        let power =
            "115792089237316195423570985008687907853269984665640564039457584007913129639936";
        assert_eq!(big_endian(power), [&[1][..], &[0; 32]].concat());
    }

    #[test]
    fn a_wrong_encoding_is_noticed() {
        assert!(run_one(&Value::from("dog"), "0x83646f67").is_ok());
        assert!(run_one(&Value::from("dog"), "0x83646f68").is_err());
        assert!(run_one(&Value::from("INVALID"), "0x83646f67").is_err());
        assert!(run_one(&Value::from("VALID"), "0x83646f").is_err());
    }
}
