//! The listening socket and its file.
//!
//! ```text
//! bind       a new hidden name beside the path; its mode is 0600 before the file exists
//! listen
//! link       hidden name -> path; fails if the path exists, so that no file is overwritten
//!            |- not a socket, or a socket that answers: refused, and left as it is
//!            `- a socket without a listener: moved aside, checked again, removed; link is retried
//! unlink     the hidden name
//! ```
//!
//! The socket listens before it gets its name, so that no process mistakes it for the socket of a
//! killed process. Nodes that start at the same time take turns by a lock on the folder. At the
//! end, the file at the path is removed only if it is still this socket's.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

use crate::server::limits::{IPC_BACKLOG, MAX_IPC_PATH_BYTES};

/// The mode of the socket: its owner alone reads and writes it.
const SOCKET_MODE: u32 = 0o600;
/// The mode of a folder that is created for the socket: others may enter but not list it, as in
/// geth.
const FOLDER_MODE: u32 = 0o751;
/// The number of characters of a hidden name. `geth.ipc` has as many, so that a path that fits the
/// system's limit also fits with a hidden name in place of its last component.
const HIDDEN_NAME_CHARS: usize = 8;
/// Maximum number of attempts to find a free name, or to replace a dead socket. Each failed attempt
/// means that another process was faster.
const MAX_ATTEMPTS: usize = 16;
/// Time to wait for other nodes that start in the same folder, which takes milliseconds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause between two attempts to lock the folder.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A listening socket. Dropping it removes its file.
#[derive(Debug)]
pub struct IpcListener {
    listener: UnixListener,
    path: PathBuf,
    file: FileId,
}

impl IpcListener {
    /// Listens at `path`, for the owner of the process alone (mode 0600 from the first moment). A
    /// missing folder is created.
    ///
    /// # Errors
    /// - [`ErrorKind::AddrInUse`] if another process answers at `path`;
    /// - [`ErrorKind::AlreadyExists`] if `path` is a file of another type, which is left as it is;
    /// - [`ErrorKind::InvalidInput`] if `path` is longer than the path of a socket may be;
    /// - the errors of the file system.
    pub fn bind(path: &Path) -> io::Result<Self> {
        check_length(path)?;
        make_folder(path)?;
        let _turn = lock_folder(path);
        let hidden = HiddenSocket::bind(path)?;
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
            // The file may have been removed in between, which is the wanted result.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The identity of a file, whatever its name.
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

/// A socket that listens at a random name. Dropping it removes the name.
struct HiddenSocket {
    socket: Socket,
    path: PathBuf,
}

impl HiddenSocket {
    /// Binds at a free hidden name beside `path`.
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

    /// Binds at a name that must be free: the system does not overwrite files here.
    fn bind_at(path: PathBuf) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Linux creates the file with the mode of the socket. Other systems ignore or refuse the
        // mode; there it is set below, before the file gets its known name.
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
                // For file systems without hard links.
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

impl Drop for HiddenSocket {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove.
        let _ = fs::remove_file(&self.path);
    }
}

/// Sets the mode of a socket that is not bound yet.
fn mode_of_socket(socket: &Socket) -> io::Result<()> {
    let descriptor = OwnedFd::from(socket.try_clone()?);
    File::from(descriptor).set_permissions(Permissions::from_mode(SOCKET_MODE))
}

/// Removes the socket at `path` if no process listens at it.
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
    // Another process may have put its own socket there in between: the moved file is checked
    // before it is removed, and is moved back if it is another one.
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

/// Returns whether a process listens at the socket, even if it is busy.
fn answers(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A full backlog must not block the start.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) => match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => Ok(false),
            ErrorKind::PermissionDenied => {
                let text = "there is a socket of another user";
                Err(io::Error::new(ErrorKind::PermissionDenied, text))
            }
            // The backlog is full, or the socket is of another type: some process has it open in
            // any case.
            _ => Ok(true),
        },
    }
}

/// Locks the folder until the file is closed. Without the lock (another program holds it, or the
/// file system does not support it) the start goes on: a file is still checked before it is
/// replaced.
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

/// Returns a random name of [`HIDDEN_NAME_CHARS`] characters, a dot first, beside `path`.
fn hidden_name(path: &Path) -> PathBuf {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut name = String::from(".");
    let mut random: u64 = rand::random();
    for _ in 1..HIDDEN_NAME_CHARS {
        let letter = LETTERS.iter().cycle().nth((random % 32) as usize);
        name.extend(letter.map(|letter| char::from(*letter)));
        random /= 32;
    }
    folder_of(path).join(name)
}

#[cfg(test)]
mod tests;
