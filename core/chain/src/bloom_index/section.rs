//! A section: the blooms of 4,096 blocks, transposed.

use actoreum_primitives::Bloom;

use super::SECTION_BLOCKS;

/// Size of a bit vector with one bit per block of a section.
const SET_BYTES: usize = (SECTION_BLOCKS / 8) as usize;
const BLOOM_BITS: usize = 2_048;

/// A set of blocks of a section, by their index in it.
#[derive(Clone, PartialEq, Eq)]
pub struct BlockSet([u8; SET_BYTES]);

impl Default for BlockSet {
    fn default() -> Self {
        Self([0; SET_BYTES])
    }
}

impl std::fmt::Debug for BlockSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl BlockSet {
    /// Returns the set of all blocks of the section.
    pub const fn all() -> Self {
        Self([0xff; SET_BYTES])
    }

    /// Returns true if the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// Removes the blocks that are not in `other`.
    pub fn intersect(&mut self, other: &Self) {
        for (byte, other) in self.0.iter_mut().zip(&other.0) {
            *byte &= other;
        }
    }

    /// Adds the blocks of `other`.
    pub fn unite(&mut self, other: &Self) {
        for (byte, other) in self.0.iter_mut().zip(&other.0) {
            *byte |= other;
        }
    }

    /// Returns the block indices, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        let bytes = (0..).zip(&self.0).filter(|(_, byte)| **byte != 0);
        bytes.flat_map(|(index, byte): (u64, &u8)| {
            (0..8)
                .filter(move |bit| byte >> bit & 1 == 1)
                .map(move |bit| index * 8 + bit)
        })
    }

    fn insert(&mut self, place: u64) {
        if let Some(byte) = self.0.get_mut((place / 8) as usize) {
            *byte |= 1 << (place % 8);
        }
    }

    /// Encodes the set for storage: two bytes (big-endian) per block if that is shorter, otherwise
    /// the bit vector of 512 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let places: Vec<u8> = self
            .iter()
            .take(SET_BYTES / 2)
            .flat_map(|place| (place as u16).to_be_bytes())
            .collect();
        if places.len() < SET_BYTES {
            places
        } else {
            self.0.to_vec()
        }
    }

    /// Decodes the output of [`Self::encode`]; `None` if the bytes are malformed.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if let Ok(full) = bytes.try_into() {
            return Some(Self(full));
        }
        let (places, rest) = bytes.as_chunks::<2>();
        if !rest.is_empty() || bytes.len() > SET_BYTES {
            return None;
        }
        let mut set = Self::default();
        for place in places {
            let place = u64::from(u16::from_be_bytes(*place));
            if place >= SECTION_BLOCKS {
                return None;
            }
            set.insert(place);
        }
        Some(set)
    }
}

/// Transposes the blooms of a section. Takes a megabyte of memory.
pub struct SectionBuilder {
    /// One set per bit of the bloom.
    sets: Vec<BlockSet>,
    added: u64,
}

impl std::fmt::Debug for SectionBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SectionBuilder")
            .field("added", &self.added)
            .finish_non_exhaustive()
    }
}

impl Default for SectionBuilder {
    fn default() -> Self {
        Self {
            sets: vec![BlockSet::default(); BLOOM_BITS],
            added: 0,
        }
    }
}

impl SectionBuilder {
    /// Adds the next block's bloom; blooms past the end of the section are ignored.
    pub fn add(&mut self, bloom: &Bloom) {
        // Byte 255 holds the bits 0 to 7.
        for (index, byte) in bloom.as_slice().iter().rev().enumerate() {
            if *byte == 0 {
                continue;
            }
            for bit in (0..8).filter(|bit| byte >> bit & 1 == 1) {
                if let Some(set) = self.sets.get_mut(index * 8 + bit) {
                    set.insert(self.added);
                }
            }
        }
        self.added += 1;
    }

    /// Returns the blocks whose bloom has this bit set; `None` if blooms have no such bit.
    pub fn blocks_with(&self, bit: u16) -> Option<&BlockSet> {
        self.sets.get(usize::from(bit))
    }
}
