//! Hex arguments, with geth's rules and error texts.
//!
//! There are two forms: *data* (two digits for each byte, of any length or a fixed one) and
//! *quantity* (a number without leading zeros). Both need `0x`. The decoders take the text of a
//! JSON string without its quotes.

use actoreum_primitives::U256;
use actoreum_primitives::alloy_primitives::hex;

/// The reason for which a hex text is refused. The texts are geth's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// The text is empty.
    #[error("empty hex string")]
    Empty,
    /// A character is not a hex digit.
    #[error("invalid hex string")]
    Syntax,
    /// The text does not begin with `0x`.
    #[error("hex string without 0x prefix")]
    MissingPrefix,
    /// The number of digits is odd.
    #[error("hex string of odd length")]
    OddLength,
    /// A number has no digits after `0x`.
    #[error("hex string \"0x\"")]
    EmptyNumber,
    /// A number begins with zero.
    #[error("hex number with leading zero digits")]
    LeadingZero,
    /// A number exceeds 64 bits.
    #[error("hex number > 64 bits")]
    Above64Bits,
    /// A number exceeds 256 bits.
    #[error("hex number > 256 bits")]
    Above256Bits,
}

/// Returns the text after `0x` (or `0X`).
pub fn strip_prefix(text: &str) -> Option<&str> {
    text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))
}

/// Decodes data of any length. An empty text is empty data.
pub fn data(text: &str) -> Result<Vec<u8>, HexError> {
    let digits = data_digits(text)?;
    let mut bytes = vec![0; digits.len() / 2];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| HexError::Syntax)?;
    Ok(bytes)
}

/// Returns the digits of data: an even number of characters, which are not checked to be digits.
pub fn data_digits(text: &str) -> Result<&str, HexError> {
    if text.is_empty() {
        return Ok(text);
    }
    let digits = strip_prefix(text).ok_or(HexError::MissingPrefix)?;
    if !digits.len().is_multiple_of(2) {
        return Err(HexError::OddLength);
    }
    // The decoder takes the prefix as optional and would strip a second one.
    if strip_prefix(digits).is_some() {
        return Err(HexError::Syntax);
    }
    Ok(digits)
}

/// Decodes a number of up to 64 bits.
pub fn number(text: &str) -> Result<u64, HexError> {
    let digits = number_digits(text)?;
    // The length is checked first, as in geth: an excess digit takes precedence over an invalid
    // character.
    if digits.len() > 16 {
        return Err(HexError::Above64Bits);
    }
    let mut value = 0u64;
    for byte in digits.bytes() {
        value = value << 4 | u64::from(nibble(byte).ok_or(HexError::Syntax)?);
    }
    Ok(value)
}

/// Decodes a number of up to 256 bits.
pub fn number256(text: &str) -> Result<U256, HexError> {
    let digits = number_digits(text)?;
    if digits.len() > 64 {
        return Err(HexError::Above256Bits);
    }
    let mut value = U256::ZERO;
    for byte in digits.bytes() {
        value = value << 4usize | U256::from(nibble(byte).ok_or(HexError::Syntax)?);
    }
    Ok(value)
}

/// Returns the value of a hex digit.
pub fn nibble(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn number_digits(text: &str) -> Result<&str, HexError> {
    if text.is_empty() {
        return Err(HexError::Empty);
    }
    let digits = strip_prefix(text).ok_or(HexError::MissingPrefix)?;
    if digits.is_empty() {
        return Err(HexError::EmptyNumber);
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(HexError::LeadingZero);
    }
    Ok(digits)
}

/// Decodes a storage key as geth 1.8 does: with or without `0x`, with an odd number of digits or
/// not, and of a longer key the last 32 bytes; decoding stops silently at the first character that
/// is not a digit.
pub fn lenient_word(text: &str) -> [u8; 32] {
    let digits = strip_prefix(text).unwrap_or(text).as_bytes();
    let mut nibbles = Vec::with_capacity(digits.len() + 1);
    if !digits.len().is_multiple_of(2) {
        nibbles.push(0);
    }
    for digit in digits {
        match nibble(*digit) {
            Some(value) => nibbles.push(value),
            None => break,
        }
    }
    let bytes: Vec<u8> = nibbles
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |byte, value| byte << 4 | value))
        .collect();
    let mut word = [0u8; 32];
    for (target, byte) in word.iter_mut().rev().zip(bytes.iter().rev()) {
        *target = *byte;
    }
    word
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn data_is_decoded_as_in_geth() {
        assert_eq!(data(""), Ok(vec![]));
        assert_eq!(data("0x"), Ok(vec![]));
        assert_eq!(data("0X0aFf"), Ok(vec![0x0a, 0xff]));
        assert_eq!(data("0a"), Err(HexError::MissingPrefix));
        assert_eq!(data("0x0"), Err(HexError::OddLength));
        assert_eq!(data("0xzz"), Err(HexError::Syntax));
        assert_eq!(data("0x0x01"), Err(HexError::Syntax));
    }

    #[test]
    fn numbers_are_decoded_as_in_geth() {
        assert_eq!(number("0x0"), Ok(0));
        assert_eq!(number("0xffffffffffffffff"), Ok(u64::MAX));
        assert_eq!(number(""), Err(HexError::Empty));
        assert_eq!(number("0x"), Err(HexError::EmptyNumber));
        assert_eq!(number("10"), Err(HexError::MissingPrefix));
        assert_eq!(number("0x01"), Err(HexError::LeadingZero));
        assert_eq!(number("0xzz"), Err(HexError::Syntax));
        assert_eq!(number("0x10000000000000000"), Err(HexError::Above64Bits));
        assert_eq!(number256(&format!("0x{}", "f".repeat(64))), Ok(U256::MAX));
        assert_eq!(
            number256(&format!("0x1{}", "0".repeat(64))),
            Err(HexError::Above256Bits)
        );
    }

    #[test]
    fn a_lenient_word_is_right_aligned() {
        assert_eq!(lenient_word("zz"), [0; 32]);
        assert_eq!(lenient_word("0x1")[31], 1);
        assert_eq!(lenient_word("ff")[31], 0xff);
        let long = format!("0x{}{}", "11".repeat(8), "22".repeat(32));
        assert_eq!(lenient_word(&long), [0x22; 32]);
    }

    proptest! {
        #[test]
        fn data_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let text = format!("0x{}", hex::encode(&bytes));
            prop_assert_eq!(data(&text), Ok(bytes));
        }

        #[test]
        fn numbers_read_back(value in any::<u64>()) {
            prop_assert_eq!(number(&format!("{value:#x}")), Ok(value));
            prop_assert_eq!(number256(&format!("{value:#x}")), Ok(U256::from(value)));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>()) {
            let _ = (data(&text), number(&text), number256(&text), lenient_word(&text));
        }
    }
}
