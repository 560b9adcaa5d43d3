//! Keccak-512 of eight rows together, in the lanes of 512-bit vectors.
//!
//! The rows of a few dataset pages are independent of each other: eight permutations in parallel
//! take about as long as one alone. The code uses intrinsics, because the speed of compiled loops
//! over arrays differs by a factor of ten with their form.

use std::arch::x86_64::{
    __m512i, _mm512_rol_epi64, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_ternarylogic_epi64,
    _mm512_xor_si512,
};

use actoreum_primitives::crypto::ROUND_CONSTANTS;

use super::row::Row;

/// Number of rows that are hashed together.
pub(super) const LANES: usize = 8;

/// Truth table of `a ^ b ^ c`.
const XOR3: i32 = 0x96;
/// Truth table of `a ^ (!b & c)`.
const CHI: i32 = 0xd2;

/// Expands a block once for each value, with the index known at compile time: the state then stays
/// in registers.
macro_rules! each {
    ($index:ident in [$($value:literal)*] $block:block) => {
        $({
            const $index: usize = $value;
            $block
        })*
    };
}

/// Steps rho and pi: each word in turn moves to its next position, rotated.
macro_rules! rho_pi {
    ($state:ident, $($place:literal <<< $bits:literal),*) => {
        let mut moved = $state[1];
        $(
            let next = $state[$place];
            $state[$place] = _mm512_rol_epi64::<$bits>(moved);
            moved = next;
        )*
        let _ = moved;
    };
}

/// Replaces each row by its Keccak-512.
#[target_feature(enable = "avx512f")]
pub(super) fn keccak512_of_eight(rows: &mut [Row; LANES]) {
    let inputs = rows.map(Row::to_words);
    let mut state = [_mm512_setzero_si512(); 25];
    for (word, lanes) in state.iter_mut().take(8).enumerate() {
        *lanes = from_words(std::array::from_fn(|lane| inputs[lane][word]));
    }
    state[8] = _mm512_set1_epi64(0x8000_0000_0000_0001_u64 as i64);
    permute(&mut state);
    let words: [[u64; LANES]; 8] = std::array::from_fn(|word| to_words(state[word]));
    for (lane, row) in rows.iter_mut().enumerate() {
        *row = Row::from_words(&words.map(|lanes| lanes[lane]));
    }
}

/// Keccak-f\[1600\] on eight states.
#[target_feature(enable = "avx512f")]
fn permute(state: &mut [__m512i; 25]) {
    let mut a = *state;
    for constant in ROUND_CONSTANTS {
        let mut parity = [_mm512_setzero_si512(); 5];
        each!(X in [0 1 2 3 4] {
            let upper = _mm512_ternarylogic_epi64::<XOR3>(a[X], a[X + 5], a[X + 10]);
            parity[X] = _mm512_ternarylogic_epi64::<XOR3>(upper, a[X + 15], a[X + 20]);
        });
        each!(X in [0 1 2 3 4] {
            let rotated = _mm512_rol_epi64::<1>(parity[(X + 1) % 5]);
            each!(Y in [0 5 10 15 20] {
                let (left, word) = (parity[(X + 4) % 5], a[X + Y]);
                a[X + Y] = _mm512_ternarylogic_epi64::<XOR3>(word, left, rotated);
            });
        });
        rho_pi!(
            a, 10 <<< 1, 7 <<< 3, 11 <<< 6, 17 <<< 10, 18 <<< 15, 3 <<< 21, 5 <<< 28, 16 <<< 36,
            8 <<< 45, 21 <<< 55, 24 <<< 2, 4 <<< 14, 15 <<< 27, 23 <<< 41, 19 <<< 56, 13 <<< 8,
            12 <<< 25, 2 <<< 43, 20 <<< 62, 14 <<< 18, 22 <<< 39, 9 <<< 61, 6 <<< 20, 1 <<< 44
        );
        each!(Y in [0 5 10 15 20] {
            let plane = [a[Y], a[Y + 1], a[Y + 2], a[Y + 3], a[Y + 4]];
            each!(X in [0 1 2 3 4] {
                let (word, next, after) = (plane[X], plane[(X + 1) % 5], plane[(X + 2) % 5]);
                a[Y + X] = _mm512_ternarylogic_epi64::<CHI>(word, next, after);
            });
        });
        a[0] = _mm512_xor_si512(a[0], _mm512_set1_epi64(constant as i64));
    }
    *state = a;
}

fn from_words(words: [u64; LANES]) -> __m512i {
    // SAFETY: both types are 64 bytes, and any bits are a value of either.
    unsafe { std::mem::transmute(words) }
}

fn to_words(lanes: __m512i) -> [u64; LANES] {
    // SAFETY: both types are 64 bytes, and any bits are a value of either.
    unsafe { std::mem::transmute(lanes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prop_equals_one_by_one(words: [[u64; 8]; LANES]) {
            if is_x86_feature_detected!("avx512f") {
                let mut rows = words.map(|words| Row::from_words(&words));
                let expected = rows.map(Row::keccak512);
                // SAFETY: the processor has the feature, as was just asked.
                unsafe { keccak512_of_eight(&mut rows) };
                prop_assert_eq!(rows, expected);
            }
        }
    }
}
