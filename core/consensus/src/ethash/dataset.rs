//! The full dataset of an epoch, which a miner reads instead of computing its pages.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tracing::info;

use super::{
    files::{self, FileError},
    light::{LightCache, PAGE_ROWS, Page},
    row::Row,
    sizes::{PAGE_BYTES, dataset_bytes},
};

/// Number of pages computed together, so that memory latencies overlap.
const PAGES_AT_ONCE: usize = 8;

/// Number of 128-byte pages in a block of 4 KiB, the smallest unit that disks and file systems
/// lose.
const PAGES_A_BLOCK: usize = 4_096 / PAGE_BYTES as usize;

/// Every page of an epoch's dataset: 1 GiB at genesis, 8 MiB more each epoch.
#[derive(Debug)]
pub struct Dataset {
    rows: Vec<Row>,
}

impl Dataset {
    /// Generates the dataset of an epoch from its cache on `threads` threads (at least one).
    /// `progress` is called with the percentage after each further percent, in order, on any of the
    /// threads.
    pub fn generate(
        epoch: u64,
        cache: &LightCache,
        threads: usize,
        progress: &(dyn Fn(u8) + Sync),
    ) -> Self {
        Self::generate_sized(cache, dataset_bytes(epoch), threads, progress)
    }

    /// Generates a dataset of any size, for tests and for private modes with small data.
    pub(crate) fn generate_sized(
        cache: &LightCache,
        bytes: u64,
        threads: usize,
        progress: &(dyn Fn(u8) + Sync),
    ) -> Self {
        let pages = usize::try_from(bytes / PAGE_BYTES).expect("because usize has 64 bits");
        let mut rows = vec![Row::ZERO; pages * PAGE_ROWS];
        let share = (pages.div_ceil(threads.max(1))).max(1);
        let done = Progress {
            pages,
            done: AtomicUsize::new(0),
            report: progress,
        };
        std::thread::scope(|scope| {
            for (index, rows) in rows.chunks_mut(share * PAGE_ROWS).enumerate() {
                let done = &done;
                scope.spawn(move || fill(cache, rows, index * share, done));
            }
        });
        Self { rows }
    }

    /// Reads an epoch's dataset from its file. `cache` is called only if the file has no checksum.
    pub(super) fn read(
        path: &Path,
        bytes: u64,
        threads: usize,
        cache: impl FnOnce() -> Arc<LightCache>,
    ) -> Result<Self, FileError> {
        let rows = match files::read(path, bytes) {
            Err(FileError::NoChecksum) => {
                let rows =
                    files::read_unchecked(path, bytes, |rows| rows_match(rows, &cache(), threads))?;
                info!(path = %path.display(), "verified an ethash dataset without a checksum");
                rows
            }
            read => read?,
        };
        Ok(Self { rows })
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Returns the dataset's size in bytes.
    pub fn bytes(&self) -> u64 {
        size_of_val(self.rows.as_slice()) as u64
    }

    pub(super) fn pages<const COUNT: usize>(&self, numbers: [u32; COUNT]) -> [Page; COUNT] {
        numbers.map(|number| {
            let first = number as usize * PAGE_ROWS;
            [self.rows[first], self.rows[first + 1]]
        })
    }
}

/// Returns true if the rows match the cache. Checks one page per block of a disk, since data is
/// lost by such blocks.
fn rows_match(rows: &[Row], cache: &LightCache, threads: usize) -> bool {
    let (pages, _) = rows.as_chunks::<PAGE_ROWS>();
    let share = pages
        .len()
        .div_ceil(threads)
        .next_multiple_of(PAGES_A_BLOCK);
    std::thread::scope(|scope| {
        let shares = pages.chunks(share.max(1)).enumerate();
        let checks: Vec<_> = shares
            .map(|(index, pages)| scope.spawn(move || share_matches(cache, pages, index * share)))
            .collect();
        checks
            .into_iter()
            .all(|check| check.join().unwrap_or(false))
    })
}

fn share_matches(cache: &LightCache, pages: &[Page], first: usize) -> bool {
    let sampled: Vec<usize> = (0..pages.len()).step_by(PAGES_A_BLOCK).collect();
    sampled.chunks(PAGES_AT_ONCE).all(|positions| {
        let last = positions.len() - 1;
        let positions: [usize; PAGES_AT_ONCE] =
            std::array::from_fn(|ahead| positions[ahead.min(last)]);
        let computed = cache.pages(positions.map(|position| (first + position) as u32));
        computed == positions.map(|position| pages[position])
    })
}

fn fill(cache: &LightCache, rows: &mut [Row], first_page: usize, progress: &Progress<'_>) {
    let mut page = first_page;
    for rows in rows.chunks_mut(PAGES_AT_ONCE * PAGE_ROWS) {
        let numbers: [u32; PAGES_AT_ONCE] = std::array::from_fn(|ahead| (page + ahead) as u32);
        let computed = cache.pages(numbers);
        rows.copy_from_slice(&computed.as_flattened()[..rows.len()]);
        let pages = rows.len() / PAGE_ROWS;
        page += pages;
        progress.add(pages);
    }
}

struct Progress<'a> {
    pages: usize,
    done: AtomicUsize,
    report: &'a (dyn Fn(u8) + Sync),
}

impl Progress<'_> {
    fn add(&self, pages: usize) {
        let before = self.done.fetch_add(pages, Ordering::Relaxed);
        let percent = |done: usize| (done * 100 / self.pages) as u8;
        let reached = percent(before + pages);
        if reached > percent(before) {
            (self.report)(reached);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ethash::sizes::seed_hash;
    use std::sync::Mutex;

    #[test]
    fn a_file_without_a_checksum_is_accepted_if_its_rows_are_valid() {
        const BYTES: u64 = 32 * 1024;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full");
        let checksum = folder.path().join("full.crc32");
        let cache = Arc::new(LightCache::generate_sized(1024, &seed_hash(0)));
        let read = |threads| Dataset::read(&path, BYTES, threads, || Arc::clone(&cache));
        let dataset = Dataset::generate_sized(&cache, BYTES, 1, &|_| {});
        files::write(&path, dataset.rows()).unwrap();
        let valid = std::fs::read(&path).unwrap();
        for threads in 1..4 {
            std::fs::remove_file(&checksum).unwrap();
            assert_eq!(read(threads).unwrap().rows, dataset.rows);
            assert!(checksum.exists());
        }
        for block in 0..valid.len() / 4_096 {
            std::fs::remove_file(&checksum).unwrap_or_default();
            let mut damaged = valid.clone();
            damaged[block * 4_096 + 8..][..4_096].fill(0);
            std::fs::write(&path, damaged).unwrap();
            assert!(matches!(read(2), Err(FileError::WrongRows)), "{block}");
            assert!(!checksum.exists());
        }
    }

    #[test]
    fn generation_is_independent_of_threads_and_reports_progress() {
        let cache = LightCache::generate_sized(1024, &seed_hash(3));
        let reported = Mutex::new(Vec::new());
        let alone = Dataset::generate_sized(&cache, 32 * 1024, 1, &|percent| {
            reported.lock().unwrap().push(percent);
        });
        let reported = reported.into_inner().unwrap();
        assert!(reported.is_sorted(), "{reported:?}");
        assert_eq!(reported.last(), Some(&100));
        for threads in [0, 2, 3, 7] {
            let shared = Dataset::generate_sized(&cache, 32 * 1024, threads, &|_| {});
            assert_eq!(shared.rows, alone.rows, "{threads} threads");
        }
    }
}
