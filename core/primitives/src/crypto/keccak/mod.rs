//! Keccak-256 on the fastest permutation that the processor supports.

mod permutation;
mod round_constants;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use alloy_primitives::B256;

pub use permutation::keccak_f1600;
pub use round_constants::ROUND_CONSTANTS;

/// Bytes of input that each permutation absorbs.
const RATE: usize = 136;

/// Returns Keccak-256 as Ethereum uses it (with the padding from before SHA-3).
pub fn keccak256(bytes: impl AsRef<[u8]>) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update(bytes.as_ref());
    hasher.digest()
}

/// An incremental Keccak-256 hasher. The caller may ask for the digest at any time and then append
/// more bytes.
#[derive(Clone)]
pub struct Keccak256 {
    state: [u64; 25],
    /// Input of less than a block; only the first [`Self::filled`] bytes are meaningful.
    block: [u8; RATE],
    filled: usize,
}

impl Keccak256 {
    /// Creates a hasher of the empty string.
    pub fn new() -> Self {
        Self {
            state: [0; 25],
            block: [0; RATE],
            filled: 0,
        }
    }

    /// Appends bytes to the input.
    pub fn update(&mut self, mut bytes: &[u8]) {
        if self.filled > 0 {
            let free = &mut self.block[self.filled..];
            let taken = free.len().min(bytes.len());
            let (head, rest) = bytes.split_at(taken);
            free[..taken].copy_from_slice(head);
            self.filled += taken;
            bytes = rest;
            if self.filled < RATE {
                return;
            }
            absorb(&mut self.state, &self.block);
        }
        let (blocks, rest) = bytes.as_chunks::<RATE>();
        for block in blocks {
            absorb(&mut self.state, block);
        }
        self.block[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
    }

    /// Returns the hash of the input so far.
    pub fn digest(&self) -> B256 {
        let mut state = self.state;
        let mut block = [0; RATE];
        block[..self.filled].copy_from_slice(&self.block[..self.filled]);
        block[self.filled] = 0x01;
        block[RATE - 1] |= 0x80;
        absorb(&mut state, &block);

        let mut digest = B256::ZERO;
        let (words, _) = digest.0.as_chunks_mut::<8>();
        for (to, from) in words.iter_mut().zip(state) {
            *to = from.to_le_bytes();
        }
        digest
    }
}

impl Default for Keccak256 {
    fn default() -> Self {
        Self::new()
    }
}

/// The output omits the state, because the input may be a secret.
impl std::fmt::Debug for Keccak256 {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Keccak256(..)")
    }
}

fn absorb(state: &mut [u64; 25], block: &[u8; RATE]) {
    let (words, _) = block.as_chunks::<8>();
    for (lane, word) in state.iter_mut().zip(words) {
        *lane ^= u64::from_le_bytes(*word);
    }
    keccak_f1600(state);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha3::Digest;

    use super::*;

    #[test]
    fn every_length_around_a_block_hashes_as_the_reference() {
        let bytes: Vec<u8> = (0..3 * RATE + 2).map(|index| index as u8).collect();
        for length in 0..=bytes.len() {
            let input = &bytes[..length];
            assert_eq!(keccak256(input)[..], sha3::Keccak256::digest(input)[..]);
        }
    }

    proptest! {
        #[test]
        fn prop_hashing_in_parts_equals_hashing_the_whole(parts: Vec<Vec<u8>>, long in 0..2_000_usize) {
            let (mut ours, mut reference) = (Keccak256::new(), sha3::Keccak256::new());
            for part in parts.into_iter().chain([vec![7; long], vec![1]]) {
                ours.update(&part);
                reference.update(&part);
                prop_assert_eq!(&ours.digest()[..], &reference.clone().finalize()[..]);
            }
        }
    }
}
