//! The temporary folder of a development chain in memory: its key file and the pool's journal.
//!
//! The folder is removed when the process ends. The folder of a killed process is removed at the
//! next start of a development chain. A file lock, which the system releases with the process,
//! shows whether a folder is in use.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use actoreum_storage::files::PRIVATE_FILE;
use eyre::WrapErr;
use tempfile::TempDir;
use tracing::{debug, info};

/// Prefix of the folders' names.
const PREFIX: &str = "actoreum-dev-";
/// The file in each folder that its process has locked.
const LOCK: &str = "lock";
/// Age from which a folder without a lock file counts as abandoned. A process that creates a folder
/// locks it at once.
const MIN_ABANDONED_AGE: Duration = Duration::from_secs(60);

/// A temporary folder with mode 0700, removed on drop.
#[derive(Debug)]
pub struct DevFolder {
    folder: TempDir,
    _lock: File,
}

impl DevFolder {
    /// Creates a folder, and removes those that killed processes left behind.
    pub fn create() -> eyre::Result<Self> {
        let parent = std::env::temp_dir();
        remove_abandoned(&parent);
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .wrap_err("no temporary folder")?;
        let mut options = OpenOptions::new();
        options.create_new(true).write(true).mode(PRIVATE_FILE);
        let lock = options
            .open(folder.path().join(LOCK))
            .and_then(|lock| lock.try_lock().map(|()| lock).map_err(Into::into))
            .wrap_err_with(|| format!("{} can't be locked", folder.path().display()))?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes this user's folders whose processes are gone. A folder that can't be removed stays.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    let user = rustix::process::geteuid().as_raw();
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        // For a symbolic link this is the metadata of the link itself.
        let Ok(found) = entry.metadata() else {
            continue;
        };
        if !found.is_dir() || found.uid() != user {
            continue;
        }
        let folder = entry.path();
        let removed = match File::open(folder.join(LOCK)) {
            // The lock is held until the folder is removed.
            Ok(lock) if lock.try_lock().is_ok() => fs::remove_dir_all(&folder),
            Ok(_) => continue,
            Err(_) if is_old(&found) => fs::remove_dir(&folder),
            Err(_) => continue,
        };
        let folder = folder.display();
        match removed {
            Ok(()) => info!(%folder, "removed the folder of a development chain that was killed"),
            Err(error) => debug!(%folder, %error, "folder of a development chain not removed"),
        }
    }
}

fn is_old(found: &fs::Metadata) -> bool {
    let age = found.modified().ok().and_then(|at| at.elapsed().ok());
    age.is_some_and(|age| age >= MIN_ABANDONED_AGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abandoned_folders_are_removed_and_others_are_kept() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let folder = parent.path().join(name);
            fs::create_dir(&folder).unwrap();
            folder
        };
        let (abandoned, locked) = (make("actoreum-dev-a"), make("actoreum-dev-b"));
        for folder in [&abandoned, &locked] {
            fs::write(folder.join(LOCK), "").unwrap();
            fs::write(folder.join("transactions.rlp"), "").unwrap();
        }
        let lock = File::open(locked.join(LOCK)).unwrap();
        lock.try_lock().unwrap();
        let (new, other) = (make("actoreum-dev-c"), make("somebody-else"));
        let target = make("target");
        fs::write(target.join(LOCK), "").unwrap();
        let link = parent.path().join("actoreum-dev-d");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        remove_abandoned(parent.path());
        assert!(!abandoned.exists());
        for kept in [locked, new, other, target.join(LOCK), link] {
            assert!(kept.exists(), "{}", kept.display());
        }
    }
}
