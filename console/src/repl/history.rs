//! The history of inputs and its file.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::input;
use crate::limits::{MAX_HISTORY_BYTES, MAX_HISTORY_ENTRIES};

/// Mode of the file: readable by its owner alone.
const MODE: u32 = 0o600;

/// The history, which the prompt and `admin.clearHistory` share. It is written after each input, so that
/// a killed console loses none.
#[derive(Debug, Clone, Default)]
pub struct SharedHistory(Arc<Mutex<History>>);

#[derive(Debug, Default)]
struct History {
    entries: Vec<String>,
    /// The file, if there is one.
    path: Option<PathBuf>,
    was_cleared: bool,
}

impl SharedHistory {
    /// Reads the file; without one the history is empty.
    pub fn load(path: &Path) -> Self {
        let entries = read(path).unwrap_or_default();
        let history = History {
            entries,
            path: Some(path.to_owned()),
            was_cleared: false,
        };
        Self(Arc::new(Mutex::new(history)))
    }

    fn lock(&self) -> MutexGuard<'_, History> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns all entries, the oldest first.
    pub fn entries(&self) -> Vec<String> {
        self.lock().entries.clone()
    }

    /// Adds an input and writes the file. Returns false if the input is not kept: it begins with a blank,
    /// may contain a secret, or repeats the last entry. An error of the file does not affect the input.
    pub fn record(&self, entry: &str) -> bool {
        let mut history = self.lock();
        let trimmed = entry.trim();
        let is_repeated = history.entries.last().is_some_and(|last| last == trimmed);
        if trimmed.is_empty() || is_repeated || !input::is_kept(entry) {
            return false;
        }
        history.entries.push(trimmed.to_owned());
        let surplus = history.entries.len().saturating_sub(MAX_HISTORY_ENTRIES);
        history.entries.drain(..surplus);
        if let Some(path) = &history.path {
            let _ = write(path, &history.entries);
        }
        true
    }

    /// Forgets all entries and deletes the file.
    ///
    /// # Errors
    /// The file cannot be deleted.
    pub fn clear(&self) -> io::Result<()> {
        let mut history = self.lock();
        history.entries.clear();
        history.was_cleared = true;
        match &history.path {
            Some(path) => fs::remove_file(path),
            None => Ok(()),
        }
    }

    /// Returns whether the history has been cleared since the last call.
    pub fn take_cleared(&self) -> bool {
        std::mem::take(&mut self.lock().was_cleared)
    }
}

fn read(path: &Path) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let surplus = file.metadata()?.len().saturating_sub(MAX_HISTORY_BYTES);
    file.seek(SeekFrom::Start(surplus))?;
    let mut bytes = Vec::new();
    file.take(MAX_HISTORY_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut entries: Vec<String> = text.lines().map(str::to_owned).collect();
    entries.retain(|entry| !entry.trim().is_empty());
    let surplus = entries.len().saturating_sub(MAX_HISTORY_ENTRIES);
    entries.drain(..surplus);
    Ok(entries)
}

fn write(path: &Path, entries: &[String]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true).mode(MODE);
    let mut file = options.open(path)?;
    // An older file may have another mode.
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(entries.join("\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_private_and_has_no_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/history");
        let history = SharedHistory::load(&path);
        for entry in ["1", "1", "  ", "personal.newAccount('x')", "f(\n2)", "3"] {
            history.record(entry);
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\nf(\n2)\n3");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(SharedHistory::load(&path).entries(), ["1", "f(", "2)", "3"]);
    }

    #[test]
    fn a_readable_history_file_becomes_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        SharedHistory::load(&path).record("new");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "old\nnew");
    }

    #[test]
    fn the_number_of_entries_is_bounded() {
        let history = SharedHistory::default();
        for index in 0..MAX_HISTORY_ENTRIES + 5 {
            history.record(&index.to_string());
        }
        let entries = history.entries();
        assert_eq!(
            (entries.len(), entries[0].as_str()),
            (MAX_HISTORY_ENTRIES, "5")
        );
    }

    #[test]
    fn a_cleared_history_has_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let history = SharedHistory::load(&path);
        assert!(history.clear().is_err());
        history.record("1");
        history.clear().unwrap();
        assert!(!path.exists() && history.take_cleared() && !history.take_cleared());
        history.record("2");
        assert_eq!(fs::read_to_string(&path).unwrap(), "2");
    }
}
