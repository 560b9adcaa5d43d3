//! The light cache of an epoch, and the computation of dataset pages from it.

use super::{
    keccak::keccak512_of_32,
    row::{Modulus, ROW_WORDS, Row, fnv},
    sizes::{ROW_BYTES, cache_bytes, seed_hash},
};

const CACHE_ROUNDS: usize = 3;
const PARENTS: u32 = 256;
/// Number of progress reports per pass over the rows.
const REPORTS_A_PASS: usize = 100;

/// Number of rows in a dataset page.
pub(super) const PAGE_ROWS: usize = 2;
/// A page of the dataset: two neighbouring rows.
pub(super) type Page = [Row; PAGE_ROWS];

/// The cache from which every row of the epoch's dataset can be computed.
#[derive(Debug)]
pub struct LightCache {
    rows: Vec<Row>,
    modulus: Modulus,
}

impl LightCache {
    /// Generates the cache of an epoch: takes 0.3 to 0.6 s for the first epoch.
    pub fn generate(epoch: u64) -> Self {
        Self::generate_sized(cache_bytes(epoch), &seed_hash(epoch))
    }

    /// Generates a cache of any size, for tests and for private modes with small data.
    pub(crate) fn generate_sized(bytes: u64, seed: &[u8; 32]) -> Self {
        Self::generate_reporting(bytes, seed, &|_| {})
    }

    /// Generates like [`Self::generate_sized`]; `progress` is called with the percentage at
    /// intervals.
    pub(super) fn generate_reporting(bytes: u64, seed: &[u8; 32], progress: &dyn Fn(u8)) -> Self {
        let count = usize::try_from(bytes / ROW_BYTES).expect("because caches stay under 4 GiB");
        Self::from_rows(generate_rows(count, seed, progress))
    }

    pub(super) fn from_rows(rows: Vec<Row>) -> Self {
        let count = u32::try_from(rows.len()).expect("because caches stay under 4 GiB");
        Self {
            modulus: Modulus::new(count),
            rows,
        }
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Computes dataset pages by number, several together: each page is a chain of 256 dependent
    /// reads, so that the memory latencies of several pages overlap.
    pub(super) fn pages<const COUNT: usize>(&self, numbers: [u32; COUNT]) -> [Page; COUNT] {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") {
                // SAFETY: the processor has the features, as was just asked.
                return unsafe { pages_avx2(&self.rows, self.modulus, numbers) };
            }
        }
        pages_portable(&self.rows, self.modulus, numbers)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn pages_avx2<const COUNT: usize>(
    cache: &[Row],
    modulus: Modulus,
    numbers: [u32; COUNT],
) -> [Page; COUNT] {
    compute_pages(cache, modulus, numbers, keccak512_of_each)
}

fn pages_portable<const COUNT: usize>(
    cache: &[Row],
    modulus: Modulus,
    numbers: [u32; COUNT],
) -> [Page; COUNT] {
    compute_pages(cache, modulus, numbers, keccak512_of_each)
}

#[inline(always)]
fn keccak512_of_each(rows: &mut [Row]) {
    for row in rows {
        *row = row.keccak512();
    }
}

/// Computes pages; inlined into each of the functions above, once per set of processor features.
#[inline(always)]
fn compute_pages<const COUNT: usize>(
    cache: &[Row],
    modulus: Modulus,
    numbers: [u32; COUNT],
    keccak512: impl Fn(&mut [Row]),
) -> [Page; COUNT] {
    let item_of = |page: usize, half: usize| numbers[page] * PAGE_ROWS as u32 + half as u32;
    let mut pages: [Page; COUNT] = std::array::from_fn(|page| {
        std::array::from_fn(|half| {
            let item = item_of(page, half);
            let mut row = cache[modulus.reduce(item)];
            row.0[0] ^= item;
            row
        })
    });
    keccak512(pages.as_flattened_mut());
    for first_round in (0..PARENTS).step_by(ROW_WORDS) {
        for word in 0..ROW_WORDS {
            let round = first_round + word as u32;
            for (page, rows) in pages.iter_mut().enumerate() {
                for (half, row) in rows.iter_mut().enumerate() {
                    let parent = fnv(item_of(page, half) ^ round, row.0[word]);
                    row.mix(&cache[modulus.reduce(parent)]);
                }
            }
        }
    }
    keccak512(pages.as_flattened_mut());
    pages
}

/// Fills the rows in a chain, then runs three passes of a low-round RandMemoHash. Every step needs
/// the one before: this cannot run on more than one core.
fn generate_rows(count: usize, seed: &[u8; 32], progress: &dyn Fn(u8)) -> Vec<Row> {
    let stride = (count / REPORTS_A_PASS).max(1);
    let report = |pass: usize, index: usize| {
        if index.is_multiple_of(stride) {
            let share = (pass * count + index) * 100 / ((CACHE_ROUNDS + 1) * count);
            progress(share as u8);
        }
    };
    let mut rows = vec![Row::ZERO; count];
    let modulus = Modulus::new(u32::try_from(count).expect("because caches stay under 4 GiB"));
    let mut previous = Row::from_words(&keccak512_of_32(seed));
    rows[0] = previous;
    for (index, row) in rows.iter_mut().enumerate().skip(1) {
        previous = previous.keccak512();
        *row = previous;
        report(0, index);
    }
    for round in 1..=CACHE_ROUNDS {
        for index in 0..count {
            report(round, index);
            let other = rows[modulus.reduce(rows[index].0[0])];
            let mixed = std::array::from_fn(|word| previous.0[word] ^ other.0[word]);
            previous = Row(mixed).keccak512();
            rows[index] = previous;
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn small_cache() -> LightCache {
        LightCache::generate_sized(1024, &seed_hash(0))
    }

    /// The first and last row of the 1,024-byte caches of epochs 0 and 1, from geth's tests.
    #[test]
    fn vectors_small_caches() {
        let row = |text: &str| {
            let bytes = hex::decode(text).unwrap();
            let (words, _) = bytes.as_chunks::<4>();
            Row(std::array::from_fn(|index| {
                u32::from_le_bytes(words[index])
            }))
        };
        for (epoch, first, last) in [
            (
                0,
                "7ce2991c951f7bf4c4c1bb119887ee07871eb5339d7b97b8588e85c742de90e5\
                 bafd5bbe6ce93a134fb6be9ad3e30db99d9528a2ea7846833f52e9ca119b6b54",
                "845f64fd8324bb85312979dead74f764c9677aab89801ad4f927f1c00f12e28f\
                 22422bb44200d1969d9ab377dd6b099dc6dbc3222e9321b2c1e84f8e2f07731c",
            ),
            (
                1,
                "1f56855d59cc5a085720899b4377a0198f1abe948d85fe5820dc0e346b7c0931\
                 b9cde8e541d751de3b2b3275d0aabfae316209d5879297d8bd99f8a033c9d4df",
                "5f470eb0165c6375eb8f245d50a25d521d1e569e3b2dccce626752bb26eae624\
                 a24511e831a81fab6898a791579f462574ca4851e6588116493dbccc3072e0c5",
            ),
        ] {
            let cache = LightCache::generate_sized(1024, &seed_hash(epoch));
            assert_eq!(cache.rows().first(), Some(&row(first)), "epoch {epoch}");
            assert_eq!(cache.rows().last(), Some(&row(last)), "epoch {epoch}");
        }
    }

    proptest! {
        #[test]
        fn prop_every_code_path_computes_the_same(numbers: [u32; 3]) {
            let numbers = numbers.map(|number| number >> 1);
            let cache = small_cache();
            let expected = numbers.map(|number| {
                pages_portable(&cache.rows, cache.modulus, [number])[0]
            });
            prop_assert_eq!(cache.pages(numbers), expected);
        }
    }
}
