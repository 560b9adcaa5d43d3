//! Old blocks in append-only files.
//!
//! Each kind of record has a data file (the records one after another) and an index. The index has
//! for each record its end in the data file (8 bytes) and its CRC-32 (4 bytes), both little-endian;
//! record N is block N. The database records how many blocks it has moved here: those must be
//! present and complete. Whatever follows them was left by a migration that a crash interrupted,
//! and is truncated when the files are opened.

mod file;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use self::file::AncientFile;
use crate::StorageError;

/// A kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordKind {
    /// Block hash (32 bytes), then total difficulty.
    Hashes,
    /// Header RLP.
    Headers,
    /// Body RLP.
    Bodies,
    /// Receipts in the encoding of the database.
    Receipts,
}

const NAMES: [&str; 4] = ["hashes", "headers", "bodies", "receipts"];

/// The ancient files of a store.
pub(crate) struct Ancient {
    files: [AncientFile; 4],
    /// Number of blocks that are visible to readers.
    count: AtomicU64,
    appending: Mutex<()>,
}

impl Ancient {
    /// Opens the files in `folder`, which must hold `confirmed` blocks.
    pub(crate) fn open(folder: &Path, confirmed: u64) -> Result<Self, StorageError> {
        std::fs::create_dir_all(folder).map_err(|error| StorageError::io(folder, error))?;
        let open = |name: &str| AncientFile::open(folder, name, confirmed);
        let [hashes, headers, bodies, receipts] = NAMES;
        let files = [
            open(hashes)?,
            open(headers)?,
            open(bodies)?,
            open(receipts)?,
        ];
        let folder_file = std::fs::File::open(folder);
        folder_file
            .and_then(|file| file.sync_all())
            .map_err(|error| StorageError::io(folder, error))?;
        Ok(Self {
            files,
            count: AtomicU64::new(confirmed),
            appending: Mutex::new(()),
        })
    }

    /// Opens the files for a repair, with as many of the `confirmed` blocks as are in all of them.
    /// Nothing may be appended.
    pub(crate) fn open_damaged(folder: &Path, confirmed: u64) -> Result<Self, StorageError> {
        std::fs::create_dir_all(folder).map_err(|error| StorageError::io(folder, error))?;
        let open = |name: &str| AncientFile::open_damaged(folder, name, confirmed);
        let [hashes, headers, bodies, receipts] = NAMES;
        let files = [
            open(hashes)?,
            open(headers)?,
            open(bodies)?,
            open(receipts)?,
        ];
        let count = files.iter().map(AncientFile::count).min().unwrap_or(0);
        Ok(Self {
            files,
            count: AtomicU64::new(count),
            appending: Mutex::new(()),
        })
    }

    /// Repairs a damaged record that `is_right` recognises, and returns true if it succeeded.
    pub(crate) fn repair(
        &self,
        kind: RecordKind,
        number: u64,
        is_right: &dyn Fn(&[u8]) -> bool,
    ) -> Result<bool, StorageError> {
        if number >= self.count() {
            return Ok(false);
        }
        self.files[kind as usize].repair(number, is_right)
    }

    /// Returns the number of blocks.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Returns a block's record; `None` if the block is not in the files.
    pub(crate) fn get(
        &self,
        kind: RecordKind,
        number: u64,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        if number >= self.count() {
            return Ok(None);
        }
        self.files[kind as usize].get(number).map(Some)
    }

    /// Appends a block's records in the order of [`RecordKind`]. They are durable and visible to
    /// readers after [`Self::sync`].
    pub(crate) fn append(&self, number: u64, records: &[&[u8]; 4]) -> Result<(), StorageError> {
        let _one_at_a_time = self.appending.lock();
        self.files
            .iter()
            .zip(records)
            .try_for_each(|(file, record)| file.append(number, record))
    }

    /// Makes all appended records durable and visible to readers.
    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        let _one_at_a_time = self.appending.lock();
        self.files.iter().try_for_each(AncientFile::sync)?;
        let count = self.files.iter().map(AncientFile::count).min().unwrap_or(0);
        self.count.store(count, Ordering::Release);
        Ok(())
    }

    /// Returns the size on disk in bytes.
    pub(crate) fn size(&self) -> Result<u64, StorageError> {
        self.files.iter().map(AncientFile::size).sum()
    }

    /// Copies every block to files that are empty.
    pub(crate) fn copy_to(&self, target: &Self) -> Result<(), StorageError> {
        for number in 0..self.count() {
            for (from, to) in self.files.iter().zip(&target.files) {
                to.append(number, &from.get(number)?)?;
            }
        }
        target.sync()
    }
}
