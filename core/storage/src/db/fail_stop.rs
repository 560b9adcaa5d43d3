//! What holds once a commit has failed: nothing, until the database is opened again.

use std::sync::{Arc, OnceLock};

use super::{Database, Visitor, WriteBatch};
use crate::StorageError;

/// A database that ends with its first failed commit: every later call gets that error.
///
/// An engine that could not finish a commit may hold a part of it in memory, and on disk all
/// of it (sled: the batch is in the journal, half of it in the tree). A commit that is worked
/// out from what is read then mixes two states, and the journal makes that mixture durable.
/// Opened again, the engine recovers, and either all of the failed commit is there or none.
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

    fn sound(&self) -> Result<&dyn Database, StorageError> {
        match self.failed.get() {
            None => Ok(self.database.as_ref()),
            Some(first) => Err(StorageError::Ended(Arc::clone(first))),
        }
    }
}

impl Database for FailStop {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let value = self.sound()?.get(key)?;
        // A commit may have failed half-way while this was read.
        self.sound().map(|_| value)
    }

    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        let values = self.sound()?.get_many(keys)?;
        self.sound().map(|_| values)
    }

    fn visit(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), StorageError> {
        self.sound()?.visit(start, end, visitor)?;
        self.sound().map(|_| ())
    }

    fn commit(&self, batch: &WriteBatch) -> Result<(), StorageError> {
        self.sound()?.commit(batch).map_err(|error| {
            let first = self.failed.get_or_init(|| Arc::new(error));
            StorageError::Ended(Arc::clone(first))
        })
    }

    fn flush(&self) -> Result<(), StorageError> {
        self.sound()?.flush()
    }

    fn damaged_keys(&self) -> Result<Vec<Vec<u8>>, StorageError> {
        self.sound()?.damaged_keys()
    }

    fn drop_damaged(
        &self,
        is_kept: &dyn Fn(&[u8]) -> bool,
        more: &WriteBatch,
    ) -> Result<(), StorageError> {
        self.sound()?.drop_damaged(is_kept, more)
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

    /// Applies every batch, and reports some as failed.
    #[derive(Default)]
    struct Unsound {
        memory: MemoryDatabase,
        is_full: AtomicBool,
    }

    impl Database for Unsound {
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
            match self.is_full.load(Ordering::Relaxed) {
                true => Err(StorageError::NoSpace("/disk".into())),
                false => Ok(()),
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
    fn after_a_failed_commit_nothing_is_read_and_nothing_is_written() {
        let engine = Arc::new(Unsound::default());
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
