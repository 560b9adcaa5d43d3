//! A file without a name.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use redb::StorageBackend;

/// What redb writes where nothing of it is to outlive the process: a file that was removed as soon
/// as it was made, so that it is gone with its last handle however the process ends. Nothing is
/// flushed, since nobody opens it again.
#[derive(Debug, Clone)]
pub(super) struct UnnamedFile(Arc<File>);

impl UnnamedFile {
    /// Makes one on the disk that `folder` is on.
    pub(super) fn make(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join("unnamed");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(Self(Arc::new(file)))
    }

    /// Its length in bytes.
    pub(super) fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

impl StorageBackend for UnnamedFile {
    fn len(&self) -> io::Result<u64> {
        self.length()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}
