//! The listening socket and the file that clients find it by.
//!
//! ```text
//! bind       a new hidden name beside the path; its mode is 0600 before the file is there
//! listen
//! link       hidden name -> path; fails where anything has that name, so nothing is overwritten
//!            |- not a socket, or one that answers: refused, and left as it is
//!            `- a socket that nobody listens at: moved aside, looked at again, removed; once more
//! unlink     the hidden name
//! ```
//!
//! The socket listens before it has its name, so nobody takes it for one that a killed process
//! left. Nodes that start at the same time take turns by a lock on the folder. The file at the path
//! is removed at the end only while it is still this socket's.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

use crate::limits::{IPC_BACKLOG, MAX_IPC_PATH_BYTES};

/// The socket is read and written by its owner alone.
const SOCKET_MODE: u32 = 0o600;
/// A folder that is made for it can be entered by others, and not listed, as in geth.
const FOLDER_MODE: u32 = 0o751;
/// Letters of a hidden name: as many as `geth.ipc` has, so that a path which fits the system's
/// bound also fits with a hidden name in place of its last component.
const MIN_HIDDEN_NAME: usize = 8;
/// Attempts to find a free name, or to take the place of a dead socket. Each failed attempt means
/// that another process was faster.
const MAX_ATTEMPTS: usize = 16;
/// Time to wait for other nodes that start in the same folder, which take milliseconds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause between two attempts to lock the folder.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A listening socket; its file is removed with it.
#[derive(Debug)]
pub struct IpcListener {
    listener: UnixListener,
    path: PathBuf,
    file: FileId,
}

impl IpcListener {
    /// Listens at `path`, for the owner of the process alone (mode 0600 from the first moment).
    /// The folder is made where it is missing.
    ///
    /// # Errors
    /// - [`ErrorKind::AddrInUse`] where another process answers at `path`;
    /// - [`ErrorKind::AlreadyExists`] where `path` is a file of another type, which is left as it is;
    /// - [`ErrorKind::InvalidInput`] where `path` is longer than a socket's may be;
    /// - those of the file system.
    pub fn bind(path: &Path) -> io::Result<Self> {
        check_length(path)?;
        make_folder(path)?;
        let _turn = lock_folder(path);
        let hidden = Hidden::bind(path)?;
        let file = FileId::of(&hidden.path)?;
        hidden.link_to(path)?;
        Ok(Self {
            listener: hidden.listener()?,
            path: path.to_owned(),
            file,
        })
    }

    /// Waits for the next client.
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for IpcListener {
    fn drop(&mut self) {
        // The listener is still open here, so its inode number belongs to no other file.
        if FileId::of(&self.path).is_ok_and(|found| found == self.file) {
            // It may have been removed in between, which is what is wanted.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Which file this is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(path: &Path) -> io::Result<Self> {
        let found = path.symlink_metadata()?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
        })
    }
}

/// A socket that listens at a name which nobody knows. The name is removed with it.
struct Hidden {
    socket: Socket,
    path: PathBuf,
}

impl Hidden {
    fn bind(path: &Path) -> io::Result<Self> {
        let mut outcome = Err(ErrorKind::AddrInUse.into());
        for _ in 0..MAX_ATTEMPTS {
            outcome = Self::bind_at(hidden_name(path));
            match &outcome {
                Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                _ => break,
            }
        }
        outcome
    }

    /// Binds at a name that must be free: the system overwrites nothing here.
    fn bind_at(path: PathBuf) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Linux makes the file with the mode of the socket. Other systems ignore it or refuse it;
        // there the mode below holds before the file has a name that is looked for.
        let _ = mode_of_socket(&socket);
        socket.bind(&SockAddr::unix(&path)?)?;
        let hidden = Self { socket, path };
        if hidden.path.symlink_metadata()?.mode() & 0o777 != SOCKET_MODE {
            fs::set_permissions(&hidden.path, Permissions::from_mode(SOCKET_MODE))?;
        }
        hidden.socket.listen(IPC_BACKLOG)?;
        hidden.socket.set_nonblocking(true)?;
        Ok(hidden)
    }

    /// Gives the file its name.
    fn link_to(&self, path: &Path) -> io::Result<()> {
        for _ in 0..MAX_ATTEMPTS {
            match fs::hard_link(&self.path, path) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => remove_dead(path)?,
                // File systems without hard links.
                Err(_) if !is_there(path)? => return fs::rename(&self.path, path),
                Err(error) => return Err(error),
            }
        }
        Err(in_use())
    }

    fn listener(&self) -> io::Result<UnixListener> {
        let descriptor = OwnedFd::from(self.socket.try_clone()?);
        UnixListener::from_std(StdListener::from(descriptor))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove.
        let _ = fs::remove_file(&self.path);
    }
}

fn mode_of_socket(socket: &Socket) -> io::Result<()> {
    let descriptor = OwnedFd::from(socket.try_clone()?);
    File::from(descriptor).set_permissions(Permissions::from_mode(SOCKET_MODE))
}

/// Removes the socket at `path` if nobody listens at it.
fn remove_dead(path: &Path) -> io::Result<()> {
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        let text = "there is a file that is not a socket";
        return Err(io::Error::new(ErrorKind::AlreadyExists, text));
    }
    let dead = FileId {
        device: found.dev(),
        inode: found.ino(),
    };
    if answers(path)? {
        return Err(in_use());
    }
    // Another process may have put its own socket there in between: what was moved is looked at
    // before it is removed, and goes back if it is another file.
    let aside = hidden_name(path);
    match fs::rename(path, &aside) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        moved => moved?,
    }
    if FileId::of(&aside)? == dead {
        return fs::remove_file(&aside);
    }
    match fs::hard_link(&aside, path) {
        Ok(()) => fs::remove_file(&aside)?,
        Err(_) => fs::rename(&aside, path)?,
    }
    Err(in_use())
}

/// Whether a process listens at the socket, busy or not.
fn answers(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A full queue of connections must not hold the start.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) => match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => Ok(false),
            ErrorKind::PermissionDenied => {
                let text = "there is a socket of another user";
                Err(io::Error::new(ErrorKind::PermissionDenied, text))
            }
            // Its queue is full, or it is of another type: somebody has it open in any case.
            _ => Ok(true),
        },
    }
}

/// Locks the folder until the file is closed. Without the lock (another program holds it, or the
/// file system has none) the start goes on: what is replaced is still looked at first.
fn lock_folder(path: &Path) -> Option<File> {
    let folder = File::open(folder_of(path)).ok()?;
    let begun = Instant::now();
    loop {
        match folder.try_lock() {
            Ok(()) => return Some(folder),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_TIMEOUT => {
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(_) => return None,
        }
    }
}

fn is_there(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn in_use() -> io::Error {
    let text = "another process answers at this socket";
    io::Error::new(ErrorKind::AddrInUse, text)
}

fn check_length(path: &Path) -> io::Result<()> {
    let bytes = path.as_os_str().len();
    if bytes <= MAX_IPC_PATH_BYTES {
        return Ok(());
    }
    let text = format!("the path has {bytes} bytes, a socket's has {MAX_IPC_PATH_BYTES} at most");
    Err(io::Error::new(ErrorKind::InvalidInput, text))
}

fn make_folder(path: &Path) -> io::Result<()> {
    let folder = folder_of(path);
    if folder.exists() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A name beside `path` that is not longer than its own, unless that is shorter than
/// [`MIN_HIDDEN_NAME`], and that nobody guesses.
fn hidden_name(path: &Path) -> PathBuf {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut name = String::from(".");
    let mut random: u64 = rand::random();
    for _ in 1..MIN_HIDDEN_NAME {
        let letter = LETTERS.iter().cycle().nth((random % 32) as usize);
        name.extend(letter.map(|letter| char::from(*letter)));
        random /= 32;
    }
    folder_of(path).join(name)
}

#[cfg(test)]
mod tests;
