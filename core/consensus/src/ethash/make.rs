//! Generation of files on request: `makecache` and `makedag`.

use std::{
    cell::OnceCell,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    dataset::Dataset,
    files::{self, FileError, FileKind},
    light::LightCache,
    sizes::seed_hash,
    store::{DataSizes, logged_progress, threads_of},
};

/// Writes an epoch's file with its checksum into a folder, and returns its path. A valid file that
/// exists already is kept, also one of geth's; files of other epochs are left alone.
///
/// Generating logs its progress; a dataset takes minutes on `threads` threads (zero: one per core).
/// The epoch is at most [`crate::limits::MAX_EPOCH`].
pub fn make_file(
    kind: FileKind,
    epoch: u64,
    sizes: DataSizes,
    folder: &Path,
    threads: usize,
) -> Result<PathBuf, FileError> {
    let path = files::path_of(folder, kind, epoch);
    let bytes = match kind {
        FileKind::Cache => sizes.cache_bytes(epoch),
        FileKind::Dataset => sizes.dataset_bytes(epoch),
    };
    let made = OnceCell::new();
    let cache = || {
        Arc::clone(made.get_or_init(|| {
            let log = logged_progress("ethash cache", epoch);
            let bytes = sizes.cache_bytes(epoch);
            Arc::new(LightCache::generate_reporting(
                bytes,
                &seed_hash(epoch),
                &log,
            ))
        }))
    };
    let threads = threads_of(threads);
    match kind {
        FileKind::Cache if files::read(&path, bytes).is_err() => {
            files::write(&path, cache().rows())?;
        }
        FileKind::Dataset if Dataset::read(&path, bytes, threads, cache).is_err() => {
            let log = logged_progress("ethash dataset", epoch);
            let dataset = Dataset::generate_sized(&cache(), bytes, threads, &log);
            files::write(&path, dataset.rows())?;
        }
        FileKind::Cache | FileKind::Dataset => {}
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_made_once_and_again_if_damaged() {
        let folder = tempfile::tempdir().unwrap();
        for kind in [FileKind::Cache, FileKind::Dataset] {
            let make = || make_file(kind, 3, DataSizes::Small, folder.path(), 1).unwrap();
            let path = make();
            let valid = fs::read(&path).unwrap();
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            assert_eq!(make(), path);
            assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), modified);
            fs::write(&path, &valid[..valid.len() - 1]).unwrap();
            make();
            assert_eq!(fs::read(&path).unwrap(), valid);
        }
    }

    #[test]
    fn an_impossible_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "in the way").unwrap();
        let below = file.join("below");
        let made = make_file(FileKind::Cache, 0, DataSizes::Small, &below, 1);
        assert!(matches!(made, Err(FileError::Io(_))));
    }
}
