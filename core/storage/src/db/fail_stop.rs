//! Fail-stop behaviour: after a failed commit the database must be opened again.

use std::sync::{Arc, OnceLock};

use super::{Database, Visitor, WriteBatch};
use crate::StorageError;

/// A database that stops at its first failed commit: every later call returns that error.
///
/// An engine that could not finish a commit may hold a part of it in memory and all of it on disk
/// (sled: the batch is in the journal, half of it in the tree). A later commit that is computed
/// from what is read would mix two states, and the journal would make that mixture durable. When
/// the engine is opened again it recovers, and either all of the failed commit is present or none
/// of it.
pub(crate) struct FailStop {
    database: Arc<dyn Database>,
    failed: OnceLock<Arc<StorageError>>,
}

impl FailStop {
    pub(crate) fn new(database: Arc<dyn Database>) -> Self {
        Self {
            database,
            failed: OnceLock::new(),
        }
    }

    fn running(&self) -> Result<&dyn Database, StorageError> {
        match self.failed.get() {
            None => Ok(self.database.as_ref()),
            Some(first) => Err(StorageError::Stopped(Arc::clone(first))),
        }
    }
}

impl Database for FailStop {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let value = self.running()?.get(key)?;
        // A commit may have failed half-way during this read.
        self.running().map(|_| value)
    }

    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        let values = self.running()?.get_many(keys)?;
        self.running().map(|_| values)
    }

    fn visit(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), StorageError> {
        self.running()?.visit(start, end, visitor)?;
        self.running().map(|_| ())
    }

    fn commit(&self, batch: &WriteBatch) -> Result<(), StorageError> {
        self.running()?.commit(batch).map_err(|error| {
            let first = self.failed.get_or_init(|| Arc::new(error));
            StorageError::Stopped(Arc::clone(first))
        })
    }

    fn flush(&self) -> Result<(), StorageError> {
        self.running()?.flush()
    }

    fn damaged_keys(&self) -> Result<Vec<Vec<u8>>, StorageError> {
        self.running()?.damaged_keys()
    }

    fn remove_damaged(
        &self,
        is_kept: &dyn Fn(&[u8]) -> bool,
        more: &WriteBatch,
    ) -> Result<(), StorageError> {
        self.running()?.remove_damaged(is_kept, more)
    }

    fn size(&self) -> Result<u64, StorageError> {
        self.database.size()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::db::MemoryDatabase;

    /// A database that applies every batch and reports some commits as failed.
    #[derive(Default)]
    struct FailingDatabase {
        memory: MemoryDatabase,
        is_full: AtomicBool,
    }

    impl Database for FailingDatabase {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
            self.memory.get(key)
        }

        fn visit(
            &self,
            start: &[u8],
            end: Option<&[u8]>,
            visitor: &mut Visitor<'_>,
        ) -> Result<(), StorageError> {
            self.memory.visit(start, end, visitor)
        }

        fn commit(&self, batch: &WriteBatch) -> Result<(), StorageError> {
            self.memory.commit(batch)?;
            if self.is_full.load(Ordering::Relaxed) {
                Err(StorageError::NoSpace("/disk".into()))
            } else {
                Ok(())
            }
        }

        fn flush(&self) -> Result<(), StorageError> {
            Ok(())
        }

        fn size(&self) -> Result<u64, StorageError> {
            self.memory.size()
        }
    }

    fn put(key: &[u8]) -> WriteBatch {
        let mut batch = WriteBatch::default();
        batch.put(&[key], b"value");
        batch
    }

    #[test]
    fn a_failed_commit_stops_reads_and_writes() {
        let engine = Arc::new(FailingDatabase::default());
        let database = FailStop::new(engine.clone());
        database.commit(&put(b"before")).unwrap();
        assert!(database.get(b"before").unwrap().is_some());

        engine.is_full.store(true, Ordering::Relaxed);
        let error = database.commit(&put(b"failed")).unwrap_err();
        assert!(error.to_string().contains("no space left"), "{error}");

        engine.is_full.store(false, Ordering::Relaxed);
        let error = database.commit(&put(b"after")).unwrap_err();
        assert!(error.to_string().contains("no space left"), "{error}");
        assert!(database.get(b"before").is_err());
        assert!(database.get_many(&[b"before".to_vec()]).is_err());
        assert!(database.seek(b"").is_err());
        assert!(engine.get(b"after").unwrap().is_none());
    }
}
