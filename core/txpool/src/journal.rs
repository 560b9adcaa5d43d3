//! The journal: local transactions on disk, in the format of geth's `transactions.rlp`.
//!
//! The file is a row of RLP items, one a transaction, in the order of their arrival. A crash in
//! the middle of a write leaves a torn last item, which is left out when it is read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use actoreum_primitives::PooledTransaction;
use actoreum_primitives::rlp::{self, Encode};

use crate::limits::{JOURNAL_BATCH, JOURNAL_BATCH_BYTES, MAX_JOURNAL_RECORD_BYTES};
use crate::transaction::PoolTx;

/// Reads a journal and hands its transactions on in batches. Returns false where it ends in
/// something that is no transaction; what stands before that has been handed on.
///
/// # Errors
/// Those of the reader, save an early end.
pub fn read_journal(
    mut journal: impl Read,
    mut take: impl FnMut(Vec<PooledTransaction>),
) -> io::Result<bool> {
    let mut batch = Vec::new();
    let mut batch_bytes = 0;
    let is_whole = loop {
        let item = match read_item(&mut journal)? {
            Item::Whole(item) => item,
            Item::End => break true,
            Item::Torn => break false,
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
    Ok(is_whole)
}

enum Item {
    Whole(Vec<u8>),
    End,
    Torn,
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
                return Ok(Item::Torn);
            }
            let bytes = item.iter().skip(1);
            bytes.fold(0, |length: u64, byte| {
                length.saturating_mul(256).saturating_add(u64::from(*byte))
            })
        }
    };
    if payload > MAX_JOURNAL_RECORD_BYTES || !read_more(journal, payload, &mut item)? {
        return Ok(Item::Torn);
    }
    Ok(Item::Whole(item))
}

/// Appends exactly `bytes` bytes, or says that there are not so many. Takes no more memory than
/// there is to read.
fn read_more(journal: &mut impl Read, bytes: u64, item: &mut Vec<u8>) -> io::Result<bool> {
    let read = journal.take(bytes).read_to_end(item)?;
    Ok(read as u64 == bytes)
}

/// Opens a file to read it, if there is one.
fn open_regular(path: &Path) -> io::Result<Option<File>> {
    // Before it is opened: a pipe would have us wait for its other end.
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

/// A journal that is written to.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes that are whole transactions.
    length: u64,
}

impl Journal {
    /// Opens the journal at `path`, which need not be there, to append to it.
    ///
    /// # Errors
    /// Those of the file.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let mut options = OpenOptions::new();
        // For its owner alone: it says what is about to be sent.
        let options = options.create(true).append(true).mode(0o600);
        let file = options.open(&path)?;
        let length = file.metadata()?.len();
        Ok(Self { path, file, length })
    }

    /// Reads the journal at `path` as [`read_journal`] does; one that is not there is empty.
    ///
    /// # Errors
    /// Those of the file; [`ErrorKind::InvalidInput`] where it is not a regular one: a pipe could
    /// not be read to its end, and a device must not be replaced by [`rotate`](Self::rotate).
    pub fn load(path: &Path, take: impl FnMut(Vec<PooledTransaction>)) -> io::Result<bool> {
        match open_regular(path)? {
            Some(file) => read_journal(io::BufReader::new(file), take),
            None => Ok(true),
        }
    }

    /// As [`load`](Self::load), of a file that another program wrote: no more than `max_bytes` of it
    /// are read. Returns false for a longer one, too.
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
        let is_whole = read_journal(io::BufReader::new(file.take(max_bytes)), take)?;
        Ok(is_whole && is_all)
    }

    /// Appends transactions in one write. When this returns they survive a crash of the
    /// process; a crash of the machine can still take the last ones.
    ///
    /// # Errors
    /// Those of the file, which then holds none of them.
    pub fn append<'a>(
        &mut self,
        transactions: impl IntoIterator<Item = &'a PoolTx>,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        for tx in transactions {
            tx.pooled().encode(&mut bytes);
        }
        if let Err(error) = self.file.write_all(&bytes) {
            // What follows a torn item could never be read again.
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Replaces the journal's content, so that what has left the pool leaves the file. The old
    /// file stands until the new one is on disk.
    ///
    /// # Errors
    /// Those of the files; the old one then goes on.
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

    /// Bytes in the file.
    pub fn length(&self) -> u64 {
        self.length
    }
}

#[cfg(test)]
mod tests;
