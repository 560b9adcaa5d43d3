//! What a message carries, still as it travelled.

use bytes::Bytes;

use super::{Compression, CompressionError};

/// The payload of a message, decompressed when somebody asks for it.
///
/// A few hundred kilobytes can hold 16 MiB, which take milliseconds to make: the owner of the
/// socket, whose thread other connections wait for, hands the payload on as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    bytes: Bytes,
    /// The length that the compressed bytes claim, which was checked; `None`: they are plain.
    claimed: Option<usize>,
}

impl Payload {
    /// A payload that was sent without compression.
    pub fn plain(bytes: Bytes) -> Self {
        Self {
            bytes,
            claimed: None,
        }
    }

    /// A payload in snappy's block format.
    ///
    /// # Errors
    /// Where its claimed length is above the limit, or impossible.
    pub fn compressed(bytes: Bytes) -> Result<Self, CompressionError> {
        let claimed = Some(Compression::claimed_length(&bytes)?);
        Ok(Self { bytes, claimed })
    }

    /// Its bytes after the decompression, as it claims: it does not decompress to anything else.
    pub fn len(&self) -> usize {
        self.claimed.unwrap_or(self.bytes.len())
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The payload itself. It takes time in proportion to [`Self::len`].
    ///
    /// # Errors
    /// Where it is not snappy.
    pub fn decompress(self) -> Result<Bytes, CompressionError> {
        match self.claimed {
            Some(_) => Compression::decompress(&self.bytes),
            None => Ok(self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_knows_its_length_before_it_is_decompressed() {
        let content = Bytes::from(vec![7; 100_000]);
        let mut compressed = Vec::new();
        Compression::default()
            .compress(&content, &mut compressed)
            .unwrap();
        let payload = Payload::compressed(compressed.into()).unwrap();
        assert_eq!(payload.len(), content.len());
        assert_eq!(payload.decompress().unwrap(), content);
        let plain = Payload::plain(content.clone());
        assert_eq!(plain.len(), content.len());
        assert_eq!(plain.decompress().unwrap(), content);
    }

    #[test]
    fn a_false_claim_is_found_when_it_is_decompressed() {
        // It claims 100 bytes and has a literal of one.
        let payload = Payload::compressed(Bytes::from_static(&[100, 0, 7, 7, 7])).unwrap();
        assert_eq!(payload.decompress(), Err(CompressionError::Invalid));
    }
}
