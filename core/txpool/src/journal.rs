//! The journal: local transactions on disk, in the format of geth's `transactions.rlp`.
//!
//! The file is a sequence of RLP items, one per transaction, in the order of arrival. A crash
//! during a write leaves a truncated last item, which is ignored when the file is read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use actoreum_primitives::PooledTransaction;
use actoreum_primitives::rlp::{self, Encode};

use crate::limits::{JOURNAL_BATCH, JOURNAL_BATCH_BYTES, MAX_JOURNAL_RECORD_BYTES};
use crate::transaction::PoolTx;

/// Reads a journal and passes its transactions to `take` in batches. Returns false if the journal
/// ends in something that is not a transaction; everything before that has been passed on.
///
/// # Errors
/// Those of the reader, except an early end.
pub fn read_journal(
    mut journal: impl Read,
    mut take: impl FnMut(Vec<PooledTransaction>),
) -> io::Result<bool> {
    let mut batch = Vec::new();
    let mut batch_bytes = 0;
    let is_complete = loop {
        let item = match read_item(&mut journal)? {
            Item::Complete(item) => item,
            Item::End => break true,
            Item::Truncated => break false,
        };
        let Ok(transaction) = rlp::decode_exact(&item) else {
            break false;
        };
        batch.push(transaction);
        batch_bytes += item.len();
        if batch.len() == JOURNAL_BATCH || batch_bytes >= JOURNAL_BATCH_BYTES {
            take(std::mem::take(&mut batch));
            batch_bytes = 0;
        }
    };
    if !batch.is_empty() {
        take(batch);
    }
    Ok(is_complete)
}

enum Item {
    Complete(Vec<u8>),
    End,
    Truncated,
}

/// Reads the next RLP item: a string or a list, with its header.
fn read_item(journal: &mut impl Read) -> io::Result<Item> {
    let mut item = Vec::new();
    if !read_more(journal, 1, &mut item)? {
        return Ok(Item::End);
    }
    let payload = match item[0] {
        0..=0x7f => 0,
        first @ 0x80..=0xb7 => u64::from(first - 0x80),
        first @ 0xc0..=0xf7 => u64::from(first - 0xc0),
        first => {
            let length_bytes =
                u64::from(first.saturating_sub(if first < 0xc0 { 0xb7 } else { 0xf7 }));
            if !read_more(journal, length_bytes, &mut item)? {
                return Ok(Item::Truncated);
            }
            let bytes = item.iter().skip(1);
            bytes.fold(0, |length: u64, byte| {
                length.saturating_mul(256).saturating_add(u64::from(*byte))
            })
        }
    };
    if payload > MAX_JOURNAL_RECORD_BYTES || !read_more(journal, payload, &mut item)? {
        return Ok(Item::Truncated);
    }
    Ok(Item::Complete(item))
}

/// Appends exactly `bytes` bytes to `item`; returns false if the journal has fewer. Allocates no
/// more memory than there is to read.
fn read_more(journal: &mut impl Read, bytes: u64, item: &mut Vec<u8>) -> io::Result<bool> {
    let read = journal.take(bytes).read_to_end(item)?;
    Ok(read as u64 == bytes)
}

/// Opens a file for reading; `None` if it does not exist.
fn open_regular(path: &Path) -> io::Result<Option<File>> {
    // The file type is checked before opening: opening a pipe would block until its other end
    // opens.
    match fs::metadata(path) {
        Ok(found) if found.is_file() => File::open(path).map(Some),
        Ok(_) => {
            let text = "not a regular file";
            Err(io::Error::new(ErrorKind::InvalidInput, text))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A journal that is open for writing.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Length of the complete transactions in the file, in bytes.
    length: u64,
}

impl Journal {
    /// Opens the journal at `path` for appending; creates it if it does not exist.
    ///
    /// # Errors
    /// Those of the file.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let mut options = OpenOptions::new();
        // Readable by its owner alone: the file shows which transactions are about to be sent.
        let options = options.create(true).append(true).mode(0o600);
        let file = options.open(&path)?;
        let length = file.metadata()?.len();
        Ok(Self { path, file, length })
    }

    /// Reads the journal at `path` like [`read_journal`]; a missing file is empty.
    ///
    /// # Errors
    /// Those of the file; [`ErrorKind::InvalidInput`] if it is not a regular file: a pipe could not
    /// be read to its end, and a device must not be replaced by [`rotate`](Self::rotate).
    pub fn load(path: &Path, take: impl FnMut(Vec<PooledTransaction>)) -> io::Result<bool> {
        match open_regular(path)? {
            Some(file) => read_journal(io::BufReader::new(file), take),
            None => Ok(true),
        }
    }

    /// Reads a journal like [`load`](Self::load) that another program wrote: reads at most
    /// `max_bytes` of it. Returns false for a longer file, too.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_bounded(
        path: &Path,
        max_bytes: u64,
        take: impl FnMut(Vec<PooledTransaction>),
    ) -> io::Result<bool> {
        let Some(file) = open_regular(path)? else {
            return Ok(true);
        };
        // The bound may fall between two transactions.
        let is_all = file.metadata()?.len() <= max_bytes;
        let is_complete = read_journal(io::BufReader::new(file.take(max_bytes)), take)?;
        Ok(is_complete && is_all)
    }

    /// Appends transactions in one write. When this returns they survive a crash of the process; a
    /// crash of the machine can still lose the last ones.
    ///
    /// # Errors
    /// Those of the file, which then holds none of these transactions.
    pub fn append<'a>(
        &mut self,
        transactions: impl IntoIterator<Item = &'a PoolTx>,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        for tx in transactions {
            tx.pooled().encode(&mut bytes);
        }
        if let Err(error) = self.file.write_all(&bytes) {
            // An item after a truncated one could never be read again.
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Replaces the journal's content, so that transactions that left the pool leave the file. The
    /// old file stays in place until the new one is on disk. Returns the number of transactions
    /// written.
    ///
    /// # Errors
    /// Those of the files; the old file stays in use then.
    pub fn rotate<'a>(
        &mut self,
        transactions: impl IntoIterator<Item = &'a PoolTx>,
    ) -> io::Result<usize> {
        let mut bytes = Vec::new();
        let mut count = 0;
        for tx in transactions {
            tx.pooled().encode(&mut bytes);
            count += 1;
        }
        let mut replacement = self.path.clone().into_os_string();
        replacement.push(".new");
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(true).write(true).mode(0o600);
        let mut file = options.open(&replacement)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&replacement, &self.path)?;
        if let Some(folder) = self.path.parent().filter(|it| !it.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        *self = Self::open(self.path.clone())?;
        Ok(count)
    }

    /// Returns the length of the file in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }
}

#[cfg(test)]
mod tests;
