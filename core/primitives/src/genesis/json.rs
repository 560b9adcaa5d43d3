//! A JSON reader whose values know their path, so that an error can name the field.

use std::fmt;

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::limits::QUOTED_VALUE_CHARS;

/// An error about a field of a genesis or a chain config.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("genesis: {}{reason}", if field.is_empty() { String::new() } else { format!("{field}: ") })]
pub struct GenesisError {
    /// Path of the field, such as `config.londonBlock`; empty for the whole file.
    pub field: String,
    /// Description of the problem.
    pub reason: String,
}

impl GenesisError {
    pub(crate) fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

/// A JSON value with its path, parsed on demand.
pub(crate) struct Node<'a> {
    path: String,
    raw: &'a str,
}

/// The members of an object, in their order.
pub(crate) struct Object<'a> {
    path: String,
    members: Vec<(String, &'a RawValue)>,
}

impl<'a> Node<'a> {
    /// Parses the single value of a file.
    pub(crate) fn root(json: &'a str) -> Result<Self, GenesisError> {
        let raw: &RawValue = serde_json::from_str(json)
            .map_err(|error| GenesisError::new("", format!("not valid JSON: {error}")))?;
        Ok(Self {
            path: String::new(),
            raw: raw.get(),
        })
    }

    /// Parses the first value of a text and tells whether anything but whitespace follows it. Go's
    /// decoder, with which geth reads its file, ignores such text.
    pub(crate) fn first(json: &'a str) -> Result<(Self, bool), GenesisError> {
        let mut values = serde_json::Deserializer::from_str(json).into_iter::<&RawValue>();
        let raw = match values.next() {
            Some(Ok(raw)) => raw,
            Some(Err(error)) => {
                return Err(GenesisError::new("", format!("not valid JSON: {error}")));
            }
            None => return Err(GenesisError::new("", "not valid JSON: the file is empty")),
        };
        let rest = json.get(values.byte_offset()..).unwrap_or_default();
        let node = Self {
            path: String::new(),
            raw: raw.get(),
        };
        Ok((node, !rest.trim().is_empty()))
    }

    /// Returns the value with another path.
    pub(crate) fn at(self, path: &str) -> Self {
        Self {
            path: path.to_owned(),
            raw: self.raw,
        }
    }

    pub(crate) fn error(&self, reason: impl Into<String>) -> GenesisError {
        GenesisError::new(self.path.clone(), reason)
    }

    fn unexpected(&self, wanted: &str) -> GenesisError {
        let mut quoted: String = self.raw.chars().take(QUOTED_VALUE_CHARS).collect();
        if quoted.len() < self.raw.len() {
            quoted.push('…');
        }
        self.error(format!("expected {wanted}, found {quoted}"))
    }

    pub(crate) fn object(&self) -> Result<Object<'a>, GenesisError> {
        if !self.raw.starts_with('{') {
            return Err(self.unexpected("an object"));
        }
        let Members(members) =
            serde_json::from_str(self.raw).map_err(|error| self.error(error.to_string()))?;
        Ok(Object {
            path: self.path.clone(),
            members,
        })
    }

    pub(crate) fn bool(&self) -> Result<bool, GenesisError> {
        match self.raw {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.unexpected("true or false")),
        }
    }

    /// Returns a string's content, or the digits of a number.
    fn text(&self, wanted: &str) -> Result<String, GenesisError> {
        let first = self.raw.as_bytes().first();
        match first {
            Some(b'"') => serde_json::from_str(self.raw).map_err(|_| self.unexpected(wanted)),
            Some(b'0'..=b'9' | b'-') => Ok(self.raw.to_owned()),
            _ => Err(self.unexpected(wanted)),
        }
    }

    /// Parses a number, or a string with a decimal number or, after `0x`, a hexadecimal one.
    pub(crate) fn u256(&self) -> Result<U256, GenesisError> {
        const WANTED: &str = "a whole number below 2^256 (decimal, or hexadecimal with 0x)";
        let text = self.text(WANTED)?;
        let (digits, radix) = match strip_0x(&text) {
            Some(digits) => (digits, 16),
            None => (text.as_str(), 10),
        };
        let is_number = digits.bytes().all(|byte| char::from(byte).is_digit(radix));
        if !is_number {
            return Err(self.unexpected(WANTED));
        }
        // A string without digits means zero, as in old genesis files.
        U256::from_str_radix(digits, u64::from(radix)).map_err(|_| self.unexpected(WANTED))
    }

    pub(crate) fn u64(&self) -> Result<u64, GenesisError> {
        u64::try_from(self.u256()?).map_err(|_| self.unexpected("a whole number below 2^64"))
    }

    pub(crate) fn string(&self) -> Result<String, GenesisError> {
        serde_json::from_str(self.raw).map_err(|_| self.unexpected("a string"))
    }

    /// Parses a list of strings.
    pub(crate) fn strings(&self) -> Result<Vec<String>, GenesisError> {
        serde_json::from_str(self.raw).map_err(|_| self.unexpected("a list of strings"))
    }

    /// Returns true if the value is an empty list or object.
    pub(crate) fn is_empty(&self) -> bool {
        let inside = |open, close| self.raw.strip_prefix(open)?.strip_suffix(close);
        let content = inside('{', '}').or_else(|| inside('[', ']'));
        content.is_some_and(|content| content.trim().is_empty())
    }

    /// Parses a string of hexadecimal digits, two a byte, with or without `0x`.
    pub(crate) fn bytes(&self) -> Result<Bytes, GenesisError> {
        const WANTED: &str = "hexadecimal bytes";
        let text = self.text(WANTED)?;
        hex::decode(text)
            .map(Bytes::from)
            .map_err(|_| self.unexpected(WANTED))
    }

    pub(crate) fn address(&self) -> Result<Address, GenesisError> {
        const WANTED: &str = "an address of 20 bytes in hexadecimal";
        parse_address(&self.text(WANTED)?).ok_or_else(|| self.unexpected(WANTED))
    }

    pub(crate) fn b256(&self) -> Result<B256, GenesisError> {
        const WANTED: &str = "32 bytes in hexadecimal";
        let bytes = hex::decode(self.text(WANTED)?).map_err(|_| self.unexpected(WANTED))?;
        B256::try_from(bytes.as_slice()).map_err(|_| self.unexpected(WANTED))
    }

    /// Parses at most 32 bytes, padded with zeros at the left.
    pub(crate) fn word(&self) -> Result<B256, GenesisError> {
        const WANTED: &str = "at most 32 bytes in hexadecimal";
        parse_word(&self.text(WANTED)?).ok_or_else(|| self.unexpected(WANTED))
    }
}

impl<'a> Object<'a> {
    /// Returns the member with this name, ignoring case as Go's JSON decoder does. Of several
    /// members with the name the last one counts. A null counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<Node<'a>> {
        let (_, value) = self
            .members
            .iter()
            .rev()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        (value.get() != "null").then(|| self.node(name, value))
    }

    pub(crate) fn require(&self, name: &str) -> Result<Node<'a>, GenesisError> {
        self.get(name)
            .ok_or_else(|| GenesisError::new(self.member_path(name), "missing"))
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, Node<'a>)> {
        self.members
            .iter()
            .map(|(key, value)| (key.as_str(), self.node(key, value)))
    }

    /// Parses an optional member with `read`.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Node<'a>) -> Result<T, GenesisError>,
    ) -> Result<Option<T>, GenesisError> {
        self.get(name).as_ref().map(read).transpose()
    }

    fn node(&self, name: &str, value: &'a RawValue) -> Node<'a> {
        Node {
            path: self.member_path(name),
            raw: value.get(),
        }
    }

    fn member_path(&self, name: &str) -> String {
        let mut name: String = name.chars().take(QUOTED_VALUE_CHARS).collect();
        if !self.path.is_empty() {
            name.insert(0, '.');
            name.insert_str(0, &self.path);
        }
        name
    }
}

pub(crate) fn strip_0x(text: &str) -> Option<&str> {
    text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))
}

pub(crate) fn parse_address(text: &str) -> Option<Address> {
    let bytes = hex::decode(strip_0x(text).unwrap_or(text)).ok()?;
    Address::try_from(bytes.as_slice()).ok()
}

pub(crate) fn parse_word(text: &str) -> Option<B256> {
    let digits = strip_0x(text).unwrap_or(text);
    let has_digits_only = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits.len() > 64 || !has_digits_only {
        return None;
    }
    U256::from_str_radix(digits, 16).ok().map(B256::from)
}

struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}
