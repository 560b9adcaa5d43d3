//! Files of the operator's, read up to a limit: whatever a path leads to (a device without an end,
//! a wrong file of many gigabytes), a command says so instead of filling the memory.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::Path,
};

/// Bytes of a genesis file at most. A million accounts take about 100 MB.
pub const MAX_GENESIS_BYTES: u64 = 256 << 20;
/// Bytes of a configuration file at most. Those that geth writes have some kilobytes.
pub const MAX_CONFIG_BYTES: u64 = 4 << 20;
/// Bytes of a list of nodes at most: room for ten thousand URLs.
pub const MAX_NODE_LIST_BYTES: u64 = 4 << 20;
/// Bytes of a file with a node's key at most: 64 digits, and blanks around them.
pub const MAX_NODE_KEY_BYTES: u64 = 1024;

/// Reads a text of no more than `most` bytes.
///
/// # Errors
/// Where it can't be read, is longer, or is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let file = File::open(path)?;
    let too_long = || {
        let text = format!("it is longer than the {most} bytes that such a file may have");
        io::Error::new(ErrorKind::FileTooLarge, text)
    };
    // What a file says of its length spares reading it; a pipe or a device says nothing.
    if file.metadata()?.len() > most {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(too_long());
    }
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not a text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        let kind = |path: &str, most| read_text(Path::new(path), most).unwrap_err().kind();
        assert_eq!(kind(path.to_str().unwrap(), 4), ErrorKind::FileTooLarge);
        assert_eq!(kind("/dev/zero", 1 << 16), ErrorKind::FileTooLarge);
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert_eq!(kind(path.to_str().unwrap(), 4), ErrorKind::InvalidData);
    }
}
