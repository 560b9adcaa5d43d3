//! The redb engine.
//!
//! redb does not verify its own checksums when it reads. Therefore the CRC-32 of key and value (4
//! bytes, little-endian) follows each value, so that a byte that changed on disk is an error and
//! not another balance.

use std::fs::File;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use redb::{ReadableDatabase, TableDefinition};

use super::unlinked::UnlinkedFile;
use super::{Database, Visitor, WriteBatch, folder_size};
use crate::StorageError;

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Table of entries with checksums.
const CHECKED: Definition = TableDefinition::new("checked entries");
/// Table of entries without checksums, as in databases of format 1.
const UNCHECKED: Definition = TableDefinition::new("entries");
const CHECKSUM: usize = 4;
const FILE: &str = "data.redb";
/// Name of the file that replaces the old one after a repair.
const NEW_FILE: &str = "data.redb.new";
/// Size of redb's pages in bytes.
const PAGE: u64 = 4_096;

/// A redb 4 database in a folder.
pub struct RedbDatabase {
    folder: PathBuf,
    cache_bytes: u64,
    database: ArcSwap<redb::Database>,
    is_checked: bool,
    /// Whether damaged values are skipped as if they were absent.
    salvage: bool,
    /// The file, if it has no directory entry.
    ephemeral: Option<UnlinkedFile>,
}

impl RedbDatabase {
    /// Opens or creates the database.
    pub fn open(folder: &Path, cache_bytes: u64) -> Result<Self, StorageError> {
        Self::open_with(folder, cache_bytes, false)
    }

    /// Creates a database that is deleted with its last handle, in a file without a directory entry
    /// on the disk of `folder`.
    pub(crate) fn ephemeral(folder: &Path, cache_bytes: u64) -> Result<Self, StorageError> {
        let file = UnlinkedFile::create(folder).map_err(|error| StorageError::io(folder, error))?;
        let open = || {
            let database = builder(cache_bytes).create_with_backend(file.clone())?;
            let opened = Self {
                folder: folder.to_path_buf(),
                cache_bytes,
                database: ArcSwap::from_pointee(database),
                is_checked: true,
                salvage: false,
                ephemeral: Some(file),
            };
            opened.write(&WriteBatch::default())?;
            Ok::<_, redb::Error>(opened)
        };
        open().map_err(|error| redb_error(folder, error))
    }

    /// Opens the database like [`Self::open`], but for a repair: values that fail their checksum
    /// count as absent.
    ///
    /// redb does not open a file that ends in the middle of a page. A truncated file is therefore
    /// padded with zeros, which the checksums distinguish from the lost content.
    pub(crate) fn open_damaged(folder: &Path, cache_bytes: u64) -> Result<Self, StorageError> {
        let path = folder.join(FILE);
        if let Ok(file) = File::options().write(true).open(&path) {
            let io = |error| StorageError::io(&path, error);
            let length = file.metadata().map_err(io)?.len();
            if !length.is_multiple_of(PAGE) {
                file.set_len(length.next_multiple_of(PAGE)).map_err(io)?;
            }
        }
        Self::open_with(folder, cache_bytes, true)
    }

    fn open_with(folder: &Path, cache_bytes: u64, salvage: bool) -> Result<Self, StorageError> {
        std::fs::create_dir_all(folder).map_err(|error| StorageError::io(folder, error))?;
        let open = || {
            let database = open_file(&folder.join(FILE), cache_bytes)?;
            let is_checked = database.begin_read()?.open_table(UNCHECKED).is_err();
            let opened = Self {
                folder: folder.to_path_buf(),
                cache_bytes,
                database: ArcSwap::from_pointee(database),
                is_checked,
                salvage,
                ephemeral: None,
            };
            opened.write(&WriteBatch::default())?;
            Ok::<_, redb::Error>(opened)
        };
        catch_unwind(AssertUnwindSafe(open))
            .map_err(|_| StorageError::Corrupt("redb cannot read its file".into()))?
            .map_err(|error| redb_error(folder, error))
    }

    const fn table(&self) -> Definition {
        if self.is_checked { CHECKED } else { UNCHECKED }
    }

    /// Returns the value without its checksum; `None` if it is damaged and must be skipped.
    fn checked<'v>(&self, key: &[u8], stored: &'v [u8]) -> Result<Option<&'v [u8]>, redb::Error> {
        if !self.is_checked {
            return Ok(Some(stored));
        }
        if let Some(value) = verified_value(key, stored) {
            return Ok(Some(value));
        }
        let what = format!("the value of key {key:02x?} fails its checksum");
        if self.salvage {
            tracing::warn!("{what}: treated as lost");
            return Ok(None);
        }
        Err(redb::Error::Corrupted(what))
    }

    fn write(&self, batch: &WriteBatch) -> Result<(), redb::Error> {
        let mut transaction = self.database.load().begin_write()?;
        // Without quick repair, redb walks over the whole file after a crash.
        transaction.set_quick_repair(self.ephemeral.is_none());
        self.apply(&mut transaction.open_table(self.table())?, batch)?;
        Ok(transaction.commit()?)
    }

    fn apply(&self, entries: &mut Table<'_>, batch: &WriteBatch) -> Result<(), redb::Error> {
        let mut stored = Vec::new();
        for operation in batch.operations() {
            match operation.value {
                Some(value) if self.is_checked => {
                    stored.clear();
                    stored.extend_from_slice(value);
                    stored.extend_from_slice(&checksum(operation.key, value));
                    entries.insert(operation.key, stored.as_slice())?
                }
                Some(value) => entries.insert(operation.key, value)?,
                None => entries.remove(operation.key)?,
            };
        }
        Ok(())
    }

    /// Copies the undamaged entries for which `is_kept` returns true to a new file. If bytes of a
    /// key changed, redb stores entries in another order than it searches them, and can neither
    /// find nor remove them.
    fn rewrite(
        &self,
        path: &Path,
        is_kept: &dyn Fn(&[u8]) -> bool,
        more: &WriteBatch,
    ) -> Result<redb::Database, redb::Error> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let database = open_file(path, self.cache_bytes)?;
        let old = self.database.load().begin_read()?.open_table(CHECKED)?;
        let mut transaction = database.begin_write()?;
        transaction.set_quick_repair(true);
        {
            let mut entries = transaction.open_table(CHECKED)?;
            for entry in old.range::<&[u8]>(..)? {
                let (key, stored) = entry?;
                let (key, stored) = (key.value(), stored.value());
                if verified_value(key, stored).is_some() && is_kept(key) {
                    entries.insert(key, stored)?;
                }
            }
            self.apply(&mut entries, more)?;
        }
        transaction.commit()?;
        Ok(database)
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&Entries) -> Result<T, redb::Error>,
    ) -> Result<T, StorageError> {
        let table = || -> Result<_, redb::Error> {
            Ok(self
                .database
                .load()
                .begin_read()?
                .open_table(self.table())?)
        };
        table()
            .and_then(|table| read(&table))
            .map_err(|error| redb_error(&self.folder, error))
    }
}

type Entries = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;
type Table<'t> = redb::Table<'t, &'static [u8], &'static [u8]>;

fn open_file(path: &Path, cache_bytes: u64) -> Result<redb::Database, redb::DatabaseError> {
    builder(cache_bytes).create(path)
}

fn builder(cache_bytes: u64) -> redb::Builder {
    let mut builder = redb::Builder::new();
    builder.set_cache_size(usize::try_from(cache_bytes).unwrap_or(usize::MAX));
    builder
}

impl RedbDatabase {
    fn value(&self, entries: &Entries, key: &[u8]) -> Result<Option<Vec<u8>>, redb::Error> {
        let Some(stored) = entries.get(key)? else {
            return Ok(None);
        };
        Ok(self.checked(key, stored.value())?.map(<[u8]>::to_vec))
    }
}

/// Returns a value without its checksum; `None` if the checksum fails.
fn verified_value<'v>(key: &[u8], stored: &'v [u8]) -> Option<&'v [u8]> {
    let (value, crc) = stored.split_at_checked(stored.len().checked_sub(CHECKSUM)?)?;
    (crc == checksum(key, value)).then_some(value)
}

fn checksum(key: &[u8], value: &[u8]) -> [u8; CHECKSUM] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(key);
    crc.update(value);
    crc.finalize().to_le_bytes()
}

impl Database for RedbDatabase {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.read(|table| self.value(table, key))
    }

    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        self.read(|table| {
            let values = keys.iter().map(|key| self.value(table, key));
            values.collect()
        })
    }

    fn visit(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), StorageError> {
        if end.is_some_and(|end| end <= start) {
            return Ok(());
        }
        self.read(|table| {
            let entries = match end {
                Some(end) => table.range(start..end)?,
                None => table.range(start..)?,
            };
            for entry in entries {
                let (key, value) = entry?;
                let Some(value) = self.checked(key.value(), value.value())? else {
                    continue;
                };
                if visitor(key.value(), value).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    fn commit(&self, batch: &WriteBatch) -> Result<(), StorageError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.write(batch)
            .map_err(|error| redb_error(&self.folder, error))
    }

    fn flush(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn damaged_keys(&self) -> Result<Vec<Vec<u8>>, StorageError> {
        if !self.is_checked {
            return Ok(Vec::new());
        }
        self.read(|table| {
            let mut damaged = Vec::new();
            for entry in table.range::<&[u8]>(..)? {
                let (key, value) = entry?;
                let (key, value) = (key.value(), value.value());
                let found = table.get(key)?;
                let is_found = found.is_some_and(|found| found.value() == value);
                if !is_found || verified_value(key, value).is_none() {
                    damaged.push(key.to_vec());
                }
            }
            Ok(damaged)
        })
    }

    fn remove_damaged(
        &self,
        is_kept: &dyn Fn(&[u8]) -> bool,
        more: &WriteBatch,
    ) -> Result<(), StorageError> {
        if self.ephemeral.is_some() {
            return Err(StorageError::Misuse(
                "an ephemeral database cannot be repaired",
            ));
        }
        let path = self.folder.join(NEW_FILE);
        let database = self
            .rewrite(&path, is_kept, more)
            .map_err(|error| redb_error(&self.folder, error))?;
        std::fs::rename(&path, self.folder.join(FILE))
            .and_then(|()| File::open(&self.folder)?.sync_all())
            .map_err(|error| StorageError::io(&path, error))?;
        self.database.store(Arc::new(database));
        Ok(())
    }

    fn size(&self) -> Result<u64, StorageError> {
        if let Some(file) = &self.ephemeral {
            let length = file.length();
            return length.map_err(|error| StorageError::io(&self.folder, error));
        }
        folder_size(&self.folder)
    }
}

fn redb_error(folder: &Path, error: impl Into<redb::Error>) -> StorageError {
    match error.into() {
        redb::Error::DatabaseAlreadyOpen => StorageError::Locked(folder.to_path_buf()),
        redb::Error::Io(error) => StorageError::io(folder, error),
        redb::Error::Corrupted(what) => StorageError::Corrupt(what),
        other => StorageError::Engine(other.to_string()),
    }
}
