//! Keccak-f[1600], with run-time selection of the implementation.

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
