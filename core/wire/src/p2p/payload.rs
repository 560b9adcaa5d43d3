//! The payload of a message, still compressed.

use bytes::Bytes;

use super::{Compression, CompressionError};

/// The payload of a message, decompressed on demand.
///
/// A few hundred kilobytes can hold 16 MiB, which take milliseconds to decompress: the owner of the
/// socket, whose thread serves other connections, passes the payload on as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    bytes: Bytes,
    /// Length that the compressed bytes claim, after its check; `None` if the payload is not
    /// compressed.
    claimed: Option<usize>,
}

impl Payload {
    /// Creates a payload that was sent without compression.
    pub fn plain(bytes: Bytes) -> Self {
        Self {
            bytes,
            claimed: None,
        }
    }

    /// Creates a payload in snappy's block format.
    ///
    /// # Errors
    /// If its claimed length is above the limit, or impossible.
    pub fn compressed(bytes: Bytes) -> Result<Self, CompressionError> {
        let claimed = Some(Compression::claimed_length(&bytes)?);
        Ok(Self { bytes, claimed })
    }

    /// Returns the number of bytes after decompression, as the payload claims: it cannot decompress
    /// to another length.
    pub fn len(&self) -> usize {
        self.claimed.unwrap_or(self.bytes.len())
    }

    /// Returns true if the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the decompressed payload. Takes time in proportion to [`Self::len`].
    ///
    /// # Errors
    /// If the payload is not valid snappy.
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
    fn a_false_length_claim_is_detected_by_decompression() {
        // It claims 100 bytes and has a literal of one.
        let payload = Payload::compressed(Bytes::from_static(&[100, 0, 7, 7, 7])).unwrap();
        assert_eq!(payload.decompress(), Err(CompressionError::Invalid));
    }
}
