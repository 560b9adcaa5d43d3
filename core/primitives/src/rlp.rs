//! RLP encoding and decoding: an adapter between fastrlp and the types of this workspace.
//!
//! fastrlp's traits cannot be implemented here for `alloy_primitives` types (both are foreign), so
//! [`Encode`] and [`Decode`] wrap fastrlp's codec: its [`Header`] reads and writes every length,
//! its integer codec every number. This module is stricter than fastrlp:
//!
//! - bytes after an item are an error: see [`decode_exact`], and [`List::finish`] inside a list;
//! - a `Vec` is always a list, never a string; a string is [`Bytes`] (this is why `u8` has no
//!   codec: use `u64` or [`decode_u8`]);
//! - a fixed-size value of another size, or a `U256` with leading zeros, is an error.
//!
//! A decoder allocates no more than its input warrants: a string is copied only once its bytes are
//! known to be present, and a list grows item by item.

mod error;
#[cfg(test)]
mod tests;

use alloy_primitives::{Address, B64, B256, B512, Bloom, Bytes, FixedBytes, U256};
pub use fastrlp::Header;

pub use self::error::DecodeError;

/// The encoding of an empty string and of zero.
pub const EMPTY_STRING: u8 = 0x80;
/// The encoding of an empty list.
pub const EMPTY_LIST: u8 = 0xc0;

/// A value with an RLP encoding.
pub trait Encode {
    /// Appends the encoding to `out`.
    fn encode(&self, out: &mut Vec<u8>);
    /// Returns the encoding's size in bytes.
    fn length(&self) -> usize;
}

/// A value that can be decoded from its canonical RLP encoding.
pub trait Decode: Sized {
    /// Decodes one item at the front of `buf` and advances `buf` past it. The content of `buf` is
    /// unspecified after an error.
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError>;
}

/// Returns the encoding of `value`.
pub fn encode<T: Encode + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.length());
    value.encode(&mut out);
    out
}

/// Decodes `bytes`, which must hold one item and nothing after it.
pub fn decode_exact<T: Decode>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut rest = bytes;
    let value = T::decode(&mut rest)?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(DecodeError::TrailingBytes)
    }
}

/// Reads a string and returns its content without copying it.
pub fn decode_str<'a>(buf: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let header = Header::decode(buf)?;
    if header.list {
        return Err(DecodeError::UnexpectedList);
    }
    take(buf, header.payload_length)
}

/// Reads one item, a string or a list, and returns its whole encoding, header included. The content
/// of a list is not validated.
pub fn decode_raw<'a>(buf: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let start = *buf;
    let header = Header::decode(buf)?;
    let header_length = start.len() - buf.len();
    take(buf, header.payload_length)?;
    take(&mut { start }, header_length + header.payload_length)
}

/// Decodes an integer that fits one byte.
pub fn decode_u8(buf: &mut &[u8]) -> Result<u8, DecodeError> {
    Ok(fastrlp::Decodable::decode(buf)?)
}

/// Appends the header of a list whose content has `payload_length` bytes.
pub fn encode_list_header(payload_length: usize, out: &mut Vec<u8>) {
    Header {
        list: true,
        payload_length,
    }
    .encode(out);
}

/// Appends `bytes` as a string.
pub fn encode_str(bytes: &[u8], out: &mut Vec<u8>) {
    fastrlp::Encodable::encode(&bytes, out);
}

/// Returns the encoded size of `bytes` as a string.
pub fn str_length(bytes: &[u8]) -> usize {
    fastrlp::Encodable::length(&bytes)
}

/// Returns the encoded size of a list or a long string whose content has `payload_length` bytes.
pub const fn list_length(payload_length: usize) -> usize {
    fastrlp::length_of_length(payload_length) + payload_length
}

fn take<'a>(buf: &mut &'a [u8], length: usize) -> Result<&'a [u8], DecodeError> {
    let (head, rest) = buf
        .split_at_checked(length)
        .ok_or(DecodeError::InputTooShort { needed: None })?;
    *buf = rest;
    Ok(head)
}

/// A reader of the items of one list.
#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    rest: &'a [u8],
}

impl<'a> List<'a> {
    /// Opens the list at the front of `buf` and advances `buf` past it.
    pub fn open(buf: &mut &'a [u8]) -> Result<Self, DecodeError> {
        let header = Header::decode(buf)?;
        if !header.list {
            return Err(DecodeError::UnexpectedString);
        }
        Ok(Self {
            rest: take(buf, header.payload_length)?,
        })
    }

    /// Opens the list in `bytes`, which must hold one list and nothing after it.
    pub fn open_exact(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut rest = bytes;
        let list = Self::open(&mut rest)?;
        if rest.is_empty() {
            Ok(list)
        } else {
            Err(DecodeError::TrailingBytes)
        }
    }

    /// Decodes the next item. The end of the list is an error.
    #[expect(
        clippy::should_implement_trait,
        reason = "each item may have another type, unlike the items of an iterator"
    )]
    pub fn next<T: Decode>(&mut self) -> Result<T, DecodeError> {
        if self.rest.is_empty() {
            return Err(DecodeError::TooFewItems);
        }
        T::decode(&mut self.rest)
    }

    /// Decodes the next item, or returns `None` at the end of the list.
    pub fn next_optional<T: Decode>(&mut self) -> Result<Option<T>, DecodeError> {
        if self.rest.is_empty() {
            Ok(None)
        } else {
            T::decode(&mut self.rest).map(Some)
        }
    }

    /// Returns the next item's whole encoding. Its content is not validated.
    pub fn next_raw(&mut self) -> Result<&'a [u8], DecodeError> {
        if self.rest.is_empty() {
            return Err(DecodeError::TooFewItems);
        }
        decode_raw(&mut self.rest)
    }

    /// Opens the next item, which must be a list.
    pub fn next_list(&mut self) -> Result<List<'a>, DecodeError> {
        if self.rest.is_empty() {
            return Err(DecodeError::TooFewItems);
        }
        Self::open(&mut self.rest)
    }

    /// Returns true if no item is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns the encoding of the items that were not read yet.
    pub fn remaining(&self) -> &'a [u8] {
        self.rest
    }

    /// Returns the number of items that were not read yet. It walks their headers and allocates
    /// nothing.
    pub fn count(&self) -> Result<usize, DecodeError> {
        let mut rest = self.rest;
        let mut count = 0;
        while !rest.is_empty() {
            decode_raw(&mut rest)?;
            count += 1;
        }
        Ok(count)
    }

    /// Ends the reading. Items that were not read are an error.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::TooManyItems)
        }
    }
}

/// Implements [`Encode`] and [`Decode`] for a struct as the list of the named fields, in that
/// order. Fields under `optional` are `Option`s at the end of the list: the encoder writes them up
/// to the last one that is set, and the decoder reads them until the list ends.
///
/// ```
/// use actoreum_primitives::{B256, rlp, rlp_struct};
///
/// #[derive(Debug, PartialEq)]
/// struct NewBlockHash {
///     hash: B256,
///     number: u64,
/// }
/// rlp_struct!(NewBlockHash { hash, number });
///
/// let announced = NewBlockHash { hash: B256::ZERO, number: 7 };
/// let bytes = rlp::encode(&announced);
/// assert_eq!(rlp::decode_exact::<NewBlockHash>(&bytes), Ok(announced));
/// ```
#[macro_export]
macro_rules! rlp_struct {
    ($type:ty { $($field:ident),+ $(,)? }) => {
        impl $type {
            fn rlp_payload_length(&self) -> usize {
                0 $(+ $crate::rlp::Encode::length(&self.$field))+
            }
        }

        impl $crate::rlp::Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                $crate::rlp::encode_list_header(self.rlp_payload_length(), out);
                $($crate::rlp::Encode::encode(&self.$field, out);)+
            }

            fn length(&self) -> usize {
                $crate::rlp::list_length(self.rlp_payload_length())
            }
        }

        impl $crate::rlp::Decode for $type {
            fn decode(buf: &mut &[u8]) -> Result<Self, $crate::rlp::DecodeError> {
                let mut list = $crate::rlp::List::open(buf)?;
                let value = Self { $($field: list.next()?,)+ };
                list.finish()?;
                Ok(value)
            }
        }
    };
    ($type:ty { $($field:ident),+ $(,)? } optional { $($tail:ident),+ $(,)? }) => {
        impl $type {
            fn rlp_tail_fields(&self) -> usize {
                let mut position = 0;
                let mut last_set = 0;
                $(
                    position += 1;
                    if self.$tail.is_some() {
                        last_set = position;
                    }
                )+
                last_set
            }

            fn rlp_payload_length(&self) -> usize {
                let mut length = 0 $(+ $crate::rlp::Encode::length(&self.$field))+;
                let mut left = self.rlp_tail_fields();
                $(
                    if left > 0 {
                        length += self.$tail.as_ref().map_or(1, $crate::rlp::Encode::length);
                        left -= 1;
                    }
                )+
                debug_assert_eq!(left, 0);
                length
            }
        }

        impl $crate::rlp::Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                $crate::rlp::encode_list_header(self.rlp_payload_length(), out);
                $($crate::rlp::Encode::encode(&self.$field, out);)+
                let mut left = self.rlp_tail_fields();
                $(
                    if left > 0 {
                        match &self.$tail {
                            Some(value) => $crate::rlp::Encode::encode(value, out),
                            None => out.push($crate::rlp::EMPTY_STRING),
                        }
                        left -= 1;
                    }
                )+
                debug_assert_eq!(left, 0);
            }

            fn length(&self) -> usize {
                $crate::rlp::list_length(self.rlp_payload_length())
            }
        }

        impl $crate::rlp::Decode for $type {
            fn decode(buf: &mut &[u8]) -> Result<Self, $crate::rlp::DecodeError> {
                let mut list = $crate::rlp::List::open(buf)?;
                let value = Self {
                    $($field: list.next()?,)+
                    $($tail: list.next_optional()?,)+
                };
                list.finish()?;
                Ok(value)
            }
        }
    };
}

macro_rules! integer_codec {
    ($($type:ty),+) => {$(
        impl Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                fastrlp::Encodable::encode(self, out);
            }

            fn length(&self) -> usize {
                fastrlp::Encodable::length(self)
            }
        }

        impl Decode for $type {
            fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
                Ok(fastrlp::Decodable::decode(buf)?)
            }
        }
    )+};
}

integer_codec!(u16, u32, u64, u128, bool);

macro_rules! fixed_codec {
    ($($type:ty: $size:literal),+) => {$(
        impl Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                encode_str(self.as_slice(), out);
            }

            fn length(&self) -> usize {
                str_length(self.as_slice())
            }
        }

        impl Decode for $type {
            fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
                let content = decode_str(buf)?;
                let bytes: [u8; $size] =
                    content.try_into().map_err(|_| DecodeError::UnexpectedLength)?;
                Ok(Self::from(bytes))
            }
        }
    )+};
}

fixed_codec!(Address: 20, FixedBytes<4>: 4, B64: 8, B256: 32, B512: 64, FixedBytes<48>: 48, Bloom: 256);

impl Encode for U256 {
    fn encode(&self, out: &mut Vec<u8>) {
        let bytes = self.to_be_bytes::<32>();
        encode_str(fastrlp::zeroless_view(&bytes), out);
    }

    fn length(&self) -> usize {
        if self.bit_len() <= 7 {
            1
        } else {
            1 + self.byte_len()
        }
    }
}

impl Decode for U256 {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        let content = decode_str(buf)?;
        if content.len() > 32 {
            return Err(DecodeError::Overflow);
        }
        if content.first() == Some(&0) {
            return Err(DecodeError::LeadingZero);
        }
        Ok(Self::from_be_slice(content))
    }
}

impl Encode for Bytes {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_str(self, out);
    }

    fn length(&self) -> usize {
        str_length(self)
    }
}

impl Decode for Bytes {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        decode_str(buf).map(Self::copy_from_slice)
    }
}

impl Encode for String {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_str(self.as_bytes(), out);
    }

    fn length(&self) -> usize {
        str_length(self.as_bytes())
    }
}

impl Decode for String {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        let text = str::from_utf8(decode_str(buf)?)
            .map_err(|_| DecodeError::Custom("string is not utf-8"))?;
        Ok(text.to_owned())
    }
}

/// A transaction's recipient: an empty string for a contract creation.
impl Encode for Option<Address> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Some(address) => address.encode(out),
            None => out.push(EMPTY_STRING),
        }
    }

    fn length(&self) -> usize {
        self.as_ref().map_or(1, Encode::length)
    }
}

impl Decode for Option<Address> {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        let content = decode_str(buf)?;
        if content.is_empty() {
            return Ok(None);
        }
        Address::try_from(content)
            .map(Some)
            .map_err(|_| DecodeError::UnexpectedLength)
    }
}

impl<T: Encode> Encode for [T] {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_list_header(self.iter().map(Encode::length).sum(), out);
        for item in self {
            item.encode(out);
        }
    }

    fn length(&self) -> usize {
        list_length(self.iter().map(Encode::length).sum())
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_slice().encode(out);
    }

    fn length(&self) -> usize {
        self.as_slice().length()
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        let mut list = List::open(buf)?;
        let mut items = Self::new();
        while let Some(item) = list.next_optional()? {
            items.push(item);
        }
        Ok(items)
    }
}

impl<T: Encode + ?Sized> Encode for &T {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }

    fn length(&self) -> usize {
        (**self).length()
    }
}
