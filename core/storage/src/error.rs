//! Errors of the storage, with advice for the operator.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use actoreum_primitives::StateError;
use actoreum_trie::TrieError;

/// An error of the storage. None of them loses data that was committed before.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The disk is full. The operator must free space and restart.
    #[error("no space left on the device that holds {}: free some and start again", .0.display())]
    NoSpace(PathBuf),
    /// The folder is on a read-only file system. The operator must choose another.
    #[error(
        "{} is on a read-only file system: make it writable, or choose another folder with --datadir",
        .0.display()
    )]
    ReadOnly(PathBuf),
    /// The process has no permission to use the folder. The operator must change its owner or
    /// choose another.
    #[error(
        "no permission to use {}: change its owner, or choose another folder with --datadir",
        .0.display()
    )]
    PermissionDenied(PathBuf),
    /// Another process has locked the folder. The operator must stop it or choose another folder.
    #[error(
        "datadir already used by another process: {}: stop that one, or choose another folder with \
         --datadir",
        .0.display()
    )]
    Locked(PathBuf),
    /// A newer version wrote the database. The operator must upgrade or choose another folder.
    #[error(
        "the database is of format {found}, this version reads up to format {supported}: \
         use a newer actoreum"
    )]
    NewerFormat {
        /// Format on disk.
        found: u32,
        /// Newest format that this version supports.
        supported: u32,
    },
    /// Another engine wrote the database. The operator must select that engine.
    #[error("the database was made with engine {found}, not {wanted}: use --db.engine {found}")]
    OtherEngine {
        /// Engine on disk.
        found: String,
        /// Configured engine.
        wanted: String,
    },
    /// The stored data are damaged or inconsistent. The operator must run a repair.
    #[error("corrupt database: {0}; run `actoreum db repair`")]
    Corrupt(String),
    /// The stored data are damaged and cannot be repaired. The operator must import the chain
    /// again.
    #[error(
        "the database can't be repaired: {0}; run `actoreum removedb` and import again (where the \
         database still opens, `actoreum export` saves its first blocks before)"
    )]
    BeyondRepair(String),
    /// The file system failed in another way.
    #[error("{}: {source}", path.display())]
    Io {
        /// Path of the file or folder.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The engine failed in another way.
    #[error("storage engine: {0}")]
    Engine(String),
    /// The trie is damaged, or its store failed.
    #[error("state trie: {0}")]
    Trie(#[from] TrieError),
    /// The state of a block is not available.
    #[error("state of block {0} is not available: it was pruned or never executed")]
    MissingState(u64),
    /// An earlier commit failed with the contained error. The store must be opened again.
    #[error("{0}")]
    Stopped(Arc<StorageError>),
    /// The remote chain that this one was forked off did not give what was asked of it.
    #[error("remote chain: {0}")]
    Remote(String),
    /// A call came in the wrong order, which is an error in the program and not in the data.
    #[error("storage misused: {0}")]
    Misuse(&'static str),
}

impl StorageError {
    /// Converts an error of the file system, with the file or folder that it concerns.
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

impl From<StateError> for StorageError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Missing(number) => Self::MissingState(number),
            StateError::Corrupt(what) => Self::Corrupt(what),
            StateError::Backend(what) => Self::Engine(what),
            StateError::Remote(what) => Self::Remote(what),
        }
    }
}

impl From<StorageError> for StateError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::MissingState(number) => Self::Missing(number),
            StorageError::Corrupt(what) => Self::Corrupt(what),
            StorageError::Trie(error) => Self::Corrupt(error.to_string()),
            StorageError::Remote(what) => Self::Remote(what),
            other => Self::Backend(other.to_string()),
        }
    }
}
