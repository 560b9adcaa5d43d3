//! A section: blooms of 4,096 blocks, read by bit.

use actoreum_primitives::Bloom;

use super::SECTION_BLOCKS;

/// Bytes with a bit for each block of a section.
const SET_BYTES: usize = (SECTION_BLOCKS / 8) as usize;
const BLOOM_BITS: usize = 2_048;

/// Blocks of a section, by their place in it.
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
    /// Every block of the section.
    pub const fn all() -> Self {
        Self([0xff; SET_BYTES])
    }

    /// Whether no block is in it.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// Keeps what is also in `other`.
    pub fn intersect(&mut self, other: &Self) {
        for (byte, other) in self.0.iter_mut().zip(&other.0) {
            *byte &= other;
        }
    }

    /// Adds what is in `other`.
    pub fn unite(&mut self, other: &Self) {
        for (byte, other) in self.0.iter_mut().zip(&other.0) {
            *byte |= other;
        }
    }

    /// The places in the section, ascending.
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

    /// As stored: two bytes (big-endian) a block where that is shorter, or else all 512.
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

    /// Reads what [`Self::encode`] wrote; `None` where it is anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if let Ok(whole) = bytes.try_into() {
            return Some(Self(whole));
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

/// Turns the blooms of a section on their side. A megabyte while it works.
pub struct SectionBuilder {
    /// By bit of the bloom.
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
    /// Adds the next block's bloom; past the section's end it is passed over.
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

    /// The blocks whose bloom has a bit set; `None` where a bloom has no such bit.
    pub fn blocks_with(&self, bit: u16) -> Option<&BlockSet> {
        self.sets.get(usize::from(bit))
    }
}
