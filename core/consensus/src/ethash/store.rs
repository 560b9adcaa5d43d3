//! Caches and datasets in memory and on disk, each generated once.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use lru::LruCache;
use parking_lot::Mutex;
use tracing::{debug, info, warn};

use super::{
    dataset::Dataset,
    files::{self, FileError, FileKind},
    light::LightCache,
    sizes::{cache_bytes, dataset_bytes, seed_hash},
};
use crate::limits;

/// The location and the number of stored caches and datasets.
#[derive(Debug, Clone)]
pub struct EthashOptions {
    /// Folder of the light caches; `None` keeps them in memory only.
    pub cache_folder: Option<PathBuf>,
    /// Number of light caches held in memory; at least one.
    pub caches_in_memory: usize,
    /// Number of light caches kept on disk.
    pub caches_on_disk: u64,
    /// Folder of the datasets; `None` keeps them in memory only.
    pub dataset_folder: Option<PathBuf>,
    /// Number of datasets held in memory; at least one.
    pub datasets_in_memory: usize,
    /// Number of datasets kept on disk.
    pub datasets_on_disk: u64,
    /// Number of threads that generate a dataset; zero means one per core.
    pub threads: usize,
    /// Sizes of the data.
    pub sizes: DataSizes,
}

impl Default for EthashOptions {
    fn default() -> Self {
        Self {
            cache_folder: None,
            caches_in_memory: limits::CACHES_IN_MEMORY,
            caches_on_disk: limits::CACHES_ON_DISK,
            dataset_folder: None,
            datasets_in_memory: limits::DATASETS_IN_MEMORY,
            datasets_on_disk: limits::DATASETS_ON_DISK,
            threads: 0,
            sizes: DataSizes::Published,
        }
    }
}

/// The sizes of caches and datasets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DataSizes {
    /// The sizes of the specification, which every network uses.
    #[default]
    Published,
    /// A cache of 1 KiB and a dataset of 32 KiB in every epoch, as in geth's test mode: such seals
    /// are invalid elsewhere.
    Small,
}

impl DataSizes {
    /// Returns the size of an epoch's light cache in bytes.
    pub fn cache_bytes(self, epoch: u64) -> u64 {
        match self {
            Self::Published => cache_bytes(epoch),
            Self::Small => 1024,
        }
    }

    /// Returns the size of an epoch's dataset in bytes.
    pub fn dataset_bytes(self, epoch: u64) -> u64 {
        match self {
            Self::Published => dataset_bytes(epoch),
            Self::Small => 32 * 1024,
        }
    }
}

/// Interval between progress logs of a generation.
const PROGRESS_PERIOD: Duration = Duration::from_secs(3);

type Slots<T> = Mutex<LruCache<u64, Arc<OnceLock<Arc<T>>>>>;

/// Caches and datasets by epoch. The first caller generates; concurrent callers wait.
#[derive(Debug)]
pub(super) struct DataStore {
    options: EthashOptions,
    caches: Slots<LightCache>,
    datasets: Slots<Dataset>,
    /// The epoch of the last dataset that was prepared on disk.
    prepared_dataset: Mutex<Option<u64>>,
}

impl DataStore {
    pub(super) fn new(options: EthashOptions) -> Self {
        let slots = |count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        Self {
            caches: Mutex::new(LruCache::new(slots(options.caches_in_memory))),
            datasets: Mutex::new(LruCache::new(slots(options.datasets_in_memory))),
            prepared_dataset: Mutex::new(None),
            options,
        }
    }

    pub(super) fn sizes(&self) -> DataSizes {
        self.options.sizes
    }

    pub(super) fn cache(&self, epoch: u64) -> Arc<LightCache> {
        slot(&self.caches, epoch)
            .get_or_init(|| Arc::new(self.load_cache(epoch)))
            .clone()
    }

    /// Returns the dataset of an epoch; generating it takes minutes.
    pub(super) fn dataset(&self, epoch: u64, progress: &(dyn Fn(u8) + Sync)) -> Arc<Dataset> {
        let load = || Arc::new(self.load_dataset(epoch, progress));
        slot(&self.datasets, epoch).get_or_init(load).clone()
    }

    /// Returns true if the dataset of an epoch is in memory.
    pub(super) fn has_dataset(&self, epoch: u64) -> bool {
        let slots = self.datasets.lock();
        slots.peek(&epoch).is_some_and(|slot| slot.get().is_some())
    }

    /// Generates the cache of an epoch in the background, unless it is in memory or being
    /// generated.
    pub(super) fn prepare_cache(self: &Arc<Self>, epoch: u64) {
        if self.caches.lock().contains(&epoch) {
            return;
        }
        let slot = slot(&self.caches, epoch);
        let store = Arc::clone(self);
        in_background("ethash cache", move || {
            slot.get_or_init(|| Arc::new(store.load_cache(epoch)));
        });
    }

    /// Writes the dataset of an epoch to disk in the background, unless that was done before. The
    /// dataset does not go to memory, where it would evict the one that is being mined with.
    pub(super) fn prepare_dataset(self: &Arc<Self>, epoch: u64) {
        if self.options.dataset_folder.is_none() || self.datasets.lock().contains(&epoch) {
            return;
        }
        if self.prepared_dataset.lock().replace(epoch) == Some(epoch) {
            return;
        }
        let store = Arc::clone(self);
        in_background("ethash dataset", move || {
            store.load_dataset(epoch, &|_| {});
        });
    }

    fn load_cache(&self, epoch: u64) -> LightCache {
        let bytes = self.options.sizes.cache_bytes(epoch);
        let log = logged_progress("ethash cache", epoch);
        let generate = || LightCache::generate_reporting(bytes, &seed_hash(epoch), &log);
        let Some(folder) = &self.options.cache_folder else {
            return generate();
        };
        let path = files::path_of(folder, FileKind::Cache, epoch);
        match files::read(&path, bytes) {
            Ok(rows) => return LightCache::from_rows(rows),
            Err(error) => log_unusable(&path, &error),
        }
        let started = Instant::now();
        let cache = generate();
        debug!(epoch, elapsed = ?started.elapsed(), "ethash cache generated");
        save(
            folder,
            FileKind::Cache,
            epoch,
            self.options.caches_on_disk,
            cache.rows(),
        );
        cache
    }

    fn load_dataset(&self, epoch: u64, progress: &(dyn Fn(u8) + Sync)) -> Dataset {
        let bytes = self.options.sizes.dataset_bytes(epoch);
        let generate = || {
            let cache = self.cache(epoch);
            let log = logged_progress("ethash dataset", epoch);
            let report = |percent| {
                log(percent);
                progress(percent);
            };
            Dataset::generate_sized(&cache, bytes, threads_of(self.options.threads), &report)
        };
        let Some(folder) = &self.options.dataset_folder else {
            return generate();
        };
        let path = files::path_of(folder, FileKind::Dataset, epoch);
        let threads = threads_of(self.options.threads);
        match Dataset::read(&path, bytes, threads, || self.cache(epoch)) {
            Ok(dataset) => return dataset,
            Err(error) => log_unusable(&path, &error),
        }
        let started = Instant::now();
        let dataset = generate();
        info!(epoch, bytes, elapsed = ?started.elapsed(), "ethash dataset generated");
        save(
            folder,
            FileKind::Dataset,
            epoch,
            self.options.datasets_on_disk,
            dataset.rows(),
        );
        dataset
    }
}

/// Returns the number of threads to use; zero means one per core.
pub(super) fn threads_of(threads: usize) -> usize {
    match threads {
        0 => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        threads => threads,
    }
}

/// Returns a function that logs the progress of a generation at intervals.
pub(super) fn logged_progress(what: &'static str, epoch: u64) -> impl Fn(u8) + Sync {
    let started = Instant::now();
    let logged = Mutex::new(started);
    move |percentage| {
        let mut logged = logged.lock();
        if logged.elapsed() >= PROGRESS_PERIOD {
            *logged = Instant::now();
            info!(epoch, percentage, elapsed = ?started.elapsed(), "generating {what}");
        }
    }
}

fn slot<T>(slots: &Slots<T>, epoch: u64) -> Arc<OnceLock<Arc<T>>> {
    Arc::clone(slots.lock().get_or_insert(epoch, Arc::default))
}

fn in_background(name: &str, work: impl FnOnce() + Send + 'static) {
    if let Err(error) = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
    {
        warn!(%error, name, "failed to start a thread for the next epoch, generating it when needed");
    }
}

fn log_unusable(path: &Path, error: &FileError) {
    match error {
        FileError::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        error => warn!(path = %path.display(), %error, "ethash file unusable, generating it again"),
    }
}

/// Saves a file. A failure costs a generation after the next start, nothing else.
fn save(folder: &Path, kind: FileKind, epoch: u64, keep_epochs: u64, rows: &[super::row::Row]) {
    let path = files::path_of(folder, kind, epoch);
    let saved = files::write(&path, rows)
        .and_then(|()| files::remove_old(folder, kind, epoch, keep_epochs));
    if let Err(error) = saved {
        warn!(path = %path.display(), %error, "failed to save ethash file");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn small(folder: &Path) -> EthashOptions {
        EthashOptions {
            cache_folder: Some(folder.to_owned()),
            dataset_folder: Some(folder.to_owned()),
            sizes: DataSizes::Small,
            threads: 1,
            ..EthashOptions::default()
        }
    }

    #[test]
    fn files_survive_restarts_and_are_repaired() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataStore::new(small(folder.path()));
        let cache = first.cache(2);
        assert!(!first.has_dataset(2));
        let dataset = first.dataset(2, &|_| {});
        assert!(first.has_dataset(2) && !first.has_dataset(1));
        for kind in [FileKind::Cache, FileKind::Dataset] {
            let path = files::path_of(folder.path(), kind, 2);
            let valid = fs::read(&path).unwrap();
            let mut damaged = valid.clone();
            damaged[100] ^= 1;
            fs::write(&path, &damaged).unwrap();
            let second = DataStore::new(small(folder.path()));
            match kind {
                FileKind::Cache => assert_eq!(second.cache(2).rows(), cache.rows()),
                FileKind::Dataset => {
                    assert_eq!(second.dataset(2, &|_| {}).rows(), dataset.rows());
                }
            }
            assert_eq!(fs::read(&path).unwrap(), valid, "written again");
        }
    }

    #[test]
    fn an_existing_file_is_read_not_generated() {
        let folder = tempfile::tempdir().unwrap();
        DataStore::new(small(folder.path())).cache(0);
        let other = LightCache::generate_sized(1024, &seed_hash(7));
        files::write(
            &files::path_of(folder.path(), FileKind::Cache, 0),
            other.rows(),
        )
        .unwrap();
        let read = DataStore::new(small(folder.path())).cache(0);
        assert_eq!(read.rows(), other.rows());
    }

    #[test]
    fn memory_holds_the_newest_epochs_only() {
        let options = EthashOptions {
            sizes: DataSizes::Small,
            ..EthashOptions::default()
        };
        let store = DataStore::new(options);
        let zero = store.cache(0);
        assert!(Arc::ptr_eq(&zero, &store.cache(0)));
        for epoch in 1..=3 {
            store.cache(epoch);
        }
        assert!(
            !Arc::ptr_eq(&zero, &store.cache(0)),
            "pushed out, generated again"
        );
    }

    #[test]
    fn an_unwritable_folder_does_not_stop_generation() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "in the way").unwrap();
        let store = DataStore::new(small(&file.join("below")));
        assert_eq!(store.cache(0).rows().len(), 16);
    }

    #[test]
    fn the_next_epoch_is_prepared_in_the_background() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(DataStore::new(small(folder.path())));
        store.prepare_cache(1);
        store.prepare_dataset(1);
        store.prepare_dataset(1);
        let dataset = files::path_of(folder.path(), FileKind::Dataset, 1);
        let deadline = Instant::now() + Duration::from_secs(20);
        while files::read(&dataset, 32 * 1024).is_err() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert!(files::read(&dataset, 32 * 1024).is_ok());
        assert!(store.caches.lock().contains(&1));
        assert!(
            !store.datasets.lock().contains(&1),
            "memory is for the current dataset"
        );
    }
}
