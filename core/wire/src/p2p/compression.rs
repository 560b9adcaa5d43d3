//! Snappy's block format, between a message and its frame (base protocol version 5).

use bytes::Bytes;

use crate::limits::{MAX_MESSAGE_SIZE, MAX_SNAPPY_EXPANSION};

/// Reason why a payload was refused. The sender broke the protocol: disconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    /// The claimed length is above [`MAX_MESSAGE_SIZE`].
    #[error("message length >= 16MB")]
    TooLarge,
    /// The claimed length is more than the bytes can expand to.
    #[error("claimed message length is impossible")]
    Implausible,
    /// The payload is not valid snappy.
    #[error("invalid snappy encoding")]
    Invalid,
}

/// Compressor and decompressor of payloads. Holds the compressor's tables (about 32 KiB).
pub struct Compression {
    encoder: snap::raw::Encoder,
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            encoder: snap::raw::Encoder::new(),
        }
    }
}

/// The tables carry no state between two payloads.
#[cfg(feature = "fuzz")]
impl Clone for Compression {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Compression {
    /// Appends the compressed form of `payload`, which must not exceed [`MAX_MESSAGE_SIZE`].
    pub fn compress(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), CompressionError> {
        if payload.len() > MAX_MESSAGE_SIZE {
            return Err(CompressionError::TooLarge);
        }
        let start = out.len();
        out.resize(start + snap::raw::max_compress_len(payload.len()), 0);
        let room = out.get_mut(start..).unwrap_or_default();
        let written = self
            .encoder
            .compress(payload, room)
            .map_err(|_| CompressionError::TooLarge)?;
        out.truncate(start + written);
        Ok(())
    }

    /// Returns the length that `compressed` claims for its content, checked against the limit and
    /// against what snappy can expand to. Reads the first bytes only.
    pub fn claimed_length(compressed: &[u8]) -> Result<usize, CompressionError> {
        let length =
            snap::raw::decompress_len(compressed).map_err(|_| CompressionError::Invalid)?;
        if length > MAX_MESSAGE_SIZE {
            return Err(CompressionError::TooLarge);
        }
        if length > compressed.len().saturating_mul(MAX_SNAPPY_EXPANSION) {
            return Err(CompressionError::Implausible);
        }
        Ok(length)
    }

    /// Decompresses a payload. The claimed length is checked before anything is allocated.
    pub fn decompress(compressed: &[u8]) -> Result<Bytes, CompressionError> {
        Self::claimed_length(compressed)?;
        let payload = snap::raw::Decoder::new()
            .decompress_vec(compressed)
            .map_err(|_| CompressionError::Invalid)?;
        Ok(payload.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claim(length: u64, rest: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut left = length;
        while left >= 0x80 {
            out.push(left as u8 | 0x80);
            left >>= 7;
        }
        out.push(left as u8);
        out.extend_from_slice(rest);
        out
    }

    #[test]
    fn claims_beyond_the_limit_are_refused() {
        let decompress = Compression::decompress;
        assert_eq!(
            decompress(&claim(1 << 24, &[0; 100])),
            Err(CompressionError::TooLarge)
        );
        assert_eq!(
            decompress(&claim((1 << 32) - 1, &[])),
            Err(CompressionError::TooLarge)
        );
        assert_eq!(
            decompress(&claim(1 << 35, &[])),
            Err(CompressionError::Invalid)
        );
        assert_eq!(
            decompress(&claim((1 << 24) - 1, &[0; 9])),
            Err(CompressionError::Implausible)
        );
        assert_eq!(decompress(&[]), Err(CompressionError::Invalid));
    }

    #[test]
    fn the_most_compressible_message_passes_the_expansion_check() {
        let payload = vec![0; MAX_MESSAGE_SIZE];
        let mut out = Vec::new();
        Compression::default().compress(&payload, &mut out).unwrap();
        assert_eq!(Compression::decompress(&out).unwrap(), payload);
        let too_long = vec![0; MAX_MESSAGE_SIZE + 1];
        let result = Compression::default().compress(&too_long, &mut out);
        assert_eq!(result, Err(CompressionError::TooLarge));
    }

    proptest! {
        #[test]
        fn payloads_round_trip(payload in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let mut out = vec![0xaa];
            Compression::default().compress(&payload, &mut out).unwrap();
            prop_assert_eq!(out[0], 0xaa);
            prop_assert_eq!(Compression::decompress(&out[1..]).unwrap(), payload);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Compression::decompress(&bytes);
        }
    }
}
