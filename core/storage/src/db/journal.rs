//! A redo journal: it makes batches durable before an engine applies them.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::WriteBatch;
use crate::StorageError;

/// Magic of a record. It distinguishes a record from a run of zeros, which a crash may leave.
const MAGIC: [u8; 4] = *b"ajr1";
/// Magic of the file. The number of the commit before the first record follows (8 bytes,
/// little-endian), then the CRC-32 of that number (4 bytes).
const FILE_MAGIC: [u8; 4] = *b"ajb1";
const FILE_HEADER: usize = 16;
/// Size of a record's header: magic, payload length (8 bytes), CRC-32 of length and payload (4
/// bytes).
const HEADER: usize = 16;

/// A file of records, each a batch with its length and checksum. A truncated record, or one with a
/// wrong checksum, was never acknowledged: opening the file drops it and all records after it.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    /// Length of the file without any record.
    empty_length: u64,
}

/// The content of a journal when it was opened.
pub(super) struct JournalContent {
    /// Number of the last commit before the first record; `None` if the file has no header, because
    /// it is new or a crash truncated its beginning.
    pub(super) base: Option<u64>,
    /// Batches, oldest first.
    pub(super) batches: Vec<WriteBatch>,
}

impl Journal {
    /// Opens the journal and reads its content. With `salvage`, records after a damaged one are
    /// dropped; without it, they are an error.
    pub(super) fn open(path: &Path, salvage: bool) -> Result<(Self, JournalContent), StorageError> {
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
        let base = split_base(&bytes);
        let empty_length = if base.is_some() { FILE_HEADER } else { 0 };
        let mut rest = &bytes[empty_length..];
        let mut batches = Vec::new();
        while let Some(batch) = split_record(&mut rest) {
            batches.push(batch);
        }
        let length = (bytes.len() - rest.len()) as u64;
        if !rest.is_empty() {
            if !salvage && is_followed_by_record(rest) {
                let what = format!("a commit in {} is damaged at byte {length}", path.display());
                return Err(StorageError::Corrupt(what));
            }
            tracing::warn!(
                bytes = rest.len(),
                "dropped an unfinished commit from the journal"
            );
            file.set_len(length).map_err(io)?;
        }
        let journal = Self {
            path: path.to_path_buf(),
            file,
            length,
            empty_length: empty_length as u64,
        };
        Ok((journal, JournalContent { base, batches }))
    }

    /// Returns the size of the journal in bytes.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Returns true if the journal has no record.
    pub(super) const fn is_empty(&self) -> bool {
        self.length == self.empty_length
    }

    /// Appends a batch, which is durable when the function returns. After an error the journal is
    /// unchanged.
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

    /// Empties the journal. The engine must have made everything up to commit `base` durable.
    pub(super) fn clear(&mut self, base: u64) -> Result<(), StorageError> {
        let mut header = [0; FILE_HEADER];
        header[..4].copy_from_slice(&FILE_MAGIC);
        header[4..12].copy_from_slice(&base.to_le_bytes());
        header[12..].copy_from_slice(&crc32fast::hash(&base.to_le_bytes()).to_le_bytes());
        let written = self
            .file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .and_then(|_| self.file.write_all(&header))
            .and_then(|()| self.file.sync_data());
        written.map_err(|error| self.io(error))?;
        self.empty_length = FILE_HEADER as u64;
        self.length = self.empty_length;
        Ok(())
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

fn split_base(bytes: &[u8]) -> Option<u64> {
    let (header, _) = bytes.split_at_checked(FILE_HEADER)?;
    let base: [u8; 8] = header[4..12].try_into().ok()?;
    let crc = u32::from_le_bytes(header[12..].try_into().ok()?);
    let is_valid = header[..4] == FILE_MAGIC && crc32fast::hash(&base) == crc;
    is_valid.then(|| u64::from_le_bytes(base))
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

/// Returns true if a valid record follows damaged bytes. A commit is acknowledged before the next
/// one begins, so those bytes were damaged after they were written.
fn is_followed_by_record(damaged: &[u8]) -> bool {
    damaged
        .windows(MAGIC.len())
        .enumerate()
        .skip(1)
        .filter(|(_, window)| *window == MAGIC)
        .any(|(at, _)| split_record(&mut &damaged[at..]).is_some())
}
