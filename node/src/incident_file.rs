//! The file of the incidents of the supervision tree, which outlives the process.
//!
//! A line is an incident in JSON. At [`MAX_BYTES`] the file becomes the earlier one, in place of the
//! one before, so that both together have a bound. A line that can't be read, such as the last one
//! before a loss of power, is left out.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use actoreum_supervision::{IncidentLog, IncidentRecord, limits::LOGGED_INCIDENTS};
use tracing::warn;

/// Name of the file, and of the earlier one.
const NAME: &str = "incidents.jsonl";
const EARLIER: &str = "incidents.1.jsonl";

/// Size at which the file is replaced. Some thousand incidents fit in.
const MAX_BYTES: u64 = 1 << 20;

/// Returns a log that begins with the incidents of earlier processes and keeps new ones in a file in
/// `folder`. An error of the file is logged: the node works without it.
pub fn open(folder: &Path) -> IncidentLog {
    let mut incidents = read(&folder.join(EARLIER));
    incidents.extend(read(&folder.join(NAME)));
    let old = incidents.len().saturating_sub(LOGGED_INCIDENTS);
    let mut file = IncidentFile::new(folder, MAX_BYTES);
    IncidentLog::with_sink(incidents.into_iter().skip(old), move |incident| {
        file.add(incident);
    })
}

/// Reads the incidents of a file, oldest first. No more than its last [`MAX_BYTES`] are read.
fn read(path: &Path) -> Vec<IncidentRecord> {
    let text = match read_end(path) {
        Ok(text) => text,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                warn!(path = %path.display(), %error, "incidents of earlier runs can't be read");
            }
            return Vec::new();
        }
    };
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect()
}

fn read_end(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MAX_BYTES)))?;
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

/// The file that incidents are appended to.
struct IncidentFile {
    folder: PathBuf,
    max_bytes: u64,
    /// The open file and its length; `None` before the first incident and after an error.
    open: Option<(File, u64)>,
    /// Whether the last incident could not be written. Only the first failure in a row is logged.
    is_failing: bool,
}

impl IncidentFile {
    fn new(folder: &Path, max_bytes: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            max_bytes,
            open: None,
            is_failing: false,
        }
    }

    fn add(&mut self, incident: &IncidentRecord) {
        let written = self.write(incident);
        if let Err(error) = &written {
            self.open = None;
            if !self.is_failing {
                let folder = self.folder.display();
                warn!(%folder, %error, "incidents can't be written to a file");
            }
        }
        self.is_failing = written.is_err();
    }

    fn write(&mut self, incident: &IncidentRecord) -> io::Result<()> {
        let mut line = serde_json::to_vec(incident)?;
        line.push(b'\n');
        let added = line.len() as u64;
        let (file, length) = match self.open.take() {
            Some(open) => open,
            None => self.open_file()?,
        };
        let (mut file, length) = if length > 0 && length + added > self.max_bytes {
            fs::rename(self.folder.join(NAME), self.folder.join(EARLIER))?;
            self.open_file()?
        } else {
            (file, length)
        };
        // One write for the whole line, so that the end of the process can't leave a part of it.
        file.write_all(&line)?;
        self.open = Some((file, length + added));
        Ok(())
    }

    /// Opens the file to append to it, and ends a line that was cut short.
    fn open_file(&self) -> io::Result<(File, u64)> {
        let path = self.folder.join(NAME);
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true);
        let mut file = options.open(path)?;
        let length = file.metadata()?.len();
        if length == 0 {
            return Ok((file, 0));
        }
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last == *b"\n" {
            return Ok((file, length));
        }
        file.write_all(b"\n")?;
        Ok((file, length + 1))
    }
}

#[cfg(test)]
mod tests {
    use actoreum_supervision::IncidentKind;

    use super::*;

    fn incident(number: u64) -> IncidentRecord {
        IncidentRecord {
            unix_ms: number,
            kind: IncidentKind::Failure,
            actor: "node/core/chain".to_owned(),
            generation: number,
            reason: "line one\nline \"two\"".to_owned(),
        }
    }

    fn numbers(log: &IncidentLog) -> Vec<u64> {
        let (_, incidents) = log.since(0);
        incidents.iter().map(|it| it.unix_ms).collect()
    }

    #[test]
    fn incidents_are_read_back_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        assert!(numbers(&open(folder.path())).is_empty());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut file = IncidentFile::new(folder.path(), MAX_BYTES);
        for number in 1..=3 {
            file.add(&incident(number));
        }
        let log = open(folder.path());
        assert_eq!(numbers(&log), [1, 2, 3]);
        assert_eq!(log.since(2).1, [incident(3)]);
    }

    #[test]
    fn a_torn_or_foreign_line_costs_no_other_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let mut file = IncidentFile::new(folder.path(), MAX_BYTES);
        file.add(&incident(1));
        let whole = fs::read(&path).unwrap();
        let torn = [&whole[..], b"\xff{]\n{\"unix_ms\":2}\n", &whole[..30]].concat();
        fs::write(&path, torn).unwrap();
        IncidentFile::new(folder.path(), MAX_BYTES).add(&incident(4));
        assert_eq!(numbers(&open(folder.path())), [1, 4]);
    }

    #[test]
    fn both_files_together_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let line = serde_json::to_vec(&incident(100)).unwrap().len() as u64 + 1;
        let mut file = IncidentFile::new(folder.path(), 10 * line);
        for number in 100..145 {
            file.add(&incident(number));
        }
        let sizes = [NAME, EARLIER].map(|name| {
            let metadata = fs::metadata(folder.path().join(name)).unwrap();
            metadata.len()
        });
        assert_eq!(sizes, [5 * line, 10 * line]);
        let expected: Vec<u64> = (130..145).collect();
        assert_eq!(numbers(&open(folder.path())), expected);
    }

    #[test]
    fn only_as_many_incidents_as_the_log_holds_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = IncidentFile::new(folder.path(), MAX_BYTES);
        for number in 0..LOGGED_INCIDENTS as u64 + 10 {
            file.add(&incident(number));
        }
        let numbers = numbers(&open(folder.path()));
        assert_eq!((numbers.len(), numbers[0]), (LOGGED_INCIDENTS, 10));
    }

    #[test]
    fn a_folder_that_is_gone_costs_the_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let mut file = IncidentFile::new(&gone, MAX_BYTES);
        file.add(&incident(1));
        assert!(file.is_failing);
        fs::create_dir(&gone).unwrap();
        file.add(&incident(2));
        assert!(!file.is_failing);
        assert_eq!(numbers(&open(&gone)), [2]);
    }
}
