//! A key-value database: what the store asks of an engine.

mod batch;
mod fail_stop;
mod journal;
mod memory;
mod redb;
mod sled;
mod unnamed;

use std::ops::ControlFlow;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use crate::StorageError;

pub use batch::{Operation, WriteBatch};
pub(crate) use fail_stop::FailStop;
pub use memory::MemoryDatabase;
pub use redb::RedbDatabase;
pub use sled::SledDatabase;

/// What [`Database::visit`] calls with each key and value; it may break off.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// A key and its value.
pub type Record = (Vec<u8>, Vec<u8>);

/// An ordered key-value store with one kind of write.
///
/// Reads never block on a commit. A commit is atomic over crashes: after one, all of
/// it is there or none. While it runs, other threads may see its operations one by
/// one, in the order of the batch.
pub trait Database: Send + Sync {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// The values of many keys, in their order.
    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// Calls `visitor` with every entry from `start` on (up to but without `end`, if
    /// given), in ascending order, until it breaks off.
    fn visit(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), StorageError>;

    /// The first entry with a key of `start` or above.
    fn seek(&self, start: &[u8]) -> Result<Option<Record>, StorageError> {
        let mut found = None;
        self.visit(start, None, &mut |key, value| {
            found = Some((key.to_vec(), value.to_vec()));
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// Applies a batch, atomically and durably: when this returns, a power cut does
    /// not undo it.
    fn commit(&self, batch: &WriteBatch) -> Result<(), StorageError>;

    /// Settles what the engine would otherwise have to do after a crash.
    fn flush(&self) -> Result<(), StorageError>;

    /// Keys of values that fail their checksum, where the engine keeps one (not there for readers
    /// that were opened for a repair, an error for others), and of those that a walk over all
    /// entries meets and a search does not find.
    fn damaged_keys(&self) -> Result<Vec<Vec<u8>>, StorageError> {
        Ok(Vec::new())
    }

    /// Removes what [`Self::damaged_keys`] names and what `is_kept` refuses, and applies `more`:
    /// all of it durably, or nothing.
    fn drop_damaged(
        &self,
        is_kept: &dyn Fn(&[u8]) -> bool,
        more: &WriteBatch,
    ) -> Result<(), StorageError> {
        let mut batch = WriteBatch::default();
        for key in self.damaged_keys()? {
            batch.delete(&[&key]);
        }
        self.visit(&[], None, &mut |key, _| {
            if !is_kept(key) {
                batch.delete(&[key]);
            }
            ControlFlow::Continue(())
        })?;
        batch.append(more);
        self.commit(&batch)
    }

    /// Bytes on disk (in memory, for the engine that has no disk).
    fn size(&self) -> Result<u64, StorageError>;
}

/// An engine by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// sled: the default.
    #[default]
    Sled,
    /// redb.
    Redb,
    /// redb in a file without a name, which is gone with its last handle: a chain that is to
    /// outgrow memory, but not to outlive the process.
    Fleeting,
    /// Nothing on disk: for tests.
    Memory,
}

impl Engine {
    /// The name as `--db.engine` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
            Self::Fleeting => "fleeting",
            Self::Memory => "memory",
        }
    }

    /// Opens (or makes) the engine's database in `folder`; it may cache `cache_bytes` of pages.
    pub fn open(self, folder: &Path, cache_bytes: u64) -> Result<Arc<dyn Database>, StorageError> {
        Ok(match self {
            Self::Sled => Arc::new(SledDatabase::open(folder, cache_bytes)?),
            Self::Redb => Arc::new(RedbDatabase::open(folder, cache_bytes)?),
            Self::Fleeting => Arc::new(RedbDatabase::unnamed(folder, cache_bytes)?),
            Self::Memory => Arc::new(MemoryDatabase::default()),
        })
    }

    /// As [`Self::open`], for a repair: opens also where the newest commits are there in part.
    pub(crate) fn open_damaged(
        self,
        folder: &Path,
        cache_bytes: u64,
    ) -> Result<Arc<dyn Database>, StorageError> {
        Ok(match self {
            Self::Sled => Arc::new(SledDatabase::open_damaged(folder, cache_bytes)?),
            Self::Redb => Arc::new(RedbDatabase::open_damaged(folder, cache_bytes)?),
            Self::Fleeting | Self::Memory => return self.open(folder, cache_bytes),
        })
    }
}

impl FromStr for Engine {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "sled" => Ok(Self::Sled),
            "redb" => Ok(Self::Redb),
            "memory" => Ok(Self::Memory),
            other => Err(format!(
                "unknown database engine {other:?}: use sled or redb"
            )),
        }
    }
}

/// Sum of the sizes of all files below a folder.
fn folder_size(folder: &Path) -> Result<u64, StorageError> {
    let io = |error| StorageError::io(folder, error);
    let mut total = 0;
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let metadata = entry.metadata().map_err(io)?;
        total += if metadata.is_dir() {
            folder_size(&entry.path())?
        } else {
            metadata.len()
        };
    }
    Ok(total)
}
