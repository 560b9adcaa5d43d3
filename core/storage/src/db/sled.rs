//! The sled engine, behind a journal of its own.
//!
//! sled's `apply_batch` takes a lock that stops every reader of the process until the
//! batch is in, and its flush leaves the last write to `sync_file_range`, which does
//! not survive a power cut (docs/adr/0003-sled-journal.md). So a commit goes to a
//! journal first and is durable there; then its operations enter the tree one by one,
//! beside the readers. The journal is replayed after a crash, and emptied once sled
//! has everything on disk.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::journal::Journal;
use super::{Database, Visitor, WriteBatch, folder_size};
use crate::StorageError;
use crate::limits::JOURNAL_BYTES;

/// sled 0.34 in a folder.
pub struct SledDatabase {
    folder: PathBuf,
    database: sled::Db,
    /// sled's own log, for an fsync that sled does not make.
    log: File,
    journal: Mutex<Journal>,
}

impl SledDatabase {
    /// Opens or makes the database, and finishes the commits that a crash cut short.
    pub fn open(folder: &Path, cache_bytes: u64) -> Result<Self, StorageError> {
        let io = |error| StorageError::io(folder, error);
        std::fs::create_dir_all(folder).map_err(io)?;
        let tree = folder.join("tree");
        let config = sled::Config::new()
            .path(&tree)
            .cache_capacity(cache_bytes)
            .mode(sled::Mode::HighThroughput)
            .flush_every_ms(None);
        let database = catch_unwind(AssertUnwindSafe(|| config.open()))
            .map_err(|_| StorageError::Corrupt("sled cannot recover its log".into()))?
            .map_err(|error| sled_error(folder, error))?;
        let journal = Journal::open(&folder.join("journal"), |batch| {
            apply(&database, &batch).map_err(|error| sled_error(folder, error))
        })?;
        let log = File::open(tree.join("db")).map_err(io)?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(io)?;
        let folder = folder.to_path_buf();
        let opened = Self {
            folder,
            database,
            log,
            journal: Mutex::new(journal),
        };
        opened.flush()?;
        Ok(opened)
    }

    fn error(&self, error: sled::Error) -> StorageError {
        sled_error(&self.folder, error)
    }

    fn checkpoint(&self, journal: &mut Journal) -> Result<(), StorageError> {
        self.database.flush().map_err(|error| self.error(error))?;
        self.log
            .sync_data()
            .map_err(|error| StorageError::io(&self.folder, error))?;
        journal.clear()
    }
}

impl Database for SledDatabase {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let value = self.database.get(key).map_err(|error| self.error(error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn visit(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), StorageError> {
        let entries = match end {
            Some(end) if end <= start => return Ok(()),
            Some(end) => self.database.range(start..end),
            None => self.database.range(start..),
        };
        for entry in entries {
            let (key, value) = entry.map_err(|error| self.error(error))?;
            if visitor(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: &WriteBatch) -> Result<(), StorageError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut journal = self.journal.lock();
        journal.append(batch)?;
        apply(&self.database, batch).map_err(|error| self.error(error))?;
        if journal.length() >= JOURNAL_BYTES {
            self.checkpoint(&mut journal)?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StorageError> {
        let mut journal = self.journal.lock();
        if journal.length() == 0 {
            return Ok(());
        }
        self.checkpoint(&mut journal)
    }

    fn size(&self) -> Result<u64, StorageError> {
        folder_size(&self.folder)
    }
}

impl Drop for SledDatabase {
    fn drop(&mut self) {
        if let Err(error) = self.flush() {
            tracing::warn!(%error, "sled was not flushed; its journal is replayed at the next start");
        }
    }
}

fn apply(database: &sled::Db, batch: &WriteBatch) -> Result<(), sled::Error> {
    for operation in batch.operations() {
        match operation.value {
            Some(value) => database.insert(operation.key, value)?,
            None => database.remove(operation.key)?,
        };
    }
    Ok(())
}

fn sled_error(folder: &Path, error: sled::Error) -> StorageError {
    match error {
        sled::Error::Io(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            StorageError::Locked(folder.to_path_buf())
        }
        sled::Error::Io(error) => StorageError::io(folder, error),
        sled::Error::Corruption { .. } => StorageError::Corrupt(error.to_string()),
        other => StorageError::Engine(other.to_string()),
    }
}
