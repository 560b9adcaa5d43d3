//! A 64-byte row of a cache or dataset, and remainders by a fixed divisor.

use super::keccak::{Words, keccak512_of_64};

/// Number of 32-bit words in a row.
pub(super) const ROW_WORDS: usize = 16;

const FNV_PRIME: u32 = 0x0100_0193;

/// The FNV step of ethash: the prime times `a`, then exclusive or with `b`.
#[inline(always)]
pub(super) const fn fnv(a: u32, b: u32) -> u32 {
    a.wrapping_mul(FNV_PRIME) ^ b
}

/// A row: one cache line, so that reading it costs one memory access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(align(64))]
pub struct Row(pub(super) [u32; ROW_WORDS]);

impl Row {
    pub(super) const ZERO: Self = Self([0; ROW_WORDS]);

    #[inline(always)]
    pub(super) fn from_words(words: &Words) -> Self {
        Self(std::array::from_fn(|index| {
            (words[index / 2] >> (32 * (index % 2))) as u32
        }))
    }

    #[inline(always)]
    pub(super) fn to_words(self) -> Words {
        std::array::from_fn(|index| {
            u64::from(self.0[2 * index]) | u64::from(self.0[2 * index + 1]) << 32
        })
    }

    /// Mixes another row into this one, word by word.
    #[inline(always)]
    pub(super) fn mix(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word = fnv(*word, other);
        }
    }

    #[inline(always)]
    pub(super) fn keccak512(self) -> Self {
        Self::from_words(&keccak512_of_64(&self.to_words()))
    }
}

/// Remainder by a fixed divisor, without a division.
///
/// Exact for every 32-bit number and divisor (Lemire, Kaser, Kurz: "Faster remainder by direct
/// computation", 2019).
#[derive(Debug, Clone, Copy)]
pub(super) struct Modulus {
    divisor: u32,
    reciprocal: u64,
}

impl Modulus {
    /// Precomputes the reciprocal; `divisor` is at least 2.
    pub(super) fn new(divisor: u32) -> Self {
        debug_assert!(divisor >= 2);
        Self {
            divisor,
            reciprocal: u64::MAX / u64::from(divisor) + 1,
        }
    }

    #[inline(always)]
    pub(super) fn reduce(self, number: u32) -> usize {
        let fraction = self.reciprocal.wrapping_mul(u64::from(number));
        ((u128::from(fraction) * u128::from(self.divisor)) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prop_reduction_equals_division(number: u32, divisor in 2u32..) {
            let expected = (number % divisor) as usize;
            prop_assert_eq!(Modulus::new(divisor).reduce(number), expected);
            let last = (u32::MAX % divisor) as usize;
            prop_assert_eq!(Modulus::new(divisor).reduce(u32::MAX), last);
        }

        #[test]
        fn prop_words_round_trip(words: [u64; 8]) {
            prop_assert_eq!(Row::from_words(&words).to_words(), words);
        }
    }
}
