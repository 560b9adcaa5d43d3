//! The interface of key-value engines, and the engines.

mod batch;
mod fail_stop;
mod journal;
mod memory;
mod redb;
mod sled;
mod unlinked;

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

/// The visitor of [`Database::visit`]; it can end the visit.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// A key and its value.
pub type Record = (Vec<u8>, Vec<u8>);

/// An ordered key-value store whose only write is a batch.
///
/// Reads never block on a commit. A commit is atomic over crashes: afterwards all of it is present
/// or none of it. While a commit runs, other threads may see its operations one by one, in the
/// order of the batch.
pub trait Database: Send + Sync {
    /// Returns the value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Returns the values of many keys, in the order of the keys.
    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// Calls `visitor` with every entry from `start` on (and below `end`, if given) in ascending
    /// order, until the visitor breaks.
    fn visit(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), StorageError>;

    /// Returns the first entry with a key of `start` or above.
    fn seek(&self, start: &[u8]) -> Result<Option<Record>, StorageError> {
        let mut found = None;
        self.visit(start, None, &mut |key, value| {
            found = Some((key.to_vec(), value.to_vec()));
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// Applies a batch atomically and durably: after the function returns, a power failure does not
    /// undo it.
    fn commit(&self, batch: &WriteBatch) -> Result<(), StorageError>;

    /// Flushes the engine, so that it has nothing to recover after a crash.
    fn flush(&self) -> Result<(), StorageError>;

    /// Returns the keys of damaged values. A value is damaged if it fails its checksum (an engine
    /// without checksums reports none), or if a traversal of all entries meets it but a lookup does
    /// not find it. In a database that is opened for a repair such values are absent for readers;
    /// otherwise reading them is an error.
    fn damaged_keys(&self) -> Result<Vec<Vec<u8>>, StorageError> {
        Ok(Vec::new())
    }

    /// Removes the entries that [`Self::damaged_keys`] lists and those for which `is_kept` returns
    /// false, and applies `more`. All of this is done atomically and durably.
    fn remove_damaged(
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

    /// Returns the size on disk in bytes (in memory, for the engine without a disk).
    fn size(&self) -> Result<u64, StorageError>;
}

/// A database engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// sled, the default.
    #[default]
    Sled,
    /// redb.
    Redb,
    /// redb in a file without a directory entry, which is deleted with its last handle: for a chain
    /// that may outgrow memory but need not outlive the process.
    Ephemeral,
    /// Memory only: for tests.
    Memory,
}

impl Engine {
    /// Returns the name as `--db.engine` accepts it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
            Self::Ephemeral => "ephemeral",
            Self::Memory => "memory",
        }
    }

    /// Opens or creates the engine's database in `folder`, with a page cache of `cache_bytes`.
    pub fn open(self, folder: &Path, cache_bytes: u64) -> Result<Arc<dyn Database>, StorageError> {
        Ok(match self {
            Self::Sled => Arc::new(SledDatabase::open(folder, cache_bytes)?),
            Self::Redb => Arc::new(RedbDatabase::open(folder, cache_bytes)?),
            Self::Ephemeral => Arc::new(RedbDatabase::ephemeral(folder, cache_bytes)?),
            Self::Memory => Arc::new(MemoryDatabase::default()),
        })
    }

    /// Opens the database like [`Self::open`], but for a repair: also if the newest commits are
    /// incomplete.
    pub(crate) fn open_damaged(
        self,
        folder: &Path,
        cache_bytes: u64,
    ) -> Result<Arc<dyn Database>, StorageError> {
        Ok(match self {
            Self::Sled => Arc::new(SledDatabase::open_damaged(folder, cache_bytes)?),
            Self::Redb => Arc::new(RedbDatabase::open_damaged(folder, cache_bytes)?),
            Self::Ephemeral | Self::Memory => return self.open(folder, cache_bytes),
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

/// Returns the total size of all files below a folder in bytes.
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
