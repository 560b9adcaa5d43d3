//! Sizes of an epoch's cache and dataset, all in 64 bits.

use super::keccak::keccak256_of_32;

/// Number of blocks in an epoch.
pub const EPOCH_BLOCKS: u64 = 30_000;
/// Size of a row in bytes: the unit of the cache, and half a page of the dataset.
pub const ROW_BYTES: u64 = 64;
/// Size of a dataset page in bytes: the unit that one step of hashimoto reads.
pub const PAGE_BYTES: u64 = 128;

const CACHE_BYTES_AT_GENESIS: u64 = 1 << 24;
const CACHE_BYTES_PER_EPOCH: u64 = 1 << 17;
const DATASET_BYTES_AT_GENESIS: u64 = 1 << 30;
const DATASET_BYTES_PER_EPOCH: u64 = 1 << 23;

/// Returns the epoch of a block.
pub const fn epoch_of(block_number: u64) -> u64 {
    block_number / EPOCH_BLOCKS
}

/// Returns the size of the epoch's light cache in bytes: the largest below the linear growth whose
/// row count is prime.
pub fn cache_bytes(epoch: u64) -> u64 {
    let linear = CACHE_BYTES_AT_GENESIS + CACHE_BYTES_PER_EPOCH * epoch - ROW_BYTES;
    largest_with_prime_count(linear, ROW_BYTES)
}

/// Returns the size of the epoch's dataset in bytes: the largest below the linear growth whose page
/// count is prime.
pub fn dataset_bytes(epoch: u64) -> u64 {
    let linear = DATASET_BYTES_AT_GENESIS + DATASET_BYTES_PER_EPOCH * epoch - PAGE_BYTES;
    largest_with_prime_count(linear, PAGE_BYTES)
}

/// Returns the seed of the epoch: Keccak-256 applied `epoch` times to 32 zero bytes.
pub fn seed_hash(epoch: u64) -> [u8; 32] {
    let mut seed = [0; 32];
    for _ in 0..epoch {
        seed = keccak256_of_32(&seed);
    }
    seed
}

fn largest_with_prime_count(bytes: u64, unit: u64) -> u64 {
    let mut count = bytes / unit;
    while !is_prime(count) {
        count -= 2;
    }
    count * unit
}

/// Trial division: counts stay below 2^32, so that at most 32,768 odd divisors are tried.
fn is_prime(number: u64) -> bool {
    if number < 4 {
        return number >= 2;
    }
    if number.is_multiple_of(2) {
        return false;
    }
    let mut divisor = 3;
    while divisor * divisor <= number {
        if number.is_multiple_of(divisor) {
            return false;
        }
        divisor += 2;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checksums of the two tables of 2,048 sizes that the ethash specification publishes (its
    /// appendix; the same as geth's), each size as 8 little-endian bytes.
    #[test]
    fn vectors_all_published_sizes() {
        let checksum = |size: fn(u64) -> u64| {
            let bytes: Vec<u8> = (0..2048)
                .flat_map(|epoch| size(epoch).to_le_bytes())
                .collect();
            crc32fast::hash(&bytes)
        };
        assert_eq!(checksum(cache_bytes), 0x507e_5ffa);
        assert_eq!(checksum(dataset_bytes), 0x145d_4aea);
    }

    #[test]
    fn vectors_sizes_and_seeds() {
        for (epoch, cache, dataset) in [
            (0, 16_776_896, 1_073_739_904),
            (1, 16_907_456, 1_082_130_304),
            (127, 33_423_296, 2_139_092_608),
            (512, 83_886_016, 5_368_706_944),
            (1023, 150_862_784, 9_655_283_584),
            (2047, 285_081_536, 18_245_220_736),
        ] {
            assert_eq!(cache_bytes(epoch), cache, "cache of epoch {epoch}");
            assert_eq!(dataset_bytes(epoch), dataset, "dataset of epoch {epoch}");
        }
        let seed = seed_hash(1);
        assert_eq!(seed[..4], [0x29, 0x0d, 0xec, 0xd9]);
    }

    #[test]
    fn sizes_continue_past_the_published_tables() {
        for epoch in [2048, 2049, 4096, 8192, crate::limits::MAX_EPOCH] {
            let cache_rows = cache_bytes(epoch) / ROW_BYTES;
            let pages = dataset_bytes(epoch) / PAGE_BYTES;
            let cache_bound = CACHE_BYTES_AT_GENESIS + CACHE_BYTES_PER_EPOCH * epoch;
            let dataset_bound = DATASET_BYTES_AT_GENESIS + DATASET_BYTES_PER_EPOCH * epoch;
            assert!(is_prime(cache_rows) && is_prime(pages));
            assert!(cache_bytes(epoch) < cache_bound && dataset_bytes(epoch) < dataset_bound);
            assert!(
                cache_bound - cache_bytes(epoch) < 100_000,
                "primes are dense enough"
            );
            assert!(
                dataset_bound - dataset_bytes(epoch) < 200_000,
                "primes are dense enough"
            );
            assert!(
                u32::try_from(pages * 2).is_ok(),
                "items are numbered in 32 bits"
            );
        }
    }
}
