//! The node database's store: in memory, loaded from and saved to one file.
//!
//! The file is a sequence of pairs of byte strings, each string after its length (four bytes,
//! big-endian). A file that is too long is ignored, and a truncated one is read up to its last
//! whole pair: the missing nodes are found again.

use std::fs;
use std::io;
use std::path::Path;

use actoreum_storage::files::{PRIVATE_FILE, replace_file};
use actoreum_wire::nodes::{KeyValueStore, MemoryStore, NodeDatabase, StoreError};
use tracing::warn;

use crate::net::limits::MAX_NODES_FILE;

/// Returns whether a node database file holds any nodes.
pub(in crate::net) fn remembers_nodes(file: &Path) -> bool {
    let database = NodeDatabase::open(FileStore::read(file));
    database.is_ok_and(|database| database.len().is_ok_and(|count| count > 0))
}

/// A key-value store in memory that can be read from and written to a file; see the module.
#[derive(Debug, Clone, Default)]
pub(super) struct FileStore {
    pairs: MemoryStore,
}

impl FileStore {
    /// Reads a file; returns an empty store where there is none.
    pub(super) fn read(path: &Path) -> Self {
        let mut store = Self::default();
        let length = match fs::metadata(path) {
            Ok(metadata) => metadata.len(),
            Err(_) => return store,
        };
        if length > MAX_NODES_FILE {
            warn!(path = %path.display(), length, "file of nodes ignored: too long");
            return store;
        }
        let Ok(bytes) = fs::read(path) else {
            return store;
        };
        let mut rest = bytes.as_slice();
        while let (Some(key), Some(value)) = (next(&mut rest), next(&mut rest)) {
            // A store in memory accepts every pair.
            let _ = store.pairs.put(key, value);
        }
        store
    }

    /// Returns the content of the file.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // A store in memory can always be read.
        let _ = self.pairs.scan(&[], &mut |key, value| {
            for part in [key, value] {
                let length = u32::try_from(part.len()).unwrap_or_default();
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(part);
            }
            true
        });
        out
    }
}

fn next<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, behind) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (part, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    Some(part)
}

/// Replaces the content of a file atomically.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_file(path, bytes, PRIVATE_FILE)
}

impl KeyValueStore for FileStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.pairs.get(key)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.pairs.put(key, value)
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.pairs.remove(key)
    }

    fn scan(
        &self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        self.pairs.scan(prefix, visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_reads_back_and_a_truncated_one_in_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nodes");
        assert!(FileStore::read(&path).to_bytes().is_empty());
        let mut store = FileStore::default();
        for number in 0..5_u8 {
            store.put(&[number], &[number; 20]).unwrap();
        }
        let bytes = store.to_bytes();
        write(&path, &bytes).unwrap();
        assert_eq!(FileStore::read(&path).to_bytes(), bytes);

        write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let cut = FileStore::read(&path);
        assert_eq!(cut.get(&[3]).unwrap(), Some(vec![3; 20]));
        assert_eq!(cut.get(&[4]).unwrap(), None);
        write(&path, &[0xff; 9]).unwrap();
        assert!(FileStore::read(&path).to_bytes().is_empty());
    }
}
