//! The ancient file of one kind of record: a data file and its index.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::StorageError;
use crate::audit::changes_of_one_byte;
use crate::limits::MAX_ANCIENT_RECORD;

const ENTRY: u64 = 12;

/// An append-only sequence of records. Reads take no lock.
pub(super) struct AncientFile {
    path: PathBuf,
    data: File,
    index: File,
    count: AtomicU64,
    end: AtomicU64,
}

impl AncientFile {
    fn open_both(folder: &Path, name: &str) -> Result<Self, StorageError> {
        let path = folder.join(format!("{name}.data"));
        let open = |path: &Path| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)
                .map_err(|error| StorageError::io(path, error))
        };
        let (data, index) = (open(&path)?, open(&folder.join(format!("{name}.index")))?);
        Ok(Self {
            path,
            data,
            index,
            count: AtomicU64::new(0),
            end: AtomicU64::new(0),
        })
    }

    /// Opens the file with `confirmed` records; whatever follows them is truncated.
    pub(super) fn open(folder: &Path, name: &str, confirmed: u64) -> Result<Self, StorageError> {
        let file = Self::open_both(folder, name)?;
        let short = || {
            let what = format!(
                "{} holds fewer than {confirmed} records",
                file.path.display()
            );
            StorageError::Corrupt(what)
        };
        let index_length = file.index.metadata().map_err(|error| file.io(error))?.len();
        if index_length < confirmed * ENTRY {
            return Err(short());
        }
        let end = if confirmed == 0 {
            0
        } else {
            file.entry(confirmed - 1)?.0
        };
        let data_length = file.data.metadata().map_err(|error| file.io(error))?.len();
        if data_length < end {
            return Err(short());
        }
        file.count.store(confirmed, Ordering::Release);
        file.end.store(end, Ordering::Release);
        // The index itself may be damaged, so the last record is checked before the truncation.
        if confirmed > 0 {
            file.get(confirmed - 1)?;
        }
        if index_length > confirmed * ENTRY || data_length > end {
            file.index
                .set_len(confirmed * ENTRY)
                .map_err(|error| file.io(error))?;
            file.data.set_len(end).map_err(|error| file.io(error))?;
            file.sync()?;
        }
        Ok(file)
    }

    /// Opens the file for a repair, with as many of the `confirmed` records as are present. Nothing
    /// is truncated.
    pub(super) fn open_damaged(
        folder: &Path,
        name: &str,
        confirmed: u64,
    ) -> Result<Self, StorageError> {
        let file = Self::open_both(folder, name)?;
        let length = |of: &File| of.metadata().map(|metadata| metadata.len());
        let index_length = length(&file.index).map_err(|error| file.io(error))?;
        let data_length = length(&file.data).map_err(|error| file.io(error))?;
        let mut count = confirmed.min(index_length / ENTRY);
        while count > 0 && file.entry(count - 1)?.0 > data_length {
            count -= 1;
        }
        file.count.store(count, Ordering::Release);
        Ok(file)
    }

    /// Repairs a record whose checksum fails and returns true if it succeeded. The function
    /// `is_right` recognises the correct record, which is either the stored record (its checksum
    /// was damaged) or the stored record with one byte changed back.
    pub(super) fn repair(
        &self,
        number: u64,
        is_right: &dyn Fn(&[u8]) -> bool,
    ) -> Result<bool, StorageError> {
        let start = match number.checked_sub(1) {
            Some(before) => self.entry(before)?.0,
            None => 0,
        };
        let (end, want) = self.entry(number)?;
        let length = end.checked_sub(start);
        let Some(length) = length.filter(|length| *length <= MAX_ANCIENT_RECORD) else {
            return Ok(false);
        };
        let mut record = vec![0; length as usize];
        match self.data.read_exact_at(&mut record, start) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read.map_err(|error| self.io(error))?,
        }
        let have = crc32fast::hash(&record);
        if have == want {
            return Ok(false);
        }
        if is_right(&record) {
            self.index
                .write_all_at(&have.to_le_bytes(), number * ENTRY + 8)
                .map_err(|error| self.io(error))?;
            return self.sync().map(|()| true);
        }
        for (at, change) in changes_of_one_byte(have, want, record.len()) {
            record[at] ^= change;
            if is_right(&record) {
                self.data
                    .write_all_at(&record[at..=at], start + at as u64)
                    .map_err(|error| self.io(error))?;
                return self.sync().map(|()| true);
            }
            record[at] ^= change;
        }
        Ok(false)
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Reads the record with a number below [`Self::count`] and verifies its checksum.
    pub(super) fn get(&self, number: u64) -> Result<Vec<u8>, StorageError> {
        let start = if number == 0 {
            0
        } else {
            self.entry(number - 1)?.0
        };
        let (end, crc) = self.entry(number)?;
        let corrupt = || {
            StorageError::Corrupt(format!(
                "record {number} of {} is damaged",
                self.path.display()
            ))
        };
        let length = end
            .checked_sub(start)
            .filter(|length| *length <= MAX_ANCIENT_RECORD);
        let mut record = vec![0; length.ok_or_else(corrupt)? as usize];
        self.data
            .read_exact_at(&mut record, start)
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => corrupt(),
                _ => self.io(error),
            })?;
        if crc32fast::hash(&record) != crc {
            return Err(corrupt());
        }
        Ok(record)
    }

    /// Writes the next record, which must be `number`. Bytes that an earlier failure left behind
    /// are overwritten.
    pub(super) fn append(&self, number: u64, record: &[u8]) -> Result<(), StorageError> {
        let count = self.count();
        if number < count {
            return Ok(());
        }
        if number > count {
            return Err(StorageError::Misuse(
                "ancient blocks must be appended in order",
            ));
        }
        let start = self.end.load(Ordering::Acquire);
        let end = start + record.len() as u64;
        let mut entry = [0; ENTRY as usize];
        entry[..8].copy_from_slice(&end.to_le_bytes());
        entry[8..].copy_from_slice(&crc32fast::hash(record).to_le_bytes());
        self.data
            .write_all_at(record, start)
            .map_err(|error| self.io(error))?;
        self.index
            .write_all_at(&entry, count * ENTRY)
            .map_err(|error| self.io(error))?;
        self.end.store(end, Ordering::Release);
        self.count.store(count + 1, Ordering::Release);
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), StorageError> {
        self.data.sync_data().map_err(|error| self.io(error))?;
        self.index.sync_data().map_err(|error| self.io(error))
    }

    pub(super) fn size(&self) -> Result<u64, StorageError> {
        let length = |file: &File| file.metadata().map(|metadata| metadata.len());
        let sum = length(&self.data).and_then(|data| Ok(data + length(&self.index)?));
        sum.map_err(|error| self.io(error))
    }

    /// Returns the end of a record in the data file, and its checksum.
    fn entry(&self, number: u64) -> Result<(u64, u32), StorageError> {
        let mut entry = [0; ENTRY as usize];
        self.index
            .read_exact_at(&mut entry, number * ENTRY)
            .map_err(|error| self.io(error))?;
        let [a, b, c, d, e, f, g, h, crc @ ..] = entry;
        Ok((
            u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            u32::from_le_bytes(crc),
        ))
    }

    fn io(&self, error: std::io::Error) -> StorageError {
        StorageError::io(&self.path, error)
    }
}
