//! A path of nibbles from the root of a trie.

use crate::TrieError;
use crate::limits::MAX_NIBBLES;

/// A path of up to 64 nibbles, packed two to a byte from the front; the unused nibbles are zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    bytes: [u8; MAX_NIBBLES / 2],
    len: u8,
}

impl Path {
    /// Path of the root.
    pub const EMPTY: Self = Self {
        bytes: [0; MAX_NIBBLES / 2],
        len: 0,
    };

    /// Returns the number of nibbles.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Returns true if this is the root's path.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the nibble at `index`, which must be below [`Self::len`].
    #[inline]
    pub fn at(&self, index: usize) -> u8 {
        debug_assert!(index < self.len());
        nibble(&self.bytes, index)
    }

    /// Returns the packed nibbles; with an odd length the last low nibble is zero.
    #[inline]
    pub fn packed(&self) -> &[u8] {
        &self.bytes[..self.len().div_ceil(2)]
    }

    /// Appends the database key of a node at this path: the packed nibbles, then their number.
    /// Distinct paths have distinct keys, and nodes that are close in the trie are close in the
    /// database.
    pub fn append_to(&self, key: &mut Vec<u8>) {
        key.extend_from_slice(self.packed());
        key.push(self.len);
    }

    /// Decodes the key that [`Self::append_to`] wrote; `None` if `key` is not of that form.
    pub fn from_stored(key: &[u8]) -> Option<Self> {
        let (len, packed) = key.split_last()?;
        let mut path = Self {
            len: *len,
            ..Self::EMPTY
        };
        if path.len() > MAX_NIBBLES || packed.len() != path.len().div_ceil(2) {
            return None;
        }
        path.bytes[..packed.len()].copy_from_slice(packed);
        (path.len().is_multiple_of(2) || packed.last()? & 0x0f == 0).then_some(path)
    }

    /// Decodes a path in the hex-prefix form of the yellow paper, as a peer of the snap protocol asks
    /// for it. As in geth, an empty string is the root's path, and the nibble after the flags of an even
    /// path has no meaning. Returns `None` for a path to a value (with the leaf's flag) and for one of
    /// more than 64 nibbles: no node has these.
    pub fn from_hex_prefix(encoded: &[u8]) -> Option<Self> {
        let Some(first) = encoded.first() else {
            return Some(Self::EMPTY);
        };
        let start = if first & 0x10 == 0 { 2 } else { 1 };
        let path = Self::key_range(encoded, start, encoded.len() * 2).ok()?;
        (first & 0x20 == 0).then_some(path)
    }

    /// Returns the path in the hex-prefix form, of which [`Self::from_hex_prefix`] is the inverse.
    pub fn to_hex_prefix(&self) -> Vec<u8> {
        crate::node::encode_partial_path(self, false).to_vec()
    }

    /// Returns the path of all nibbles of a key of at most 32 bytes.
    pub(crate) fn from_key(key: &[u8]) -> Result<Self, TrieError> {
        Self::key_range(key, 0, key.len() * 2)
    }

    /// Returns the nibbles of `key` in `start..end`.
    pub(crate) fn key_range(key: &[u8], start: usize, end: usize) -> Result<Self, TrieError> {
        let len = end - start;
        if len > MAX_NIBBLES {
            return Err(TrieError::KeyTooLong(key.len()));
        }
        let mut path = Self {
            len: len as u8,
            ..Self::EMPTY
        };
        if start.is_multiple_of(2) {
            let source = &key[start / 2..end.div_ceil(2)];
            path.bytes[..source.len()].copy_from_slice(source);
        } else {
            for index in 0..len {
                let shift = if index.is_multiple_of(2) { 4 } else { 0 };
                path.bytes[index / 2] |= nibble(key, start + index) << shift;
            }
        }
        if !len.is_multiple_of(2) {
            path.bytes[len / 2] &= 0xf0;
        }
        Ok(path)
    }

    /// Returns the nibbles in `start..end`.
    pub(crate) fn range(&self, start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end <= self.len());
        Self::key_range(&self.bytes, start, end).unwrap_or(Self::EMPTY)
    }

    /// Returns this path followed by one nibble.
    pub(crate) fn child(&self, nibble: u8) -> Result<Self, TrieError> {
        let mut path = *self;
        path.push(nibble)?;
        Ok(path)
    }

    /// Returns this path followed by another path.
    pub(crate) fn join(&self, tail: &Self) -> Result<Self, TrieError> {
        let mut path = *self;
        if self.len() + tail.len() > MAX_NIBBLES {
            return Err(TrieError::Malformed("a path is longer than 64 nibbles"));
        }
        if self.len().is_multiple_of(2) {
            let start = self.len() / 2;
            path.bytes[start..start + tail.packed().len()].copy_from_slice(tail.packed());
            path.len += tail.len;
        } else {
            for index in 0..tail.len() {
                path.push(tail.at(index))?;
            }
        }
        Ok(path)
    }

    pub(crate) fn push(&mut self, nibble: u8) -> Result<(), TrieError> {
        debug_assert!(nibble < 16);
        let slot = self
            .bytes
            .get_mut(self.len as usize / 2)
            .ok_or(TrieError::Malformed("a path is longer than 64 nibbles"))?;
        *slot |= if self.len.is_multiple_of(2) {
            nibble << 4
        } else {
            nibble
        };
        self.len += 1;
        Ok(())
    }

    /// Returns the number of leading nibbles that this path shares with `key` from `start` on.
    pub(crate) fn shared_with_key(&self, key: &[u8], start: usize) -> usize {
        let limit = self.len().min((key.len() * 2).saturating_sub(start));
        (0..limit)
            .take_while(|index| self.at(*index) == nibble(key, start + index))
            .count()
    }
}

impl std::fmt::Debug for Path {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (0..self.len()).try_for_each(|index| write!(formatter, "{:x}", self.at(index)))
    }
}

/// Returns the nibble of a key at `index`, high nibbles first.
#[inline]
pub(crate) fn nibble(key: &[u8], index: usize) -> u8 {
    let byte = key[index / 2];
    if index.is_multiple_of(2) {
        byte >> 4
    } else {
        byte & 0x0f
    }
}

/// Returns the number of leading nibbles, counted from `start`, that two keys share.
pub(crate) fn shared_nibbles(left: &[u8], right: &[u8], start: usize) -> usize {
    let limit = left.len().min(right.len()) * 2;
    let mut index = start;
    while index < limit && nibble(left, index) == nibble(right, index) {
        index += 1;
    }
    index - start
}
