//! The redb engine.

use std::path::{Path, PathBuf};

use redb::{ReadableDatabase, TableDefinition};

use super::{Database, Visitor, WriteBatch, folder_size};
use crate::StorageError;

const ENTRIES: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("entries");

/// redb 4 in a folder.
pub struct RedbDatabase {
    folder: PathBuf,
    database: redb::Database,
}

impl RedbDatabase {
    /// Opens or makes the database.
    pub fn open(folder: &Path, cache_bytes: u64) -> Result<Self, StorageError> {
        std::fs::create_dir_all(folder).map_err(|error| StorageError::io(folder, error))?;
        let file = folder.join("data.redb");
        let database = redb::Builder::new()
            .set_cache_size(usize::try_from(cache_bytes).unwrap_or(usize::MAX))
            .create(&file)
            .map_err(|error| redb_error(folder, error))?;
        let opened = Self {
            folder: folder.to_path_buf(),
            database,
        };
        opened
            .write(&WriteBatch::default())
            .map_err(|error| redb_error(folder, error))?;
        Ok(opened)
    }

    fn write(&self, batch: &WriteBatch) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        // Without it a crash is followed by a walk over the whole file.
        transaction.set_quick_repair(true);
        {
            let mut entries = transaction.open_table(ENTRIES)?;
            for operation in batch.operations() {
                match operation.value {
                    Some(value) => entries.insert(operation.key, value)?,
                    None => entries.remove(operation.key)?,
                };
            }
        }
        Ok(transaction.commit()?)
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&redb::ReadOnlyTable<&'static [u8], &'static [u8]>) -> Result<T, redb::Error>,
    ) -> Result<T, StorageError> {
        let table =
            || -> Result<_, redb::Error> { Ok(self.database.begin_read()?.open_table(ENTRIES)?) };
        table()
            .and_then(|table| read(&table))
            .map_err(|error| redb_error(&self.folder, error))
    }
}

impl Database for RedbDatabase {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.read(|table| Ok(table.get(key)?.map(|value| value.value().to_vec())))
    }

    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        self.read(|table| {
            let get = |key: &Vec<u8>| -> Result<_, redb::Error> {
                Ok(table
                    .get(key.as_slice())?
                    .map(|value| value.value().to_vec()))
            };
            keys.iter().map(get).collect()
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
                if visitor(key.value(), value.value()).is_break() {
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

    fn size(&self) -> Result<u64, StorageError> {
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
