//! Hashes by which entries name their children.

use std::fmt;
use std::str::FromStr;

use actoreum_primitives::keccak256;
use data_encoding::BASE32_NOPAD;

use super::EntryError;

/// Minimum number of bytes of a hash.
const MIN_LENGTH: usize = 12;
/// Number of bytes of the hashes that this node writes.
const WRITTEN_LENGTH: usize = 16;

/// The first 12 to 32 bytes of the Keccak-256 hash of an entry's text. Displayed as the name below which the
/// entry is published: unpadded base32.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryHash {
    /// The bytes; zeros after `length`.
    bytes: [u8; 32],
    length: u8,
}

impl EntryHash {
    /// Returns the hash of a text, 16 bytes long.
    pub fn of(text: &str) -> Self {
        let mut bytes = [0; 32];
        let kept = bytes.iter_mut().zip(keccak256(text).0).take(WRITTEN_LENGTH);
        kept.for_each(|(kept, byte)| *kept = byte);
        Self {
            bytes,
            length: WRITTEN_LENGTH as u8,
        }
    }

    /// Returns whether this is the hash of a text.
    pub fn is_of(&self, text: &str) -> bool {
        keccak256(text).0.starts_with(self.as_bytes())
    }

    /// Returns the bytes: 12 to 32.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length.into()).unwrap_or_default()
    }
}

impl FromStr for EntryHash {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        let decoded = BASE32_NOPAD.decode(text.as_bytes());
        let decoded = decoded.map_err(|_| EntryError::BranchChild)?;
        let mut bytes = [0; 32];
        match (bytes.get_mut(..decoded.len()), u8::try_from(decoded.len())) {
            (Some(start), Ok(length)) if decoded.len() >= MIN_LENGTH => {
                start.copy_from_slice(&decoded);
                Ok(Self { bytes, length })
            }
            _ => Err(EntryError::BranchChild),
        }
    }
}

impl fmt::Display for EntryHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&BASE32_NOPAD.encode(self.as_bytes()))
    }
}

impl fmt::Debug for EntryHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EntryHash({self})")
    }
}
