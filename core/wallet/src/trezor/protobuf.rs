//! The part of the Protocol Buffers encoding that the messages need: numbers and byte strings.

use zeroize::Zeroizing;

use super::TrezorError;

/// Wire types.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED_32: u64 = 5;

/// The error for fields that end too early or have an unknown encoding.
const MALFORMED: TrezorError = TrezorError::Malformed("a reply that can't be decoded");

/// An encoder, which writes fields one after another.
#[derive(Default)]
pub(super) struct Encoder(Zeroizing<Vec<u8>>);

impl Encoder {
    pub(super) fn number(mut self, field: u32, value: u64) -> Self {
        self.varint(u64::from(field) << 3 | VARINT);
        self.varint(value);
        self
    }

    pub(super) fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        self.varint(u64::from(field) << 3 | LENGTH_DELIMITED);
        self.varint(value.len() as u64);
        self.reserve(value.len());
        self.0.extend_from_slice(value);
        self
    }

    /// Writes a field for each number.
    pub(super) fn numbers(self, field: u32, values: &[u32]) -> Self {
        let each = values.iter().map(|value| u64::from(*value));
        each.fold(self, |encoder, value| encoder.number(field, value))
    }

    pub(super) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        self.reserve(10);
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Reserves capacity without leaving a copy of a secret behind.
    fn reserve(&mut self, more: usize) {
        if self.0.capacity() - self.0.len() < more {
            let mut grown = Vec::with_capacity((self.0.len() + more) * 2);
            grown.extend_from_slice(&self.0);
            self.0 = Zeroizing::new(grown);
        }
    }
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(super) fn number(self) -> Result<u64, TrezorError> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Bytes(_) => Err(MALFORMED),
        }
    }

    pub(super) fn bytes(self) -> Result<&'a [u8], TrezorError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) => Err(MALFORMED),
        }
    }
}

/// Calls `each` with the fields of a message, in order. Nothing is copied.
pub(super) fn decode<'a>(
    mut rest: &'a [u8],
    mut each: impl FnMut(u64, Value<'a>) -> Result<(), TrezorError>,
) -> Result<(), TrezorError> {
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let value = match key & 7 {
            VARINT => Value::Number(varint(&mut rest)?),
            FIXED_64 => Value::Bytes(take(&mut rest, 8)?),
            LENGTH_DELIMITED => {
                let length = varint(&mut rest)?;
                Value::Bytes(take(&mut rest, length)?)
            }
            FIXED_32 => Value::Bytes(take(&mut rest, 4)?),
            _ => return Err(MALFORMED),
        };
        each(key >> 3, value)?;
    }
    Ok(())
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], TrezorError> {
    let length = usize::try_from(length).map_err(|_| MALFORMED)?;
    let (taken, left) = rest.split_at_checked(length).ok_or(MALFORMED)?;
    *rest = left;
    Ok(taken)
}

fn varint(rest: &mut &[u8]) -> Result<u64, TrezorError> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, left) = rest.split_first().ok_or(MALFORMED)?;
        *rest = left;
        let bits = u64::from(byte & 0x7f);
        if bits.leading_zeros() < shift {
            return Err(MALFORMED);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(MALFORMED)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u64, Value<'_>)>, TrezorError> {
        let mut all = Vec::new();
        decode(bytes, |field, value| {
            all.push((field, value));
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn vectors_of_the_encoding_guide() {
        // From protobuf.dev/programming-guides/encoding.
        let number = Encoder::default().number(1, 150).finish();
        assert_eq!(*number, [0x08, 0x96, 0x01]);
        let text = Encoder::default().bytes(2, b"testing").finish();
        assert_eq!(
            *text,
            [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]
        );
        assert_eq!(fields(&number), Ok(vec![(1, Value::Number(150))]));
        assert_eq!(fields(&text), Ok(vec![(2, Value::Bytes(b"testing"))]));
    }

    #[test]
    fn truncated_or_oversized_fields_are_refused() {
        for broken in [
            &[0x08][..],
            &[0x08, 0x80],
            &[0x12, 0x02, 0x00],
            &[
                0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ],
            &[
                0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02,
            ],
            &[
                0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ],
            &[0x0b],
            &[0x09, 1, 2, 3],
        ] {
            assert_eq!(fields(broken), Err(MALFORMED), "{broken:x?}");
        }
    }

    proptest! {
        #[test]
        fn prop_fields_round_trip(number: u64, bytes: Vec<u8>, field in 1_u32..1000) {
            let encoded = Encoder::default().number(field, number).bytes(field + 1, &bytes).finish();
            let field = u64::from(field);
            prop_assert_eq!(
                fields(&encoded),
                Ok(vec![(field, Value::Number(number)), (field + 1, Value::Bytes(&bytes))])
            );
        }

        #[test]
        fn prop_decoding_never_panics(bytes: Vec<u8>) {
            let _ = fields(&bytes);
        }
    }
}
