//! Numbers and bytes in the notations of the vectors.

use std::collections::BTreeMap;

use actoreum_primitives::{Bytes, U256};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A number: `"0x2a"`, `"0x"`, `"42"`, `42`, or with the marker that retesteth puts before numbers
/// that do not fit (`"0x:bigint 0x1..."`), for which [`Number::value`] is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number(pub Option<U256>);

/// A missing number is zero.
impl Default for Number {
    fn default() -> Self {
        Self(Some(U256::ZERO))
    }
}

impl Number {
    /// Returns the number, if it fits 256 bits.
    pub fn value(self) -> Option<U256> {
        self.0
    }

    /// Returns the number as 64 bits.
    ///
    /// # Panics
    /// Panics if the number does not fit.
    pub fn as_u64(self) -> u64 {
        self.0
            .and_then(|value| u64::try_from(value).ok())
            .expect("the vector's number fits u64")
    }

    /// Returns the number as 256 bits.
    ///
    /// # Panics
    /// Panics if the number does not fit.
    pub fn as_u256(self) -> U256 {
        self.0.expect("the vector's number fits 256 bits")
    }
}

/// Parses a number in a notation of the vectors.
pub fn parse_number(text: &str) -> Option<U256> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        if digits.is_empty() {
            return Some(U256::ZERO);
        }
        let digits = digits.trim_start_matches('0');
        if digits.len() > 64 {
            return None;
        }
        return U256::from_str_radix(if digits.is_empty() { "0" } else { digits }, 16).ok();
    }
    U256::from_str_radix(text, 10).ok()
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Number;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a number, or text that holds one")
            }

            fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
                Ok(Number(Some(U256::from(value))))
            }

            fn visit_str<E>(self, text: &str) -> Result<Number, E> {
                Ok(Number(parse_number(text)))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Bytes in hexadecimal, with or without `0x`, of any number of digits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hex(pub Bytes);

/// Parses hexadecimal bytes; an odd digit at the start counts as a byte.
pub fn parse_hex(text: &str) -> Option<Bytes> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.len() % 2 == 1 {
        return hex::decode(format!("0{digits}")).ok().map(Bytes::from);
    }
    hex::decode(digits).ok().map(Bytes::from)
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        parse_hex(&text)
            .map(Hex)
            .ok_or_else(|| serde::de::Error::custom("not hexadecimal"))
    }
}

/// Splits a file into its named vectors, each still as text, so that they can be parsed in
/// parallel.
///
/// # Errors
/// The file is not a JSON object.
pub fn named_vectors(content: &[u8]) -> serde_json::Result<BTreeMap<String, &RawValue>> {
    serde_json::from_slice(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_every_spelling() {
        for (text, value) in [("\"0x2a\"", 42), ("\"42\"", 42), ("42", 42), ("\"0x\"", 0)] {
            let number: Number = serde_json::from_str(text).unwrap();
            assert_eq!(number.value(), Some(U256::from(value)), "{text}");
        }
        assert_eq!(parse_number(&format!("0x1{}", "0".repeat(64))), None);
        assert_eq!(parse_number("0x:bigint 0x10"), None);
    }

    #[test]
    fn hex_with_and_without_prefix() {
        assert_eq!(parse_hex("0x0102").unwrap().as_ref(), [1, 2]);
        assert_eq!(parse_hex("102").unwrap().as_ref(), [1, 2]);
        assert_eq!(parse_hex("zz"), None);
    }
}
