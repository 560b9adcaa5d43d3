//! Keccak-f[1600], with run-time selection of the implementation.

/// The constants that the iota step adds in the 24 rounds (FIPS 202, section 3.2.5).
pub const ROUND_CONSTANTS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// Applies the permutation of Keccak (FIPS 202, section 3) to 25 lanes. The lane of column x and
/// row y is at index x + 5y.
pub fn keccak_f1600(state: &mut [u64; 25]) {
    #[cfg(target_arch = "x86_64")]
    {
        use super::x86_64;
        if std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512vl")
        {
            // SAFETY: the processor has both.
            return unsafe { x86_64::with_avx512(state) };
        }
        if std::arch::is_x86_feature_detected!("bmi1")
            && std::arch::is_x86_feature_detected!("bmi2")
        {
            // SAFETY: the processor has both.
            return unsafe { x86_64::with_bmi(state) };
        }
    }
    keccak::f1600(state);
}
