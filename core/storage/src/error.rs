//! Why storage failed, and what can be done about it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use actoreum_primitives::StateError;
use actoreum_trie::TrieError;

/// A storage failure. Nothing that was committed before is lost by any of them.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The disk is full: free space and start again.
    #[error("no space left on the device that holds {}: free some and start again", .0.display())]
    NoSpace(PathBuf),
    /// The folder lies on a read-only file system: choose another.
    #[error(
        "{} is on a read-only file system: make it writable, or choose another folder with --datadir",
        .0.display()
    )]
    ReadOnly(PathBuf),
    /// The folder belongs to somebody else: change its owner or choose another.
    #[error(
        "no permission to use {}: change its owner, or choose another folder with --datadir",
        .0.display()
    )]
    PermissionDenied(PathBuf),
    /// Another process holds the folder: stop it or choose another folder.
    #[error(
        "datadir already used by another process: {}: stop that one, or choose another folder with \
         --datadir",
        .0.display()
    )]
    Locked(PathBuf),
    /// Written by a newer version: upgrade, or choose another folder.
    #[error(
        "the database is of format {found}, this version reads up to format {supported}: \
         use a newer actoreum"
    )]
    NewerFormat {
        /// The format on disk.
        found: u32,
        /// The newest that this version knows.
        supported: u32,
    },
    /// Made with another engine: pass that engine's name.
    #[error("the database was made with engine {found}, not {wanted}: use --db.engine {found}")]
    OtherEngine {
        /// The engine on disk.
        found: String,
        /// The engine that was asked for.
        wanted: String,
    },
    /// What was read contradicts itself: repair.
    #[error("corrupt database: {0}; run `actoreum db repair`")]
    Corrupt(String),
    /// Damaged, and nothing to mend it with is kept: begin anew.
    #[error(
        "the database can't be repaired: {0}; run `actoreum removedb` and import again (where the \
         database still opens, `actoreum export` saves its first blocks before)"
    )]
    BeyondRepair(String),
    /// Any other failure of the file system.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Any other failure of an engine.
    #[error("storage engine: {0}")]
    Engine(String),
    /// The trie is damaged, or its store failed.
    #[error("state trie: {0}")]
    Trie(#[from] TrieError),
    /// The state of a block is not held.
    #[error("state of block {0} is not available: it was pruned or never executed")]
    MissingState(u64),
    /// A commit failed before, for the reason within: open the store again.
    #[error("{0}")]
    Ended(Arc<StorageError>),
    /// A call out of order: a mistake in the program, never in the data.
    #[error("storage misused: {0}")]
    Misuse(&'static str),
}

impl StorageError {
    /// An error of the file system, with the file or folder that it is about.
    pub fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace(path),
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(path),
            io::ErrorKind::PermissionDenied => Self::PermissionDenied(path),
            _ => Self::Io { path, source },
        }
    }
}

impl From<StorageError> for StateError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::MissingState(number) => Self::Missing(number),
            StorageError::Corrupt(what) => Self::Corrupt(what),
            StorageError::Trie(error) => Self::Corrupt(error.to_string()),
            other => Self::Backend(other.to_string()),
        }
    }
}
