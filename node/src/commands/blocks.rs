//! Reader of files with consecutive RLP blocks, plain or gzip.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use actoreum_primitives::{Block, rlp::Decode};
use eyre::{WrapErr, eyre};
use flate2::bufread::MultiGzDecoder;

/// Bounds the encoded bytes of a block, and with it the allocation that a broken file can cause.
/// geth's limit for a message is 10 MiB, and the largest block of mainnet is far below that.
const MAX_BLOCK_BYTES: usize = 64 << 20;

/// Reads blocks from a file of RLP blocks.
pub struct BlockFile {
    path: PathBuf,
    input: Box<dyn BufRead + Send>,
    read: u64,
    /// The next block, or an error, that was read but not yet returned.
    peeked: Option<eyre::Result<Block>>,
    consumed: Arc<AtomicU64>,
}

/// A file that counts the bytes read from it.
struct CountingReader {
    file: File,
    consumed: Arc<AtomicU64>,
}

impl Read for CountingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.consumed.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl BlockFile {
    /// Opens a file; gzip is recognised by its first bytes.
    pub fn open(path: &Path) -> eyre::Result<Self> {
        let cant_read = || format!("file {} can't be read", path.display());
        let file = File::open(path).wrap_err_with(cant_read)?;
        let consumed = Arc::new(AtomicU64::new(0));
        let counted = CountingReader {
            file,
            consumed: Arc::clone(&consumed),
        };
        let mut plain = BufReader::with_capacity(1 << 20, counted);
        let is_gzip = plain
            .fill_buf()
            .wrap_err_with(cant_read)?
            .starts_with(&[0x1f, 0x8b]);
        let input: Box<dyn BufRead + Send> = if is_gzip {
            Box::new(BufReader::with_capacity(
                1 << 20,
                MultiGzDecoder::new(plain),
            ))
        } else {
            Box::new(plain)
        };
        Ok(Self {
            path: path.to_path_buf(),
            input,
            read: 0,
            peeked: None,
            consumed,
        })
    }

    /// Returns the next consecutively numbered blocks: at most `count` of them, and no further one
    /// once they have `bytes` encoded bytes. An error is returned after all blocks before it.
    pub fn next_blocks(&mut self, count: usize, bytes: usize) -> eyre::Result<Vec<Block>> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut size = 0;
        while blocks.len() < count && size < bytes {
            let next = match self.peeked.take() {
                Some(next) => Some(next),
                None => self.next_block(&mut size).transpose(),
            };
            match (next, blocks.last()) {
                (None, _) => break,
                (Some(Err(error)), None) => return Err(error),
                (Some(Err(error)), Some(_)) => {
                    self.peeked = Some(Err(error));
                    break;
                }
                (Some(Ok(block)), Some(last))
                    if last.header.number.checked_add(1) != Some(block.header.number) =>
                {
                    self.peeked = Some(Ok(block));
                    break;
                }
                (Some(Ok(block)), _) => blocks.push(block),
            }
        }
        Ok(blocks)
    }

    fn next_block(&mut self, size: &mut usize) -> eyre::Result<Option<Block>> {
        let item = self.next_item();
        let Some(encoded) = item.map_err(|error| self.error(&error.to_string()))? else {
            return Ok(None);
        };
        *size += encoded.len();
        let block = Block::decode(&mut encoded.as_slice());
        let block = block.map_err(|error| self.error(&error.to_string()))?;
        self.read += 1;
        Ok(Some(block))
    }

    /// Returns the approximate position in the file on disk, in bytes.
    pub fn position(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }

    fn error(&self, what: &str) -> eyre::Report {
        eyre!(
            "file {}, block {} of it: {what}; is it a complete file of RLP blocks?",
            self.path.display(),
            self.read
        )
    }

    /// Returns the bytes of the next RLP list; `None` at the end of the file.
    fn next_item(&mut self) -> io::Result<Option<Vec<u8>>> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_string());
        let mut first = [0];
        if self.input.read(&mut first)? == 0 {
            return Ok(None);
        }
        let mut encoded = vec![first[0]];
        let payload = match first[0] {
            prefix @ 0xc0..=0xf7 => usize::from(prefix - 0xc0),
            prefix @ 0xf8.. => {
                let mut digits = vec![0; usize::from(prefix - 0xf7)];
                self.read_exactly(&mut digits)?;
                encoded.extend_from_slice(&digits);
                digits
                    .iter()
                    .try_fold(0_usize, |length, digit| {
                        length
                            .checked_mul(256)
                            .map(|length| length + usize::from(*digit))
                    })
                    .ok_or_else(|| invalid("the length of the block does not fit"))?
            }
            _ => return Err(invalid("it is not an RLP list")),
        };
        if payload > MAX_BLOCK_BYTES {
            return Err(invalid("the block claims to be larger than 64 MiB"));
        }
        let begin = encoded.len();
        encoded.resize(begin + payload, 0);
        self.read_exactly(&mut encoded[begin..])?;
        Ok(Some(encoded))
    }

    fn read_exactly(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.input
            .read_exact(buffer)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    io::Error::new(error.kind(), "the file ends in the middle of a block")
                }
                _ => error,
            })
    }
}
