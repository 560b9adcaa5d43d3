//! Writes results straight into the buffer of the answer.

use actoreum_primitives::alloy_primitives::hex;
use actoreum_primitives::{Address, B64, B256, Bloom, Bytes, U256};

/// The buffer of an answer. It never grows past its limit: a value that would exceed the limit is
/// dropped and recorded as an overflow, which the dispatcher turns into an error.
#[derive(Debug)]
pub struct JsonOut {
    bytes: Vec<u8>,
    limit: usize,
    overflow: bool,
}

impl JsonOut {
    /// Creates an empty buffer that holds at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(limit.min(256)),
            limit,
            overflow: false,
        }
    }

    /// Returns the number of bytes written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns whether a value did not fit. A writer of long results may stop early.
    pub fn overflowed(&self) -> bool {
        self.overflow
    }

    /// Returns the number of bytes that still fit.
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.bytes.len())
    }

    /// Truncates the buffer to an earlier length and clears the overflow.
    pub fn rewind(&mut self, length: usize) {
        self.bytes.truncate(length);
        self.overflow = false;
    }

    /// Returns the answer.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends text that is already JSON.
    pub fn raw(&mut self, json: &str) {
        self.raw_bytes(json.as_bytes());
    }

    /// Appends bytes that are already JSON.
    pub fn raw_bytes(&mut self, json: &[u8]) {
        if json.len() > self.room() {
            self.overflow = true;
            return;
        }
        self.bytes.extend_from_slice(json);
    }

    /// Appends bytes that an answer needs even if the limit is reached: the envelope and a short
    /// error. The caller bounds them.
    pub(crate) fn raw_past_limit(&mut self, json: &[u8]) {
        self.bytes.extend_from_slice(json);
    }

    /// Appends `0x` and two digits for each byte, in quotes.
    pub fn hex(&mut self, data: &[u8]) {
        let length = data.len().saturating_mul(2).saturating_add(4);
        if length > self.room() {
            self.overflow = true;
            return;
        }
        self.bytes.extend_from_slice(b"\"0x");
        self.hex_digits(data);
        self.bytes.push(b'"');
    }

    /// Appends two digits for each byte, in quotes, without `0x`.
    pub fn plain_hex(&mut self, data: &[u8]) {
        let length = data.len().saturating_mul(2).saturating_add(2);
        if length > self.room() {
            self.overflow = true;
            return;
        }
        self.bytes.push(b'"');
        self.hex_digits(data);
        self.bytes.push(b'"');
    }

    fn hex_digits(&mut self, data: &[u8]) {
        let start = self.bytes.len();
        self.bytes.resize(start + data.len() * 2, b'0');
        let target = self.bytes.get_mut(start..).unwrap_or_default();
        let encoded = hex::encode_to_slice(data, target);
        debug_assert!(encoded.is_ok());
    }

    /// Appends a quantity: hex without leading zeros, in quotes.
    pub fn quantity(&mut self, value: u64) {
        let mut digits = [0u8; 20];
        let mut rest = value;
        let mut at = digits.len();
        let mut put = |byte: u8| {
            at -= 1;
            if let Some(slot) = digits.get_mut(at) {
                *slot = byte;
            }
        };
        put(b'"');
        loop {
            put(hex_digit((rest & 0xf) as u8));
            rest >>= 4;
            if rest == 0 {
                break;
            }
        }
        put(b'x');
        put(b'0');
        put(b'"');
        self.raw_bytes(digits.get(at..).unwrap_or_default());
    }

    /// Appends a quantity of up to 256 bits.
    pub fn quantity256(&mut self, value: &U256) {
        if let Ok(small) = u64::try_from(*value) {
            return self.quantity(small);
        }
        let big_endian = value.to_be_bytes::<32>();
        let mut digits = [0u8; 64];
        let encoded = hex::encode_to_slice(big_endian, &mut digits);
        debug_assert!(encoded.is_ok());
        let significant = digits.trim_ascii_start_zeros();
        if significant.len() + 4 > self.room() {
            self.overflow = true;
            return;
        }
        self.bytes.extend_from_slice(b"\"0x");
        self.bytes.extend_from_slice(significant);
        self.bytes.push(b'"');
    }

    /// Appends a decimal number, without quotes.
    pub fn number(&mut self, value: u64) {
        let mut digits = [0u8; 20];
        let mut rest = value;
        let mut at = digits.len();
        loop {
            at -= 1;
            if let Some(slot) = digits.get_mut(at) {
                *slot = b'0' + (rest % 10) as u8;
            }
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.raw_bytes(digits.get(at..).unwrap_or_default());
    }

    /// Appends a string with its quotes and escapes.
    pub fn string(&mut self, text: &str) {
        self.raw_bytes(b"\"");
        let mut clean = 0;
        for (index, byte) in text.bytes().enumerate() {
            let escape: &[u8] = match byte {
                b'"' => b"\\\"",
                b'\\' => b"\\\\",
                b'\n' => b"\\n",
                b'\r' => b"\\r",
                b'\t' => b"\\t",
                0..0x20 => {
                    self.raw(text.get(clean..index).unwrap_or_default());
                    self.raw_bytes(b"\\u00");
                    self.raw_bytes(&[hex_digit(byte >> 4), hex_digit(byte & 0xf)]);
                    clean = index + 1;
                    continue;
                }
                _ => continue,
            };
            self.raw(text.get(clean..index).unwrap_or_default());
            self.raw_bytes(escape);
            clean = index + 1;
        }
        self.raw(text.get(clean..).unwrap_or_default());
        self.raw_bytes(b"\"");
    }

    /// Appends an array of the items.
    pub fn array<T: WriteJson>(&mut self, items: impl IntoIterator<Item = T>) {
        self.raw_bytes(b"[");
        for (index, item) in items.into_iter().enumerate() {
            if self.overflow {
                return;
            }
            if index > 0 {
                self.raw_bytes(b",");
            }
            item.write_json(self);
        }
        self.raw_bytes(b"]");
    }

    /// Appends an object, member by member.
    pub fn object(&mut self) -> ObjectWriter<'_> {
        self.raw_bytes(b"{");
        ObjectWriter {
            out: self,
            empty: true,
        }
    }
}

/// Returns the lower-case hex digit of a value below 16.
fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'a' + nibble - 10
    }
}

/// Strips the leading zeros of hex digits.
trait TrimZeros {
    fn trim_ascii_start_zeros(&self) -> &[u8];
}

impl TrimZeros for [u8; 64] {
    fn trim_ascii_start_zeros(&self) -> &[u8] {
        let zeros = self.iter().take_while(|digit| **digit == b'0').count();
        self.get(zeros..).unwrap_or_default()
    }
}

/// An object under construction; [`ObjectWriter::end`] closes it.
#[derive(Debug)]
pub struct ObjectWriter<'a> {
    out: &'a mut JsonOut,
    empty: bool,
}

impl ObjectWriter<'_> {
    /// Writes a key that needs no escapes and returns the buffer for its value.
    pub fn key(&mut self, name: &str) -> &mut JsonOut {
        self.out.raw_bytes(if self.empty { b"\"" } else { b",\"" });
        self.empty = false;
        self.out.raw(name);
        self.out.raw_bytes(b"\":");
        self.out
    }

    /// Writes a key that comes from data and returns the buffer for its value.
    pub fn escaped_key(&mut self, name: &str) -> &mut JsonOut {
        if !self.empty {
            self.out.raw_bytes(b",");
        }
        self.empty = false;
        self.out.string(name);
        self.out.raw_bytes(b":");
        self.out
    }

    /// Writes a member.
    pub fn field(&mut self, name: &str, value: impl WriteJson) -> &mut Self {
        value.write_json(self.key(name));
        self
    }

    /// Writes a member whose value is a quantity.
    pub fn quantity(&mut self, name: &str, value: u64) -> &mut Self {
        self.key(name).quantity(value);
        self
    }

    /// Writes a member whose value is hex data.
    pub fn hex(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        self.key(name).hex(value.as_ref());
        self
    }

    /// Closes the object.
    pub fn end(&mut self) {
        self.out.raw_bytes(b"}");
    }
}

/// A result that can be written as JSON. Integers are quantities (hex), byte strings are `0x` data,
/// as everywhere in Ethereum's JSON-RPC.
pub trait WriteJson {
    /// Appends the value.
    fn write_json(&self, out: &mut JsonOut);
}

impl<T: WriteJson + ?Sized> WriteJson for &T {
    fn write_json(&self, out: &mut JsonOut) {
        (**self).write_json(out);
    }
}

impl<T: WriteJson> WriteJson for Option<T> {
    fn write_json(&self, out: &mut JsonOut) {
        match self {
            Some(value) => value.write_json(out),
            None => out.raw_bytes(b"null"),
        }
    }
}

impl<T: WriteJson> WriteJson for Vec<T> {
    fn write_json(&self, out: &mut JsonOut) {
        out.array(self);
    }
}

impl WriteJson for () {
    fn write_json(&self, out: &mut JsonOut) {
        out.raw_bytes(b"null");
    }
}

impl WriteJson for bool {
    fn write_json(&self, out: &mut JsonOut) {
        out.raw_bytes(if *self { b"true" } else { b"false" });
    }
}

impl WriteJson for u64 {
    fn write_json(&self, out: &mut JsonOut) {
        out.quantity(*self);
    }
}

impl WriteJson for U256 {
    fn write_json(&self, out: &mut JsonOut) {
        out.quantity256(self);
    }
}

impl WriteJson for str {
    fn write_json(&self, out: &mut JsonOut) {
        out.string(self);
    }
}

impl WriteJson for String {
    fn write_json(&self, out: &mut JsonOut) {
        out.string(self);
    }
}

macro_rules! write_as_hex {
    ($($type:ty),*) => {$(
        impl WriteJson for $type {
            fn write_json(&self, out: &mut JsonOut) {
                out.hex(self.as_ref());
            }
        }
    )*};
}

write_as_hex!(Address, B64, B256, Bytes);

impl WriteJson for Bloom {
    fn write_json(&self, out: &mut JsonOut) {
        out.hex(self.as_slice());
    }
}

/// Text that is already JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw<T>(pub T);

impl<T: AsRef<[u8]>> WriteJson for Raw<T> {
    fn write_json(&self, out: &mut JsonOut) {
        out.raw_bytes(self.0.as_ref());
    }
}

/// A value that is written by serde.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serialized<T>(pub T);

impl<T: serde::Serialize> WriteJson for Serialized<T> {
    fn write_json(&self, out: &mut JsonOut) {
        let start = out.len();
        let written = serde_json::to_writer(Sink(out), &self.0);
        if written.is_err() {
            out.rewind(start);
            out.overflow = true;
        }
    }
}

/// Lets serde write into the buffer, and fails at the limit.
struct Sink<'a>(&'a mut JsonOut);

impl std::io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.raw_bytes(bytes);
        if self.0.overflow {
            return Err(std::io::Error::other("the answer is too long"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: impl WriteJson) -> String {
        let mut out = JsonOut::new(10_000);
        value.write_json(&mut out);
        assert!(!out.overflowed());
        String::from_utf8(out.into_bytes()).expect("utf-8")
    }

    #[test]
    fn quantities_have_no_leading_zeros() {
        assert_eq!(written(0u64), "\"0x0\"");
        assert_eq!(written(1024u64), "\"0x400\"");
        assert_eq!(written(u64::MAX), "\"0xffffffffffffffff\"");
        assert_eq!(written(U256::ZERO), "\"0x0\"");
        assert_eq!(
            written(U256::from(u64::MAX) + U256::from(1)),
            "\"0x10000000000000000\""
        );
        assert_eq!(written(U256::MAX), format!("\"0x{}\"", "f".repeat(64)));
    }

    #[test]
    fn an_overflow_keeps_the_buffer_within_its_limit() {
        let mut out = JsonOut::new(10);
        out.hex(&[0xab; 100]);
        out.string("a long text");
        assert!(out.overflowed());
        assert!(out.len() <= 10);
        out.rewind(0);
        assert!(!out.overflowed());
        Serialized(vec![1; 100]).write_json(&mut out);
        assert!(out.overflowed());
        assert_eq!(out.len(), 0);
    }

    #[test]
    fn objects_and_arrays_are_written() {
        let mut out = JsonOut::new(1000);
        let mut object = out.object();
        object.field("a", true).quantity("b", 16).hex("c", [1, 2]);
        object.escaped_key("d\"").array([1u64, 2]);
        object.field("e", None::<u64>).end();
        let text = String::from_utf8(out.into_bytes()).unwrap();
        assert_eq!(
            text,
            r#"{"a":true,"b":"0x10","c":"0x0102","d\"":["0x1","0x2"],"e":null}"#
        );
    }

    proptest! {
        #[test]
        fn strings_read_back(text in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<String>(&written(text.as_str())).unwrap(), text);
        }

        #[test]
        fn quantities_read_back(limbs in any::<[u64; 4]>(), shift in 0usize..256) {
            let value = U256::from_limbs(limbs) >> shift;
            let text = written(value);
            let digits = text.trim_matches('"').strip_prefix("0x").unwrap();
            prop_assert_eq!(U256::from_str_radix(digits, 16).unwrap(), value);
            prop_assert!(digits == "0" || !digits.starts_with('0'));
        }

        #[test]
        fn numbers_are_decimal(value in any::<u64>()) {
            let mut out = JsonOut::new(100);
            out.number(value);
            prop_assert_eq!(out.into_bytes(), value.to_string().into_bytes());
        }
    }
}
