//! Streaming reader of the `.tar.zst` archives of vectors.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Mutex;

use crate::parallel;

/// Log2 of the compression window of the archives.
const WINDOW_LOG: u32 = 27;

/// Maximum number of files that are read ahead of those that run.
const FILES_AHEAD: usize = 16;

/// A file inside an archive.
#[derive(Debug)]
pub struct ArchivedFile {
    /// Path inside the archive, with `/` between the parts.
    pub path: String,
    /// Content of the file.
    pub content: Vec<u8>,
}

/// Calls `visit` with every JSON file of the archive whose path `wanted` accepts, on as many
/// threads as there are cores, while the archive is still being decompressed.
///
/// # Errors
/// The archive cannot be opened or read.
///
/// # Panics
/// `visit` panics.
pub fn for_each_json(
    archive: &Path,
    wanted: impl Fn(&str) -> bool,
    visit: impl Fn(ArchivedFile) + Sync,
) -> io::Result<()> {
    let mut decoder = zstd::Decoder::new(BufReader::new(File::open(archive)?))?;
    decoder.window_log_max(WINDOW_LOG)?;
    let mut tar = tar::Archive::new(decoder);
    let (sender, receiver) = std::sync::mpsc::sync_channel::<ArchivedFile>(FILES_AHEAD);
    let receiver = Mutex::new(receiver);
    let next = || {
        receiver
            .lock()
            .expect("no thread panics in a receive")
            .recv()
            .ok()
    };
    std::thread::scope(|scope| {
        for _ in 0..parallel::threads() {
            scope.spawn(|| {
                while let Some(file) = next() {
                    visit(file);
                }
            });
        }
        let mut read = || -> io::Result<()> {
            for entry in tar.entries()? {
                let mut entry = entry?;
                let path = entry
                    .path()?
                    .to_string_lossy()
                    .trim_start_matches("./")
                    .to_owned();
                if !path.ends_with(".json") || !wanted(&path) {
                    continue;
                }
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                if sender.send(ArchivedFile { path, content }).is_err() {
                    break;
                }
            }
            Ok(())
        };
        let outcome = read();
        drop(sender);
        outcome
    })
}
