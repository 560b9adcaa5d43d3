//! Files of a key's signing record: the highest block that it has signed, outside the database.
//!
//! ```text
//! <datadir>/actoreum/signed-<address>-<chain>.json   beside the node key
//! <keystore>/.signed-<address>-<chain>.json          beside the key file, which other nodes may share
//! ```
//!
//! The database can be removed, restored from a backup or created again in another data directory;
//! the record stays with the key. Each file is written as a whole and synced before a signature is
//! published, and the highest of the files counts. The decision is
//! `docs/adr/0014-signing-record.md`.
//!
//! A process that signs holds a lock beside each file, and one for the machine: two processes never
//! sign with one key at a time, even where each has a copy of the key file.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use actoreum_primitives::{Address, B256};
use actoreum_sealing::guard::SigningRecord;
use actoreum_storage::files::{PRIVATE_FILE, replace_file};
use serde::{Deserialize, Serialize};
use tracing::{debug, warn};

/// Maximum number of bytes that are read of a record: it has some 200, and another file of the same
/// name must not fill the memory.
const MAX_RECORD_BYTES: u64 = 4_096;

/// Bytes of the genesis hash in a file's name: enough to tell chains apart.
const CHAIN_NAME_BYTES: usize = 8;

/// Locations of the signing records of one chain.
#[derive(Debug, Clone)]
pub struct SigningRecords {
    chain: B256,
    instance: PathBuf,
    keystore: PathBuf,
    /// The folder of the locks that hold for the whole machine.
    locks: Option<PathBuf>,
}

impl SigningRecords {
    /// Returns the records of the chain with this genesis hash: in the node's own folder, and
    /// beside the key files.
    pub fn new(chain: B256, instance: PathBuf, keystore: PathBuf) -> Self {
        Self {
            chain,
            instance,
            keystore,
            locks: machine_lock_folder(),
        }
    }

    fn name(&self, signer: Address) -> String {
        let chain: String = self.chain[..CHAIN_NAME_BYTES]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("signed-{signer:#x}-{chain}")
    }

    /// Opens, locks and reads the record of a key.
    ///
    /// # Errors
    /// Another process has locked it, or a file cannot be read or locked.
    pub(super) fn acquire(
        &self,
        signer: Address,
    ) -> Result<(RecordFiles, SigningRecord), RecordError> {
        let name = self.name(signer);
        let mut files = RecordFiles {
            chain: self.chain,
            path: self.instance.join(format!("{name}.json")),
            copy: None,
            _locks: Vec::new(),
        };
        files.lock(&self.instance.join(format!("{name}.lock")))?;
        if let Some(locks) = &self.locks {
            files.lock_if_possible(&locks.join(format!("{name}.lock")))?;
        }
        let mut record = SigningRecord::new(signer);
        record = files.read(&files.path, record)?;
        // A hidden name: neither this node nor geth takes the file for a key file.
        let copy = self.keystore.join(format!(".{name}.json"));
        if self.keystore.is_dir() {
            files.lock_if_possible(&self.keystore.join(format!(".{name}.lock")))?;
            record = files.read(&copy, record)?;
            files.copy = Some(copy);
        }
        Ok((files, record))
    }
}

/// The files of one key's record on one chain, locked by this process.
#[derive(Debug)]
pub(super) struct RecordFiles {
    chain: B256,
    /// The file that must be written.
    path: PathBuf,
    /// The file beside the key, as long as it can be written.
    copy: Option<PathBuf>,
    /// Released with the record, or with the process.
    _locks: Vec<KeyLock>,
}

/// Content of a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    address: Address,
    genesis: B256,
    /// The highest block that was signed with the key; 0 where none was.
    number: u64,
    /// Hash of that block.
    hash: B256,
    /// The highest block that was signed while the chain had several signers. It never decreases.
    shared_number: u64,
}

/// Reason why a key must not be used for signing.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Another process holds the record.
    #[error("another process on this machine seals with this key ({} is locked)", .0.display())]
    InUse(PathBuf),
    /// The file is not a record that this node has written.
    #[error(
        "{} is no record of signed blocks; move it away if the key has signed nothing above this chain's head", .0.display()
    )]
    Malformed(PathBuf),
    /// An operation on a file failed.
    #[error("record of signed blocks {}: {error}", .path.display())]
    Io {
        /// Path of the file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

impl RecordFiles {
    /// Returns the paths of the files that exist.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let files = [Some(&self.path), self.copy.as_ref()];
        let is_there = |file: &&PathBuf| file.exists();
        files
            .into_iter()
            .flatten()
            .filter(is_there)
            .cloned()
            .collect()
    }

    /// Writes the record. It is on disk when this returns.
    pub(super) fn write(&mut self, record: &SigningRecord) -> Result<(), RecordError> {
        let content = Content {
            address: record.signer,
            genesis: self.chain,
            number: record.highest,
            hash: record.hash,
            shared_number: record.shared,
        };
        let mut json = serde_json::to_vec_pretty(&content).map_err(|error| RecordError::Io {
            path: self.path.clone(),
            error: error.into(),
        })?;
        json.push(b'\n');
        replace_file(&self.path, &json, PRIVATE_FILE).map_err(at(&self.path))?;
        if let Some(copy) = self.copy.take() {
            match replace_file(&copy, &json, PRIVATE_FILE) {
                Ok(()) => self.copy = Some(copy),
                Err(error) => warn!(
                    file = %copy.display(), %error,
                    "signing record beside the key file not written: other nodes with this key do not see its signed blocks"
                ),
            }
        }
        Ok(())
    }

    /// Returns `record` with the blocks of a file where those are higher.
    fn read(&self, path: &Path, record: SigningRecord) -> Result<SigningRecord, RecordError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(record),
            Err(error) => return Err(at(path)(error)),
        };
        let mut json = Vec::new();
        let mut bounded = file.take(MAX_RECORD_BYTES);
        bounded.read_to_end(&mut json).map_err(at(path))?;
        let content = serde_json::from_slice::<Content>(&json)
            .ok()
            .filter(|content| content.address == record.signer && content.genesis == self.chain)
            .ok_or_else(|| RecordError::Malformed(path.to_owned()))?;
        Ok(record.merged(&SigningRecord {
            signer: content.address,
            highest: content.number,
            hash: content.hash,
            shared: content.shared_number,
        }))
    }

    fn lock(&mut self, path: &Path) -> Result<(), RecordError> {
        self._locks.push(KeyLock::take(path)?);
        Ok(())
    }

    /// Locks as [`Self::lock`] does, where the folder can be written and its file system has locks.
    fn lock_if_possible(&mut self, path: &Path) -> Result<(), RecordError> {
        match self.lock(path) {
            Err(RecordError::Io { path, error }) => {
                debug!(path = %path.display(), %error, "signing key not locked");
                Ok(())
            }
            locked => locked,
        }
    }
}

/// A file that this process has locked. It is removed when the lock is released.
#[derive(Debug)]
struct KeyLock {
    path: PathBuf,
    _file: File,
}

impl KeyLock {
    fn take(path: &Path) -> Result<Self, RecordError> {
        loop {
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).write(true);
            let file = options.mode(PRIVATE_FILE).open(path).map_err(at(path))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(RecordError::InUse(path.to_owned())),
                Err(TryLockError::Error(error)) => return Err(at(path)(error)),
            }
            // The last holder may have removed the file after we opened it.
            let ours = file.metadata().map_err(at(path))?.ino();
            if path.metadata().is_ok_and(|there| there.ino() == ours) {
                return Ok(Self {
                    path: path.to_owned(),
                    _file: file,
                });
            }
        }
    }
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        // The file is still locked, so no other process holds it. A file that stays is locked
        // again.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RecordError {
    let path = path.to_owned();
    move |error| RecordError::Io { path, error }
}

/// Returns this user's folder for locks, which is created if need be. `None` where there is none
/// that only this user can write to: the locks of the other folders have to suffice then.
fn machine_lock_folder() -> Option<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let folder = std::env::temp_dir().join(format!("actoreum-locks-{user}"));
    let made = DirBuilder::new().mode(0o700).create(&folder);
    let is_ours = |found: std::fs::Metadata| {
        found.is_dir() && found.uid() == user && found.mode() & 0o022 == 0
    };
    match made {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            debug!(folder = %folder.display(), %error, "lock folder not available");
            None
        }
        _ => folder
            .symlink_metadata()
            .is_ok_and(is_ours)
            .then_some(folder),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const SIGNER: Address = Address::repeat_byte(7);

    fn records(folder: &Path) -> SigningRecords {
        let (instance, keystore) = (folder.join("actoreum"), folder.join("keystore"));
        fs::create_dir_all(&instance).unwrap();
        fs::create_dir_all(&keystore).unwrap();
        SigningRecords {
            chain: B256::repeat_byte(1),
            instance,
            keystore,
            locks: Some(folder.to_owned()),
        }
    }

    fn record(number: u64, shared: u64) -> SigningRecord {
        SigningRecord {
            highest: number,
            hash: B256::repeat_byte(5),
            shared,
            ..SigningRecord::new(SIGNER)
        }
    }

    fn write(records: &SigningRecords, record: SigningRecord) {
        let (mut files, _) = records.acquire(SIGNER).unwrap();
        files.write(&record).unwrap();
    }

    fn read(records: &SigningRecords) -> SigningRecord {
        records.acquire(SIGNER).unwrap().1
    }

    #[test]
    fn a_record_survives_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let records = records(folder.path());
        assert_eq!(read(&records), SigningRecord::new(SIGNER));
        for wanted in [record(5, 4), record(2, 2)] {
            write(&records, wanted);
            assert_eq!(read(&records), wanted);
        }
    }

    #[test]
    fn either_file_alone_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let records = records(folder.path());
        for (number, gone) in [(5, &records.instance), (6, &records.keystore)] {
            write(&records, record(number, 3));
            fs::remove_dir_all(gone).unwrap();
            fs::create_dir(gone).unwrap();
            assert_eq!(read(&records), record(number, 3));
        }
    }

    #[test]
    fn the_higher_blocks_of_the_two_files_count() {
        let folder = tempfile::tempdir().unwrap();
        let mut records = records(folder.path());
        write(&records, record(5, 5));
        let keystore = std::mem::replace(&mut records.keystore, folder.path().join("missing"));
        write(&records, record(9, 2));
        records.keystore = keystore;
        assert_eq!(read(&records), record(9, 5));
    }

    #[test]
    fn each_key_and_chain_has_its_own_record() {
        let folder = tempfile::tempdir().unwrap();
        let records = records(folder.path());
        write(&records, record(5, 5));
        let (_, other) = records.acquire(Address::repeat_byte(8)).unwrap();
        assert_eq!(other.highest, 0);
        let elsewhere = SigningRecords {
            chain: B256::repeat_byte(2),
            ..records
        };
        assert_eq!(read(&elsewhere).highest, 0);
    }

    #[test]
    fn a_key_is_locked_by_one_process_even_with_a_copy() {
        let (folder, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = records(folder.path());
        let copy = SigningRecords {
            locks: first.locks.clone(),
            ..records(second.path())
        };
        let held = first.acquire(SIGNER).unwrap();
        assert!(matches!(first.acquire(SIGNER), Err(RecordError::InUse(_))));
        assert!(matches!(copy.acquire(SIGNER), Err(RecordError::InUse(_))));
        drop(held);
        copy.acquire(SIGNER).unwrap();
    }

    #[test]
    fn a_malformed_record_is_refused_by_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let records = records(folder.path());
        write(&records, record(5, 5));
        let file = records
            .keystore
            .join(format!(".{}.json", records.name(SIGNER)));
        for content in [&b"{"[..], b"{}", &[b' '; 100_000]] {
            fs::write(&file, content).unwrap();
            let error = records.acquire(SIGNER).unwrap_err();
            assert!(matches!(&error, RecordError::Malformed(path) if *path == file));
        }
    }

    #[test]
    fn an_unwritable_key_folder_is_tolerated() {
        let folder = tempfile::tempdir().unwrap();
        let mut records = records(folder.path());
        // A folder of that name cannot be replaced by a file, even by root.
        let name = format!(".{}.lock", records.name(SIGNER));
        fs::create_dir(records.keystore.join(name)).unwrap();
        write(&records, record(5, 5));
        records.keystore = folder.path().join("missing");
        assert_eq!(read(&records).highest, 5);
    }
}
