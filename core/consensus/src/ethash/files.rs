//! Files of caches and datasets, in geth's layout.
//!
//! `cache-R23-<first 8 bytes of the seed in hex>` (datasets: `full-R23-…`) holds the magic words
//! `0xbaddcafe 0xfee1dead` and then the rows, everything in 32-bit little-endian words. geth reads
//! these files as they are. The checksum, which geth's layout lacks, is in `<name>.crc32` beside
//! the file (the CRC-32 of the rows, eight hex digits and a line feed): a trailer would change the
//! row count that geth derives from the size. A dataset written by geth gets a checksum after one
//! page of each of its disk blocks was recomputed.
//!
//! A file is written under another name, synced and renamed, so that it is never seen half written.
//! The rows are read into memory, not mapped: after the 8 bytes of magic, mapped rows would
//! straddle two cache lines each, and a truncated file would kill the process.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use tracing::warn;

use super::{
    row::{ROW_WORDS, Row},
    sizes::{ROW_BYTES, seed_hash},
};

const ALGORITHM_REVISION: u32 = 23;
const MAGIC: [u32; 2] = [0xbadd_cafe, 0xfee1_dead];
const MAGIC_BYTES: u64 = 8;
const ROWS_AT_ONCE: usize = 4096;
/// The age from which a temporary file counts as left over from a dead process: writing takes
/// seconds, since generation is finished before it starts.
const STALE_TEMPORARY: Duration = Duration::from_secs(3600);

/// The kind of data in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A light cache.
    Cache,
    /// A full dataset.
    Dataset,
}

/// The reason why a file can't be used. For all but the first, the file should be generated again.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system failed, or the file does not exist.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The size differs from that of the file's epoch.
    #[error("file has {have} bytes instead of {want}")]
    WrongSize {
        /// Size of the file in bytes.
        have: u64,
        /// Expected size in bytes.
        want: u64,
    },
    /// The file does not begin with the magic words.
    #[error("file does not begin with the dump magic")]
    WrongMagic,
    /// The file has no checksum beside it (geth writes none).
    #[error("file has no checksum beside it")]
    NoChecksum,
    /// The rows of a file without a checksum are not those of its epoch.
    #[error("file holds other rows than its epoch has")]
    WrongRows,
    /// The rows do not match the checksum.
    #[error("file does not match its checksum: have {have:08x}, want {want:08x}")]
    WrongChecksum {
        /// Checksum of the rows.
        have: u32,
        /// Checksum in the checksum file.
        want: u32,
    },
}

/// Returns the path of an epoch's file in a folder.
pub fn path_of(folder: &Path, kind: FileKind, epoch: u64) -> PathBuf {
    path_of_seed(folder, kind, &seed_hash(epoch))
}

fn path_of_seed(folder: &Path, kind: FileKind, seed: &[u8; 32]) -> PathBuf {
    let prefix = match kind {
        FileKind::Cache => "cache",
        FileKind::Dataset => "full",
    };
    let seed_start: String = seed[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    folder.join(format!("{prefix}-R{ALGORITHM_REVISION}-{seed_start}"))
}

fn checksum_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".crc32");
    name.into()
}

/// Reads the rows of a file that must hold `bytes` bytes of them.
pub(super) fn read(path: &Path, bytes: u64) -> Result<Vec<Row>, FileError> {
    let file = open(path, bytes)?;
    let want = read_checksum(path)?;
    let (rows, have) = read_rows(file, bytes)?;
    if have == want {
        Ok(rows)
    } else {
        Err(FileError::WrongChecksum { have, want })
    }
}

/// Reads the rows of a file without a checksum, such as geth's, and writes its checksum if the rows
/// are valid.
pub(super) fn read_unchecked(
    path: &Path,
    bytes: u64,
    is_sound: impl FnOnce(&[Row]) -> bool,
) -> Result<Vec<Row>, FileError> {
    let (rows, checksum) = read_rows(open(path, bytes)?, bytes)?;
    if !is_sound(&rows) {
        return Err(FileError::WrongRows);
    }
    if let Err(error) = write_checksum(path, checksum) {
        warn!(path = %path.display(), %error, "failed to write the checksum of an ethash file");
    }
    Ok(rows)
}

fn open(path: &Path, bytes: u64) -> Result<File, FileError> {
    let file = File::open(path)?;
    let (have, want) = (file.metadata()?.len(), MAGIC_BYTES + bytes);
    if have == want {
        Ok(file)
    } else {
        Err(FileError::WrongSize { have, want })
    }
}

/// Reads the rows and computes their checksum.
fn read_rows(file: File, bytes: u64) -> Result<(Vec<Row>, u32), FileError> {
    let mut reader = BufReader::with_capacity(ROWS_AT_ONCE * ROW_BYTES as usize, file);
    let mut magic = [0; MAGIC_BYTES as usize];
    reader.read_exact(&mut magic)?;
    if magic != magic_bytes() {
        return Err(FileError::WrongMagic);
    }
    let count = usize::try_from(bytes / ROW_BYTES).expect("because usize has 64 bits");
    let mut rows = Vec::with_capacity(count);
    let mut checksum = crc32fast::Hasher::new();
    let mut buffer = vec![0; ROWS_AT_ONCE * ROW_BYTES as usize];
    while rows.len() < count {
        let length = (count - rows.len()).min(ROWS_AT_ONCE) * ROW_BYTES as usize;
        let chunk = &mut buffer[..length];
        reader.read_exact(chunk)?;
        checksum.update(chunk);
        let (chunks, _) = chunk.as_chunks::<{ ROW_BYTES as usize }>();
        rows.extend(chunks.iter().map(row_of));
    }
    Ok((rows, checksum.finalize()))
}

fn read_checksum(path: &Path) -> Result<u32, FileError> {
    let text = match fs::read_to_string(checksum_path(path)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(FileError::NoChecksum),
        Err(error) => return Err(error.into()),
    };
    u32::from_str_radix(text.trim_end(), 16).map_err(|_| FileError::NoChecksum)
}

/// Writes a file and its checksum, each atomically.
pub(super) fn write(path: &Path, rows: &[Row]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut checksum = crc32fast::Hasher::new();
    write_renamed(path, |writer| {
        writer.write_all(&magic_bytes())?;
        let mut buffer = Vec::with_capacity(ROWS_AT_ONCE * ROW_BYTES as usize);
        for chunk in rows.chunks(ROWS_AT_ONCE) {
            buffer.clear();
            buffer.extend(
                chunk
                    .iter()
                    .flat_map(|row| row.0)
                    .flat_map(u32::to_le_bytes),
            );
            checksum.update(&buffer);
            writer.write_all(&buffer)?;
        }
        Ok(())
    })?;
    write_checksum(path, checksum.finalize())
}

fn write_checksum(path: &Path, checksum: u32) -> io::Result<()> {
    write_renamed(&checksum_path(path), |writer| {
        writeln!(writer, "{checksum:08x}")
    })
}

fn write_renamed(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}-{unique}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = (|| {
        let mut writer = BufWriter::new(File::create(&temporary)?);
        fill(&mut writer)?;
        writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // The error that matters is that of the write.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Removes the files of epochs that are `keep_epochs` or more behind `epoch`, and temporary files
/// that a dead process left.
pub(super) fn remove_old(
    folder: &Path,
    kind: FileKind,
    epoch: u64,
    keep_epochs: u64,
) -> io::Result<()> {
    let mut seed = seed_hash(0);
    for _ in 0..(epoch + 1).saturating_sub(keep_epochs) {
        let path = path_of_seed(folder, kind, &seed);
        for path in [checksum_path(&path), path] {
            remove_if_exists(&path)?;
        }
        seed = super::keccak::keccak256_of_32(&seed);
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let ours = name.starts_with("cache-R") || name.starts_with("full-R");
        if ours && name.ends_with(".tmp") && is_stale(&entry) {
            remove_if_exists(&entry.path())?;
        }
    }
    Ok(())
}

fn is_stale(entry: &fs::DirEntry) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|time| {
        SystemTime::now()
            .duration_since(time)
            .is_ok_and(|age| age > STALE_TEMPORARY)
    })
}

fn remove_if_exists(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn magic_bytes() -> [u8; MAGIC_BYTES as usize] {
    let mut bytes = [0; MAGIC_BYTES as usize];
    bytes[..4].copy_from_slice(&MAGIC[0].to_le_bytes());
    bytes[4..].copy_from_slice(&MAGIC[1].to_le_bytes());
    bytes
}

fn row_of(bytes: &[u8; ROW_BYTES as usize]) -> Row {
    let (words, _) = bytes.as_chunks::<4>();
    let mut row = [0; ROW_WORDS];
    for (word, bytes) in row.iter_mut().zip(words) {
        *word = u32::from_le_bytes(*bytes);
    }
    Row(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ethash::light::LightCache;

    const BYTES: u64 = 1024;

    fn written() -> (tempfile::TempDir, PathBuf, LightCache) {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(folder.path(), FileKind::Cache, 0);
        let cache = LightCache::generate_sized(BYTES, &seed_hash(0));
        write(&path, cache.rows()).unwrap();
        (folder, path, cache)
    }

    #[test]
    fn vectors_names_and_layout_are_geths() {
        let (folder, path, cache) = written();
        assert_eq!(path.file_name().unwrap(), "cache-R23-0000000000000000");
        let dataset = path_of(folder.path(), FileKind::Dataset, 1);
        assert_eq!(dataset.file_name().unwrap(), "full-R23-290decd9548b62a8");
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes[..8], [0xfe, 0xca, 0xdd, 0xba, 0xad, 0xde, 0xe1, 0xfe]);
        assert_eq!(bytes[8..12], [0x7c, 0xe2, 0x99, 0x1c]);
        assert_eq!(bytes.len() as u64, 8 + BYTES);
        assert_eq!(read(&path, BYTES).unwrap(), cache.rows());
    }

    #[test]
    fn damaged_files_are_detected() {
        let (_folder, path, _) = written();
        let valid = fs::read(&path).unwrap();
        for position in [8, 500, valid.len() - 1] {
            let mut flipped = valid.clone();
            flipped[position] ^= 0x10;
            fs::write(&path, &flipped).unwrap();
            assert!(matches!(
                read(&path, BYTES),
                Err(FileError::WrongChecksum { .. })
            ));
        }
        let mut wrong_magic = valid.clone();
        wrong_magic[0] ^= 1;
        fs::write(&path, &wrong_magic).unwrap();
        assert!(matches!(read(&path, BYTES), Err(FileError::WrongMagic)));
        fs::write(&path, &valid[..valid.len() - 1]).unwrap();
        assert!(matches!(
            read(&path, BYTES),
            Err(FileError::WrongSize { .. })
        ));
        fs::write(&path, &valid).unwrap();
        assert!(read(&path, BYTES).is_ok());
        fs::write(checksum_path(&path), "not hex").unwrap();
        assert!(matches!(read(&path, BYTES), Err(FileError::NoChecksum)));
        fs::remove_file(checksum_path(&path)).unwrap();
        assert!(matches!(read(&path, BYTES), Err(FileError::NoChecksum)));
        fs::remove_file(&path).unwrap();
        assert!(matches!(read(&path, BYTES), Err(FileError::Io(_))));
    }

    #[test]
    fn old_epochs_and_stale_temporary_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = LightCache::generate_sized(BYTES, &seed_hash(0));
        for epoch in 0..6 {
            write(
                &path_of(folder.path(), FileKind::Cache, epoch),
                cache.rows(),
            )
            .unwrap();
        }
        let stale = folder.path().join("cache-R23-0000000000000000.1-1.tmp");
        File::create(&stale)
            .unwrap()
            .set_modified(SystemTime::now() - 2 * STALE_TEMPORARY)
            .unwrap();
        let fresh = folder.path().join("cache-R23-0000000000000000.2-1.tmp");
        fs::write(&fresh, "").unwrap();
        remove_old(folder.path(), FileKind::Cache, 5, 3).unwrap();
        for epoch in 0..6 {
            let path = path_of(folder.path(), FileKind::Cache, epoch);
            assert_eq!(path.exists(), epoch >= 3, "epoch {epoch}");
            assert_eq!(checksum_path(&path).exists(), epoch >= 3, "epoch {epoch}");
        }
        assert!(!stale.exists() && fresh.exists());
    }
}
