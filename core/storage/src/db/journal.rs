//! A redo journal: batches that are durable before an engine has them.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::WriteBatch;
use crate::StorageError;

/// Magic of a record; a run of zeros, as a crash may leave it, is none.
const MAGIC: [u8; 4] = *b"ajr1";
/// Magic, payload length (8 bytes), CRC-32 of both length and payload (4 bytes).
const HEADER: usize = 16;

/// A file of records, each a batch with its length and checksum. A record that is cut
/// short or whose checksum fails was never acknowledged: it and what follows is dropped.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Journal {
    /// Opens the journal and hands each batch that is in it to `replay`, oldest first.
    pub(super) fn open(
        path: &Path,
        mut replay: impl FnMut(WriteBatch) -> Result<(), StorageError>,
    ) -> Result<Self, StorageError> {
        let io = |error| StorageError::io(path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let mut rest = bytes.as_slice();
        while let Some(batch) = split_record(&mut rest) {
            replay(batch)?;
        }
        let length = (bytes.len() - rest.len()) as u64;
        if !rest.is_empty() {
            if is_followed_by_record(rest) {
                let what = format!("a commit in {} is damaged at byte {length}", path.display());
                return Err(StorageError::Corrupt(what));
            }
            tracing::warn!(
                bytes = rest.len(),
                "dropped an unfinished commit from the journal"
            );
            file.set_len(length).map_err(io)?;
        }
        Ok(Self {
            path: path.to_path_buf(),
            file,
            length,
        })
    }

    /// Bytes in the journal.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Appends a batch; when this returns it is durable. After an error the journal is
    /// as it was before.
    pub(super) fn append(&mut self, batch: &WriteBatch) -> Result<(), StorageError> {
        let payload = batch.as_bytes();
        let length = (payload.len() as u64).to_le_bytes();
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&MAGIC);
        header[4..12].copy_from_slice(&length);
        header[12..].copy_from_slice(&checksum(&length, payload).to_le_bytes());
        let written = self.write(&header, payload);
        if let Err(error) = written {
            self.file
                .set_len(self.length)
                .map_err(|error| self.io(error))?;
            return Err(self.io(error));
        }
        self.length += (HEADER + payload.len()) as u64;
        Ok(())
    }

    fn write(&mut self, header: &[u8], payload: &[u8]) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(header)?;
        self.file.write_all(payload)?;
        self.file.sync_data()
    }

    /// Empties the journal: the engine has everything, durably.
    pub(super) fn clear(&mut self) -> Result<(), StorageError> {
        self.file.set_len(0).map_err(|error| self.io(error))?;
        self.length = 0;
        self.file.sync_data().map_err(|error| self.io(error))
    }

    fn io(&self, error: std::io::Error) -> StorageError {
        StorageError::io(&self.path, error)
    }
}

fn checksum(length: &[u8], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(length);
    crc.update(payload);
    crc.finalize()
}

fn split_record(rest: &mut &[u8]) -> Option<WriteBatch> {
    let (header, body) = rest.split_at_checked(HEADER)?;
    let length_bytes: [u8; 8] = header[4..12].try_into().ok()?;
    let crc = u32::from_le_bytes(header[12..].try_into().ok()?);
    let length = usize::try_from(u64::from_le_bytes(length_bytes)).ok()?;
    let (payload, after) = body.split_at_checked(length)?;
    if header[..4] != MAGIC || checksum(&length_bytes, payload) != crc {
        return None;
    }
    let batch = WriteBatch::from_bytes(payload)?;
    *rest = after;
    Some(batch)
}

/// A commit is acknowledged before the next begins: where a sound record follows one
/// that is not, that one was damaged after it was written.
fn is_followed_by_record(damaged: &[u8]) -> bool {
    damaged
        .windows(MAGIC.len())
        .enumerate()
        .skip(1)
        .filter(|(_, window)| *window == MAGIC)
        .any(|(at, _)| split_record(&mut &damaged[at..]).is_some())
}
