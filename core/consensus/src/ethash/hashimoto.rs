//! Hashimoto: computes the mix digest and the proof-of-work result from a header's seal hash and
//! nonce.

use actoreum_primitives::{B256, U256};

use super::{
    dataset::Dataset,
    keccak::{Words, keccak256_of_96, keccak512_of_hash_and_nonce},
    light::{LightCache, PAGE_ROWS, Page},
    row::{Modulus, ROW_WORDS, Row, fnv},
    sizes::PAGE_BYTES,
};

const ACCESSES: usize = 64;
const MIX_WORDS: usize = ROW_WORDS * PAGE_ROWS;

/// The input of hashimoto: the hash of an unsealed header, and a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowInput {
    /// The seal hash: Keccak-256 of the header without mix hash and nonce.
    pub seal_hash: B256,
    /// The nonce, as a number.
    pub nonce: u64,
}

/// The output of hashimoto.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowOutput {
    /// The value of the header's `mix_hash`.
    pub mix_digest: B256,
    /// The proof-of-work result: as a big-endian number it must be at most 2^256 / difficulty.
    pub result: B256,
}

impl PowOutput {
    /// Returns true if the result meets a difficulty. A difficulty of zero is never met.
    pub fn meets(&self, difficulty: U256) -> bool {
        target(difficulty).is_some_and(|target| U256::from_be_bytes(self.result.0) <= target)
    }
}

/// Returns the largest result that a difficulty allows: 2^256 / difficulty, rounded down (at
/// difficulty 1 the largest 256-bit number); `None` at difficulty zero.
pub fn target(difficulty: U256) -> Option<U256> {
    if difficulty.is_zero() {
        return None;
    }
    if difficulty == U256::ONE {
        return Some(U256::MAX);
    }
    let (quotient, remainder) = U256::MAX.div_rem(difficulty);
    let divides_evenly = remainder + U256::ONE == difficulty;
    Some(if divides_evenly {
        quotient + U256::ONE
    } else {
        quotient
    })
}

/// Hashes with a light cache; `dataset_bytes` is the size of the corresponding dataset. Several
/// inputs together take less time per input than one alone.
pub fn hashimoto_light<const COUNT: usize>(
    cache: &LightCache,
    dataset_bytes: u64,
    inputs: &[PowInput; COUNT],
) -> [PowOutput; COUNT] {
    hashimoto(inputs, page_modulus(dataset_bytes), |numbers| {
        cache.pages(numbers)
    })
}

/// Hashes with a full dataset.
pub fn hashimoto_full<const COUNT: usize>(
    dataset: &Dataset,
    inputs: &[PowInput; COUNT],
) -> [PowOutput; COUNT] {
    hashimoto(inputs, page_modulus(dataset.bytes()), |numbers| {
        dataset.pages(numbers)
    })
}

fn page_modulus(dataset_bytes: u64) -> Modulus {
    let pages = u32::try_from(dataset_bytes / PAGE_BYTES);
    Modulus::new(pages.expect("because no epoch in bounds has more than 2^32 pages"))
}

fn hashimoto<const COUNT: usize>(
    inputs: &[PowInput; COUNT],
    modulus: Modulus,
    mut pages: impl FnMut([u32; COUNT]) -> [Page; COUNT],
) -> [PowOutput; COUNT] {
    let seeds: [Words; COUNT] =
        inputs.map(|input| keccak512_of_hash_and_nonce(&input.seal_hash.0, input.nonce));
    let mut mixes: [Page; COUNT] = seeds.map(|seed| [Row::from_words(&seed); PAGE_ROWS]);
    for access in 0..ACCESSES {
        let word = access % MIX_WORDS;
        let numbers: [u32; COUNT] = std::array::from_fn(|index| {
            let seed_head = seeds[index][0] as u32;
            let mixed = mixes[index][word / ROW_WORDS].0[word % ROW_WORDS];
            modulus.reduce(fnv(access as u32 ^ seed_head, mixed)) as u32
        });
        for (mix, page) in mixes.iter_mut().zip(pages(numbers)) {
            for (row, other) in mix.iter_mut().zip(&page) {
                row.mix(other);
            }
        }
    }
    std::array::from_fn(|index| {
        let mix_digest = compress(&mixes[index]);
        let result = keccak256_of_96(&seeds[index], &mix_digest);
        PowOutput {
            mix_digest: mix_digest.into(),
            result: result.into(),
        }
    })
}

/// Folds each four words of the mix into one.
fn compress(mix: &Page) -> [u8; 32] {
    let mut digest = [0; 32];
    let (chunks, _) = digest.as_chunks_mut::<4>();
    let words = mix.iter().flat_map(|row| row.0.as_chunks::<4>().0);
    for (chunk, &[a, b, c, d]) in chunks.iter_mut().zip(words) {
        *chunk = fnv(fnv(fnv(a, b), c), d).to_le_bytes();
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ethash::sizes::seed_hash;
    use actoreum_primitives::alloy_primitives::b256;
    use proptest::prelude::*;

    const SMALL_CACHE_BYTES: u64 = 1024;
    const SMALL_DATASET_BYTES: u64 = 32 * 1024;

    fn small_cache() -> LightCache {
        LightCache::generate_sized(SMALL_CACHE_BYTES, &seed_hash(0))
    }

    /// The vector that geth's tests publish for the small test sizes.
    #[test]
    fn vectors_small_hashimoto() {
        let cache = small_cache();
        let dataset = Dataset::generate_sized(&cache, SMALL_DATASET_BYTES, 2, &|_| {});
        let input = PowInput {
            seal_hash: b256!("c9149cc0386e689d789a1c2f3d5d169a61a6218ed30e74414dc736e442ef3d1f"),
            nonce: 0,
        };
        let expected = PowOutput {
            mix_digest: b256!("e4073cffaef931d37117cefd9afd27ea0f1cad6a981dd2605c4a1ac97c519800"),
            result: b256!("d3539235ee2e6f8db665c0a72169f55b7f6c605712330b778ec3944f0eb5a557"),
        };
        assert_eq!(
            hashimoto_light(&cache, SMALL_DATASET_BYTES, &[input]),
            [expected]
        );
        assert_eq!(hashimoto_full(&dataset, &[input]), [expected]);
    }

    #[test]
    fn vectors_targets() {
        assert_eq!(target(U256::ZERO), None);
        assert_eq!(target(U256::ONE), Some(U256::MAX));
        assert_eq!(target(U256::from(2)), Some(U256::ONE << 255));
        assert_eq!(target(U256::from(3)), Some(U256::MAX / U256::from(3)));
        assert_eq!(target(U256::MAX), Some(U256::ONE));
    }

    proptest! {
        #[test]
        fn prop_light_full_and_batched_hashing_agree(
            hashes: [[u8; 32]; 4], nonces: [u64; 4],
        ) {
            let cache = small_cache();
            let dataset = Dataset::generate_sized(&cache, SMALL_DATASET_BYTES, 1, &|_| {});
            let inputs: [PowInput; 4] = std::array::from_fn(|index| PowInput {
                seal_hash: hashes[index].into(),
                nonce: nonces[index],
            });
            let outputs = hashimoto_light(&cache, SMALL_DATASET_BYTES, &inputs);
            prop_assert_eq!(hashimoto_full(&dataset, &inputs), outputs);
            for (input, output) in inputs.into_iter().zip(outputs) {
                let alone = hashimoto_light(&cache, SMALL_DATASET_BYTES, &[input]);
                prop_assert_eq!(alone, [output]);
            }
        }
    }
}
