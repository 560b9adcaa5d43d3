//! The store: a database with its tables, its ancient files, and its head.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use actoreum_primitives::{B256, Bytes};
use arc_swap::ArcSwapOption;
use lru::LruCache;
use parking_lot::Mutex;

use crate::ancient::Ancient;
use crate::db::{Database, Engine, FailStop, WriteBatch};
use crate::head::HeadRecord;
use crate::limits::{ANCIENT_DEPTH, CACHE_BYTES, CODE_CACHE_ENTRIES, PRUNE_BLOCKS_PER_COMMIT};
use crate::lock::FolderLock;
use crate::remote::RemoteState;
use crate::state::ChangeList;
use crate::tables::{BLOOM_HEADS, Table, after_prefix, bloom_key};
use crate::{Commit, StorageError, format};

/// Prefix of the caller's records in [`Table::Meta`].
pub(crate) const USER_META: &[u8] = b"user/";
const HEAD: &[u8] = b"head";
pub(crate) const OLDEST_STATE: &[u8] = b"oldest state";
pub(crate) const ANCIENT_COUNT: &[u8] = b"ancient count";
/// Name of the record that exists while a repair is in progress.
pub(crate) const REPAIRING: &[u8] = b"repairing";

/// The options of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// Database engine.
    pub engine: Engine,
    /// Number of blocks behind the head whose state can be read and reverted to; `None` keeps all
    /// (`--gcmode archive`).
    pub history: Option<u64>,
    /// Number of blocks behind the head from which blocks move to the ancient files; `None` leaves
    /// all blocks in the database.
    pub ancient_depth: Option<u64>,
    /// Size of the engine's page cache in bytes.
    pub cache_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            engine: Engine::Sled,
            history: None,
            ancient_depth: Some(ANCIENT_DEPTH),
            cache_bytes: CACHE_BYTES,
        }
    }
}

/// The size of a table ([`Store::table_stats`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableStats {
    /// Name of the table.
    pub name: &'static str,
    /// Number of entries.
    pub entries: u64,
    /// Total size of keys and values in bytes.
    pub bytes: u64,
}

/// Blocks and state on disk. It is a handle: clones share one store. Any number of threads may
/// read, and one thread at a time commits.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    database: Arc<dyn Database>,
    ancient: Option<Ancient>,
    options: StoreOptions,
    head: ArcSwapOption<HeadRecord>,
    codes: Mutex<LruCache<B256, Bytes>>,
    committing: Mutex<()>,
    commits_begun: AtomicU64,
    /// The greatest block number whose commit has begun.
    newest_begun: AtomicU64,
    oldest_state: AtomicU64,
    /// Counter of commits that revert blocks; odd while one is running.
    revert_phase: AtomicU64,
    reverts: Mutex<Vec<(u64, u64)>>,
    /// The state below that of a forked chain.
    remote: OnceLock<Arc<dyn RemoteState>>,
    // This field is dropped last, so that the folder stays locked until the engine has closed.
    _lock: Option<FolderLock>,
}

impl Store {
    /// Opens the store in a folder, or creates one there.
    pub fn open(folder: &Path, options: StoreOptions) -> Result<Self, StorageError> {
        match options.engine {
            Engine::Sled | Engine::Redb => {}
            Engine::Ephemeral => {
                let database = options.engine.open(folder, options.cache_bytes)?;
                let database = Arc::new(FailStop::new(database));
                return Self::assemble(database, None, None, options, None);
            }
            Engine::Memory => return Self::memory_with(options),
        }
        let lock = FolderLock::acquire(folder)?;
        format::check_or_write(folder, options.engine)?;
        let database = options
            .engine
            .open(&folder.join("database"), options.cache_bytes)?;
        let database: Arc<dyn Database> = Arc::new(FailStop::new(database));
        if database.get(&Table::Meta.key(&[REPAIRING]))?.is_some() {
            let what = "a repair was not finished".into();
            return Err(StorageError::Corrupt(what));
        }
        let confirmed = read_number(database.as_ref(), ANCIENT_COUNT)?.unwrap_or(0);
        let ancient = Ancient::open(&ancient_folder(folder), confirmed)?;
        let head = read_head(database.as_ref())?;
        Self::assemble(database, head, Some(ancient), options, Some(lock))
    }

    /// Opens a damaged store for a repair. None of its records is trusted.
    pub(crate) fn open_damaged(
        folder: &Path,
        options: &StoreOptions,
    ) -> Result<Self, StorageError> {
        let lock = FolderLock::acquire(folder)?;
        format::check_or_write(folder, options.engine)?;
        let database = options
            .engine
            .open_damaged(&folder.join("database"), options.cache_bytes)
            .map_err(|error| match error {
                StorageError::Corrupt(what) => StorageError::BeyondRepair(what),
                other => other,
            })?;
        let confirmed = read_number(database.as_ref(), ANCIENT_COUNT);
        let ancient = Ancient::open_damaged(&ancient_folder(folder), confirmed?.unwrap_or(0))?;
        let head = read_head(database.as_ref()).unwrap_or_default();
        Self::assemble(database, head, Some(ancient), options.clone(), Some(lock))
    }

    /// Creates a store in memory, which is dropped with its last handle.
    pub fn memory() -> Self {
        let options = StoreOptions {
            engine: Engine::Memory,
            ..StoreOptions::default()
        };
        Self::memory_with(options).expect("because an empty map has no unreadable record")
    }

    /// Creates a store in memory that keeps history according to `options`.
    pub fn memory_with(options: StoreOptions) -> Result<Self, StorageError> {
        let database = Engine::Memory.open(Path::new(""), options.cache_bytes)?;
        Self::assemble(database, None, None, options, None)
    }

    pub(crate) fn assemble(
        database: Arc<dyn Database>,
        head: Option<HeadRecord>,
        ancient: Option<Ancient>,
        options: StoreOptions,
        lock: Option<FolderLock>,
    ) -> Result<Self, StorageError> {
        let oldest = read_number(database.as_ref(), OLDEST_STATE)?.unwrap_or(0);
        let codes = NonZeroUsize::new(CODE_CACHE_ENTRIES).unwrap_or(NonZeroUsize::MIN);
        Ok(Self(Arc::new(Shared {
            newest_begun: AtomicU64::new(head.map_or(0, |head| head.number)),
            head: ArcSwapOption::from_pointee(head),
            database,
            ancient,
            options,
            codes: Mutex::new(LruCache::new(codes)),
            committing: Mutex::new(()),
            commits_begun: AtomicU64::new(0),
            oldest_state: AtomicU64::new(oldest),
            revert_phase: AtomicU64::new(0),
            reverts: Mutex::new(Vec::new()),
            remote: OnceLock::new(),
            _lock: lock,
        })))
    }

    /// Makes this the store of a chain that is forked off a remote one: what the store lacks is read
    /// from `remote`. To be called before the first block is written, and before a store of such a
    /// chain is read.
    ///
    /// # Errors
    /// Returns [`StorageError::Misuse`] if the store has a remote already.
    pub fn fork_off(&self, remote: Arc<dyn RemoteState>) -> Result<(), StorageError> {
        let set = self.0.remote.set(remote);
        set.map_err(|_| StorageError::Misuse("the store has a remote chain already"))
    }

    /// Returns the state of the remote chain that this one was forked off, if it was.
    pub fn remote(&self) -> Option<&dyn RemoteState> {
        self.0.remote.get().map(Arc::as_ref)
    }

    /// Returns the block that the committed state belongs to; `None` in an empty store.
    pub fn head(&self) -> Option<HeadRecord> {
        self.0.head.load().as_deref().copied()
    }

    /// Writes a commit atomically and durably: after this function returns, neither a crash nor a
    /// power failure undoes the commit. After an error of the engine every call returns that error;
    /// once opened again, the store holds all of the commit or none of it.
    pub fn commit(&self, mut commit: Commit) -> Result<(), StorageError> {
        let _one_at_a_time = self.0.committing.lock();
        let oldest = match commit.history_from {
            Some(number) => number,
            None => self.prune(&mut commit)?,
        };
        commit.batch.append(&commit.last);
        if let Some(head) = &commit.head {
            commit
                .batch
                .put(&[&Table::Meta.key(&[HEAD])], &head.encode());
        }
        self.0.commits_begun.fetch_add(1, Ordering::SeqCst);
        if let Some(head) = &commit.head {
            self.0.newest_begun.fetch_max(head.number, Ordering::SeqCst);
        }
        self.0.oldest_state.store(oldest, Ordering::SeqCst);
        if let Some(number) = commit.reverted_to {
            let phase = self.0.revert_phase.fetch_add(1, Ordering::SeqCst);
            self.0.reverts.lock().push((phase, number));
        }
        let outcome = self.0.database.commit(&commit.batch);
        if outcome.is_ok()
            && let Some(head) = commit.head
        {
            self.0.head.store(Some(Arc::new(head)));
            self.0.newest_begun.store(head.number, Ordering::SeqCst);
        }
        if commit.reverted_to.is_some() {
            self.0.revert_phase.fetch_add(1, Ordering::SeqCst);
        }
        outcome
    }

    /// Adds to a commit the deletion of history that is too old. Returns the oldest block whose
    /// state is readable after the commit.
    fn prune(&self, commit: &mut Commit) -> Result<u64, StorageError> {
        let oldest = self.0.oldest_state.load(Ordering::SeqCst);
        let (Some(keep), Some(head)) = (self.0.options.history, commit.head) else {
            return Ok(oldest);
        };
        let committed = self.head().map_or(0, |head| head.number);
        let most = PRUNE_BLOCKS_PER_COMMIT + head.number.saturating_sub(committed) * 2;
        let target = head
            .number
            .saturating_sub(keep)
            .min(oldest + most)
            .min(committed);
        for number in oldest + 1..=target {
            let key = ChangeList::key(number);
            let Some(list) = self.0.database.get(&key)? else {
                continue;
            };
            for entry in ChangeList::decode(&list)?.history_keys(number) {
                commit.last.delete(&[&entry]);
            }
            commit.last.delete(&[&key]);
        }
        if target > oldest {
            commit.put(Table::Meta, &[OLDEST_STATE], &target.to_be_bytes());
        }
        Ok(target.max(oldest))
    }

    /// Returns a record that [`Commit::put_meta`] wrote.
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.0
            .database
            .get(&Table::Meta.key(&[USER_META, name.as_bytes()]))
    }

    /// Returns a clique snapshot by its block's hash.
    pub fn snapshot(&self, hash: &B256) -> Result<Option<Vec<u8>>, StorageError> {
        self.0
            .database
            .get(&Table::Snapshots.key(&[hash.as_slice()]))
    }

    /// Returns which blocks of a bloom index section have a bit in their bloom, as
    /// [`Commit::put_bloom_bits`] wrote it.
    pub fn bloom_bits(&self, bit: u16, section: u64) -> Result<Option<Vec<u8>>, StorageError> {
        self.0.database.get(&bloom_key(bit, section))
    }

    /// Returns the hash of the last block of a bloom index section, if the section is stored.
    pub fn bloom_section(&self, section: u64) -> Result<Option<B256>, StorageError> {
        let hash = self.0.database.get(&bloom_key(BLOOM_HEADS, section))?;
        hash.map(|hash| B256::try_from(hash.as_slice()))
            .transpose()
            .map_err(|_| {
                let what = format!("the head of bloom section {section} is truncated");
                StorageError::Corrupt(what)
            })
    }

    /// Returns the oldest block whose state can be read.
    pub fn oldest_state(&self) -> u64 {
        self.0.oldest_state.load(Ordering::SeqCst)
    }

    /// Flushes the engine, so that the next start has nothing to recover.
    pub fn flush(&self) -> Result<(), StorageError> {
        self.0.database.flush()
    }

    /// Returns the size on disk in bytes: of the database, then of the ancient files.
    pub fn size(&self) -> Result<(u64, u64), StorageError> {
        let ancient = self.0.ancient.as_ref().map_or(Ok(0), Ancient::size)?;
        Ok((self.0.database.size()?, ancient))
    }

    /// Returns entries and bytes of every table. It reads the whole database and is too slow for a
    /// busy node.
    pub fn table_stats(&self) -> Result<Vec<TableStats>, StorageError> {
        let stats = |(table, name): &(Table, &'static str)| {
            let mut stats = TableStats {
                name,
                entries: 0,
                bytes: 0,
            };
            self.visit_prefix(&table.prefix(), |key, value| {
                stats.entries += 1;
                stats.bytes += (key.len() + value.len()) as u64;
                Ok(())
            })?;
            Ok(stats)
        };
        Table::ALL.iter().map(stats).collect()
    }

    /// Returns true if the ancient files hold fewer blocks than the database has moved there.
    pub(crate) fn is_ancient_truncated(&self) -> Result<bool, StorageError> {
        let confirmed = read_number(self.database(), ANCIENT_COUNT)?;
        Ok(confirmed.unwrap_or(0) > self.ancient_blocks())
    }

    /// Copies everything in this store into an empty one, which may have another engine.
    pub fn copy_to(&self, target: &Self) -> Result<(), StorageError> {
        const BATCH_BYTES: usize = 8 << 20;
        let (first, last) = (Table::Meta.prefix(), Table::IncomingNodes.prefix());
        let end = after_prefix(&last);
        let mut batch = WriteBatch::default();
        let mut outcome = Ok(());
        let mut meta = WriteBatch::default();
        self.0
            .database
            .visit(&first, end.as_deref(), &mut |key, value| {
                if key[0] == Table::Meta as u8 {
                    meta.put(&[key], value);
                    return std::ops::ControlFlow::Continue(());
                }
                batch.put(&[key], value);
                if batch.as_bytes().len() > BATCH_BYTES {
                    outcome = target.0.database.commit(&std::mem::take(&mut batch));
                }
                if outcome.is_ok() {
                    std::ops::ControlFlow::Continue(())
                } else {
                    std::ops::ControlFlow::Break(())
                }
            })?;
        outcome?;
        if let (Some(from), Some(to)) = (&self.0.ancient, &target.0.ancient) {
            from.copy_to(to)?;
        }
        // The head comes last, so that an interrupted copy is empty and not wrong.
        batch.append(&meta);
        target.0.database.commit(&batch)?;
        let head = read_head(target.0.database.as_ref())?;
        target
            .0
            .newest_begun
            .store(head.map_or(0, |head| head.number), Ordering::SeqCst);
        target
            .0
            .oldest_state
            .store(self.oldest_state(), Ordering::SeqCst);
        target.0.head.store(head.map(Arc::new));
        Ok(())
    }

    /// Returns the engine, for reads of the crate's own tables.
    pub(crate) fn database(&self) -> &dyn Database {
        self.0.database.as_ref()
    }

    pub(crate) fn ancient(&self) -> Option<&Ancient> {
        self.0.ancient.as_ref()
    }

    /// Returns the options with which the store was opened.
    pub fn options(&self) -> &StoreOptions {
        &self.0.options
    }

    pub(crate) fn cached_code(&self, hash: &B256) -> Option<Bytes> {
        self.0.codes.lock().get(hash).cloned()
    }

    pub(crate) fn cache_code(&self, hash: B256, code: &Bytes) {
        self.0.codes.lock().put(hash, code.clone());
    }

    pub(crate) fn newest_begun(&self) -> u64 {
        self.0.newest_begun.load(Ordering::SeqCst)
    }

    pub(crate) fn commits_begun(&self) -> u64 {
        self.0.commits_begun.load(Ordering::SeqCst)
    }

    pub(crate) fn wait_for_commit(&self) {
        drop(self.0.committing.lock());
    }

    pub(crate) fn reverts_begun(&self) -> u64 {
        self.0.revert_phase.load(Ordering::SeqCst)
    }

    pub(crate) fn is_reverting(&self) -> bool {
        self.reverts_begun() % 2 == 1
    }

    /// Returns the lowest block that any revert since `phase` went back to.
    pub(crate) fn lowest_revert_since(&self, phase: u64) -> u64 {
        let reverts = self.0.reverts.lock();
        let since = reverts.iter().filter(|(begun, _)| *begun >= phase);
        since.map(|(_, number)| *number).min().unwrap_or(u64::MAX)
    }
}

fn ancient_folder(folder: &Path) -> PathBuf {
    folder.join("ancient")
}

fn read_head(database: &dyn Database) -> Result<Option<HeadRecord>, StorageError> {
    let head = database.get(&Table::Meta.key(&[HEAD]))?;
    head.map(|record| HeadRecord::decode(&record)).transpose()
}

fn read_number(database: &dyn Database, name: &[u8]) -> Result<Option<u64>, StorageError> {
    let record = database.get(&Table::Meta.key(&[name]))?;
    let number = |record: Vec<u8>| record.try_into().map(u64::from_be_bytes);
    record.map(number).transpose().map_err(|_| {
        let name = String::from_utf8_lossy(name);
        StorageError::Corrupt(format!("the record {name:?} is not a number"))
    })
}
