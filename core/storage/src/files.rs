//! Small files that are there as a whole or not at all, and folders for their owner alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Mode of a file that its owner alone may read: keys, passwords, what was signed.
pub const PRIVATE_FILE: u32 = 0o600;
/// Mode of a file that everybody may read.
pub const PUBLIC_FILE: u32 = 0o644;
/// Mode of a folder of this node's, as in geth.
const PRIVATE_FOLDER: u32 = 0o700;

/// Makes a folder, with those above it that are missing, for its owner alone (0700), whatever the
/// umask allows to others. One that is there is left as it is.
///
/// # Errors
/// Those of the file system.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(PRIVATE_FOLDER).create(folder)
}

/// Puts a file in the place of the one at `path`, if any: durably, and as a whole or not at all.
///
/// # Errors
/// Those of the file system; the file at `path` is then the old one or the new one.
pub fn replace_file(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    place(path, content, mode, |draft| fs::rename(draft, path))
}

/// Writes a file that is not there yet: durably, and as a whole or not at all.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] where there is a file at `path`, which stays; those of the file
/// system.
pub fn create_file(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    place(path, content, mode, |draft| {
        match fs::hard_link(draft, path) {
            Ok(()) => fs::remove_file(draft),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
            // A file system without links.
            Err(_) if path.symlink_metadata().is_ok() => Err(ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(draft, path),
        }
    })
}

fn place(
    path: &Path,
    content: &[u8],
    mode: u32,
    put: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let draft = draft_of(path)?;
    let placed = write_draft(&draft, content, mode).and_then(|()| put(&draft));
    if let Err(error) = placed {
        // The first error is what matters; a draft is nothing that anybody reads.
        let _ = fs::remove_file(&draft);
        return Err(error);
    }
    // A name is on disk once its folder is.
    File::open(folder_of(path))?.sync_all()
}

fn write_draft(draft: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(draft)?;
    file.write_all(content)?;
    file.sync_all()
}

/// A hidden name in the same folder, which no other draft has: neither one of this process nor one
/// that a crash left behind.
fn draft_of(path: &Path) -> io::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    let name = name.to_string_lossy();
    let (process, folder) = (std::process::id(), folder_of(path));
    loop {
        let number = NEXT.fetch_add(1, Relaxed);
        let draft = folder.join(format!(".{name}.{process}-{number}.tmp"));
        if draft.symlink_metadata().is_err() {
            return Ok(draft);
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
    fn a_file_is_replaced_with_its_mode_and_no_draft_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        replace_file(&path, b"old", PRIVATE_FILE).unwrap();
        replace_file(&path, b"new", PRIVATE_FILE).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_there_is_not_created_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create_file(&path, b"first", PRIVATE_FILE).unwrap();
        let error = create_file(&path, b"second", PRIVATE_FILE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_draft() {
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
    fn a_draft_of_a_crash_is_not_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let next = draft_of(&path).unwrap();
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
    fn made_folders_are_their_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        create_private_folder(&inner).unwrap();
        create_private_folder(&inner).unwrap();
        assert_eq!(mode(&folder.path().join("a")), 0o700);
        assert_eq!(mode(&inner), 0o700);
    }
}
