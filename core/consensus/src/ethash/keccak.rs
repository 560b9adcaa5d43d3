//! Keccak over the four input lengths that ethash hashes.
//!
//! Each input is shorter than the sponge's rate, so that a hash is one permutation over words,
//! without buffering or copying of bytes. Light verification and cache generation spend a good part
//! of their time here.

use actoreum_primitives::crypto::keccak_f1600;

/// A 64-byte value as eight little-endian words.
pub(super) type Words = [u64; 8];

const RATE_256: usize = 17;
const RATE_512: usize = 9;

#[inline(always)]
fn absorb_once<const LENGTH: usize, const RATE: usize>(input: &[u64; LENGTH]) -> [u64; 25] {
    const { assert!(LENGTH < RATE && RATE < 25) };
    let mut state = [0; 25];
    state[..LENGTH].copy_from_slice(input);
    state[LENGTH] = 1;
    state[RATE - 1] ^= 1 << 63;
    keccak_f1600(&mut state);
    state
}

#[inline(always)]
fn first_words<const LENGTH: usize>(state: &[u64; 25]) -> [u64; LENGTH] {
    std::array::from_fn(|index| state[index])
}

/// Keccak-512 of 64 bytes.
#[inline(always)]
pub(super) fn keccak512_of_64(input: &Words) -> Words {
    first_words(&absorb_once::<8, RATE_512>(input))
}

/// Keccak-512 of 32 bytes.
pub(super) fn keccak512_of_32(input: &[u8; 32]) -> Words {
    first_words(&absorb_once::<4, RATE_512>(&words_of_32(input)))
}

/// Keccak-512 of a 32-byte hash and a little-endian nonce.
pub(super) fn keccak512_of_hash_and_nonce(hash: &[u8; 32], nonce: u64) -> Words {
    let [a, b, c, d] = words_of_32(hash);
    first_words(&absorb_once::<5, RATE_512>(&[a, b, c, d, nonce]))
}

/// Keccak-256 of 32 bytes.
pub(super) fn keccak256_of_32(input: &[u8; 32]) -> [u8; 32] {
    bytes_of_4(&first_words(&absorb_once::<4, RATE_256>(&words_of_32(
        input,
    ))))
}

/// Keccak-256 of a 64-byte value followed by a 32-byte one.
pub(super) fn keccak256_of_96(head: &Words, tail: &[u8; 32]) -> [u8; 32] {
    let mut input = [0; 12];
    input[..8].copy_from_slice(head);
    input[8..].copy_from_slice(&words_of_32(tail));
    bytes_of_4(&first_words(&absorb_once::<12, RATE_256>(&input)))
}

fn words_of_32(bytes: &[u8; 32]) -> [u64; 4] {
    let (chunks, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|index| u64::from_le_bytes(chunks[index]))
}

fn bytes_of_4(words: &[u64; 4]) -> [u8; 32] {
    let mut bytes = [0; 32];
    let (chunks, _) = bytes.as_chunks_mut::<8>();
    for (chunk, word) in chunks.iter_mut().zip(words) {
        *chunk = word.to_le_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha3::{Digest, Keccak256, Keccak512};

    fn bytes(words: &Words) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    proptest! {
        #[test]
        fn prop_equals_the_general_sponge(words: Words, hash: [u8; 32], nonce: u64) {
            let reference = |input: &[u8]| Keccak512::digest(input).to_vec();
            prop_assert_eq!(bytes(&keccak512_of_64(&words)), reference(&bytes(&words)));
            prop_assert_eq!(bytes(&keccak512_of_32(&hash)), reference(&hash));
            let seeded = [&hash[..], &nonce.to_le_bytes()].concat();
            prop_assert_eq!(bytes(&keccak512_of_hash_and_nonce(&hash, nonce)), reference(&seeded));
            prop_assert_eq!(&keccak256_of_32(&hash)[..], &Keccak256::digest(hash)[..]);
            let long = [&bytes(&words)[..], &hash].concat();
            prop_assert_eq!(&keccak256_of_96(&words, &hash)[..], &Keccak256::digest(long)[..]);
        }
    }
}
