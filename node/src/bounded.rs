//! Reads files of the operator up to a limit of bytes. If a path leads to an endless device or to a
//! wrong file of many gigabytes, the command fails instead of filling the memory.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::Path,
};

/// Bounds the bytes of a genesis file. A million accounts take about 100 MB.
pub const MAX_GENESIS_BYTES: u64 = 256 << 20;
/// Bounds the bytes of a configuration file. The files that geth writes have a few kilobytes.
pub const MAX_CONFIG_BYTES: u64 = 4 << 20;
/// Bounds the bytes of a list of nodes: room for ten thousand URLs.
pub const MAX_NODE_LIST_BYTES: u64 = 4 << 20;
/// Bounds the bytes of the files of a DNS tree: room for the 16,384 nodes that it may have, with the scores
/// and times that a crawler of geth's writes.
pub const MAX_TREE_BYTES: u64 = 32 << 20;
/// Bounds the bytes of a file with a node record: 300 bytes in hexadecimal digits, and blanks.
pub const MAX_RECORD_BYTES: u64 = 1024;
/// Bounds the bytes of a node key file: 64 digits and the blanks around them.
pub const MAX_NODE_KEY_BYTES: u64 = 1024;

/// Reads a UTF-8 text file of at most `max_bytes` bytes.
///
/// # Errors
/// Fails if the file can't be read, is longer, or is not UTF-8.
pub fn read_text(path: &Path, max_bytes: u64) -> io::Result<String> {
    let file = File::open(path)?;
    let too_long = || {
        let text = format!("it is longer than the {max_bytes} bytes that such a file may have");
        io::Error::new(ErrorKind::FileTooLarge, text)
    };
    // A regular file that is too long is not read at all; a pipe or a device has no length.
    if file.metadata()?.len() > max_bytes {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_long());
    }
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not a text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_longer_than_the_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        let kind = |path: &str, limit| read_text(Path::new(path), limit).unwrap_err().kind();
        assert_eq!(kind(path.to_str().unwrap(), 4), ErrorKind::FileTooLarge);
        assert_eq!(kind("/dev/zero", 1 << 16), ErrorKind::FileTooLarge);
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert_eq!(kind(path.to_str().unwrap(), 4), ErrorKind::InvalidData);
    }
}
