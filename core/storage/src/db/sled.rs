//! The sled engine with a journal of its own.
//!
//! sled's `apply_batch` takes a lock that stops every reader of the process until the batch is
//! applied, and its flush leaves the last write to `sync_file_range`, which does not survive a
//! power failure (docs/adr/0003-sled-journal.md). Therefore a commit is first made durable in a
//! journal. Then its operations are applied to the tree one by one, concurrently with the readers.
//! The journal is replayed after a crash, and emptied once sled has everything on disk.
//!
//! Commits are numbered. sled's log records the number before a commit's first operation and after
//! its last one; the journal records the number of the commit before its first record. If the log
//! or the journal lost its newest bytes, which neither would notice alone, the comparison at the
//! opening detects it.

use std::fs::File;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::journal::{Journal, JournalContent};
use super::{Database, Visitor, WriteBatch, folder_size};
use crate::StorageError;
use crate::limits::{JOURNAL_BYTES, SLED_LOCK_TIMEOUT};

/// A sled 0.34 database in a folder.
pub struct SledDatabase {
    folder: PathBuf,
    database: sled::Db,
    /// Tree with the marks [`BEGUN`] and [`ENDED`].
    commits: sled::Tree,
    /// sled's own log, for an fsync that sled omits.
    log: File,
    state: Mutex<State>,
    /// Whether a write to sled's files failed.
    has_failed: AtomicBool,
}

struct State {
    journal: Journal,
    /// Number of the newest commit.
    newest: u64,
}

/// Key of the number of the newest commit of which an operation may be in the tree.
const BEGUN: &[u8] = b"begun";
/// Key of the number of the newest commit of which all operations are in the tree.
const ENDED: &[u8] = b"ended";

impl SledDatabase {
    /// Opens or creates the database, and finishes the commits that a crash interrupted.
    pub fn open(folder: &Path, cache_bytes: u64) -> Result<Self, StorageError> {
        Self::open_with(folder, cache_bytes, false)
    }

    /// Opens the database like [`Self::open`], but for a repair: also if commits are lost or
    /// incomplete.
    pub(crate) fn open_damaged(folder: &Path, cache_bytes: u64) -> Result<Self, StorageError> {
        Self::open_with(folder, cache_bytes, true)
    }

    fn open_with(folder: &Path, cache_bytes: u64, salvage: bool) -> Result<Self, StorageError> {
        let io = |error| StorageError::io(folder, error);
        std::fs::create_dir_all(folder).map_err(io)?;
        let tree = folder.join("tree");
        remove_unfinished(&tree)?;
        let config = sled::Config::new()
            .path(&tree)
            .cache_capacity(cache_bytes)
            .mode(sled::Mode::HighThroughput)
            .flush_every_ms(None);
        let open = || {
            catch_unwind(AssertUnwindSafe(|| {
                let database = config.open()?;
                let commits = database.open_tree("commits")?;
                Ok::<_, sled::Error>((database, commits))
            }))
            .map_err(|_| StorageError::Corrupt("sled cannot recover its log".into()))?
            .map_err(|error| sled_error(folder, error))
        };
        let mut opened = open();
        let begun = Instant::now();
        while matches!(opened, Err(StorageError::Locked(_))) && begun.elapsed() < SLED_LOCK_TIMEOUT
        {
            thread::sleep(Duration::from_millis(5));
            opened = open();
        }
        let (database, commits) = match opened {
            Err(StorageError::Corrupt(_)) if salvage && remove_snapshots(&tree)? => open()?,
            opened => opened?,
        };
        let (journal, recorded) = Journal::open(&folder.join("journal"), salvage)?;
        let log = File::open(tree.join("db")).map_err(io)?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(io)?;
        let mut opened = Self {
            folder: folder.to_path_buf(),
            database,
            commits,
            log,
            state: Mutex::new(State { journal, newest: 0 }),
            has_failed: AtomicBool::new(false),
        };
        let is_settled = recorded.base.is_some() && recorded.batches.is_empty() && !salvage;
        opened.recover(recorded, salvage)?;
        if !is_settled {
            opened.checkpoint(&mut opened.state.lock())?;
        }
        Ok(opened)
    }

    /// Replays the journal into the tree and checks that both agree.
    fn recover(&mut self, recorded: JournalContent, salvage: bool) -> Result<(), StorageError> {
        let (begun, ended) = (self.number(BEGUN)?, self.number(ENDED)?);
        let base = recorded.base.unwrap_or(ended);
        let last = base + recorded.batches.len() as u64;
        let fault = if ended < base {
            Some(format!(
                "sled has lost commits: it ends with {ended}, the journal begins after {base}"
            ))
        } else if begun > last && begun != ended {
            Some(format!(
                "commit {begun} is incomplete, and the journal ends with {last}"
            ))
        } else {
            None
        };
        if let Some(fault) = fault.filter(|_| !salvage) {
            return Err(StorageError::Corrupt(fault));
        }
        // If sled holds newer commits than the journal, the journal's older values must not
        // overwrite them.
        let first = base + 1;
        if begun <= last {
            for (batch, number) in recorded.batches.iter().zip(first..) {
                self.apply(batch, number)?;
            }
        }
        let newest = last.max(begun);
        if (begun, ended) != (newest, newest) {
            self.mark(BEGUN, newest)?;
            self.mark(ENDED, newest)?;
        }
        self.state.get_mut().newest = newest;
        Ok(())
    }

    fn number(&self, mark: &[u8]) -> Result<u64, StorageError> {
        let number = self.commits.get(mark).map_err(|error| self.error(error))?;
        let digits = number.as_deref().unwrap_or(&[0; 8]).try_into();
        let unreadable = |_| StorageError::Corrupt("the number of a commit is unreadable".into());
        digits.map(u64::from_be_bytes).map_err(unreadable)
    }

    fn mark(&self, mark: &[u8], number: u64) -> Result<(), StorageError> {
        let marked = self.commits.insert(mark, &number.to_be_bytes());
        marked.map(drop).map_err(|error| self.failed_write(error))
    }

    fn apply(&self, batch: &WriteBatch, number: u64) -> Result<(), StorageError> {
        self.mark(BEGUN, number)?;
        for operation in batch.operations() {
            match operation.value {
                Some(value) => self.database.insert(operation.key, value),
                None => self.database.remove(operation.key),
            }
            .map_err(|error| self.failed_write(error))?;
        }
        self.mark(ENDED, number)
    }

    fn error(&self, error: sled::Error) -> StorageError {
        sled_error(&self.folder, error)
    }

    fn failed_write(&self, error: sled::Error) -> StorageError {
        if matches!(error, sled::Error::Io(_)) {
            self.has_failed.store(true, Ordering::Relaxed);
        }
        self.error(error)
    }

    fn checkpoint(&self, state: &mut State) -> Result<(), StorageError> {
        self.database
            .flush()
            .map_err(|error| self.failed_write(error))?;
        self.log
            .sync_data()
            .map_err(|error| StorageError::io(&self.folder, error))?;
        state.journal.clear(state.newest)
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
        let mut state = self.state.lock();
        state.journal.append(batch)?;
        state.newest += 1;
        self.apply(batch, state.newest)?;
        if state.journal.length() >= JOURNAL_BYTES {
            self.checkpoint(&mut state)?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        if state.journal.is_empty() {
            return Ok(());
        }
        self.checkpoint(&mut state)
    }

    fn size(&self) -> Result<u64, StorageError> {
        folder_size(&self.folder)
    }
}

impl Drop for SledDatabase {
    /// Flushes sled, or leaks it after a failed write. A value that is too large for sled's log
    /// goes into a file of its own; if that file cannot be written, sled's log waits forever for
    /// the space that it reserved, and sled's own `drop` would wait too. A leaked sled holds its
    /// lock until the process ends.
    fn drop(&mut self) {
        let has_failed = || self.has_failed.load(Ordering::Relaxed);
        let flushed = if has_failed() {
            Err("a write failed before".to_owned())
        } else {
            self.flush().map_err(|error| error.to_string())
        };
        if let Err(error) = flushed {
            tracing::warn!(
                error,
                "sled was not flushed; its journal is replayed at the next start"
            );
        }
        if has_failed() {
            mem::forget((self.database.clone(), self.commits.clone()));
        }
    }
}

/// Removes the files that sled was writing when it was killed, which it would take for damage. It
/// needs neither of them: `snap.*.generating` is a snapshot before its rename (sled 0.34.7 excludes
/// another suffix when it searches for snapshots), and `conf` is written again from the settings.
fn remove_unfinished(tree: &Path) -> Result<(), StorageError> {
    let io = |error| StorageError::io(tree, error);
    if !tree.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(tree).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_unfinished = match &*name {
            "conf" => !ends_with_crc(&std::fs::read(&path).map_err(io)?),
            name => name.starts_with("snap.") && name.ends_with(".generating"),
        };
        if is_unfinished {
            std::fs::remove_file(&path).map_err(io)?;
        }
    }
    Ok(())
}

/// Returns true if the bytes end with a CRC-32 of all bytes before it, as sled writes one.
fn ends_with_crc(bytes: &[u8]) -> bool {
    let Some((text, crc)) = bytes.split_last_chunk::<4>() else {
        return false;
    };
    crc32fast::hash(text) == u32::from_le_bytes(*crc)
}

/// Removes sled's snapshots, which only let it read less of its log at the next start. Returns true
/// if there were any.
fn remove_snapshots(tree: &Path) -> Result<bool, StorageError> {
    let io = |error| StorageError::io(tree, error);
    let mut is_removed = false;
    for entry in std::fs::read_dir(tree).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            tracing::warn!(path = %entry.path().display(), "removed a damaged sled snapshot");
            std::fs::remove_file(entry.path()).map_err(io)?;
            is_removed = true;
        }
    }
    Ok(is_removed)
}

fn sled_error(folder: &Path, error: sled::Error) -> StorageError {
    match error {
        // The kind of sled's error is always `Other`, whatever the system's was.
        sled::Error::Io(error) if error.to_string().starts_with("could not acquire lock") => {
            StorageError::Locked(folder.to_path_buf())
        }
        sled::Error::Io(error) => StorageError::io(folder, error),
        sled::Error::Corruption { .. } => StorageError::Corrupt(error.to_string()),
        other => StorageError::Engine(other.to_string()),
    }
}
