//! Keccak-f[1600] for x86-64 with AVX-512 or BMI. Each lane is in one register. AVX-512 has 32
//! registers, so that no lane is spilled, and it has one instruction for a rotation and one for
//! chi. BMI negates and rotates without a copy. `docs/adr/0010-keccak.md` has the measurements.

use super::round_constants::ROUND_CONSTANTS;

/// Runs the 24 rounds with the `load`, `store`, `xor`, `rol` and `chi` in scope. It is a macro
/// because a function that took them as parameters would not be compiled with their target
/// features.
macro_rules! permute {
    ($state:expr) => {
        let state: &mut [u64; 25] = $state;
        let mut a = [
            load(state[0]),
            load(state[1]),
            load(state[2]),
            load(state[3]),
            load(state[4]),
            load(state[5]),
            load(state[6]),
            load(state[7]),
            load(state[8]),
            load(state[9]),
            load(state[10]),
            load(state[11]),
            load(state[12]),
            load(state[13]),
            load(state[14]),
            load(state[15]),
            load(state[16]),
            load(state[17]),
            load(state[18]),
            load(state[19]),
            load(state[20]),
            load(state[21]),
            load(state[22]),
            load(state[23]),
            load(state[24]),
        ];
        for constant in ROUND_CONSTANTS {
            let b = {
                // theta
                let c = [
                    xor(xor(a[0], a[5]), xor(xor(a[10], a[15]), a[20])),
                    xor(xor(a[1], a[6]), xor(xor(a[11], a[16]), a[21])),
                    xor(xor(a[2], a[7]), xor(xor(a[12], a[17]), a[22])),
                    xor(xor(a[3], a[8]), xor(xor(a[13], a[18]), a[23])),
                    xor(xor(a[4], a[9]), xor(xor(a[14], a[19]), a[24])),
                ];
                let d = [
                    xor(c[4], rol::<1>(c[1])),
                    xor(c[0], rol::<1>(c[2])),
                    xor(c[1], rol::<1>(c[3])),
                    xor(c[2], rol::<1>(c[4])),
                    xor(c[3], rol::<1>(c[0])),
                ];
                // rho and pi: the lane of (x, y) goes to (y, 2x + 3y)
                [
                    xor(a[0], d[0]),
                    rol::<44>(xor(a[6], d[1])),
                    rol::<43>(xor(a[12], d[2])),
                    rol::<21>(xor(a[18], d[3])),
                    rol::<14>(xor(a[24], d[4])),
                    rol::<28>(xor(a[3], d[3])),
                    rol::<20>(xor(a[9], d[4])),
                    rol::<3>(xor(a[10], d[0])),
                    rol::<45>(xor(a[16], d[1])),
                    rol::<61>(xor(a[22], d[2])),
                    rol::<1>(xor(a[1], d[1])),
                    rol::<6>(xor(a[7], d[2])),
                    rol::<25>(xor(a[13], d[3])),
                    rol::<8>(xor(a[19], d[4])),
                    rol::<18>(xor(a[20], d[0])),
                    rol::<27>(xor(a[4], d[4])),
                    rol::<36>(xor(a[5], d[0])),
                    rol::<10>(xor(a[11], d[1])),
                    rol::<15>(xor(a[17], d[2])),
                    rol::<56>(xor(a[23], d[3])),
                    rol::<62>(xor(a[2], d[2])),
                    rol::<55>(xor(a[8], d[3])),
                    rol::<39>(xor(a[14], d[4])),
                    rol::<41>(xor(a[15], d[0])),
                    rol::<2>(xor(a[21], d[1])),
                ]
            };
            a = [
                chi(b[0], b[1], b[2]),
                chi(b[1], b[2], b[3]),
                chi(b[2], b[3], b[4]),
                chi(b[3], b[4], b[0]),
                chi(b[4], b[0], b[1]),
                chi(b[5], b[6], b[7]),
                chi(b[6], b[7], b[8]),
                chi(b[7], b[8], b[9]),
                chi(b[8], b[9], b[5]),
                chi(b[9], b[5], b[6]),
                chi(b[10], b[11], b[12]),
                chi(b[11], b[12], b[13]),
                chi(b[12], b[13], b[14]),
                chi(b[13], b[14], b[10]),
                chi(b[14], b[10], b[11]),
                chi(b[15], b[16], b[17]),
                chi(b[16], b[17], b[18]),
                chi(b[17], b[18], b[19]),
                chi(b[18], b[19], b[15]),
                chi(b[19], b[15], b[16]),
                chi(b[20], b[21], b[22]),
                chi(b[21], b[22], b[23]),
                chi(b[22], b[23], b[24]),
                chi(b[23], b[24], b[20]),
                chi(b[24], b[20], b[21]),
            ];
            // iota
            a[0] = xor(a[0], load(constant));
        }
        for (to, from) in state.iter_mut().zip(a) {
            *to = store(from);
        }
    };
}

/// Keccak-f[1600] with AVX-512.
#[target_feature(enable = "avx512f,avx512vl")]
pub(super) fn with_avx512(state: &mut [u64; 25]) {
    use avx512::{chi, load, rol, store, xor};
    permute!(state);
}

/// Keccak-f[1600] with BMI.
#[target_feature(enable = "bmi1,bmi2")]
pub(super) fn with_bmi(state: &mut [u64; 25]) {
    use words::{chi, load, rol, store, xor};
    permute!(state);
}

mod avx512 {
    use std::arch::x86_64::{
        __m128i, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_rol_epi64, _mm_ternarylogic_epi64,
        _mm_xor_si128,
    };

    /// a ^ (!b & c), as the truth table of `vpternlogq`.
    const CHI: i32 = 0xd2;

    #[inline]
    #[target_feature(enable = "avx512f,avx512vl")]
    pub(super) fn load(word: u64) -> __m128i {
        _mm_cvtsi64_si128(word.cast_signed())
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512vl")]
    pub(super) fn store(lane: __m128i) -> u64 {
        _mm_cvtsi128_si64(lane).cast_unsigned()
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512vl")]
    pub(super) fn xor(left: __m128i, right: __m128i) -> __m128i {
        _mm_xor_si128(left, right)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512vl")]
    pub(super) fn rol<const BITS: i32>(lane: __m128i) -> __m128i {
        _mm_rol_epi64::<BITS>(lane)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512vl")]
    pub(super) fn chi(a: __m128i, b: __m128i, c: __m128i) -> __m128i {
        _mm_ternarylogic_epi64::<CHI>(a, b, c)
    }
}

mod words {
    #[inline(always)]
    pub(super) fn load(word: u64) -> u64 {
        word
    }

    #[inline(always)]
    pub(super) fn store(lane: u64) -> u64 {
        lane
    }

    #[inline(always)]
    pub(super) fn xor(left: u64, right: u64) -> u64 {
        left ^ right
    }

    #[inline(always)]
    pub(super) fn rol<const BITS: u32>(lane: u64) -> u64 {
        lane.rotate_left(BITS)
    }

    #[inline(always)]
    pub(super) fn chi(a: u64, b: u64, c: u64) -> u64 {
        a ^ (!b & c)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prop_every_implementation_gives_the_same_result(state: [u64; 25]) {
            let mut reference = state;
            keccak::f1600(&mut reference);
            if std::arch::is_x86_feature_detected!("avx512vl") {
                let mut ours = state;
                // SAFETY: the processor has it.
                unsafe { super::with_avx512(&mut ours) };
                prop_assert_eq!(ours, reference);
            }
            if std::arch::is_x86_feature_detected!("bmi2") {
                let mut ours = state;
                // SAFETY: the processor has it.
                unsafe { super::with_bmi(&mut ours) };
                prop_assert_eq!(ours, reference);
            }
        }
    }
}
