//! Atomic writes of small files, and private folders.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Mode of a file that only its owner may read: keys, passwords, the record of signed blocks.
pub const PRIVATE_FILE: u32 = 0o600;
/// Mode of a file that everybody may read.
pub const PUBLIC_FILE: u32 = 0o644;
/// Mode of a folder of this node, as in geth.
const PRIVATE_FOLDER: u32 = 0o700;

/// Creates a folder and its missing parents with mode 0700, whatever the umask. An existing folder
/// is not changed.
///
/// # Errors
/// Returns the errors of the file system.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(PRIVATE_FOLDER).create(folder)
}

/// Writes a file durably and atomically, replacing the file at `path` if there is one.
///
/// # Errors
/// Returns the errors of the file system. The file at `path` is then the old one or the new one.
pub fn replace_file(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    write_and_move(path, content, mode, |temporary| fs::rename(temporary, path))
}

/// Writes a new file durably and atomically.
///
/// # Errors
/// Returns [`ErrorKind::AlreadyExists`] if there is a file at `path`, which is not changed, and the
/// errors of the file system.
pub fn create_file(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    write_and_move(path, content, mode, |temporary| {
        match fs::hard_link(temporary, path) {
            Ok(()) => fs::remove_file(temporary),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
            // The file system has no hard links.
            Err(_) if path.symlink_metadata().is_ok() => Err(ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(temporary, path),
        }
    })
}

fn write_and_move(
    path: &Path,
    content: &[u8],
    mode: u32,
    move_to_target: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = temporary_path(path)?;
    let written =
        write_temporary(&temporary, content, mode).and_then(|()| move_to_target(&temporary));
    if let Err(error) = written {
        // The first error is the one to report. No reader uses a temporary file that stays behind.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // A directory entry is durable only after its folder is synced.
    File::open(folder_of(path))?.sync_all()
}

fn write_temporary(temporary: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(temporary)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Returns a hidden path in the same folder that no other temporary file has, neither one of this
/// process nor one that a crash left behind.
fn temporary_path(path: &Path) -> io::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    let name = name.to_string_lossy();
    let (process, folder) = (std::process::id(), folder_of(path));
    loop {
        let number = NEXT.fetch_add(1, Relaxed);
        let temporary = folder.join(format!(".{name}.{process}-{number}.tmp"));
        if temporary.symlink_metadata().is_err() {
            return Ok(temporary);
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_no_temporary_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        replace_file(&path, b"old", PRIVATE_FILE).unwrap();
        replace_file(&path, b"new", PRIVATE_FILE).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_existing_file_is_not_created_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create_file(&path, b"first", PRIVATE_FILE).unwrap();
        let error = create_file(&path, b"second", PRIVATE_FILE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_temporary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "precious").unwrap();
        assert!(replace_file(&path, b"new", PRIVATE_FILE).is_err());
        assert_eq!(fs::read(path.join("inside")).unwrap(), b"precious");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let missing = folder.path().join("missing/key");
        assert!(create_file(&missing, b"new", PRIVATE_FILE).is_err());
    }

    #[test]
    fn a_temporary_file_of_a_crash_does_not_disturb() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let next = temporary_path(&path).unwrap();
        let (stem, number) = next
            .to_str()
            .unwrap()
            .trim_end_matches(".tmp")
            .rsplit_once('-')
            .unwrap();
        let number: u64 = number.parse().unwrap();
        for left in number + 1..number + 40 {
            fs::write(format!("{stem}-{left}.tmp"), "half").unwrap();
        }
        replace_file(&path, b"whole", PRIVATE_FILE).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn created_folders_are_private_to_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        create_private_folder(&inner).unwrap();
        create_private_folder(&inner).unwrap();
        assert_eq!(mode(&folder.path().join("a")), 0o700);
        assert_eq!(mode(&inner), 0o700);
    }
}
