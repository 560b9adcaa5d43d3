//! The lock on a data directory, which geth and this node share.
//!
//! geth (1.5 and later) locks `<datadir>/geth/LOCK` with `flock` while it runs. This node locks the
//! same file, so that a geth and this node never use the same IPC socket, node key and signer's key
//! at the same time. The database has a separate lock, which is also taken by the commands that
//! open only the database: those may run beside a geth.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::Path,
};

use actoreum_storage::{FolderLock, StorageError};
use eyre::{Report, eyre};

/// Lock of the process that runs on a data directory, released on drop.
#[derive(Debug)]
pub struct InstanceLock {
    _folder: FolderLock,
}

impl InstanceLock {
    /// Takes the lock in geth's folder, which is created if it is missing.
    ///
    /// # Errors
    /// Fails at once if another process holds the lock.
    pub fn acquire(folder: &Path) -> eyre::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| cannot_make(folder, &error))?;
        let lock = folder.join("LOCK");
        // This check precedes the open, because opening a pipe blocks until its other end is
        // opened.
        if lock.metadata().is_ok_and(|found| !found.is_file()) {
            return Err(eyre!("{} is not a regular file", lock.display()));
        }
        match FolderLock::acquire(folder) {
            Ok(lock) => Ok(Self { _folder: lock }),
            Err(StorageError::Locked(_)) => Err(in_use(&lock)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns the error for a folder that can't be created, with a hint.
fn cannot_make(folder: &Path, error: &io::Error) -> Report {
    let is_no_folder = |path: &&Path| path.symlink_metadata().is_ok() && !path.is_dir();
    match folder.ancestors().find(is_no_folder) {
        Some(path) => eyre!(
            "data directory: {} is not a folder; choose another with --datadir",
            path.display()
        ),
        None => eyre!(
            "data directory: {} can't be created: {error}; choose another with --datadir",
            folder.display()
        ),
    }
}

/// Returns the error for a lock that is held, in geth's words and with the holder.
fn in_use(lock: &Path) -> Report {
    let holder = match holder_of(lock) {
        Some(Holder { pid, name }) => format!("{name} (process {pid}) holds"),
        None => "a geth or another node holds".to_owned(),
    };
    eyre!(
        "datadir already used by another process: {holder} {}: stop that one, or choose another \
         folder with --datadir",
        lock.display()
    )
}

struct Holder {
    pid: u32,
    name: String,
}

/// Returns the process that holds a lock, if the system has `/proc/locks`.
fn holder_of(lock: &Path) -> Option<Holder> {
    let found = fs::metadata(lock).ok()?;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let pid = locks
        .lines()
        .find_map(|line| pid_in(line, found.dev(), found.ino()))?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    let name = name.trim().to_owned();
    (!name.is_empty()).then_some(Holder { pid, name })
}

/// Returns the process in a line of `/proc/locks`, such as
/// `7: FLOCK  ADVISORY  WRITE 812 08:01:5243 0 EOF`, if the line is about this file.
fn pid_in(line: &str, device: u64, inode: u64) -> Option<u32> {
    let mut words = line.split_whitespace().skip(1);
    if words.next()? != "FLOCK" {
        return None;
    }
    let pid = words.nth(2)?.parse().ok()?;
    let mut file = words.next()?.split(':');
    let mut hexadecimal = || u32::from_str_radix(file.next()?, 16).ok();
    let (major, minor) = (hexadecimal()?, hexadecimal()?);
    let is_same_file =
        rustix::fs::makedev(major, minor) == device && file.next()?.parse::<u64>().ok()? == inode;
    is_same_file.then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_is_locked_by_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let geth = folder.path().join("data/geth");
        let lock = InstanceLock::acquire(&geth).unwrap();
        let error = InstanceLock::acquire(&geth).unwrap_err().to_string();
        assert!(
            error.contains("datadir already used by another process"),
            "{error}"
        );
        assert!(error.contains("--datadir"), "{error}");
        drop(lock);
        InstanceLock::acquire(&geth).unwrap();
    }

    #[test]
    fn the_error_names_the_path_that_is_not_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let error = |path: &str| {
            let path = folder.path().join(path);
            InstanceLock::acquire(&path).unwrap_err().to_string()
        };
        fs::write(folder.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("/nowhere", folder.path().join("link")).unwrap();
        for (path, part) in [
            ("file/geth", "/file is not a folder"),
            ("file", "/file is not a folder"),
            ("link/geth", "/link is not a folder"),
        ] {
            let error = error(path);
            assert!(error.contains(part), "{error}");
            assert!(error.contains("--datadir"), "{error}");
        }
        fs::create_dir_all(folder.path().join("geth/LOCK")).unwrap();
        let error = error("geth");
        assert!(error.contains("geth/LOCK is not a regular file"), "{error}");
    }

    #[test]
    fn the_holder_of_a_lock_is_read_from_proc_locks() {
        let line = "7: FLOCK  ADVISORY  WRITE 812 08:01:5243 0 EOF";
        let device = rustix::fs::makedev(8, 1);
        assert_eq!(pid_in(line, device, 5243), Some(812));
        assert_eq!(pid_in(line, device, 5244), None);
        assert_eq!(pid_in(line, device + 1, 5243), None);
        let posix = "7: POSIX  ADVISORY  WRITE 812 08:01:5243 0 EOF";
        assert_eq!(pid_in(posix, device, 5243), None);
        for malformed in [
            "",
            "7:",
            "7: FLOCK",
            "7: FLOCK A W x y",
            "7: FLOCK A W 1 8:1",
        ] {
            assert_eq!(pid_in(malformed, device, 5243), None, "{malformed}");
        }
    }
}
