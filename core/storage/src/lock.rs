//! The lock of a data folder: only one process may use it.

use std::fs::{File, OpenOptions};
use std::path::Path;

use fs4::fs_std::FileExt;

use crate::StorageError;

/// An exclusive lock on a folder, held until it is dropped (or the process ends).
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Acquires the lock, or returns an error at once if another process has it.
    pub fn acquire(folder: &Path) -> Result<Self, StorageError> {
        std::fs::create_dir_all(folder).map_err(|error| StorageError::io(folder, error))?;
        let path = folder.join("LOCK");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| StorageError::io(&path, error))?;
        match FileExt::try_lock_exclusive(&file) {
            Ok(true) => Ok(Self { _file: file }),
            Ok(false) => Err(StorageError::Locked(folder.to_path_buf())),
            Err(error) => Err(StorageError::io(&path, error)),
        }
    }
}
