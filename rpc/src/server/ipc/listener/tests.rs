use std::os::unix::net::{UnixDatagram, UnixStream as StdStream};

use super::*;

struct TestDir {
    folder: tempfile::TempDir,
    path: PathBuf,
}

fn test_dir() -> TestDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("geth.ipc");
    TestDir { folder, path }
}

impl TestDir {
    /// Creates a socket like one that a killed process left behind.
    fn leave_dead_socket(&self) {
        drop(StdListener::bind(&self.path).unwrap());
        assert!(self.path.exists());
    }

    /// Returns the names in the folder.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|it| it.into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o777
}

fn kind<T: std::fmt::Debug>(outcome: io::Result<T>) -> ErrorKind {
    outcome.unwrap_err().kind()
}

#[tokio::test]
async fn a_socket_is_private_and_removed_at_the_end() {
    let dir = test_dir();
    let path = dir.folder.path().join("new/folder/geth.ipc");
    let listener = IpcListener::bind(&path).unwrap();
    assert_eq!(mode(&path), SOCKET_MODE);
    assert_eq!(mode(path.parent().unwrap()), FOLDER_MODE);
    let (connected, accepted) = tokio::join!(UnixStream::connect(&path), listener.accept());
    assert!(connected.is_ok() && accepted.is_ok());
    drop(listener);
    let left = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(left, 0, "the file is removed with its listener");
}

#[test]
#[cfg(target_os = "linux")]
fn the_file_is_created_with_the_mode_of_the_socket() {
    let dir = test_dir();
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    mode_of_socket(&socket).unwrap();
    socket.bind(&SockAddr::unix(&dir.path).unwrap()).unwrap();
    assert_eq!(mode(&dir.path), SOCKET_MODE);
}

#[tokio::test]
async fn a_dead_socket_is_replaced() {
    let dir = test_dir();
    dir.leave_dead_socket();
    let listener = IpcListener::bind(&dir.path).unwrap();
    assert_eq!(dir.names(), ["geth.ipc"]);
    let (connected, accepted) = tokio::join!(UnixStream::connect(&dir.path), listener.accept());
    assert!(connected.is_ok() && accepted.is_ok());
}

#[tokio::test]
async fn a_socket_that_answers_is_never_replaced() {
    let dir = test_dir();
    let first = IpcListener::bind(&dir.path).unwrap();
    let file = FileId::of(&dir.path).unwrap();
    assert_eq!(kind(IpcListener::bind(&dir.path)), ErrorKind::AddrInUse);
    assert_eq!(FileId::of(&dir.path).unwrap(), file);
    assert_eq!(dir.names(), ["geth.ipc"]);
    let (connected, accepted) = tokio::join!(UnixStream::connect(&dir.path), first.accept());
    assert!(connected.is_ok() && accepted.is_ok());
}

#[tokio::test]
async fn a_busy_socket_is_not_replaced() {
    let dir = test_dir();
    let busy = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    busy.bind(&SockAddr::unix(&dir.path).unwrap()).unwrap();
    busy.listen(0).unwrap();
    let waiting = StdStream::connect(&dir.path).unwrap();
    assert_eq!(kind(IpcListener::bind(&dir.path)), ErrorKind::AddrInUse);
    drop(waiting);
}

#[tokio::test]
async fn a_datagram_socket_in_use_is_not_replaced() {
    let dir = test_dir();
    let _other = UnixDatagram::bind(&dir.path).unwrap();
    assert_eq!(kind(IpcListener::bind(&dir.path)), ErrorKind::AddrInUse);
    assert!(dir.path.exists());
}

#[tokio::test]
async fn only_sockets_are_removed() {
    let dir = test_dir();
    fs::write(&dir.path, "precious").unwrap();
    assert_eq!(kind(IpcListener::bind(&dir.path)), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&dir.path).unwrap(), b"precious");
    fs::remove_file(&dir.path).unwrap();

    let target = dir.folder.path().join("target");
    fs::write(&target, "precious").unwrap();
    std::os::unix::fs::symlink(&target, &dir.path).unwrap();
    assert_eq!(kind(IpcListener::bind(&dir.path)), ErrorKind::AlreadyExists);
    assert_eq!(dir.names(), ["geth.ipc", "target"]);
    fs::remove_file(&dir.path).unwrap();

    fs::create_dir(&dir.path).unwrap();
    assert_eq!(kind(IpcListener::bind(&dir.path)), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn files_beside_the_socket_are_left_alone() {
    let dir = test_dir();
    dir.leave_dead_socket();
    let beside = dir.folder.path().join("geth.ipc~");
    fs::write(&beside, "precious").unwrap();
    drop(IpcListener::bind(&dir.path).unwrap());
    assert_eq!(fs::read(&beside).unwrap(), b"precious");
    assert_eq!(dir.names(), ["geth.ipc~"]);
}

#[tokio::test]
async fn the_socket_of_another_process_is_not_removed() {
    let dir = test_dir();
    let first = IpcListener::bind(&dir.path).unwrap();
    // geth removes the file whatever process listens at it.
    fs::remove_file(&dir.path).unwrap();
    let second = IpcListener::bind(&dir.path).unwrap();
    drop(first);
    assert!(StdStream::connect(&dir.path).is_ok());
    drop(second);
    assert_eq!(dir.names(), [""; 0]);
}

#[tokio::test]
async fn of_concurrent_starts_one_listens() {
    let dir = test_dir();
    for _ in 0..50 {
        dir.leave_dead_socket();
        let runtime = tokio::runtime::Handle::current();
        let starts: Vec<_> = (0..4)
            .map(|_| {
                let (path, runtime) = (dir.path.clone(), runtime.clone());
                std::thread::spawn(move || {
                    let _entered = runtime.enter();
                    IpcListener::bind(&path)
                })
            })
            .collect();
        let outcomes: Vec<_> = starts.into_iter().map(|it| it.join().unwrap()).collect();
        let listening = outcomes.iter().filter(|it| it.is_ok()).count();
        assert_eq!(listening, 1, "{outcomes:?}");
        assert_eq!(dir.names(), ["geth.ipc"]);
        assert!(StdStream::connect(&dir.path).is_ok());
    }
}

#[tokio::test]
async fn a_path_beyond_the_maximum_length_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let room = MAX_IPC_PATH_BYTES - folder.path().as_os_str().len() - "//geth.ipc".len();
    let path = folder.path().join("d".repeat(room)).join("geth.ipc");
    assert_eq!(path.as_os_str().len(), MAX_IPC_PATH_BYTES);
    let listener = IpcListener::bind(&path).unwrap();
    assert!(StdStream::connect(&path).is_ok());
    drop(listener);
    let longer = folder.path().join("d".repeat(room + 1)).join("geth.ipc");
    assert_eq!(kind(IpcListener::bind(&longer)), ErrorKind::InvalidInput);
    assert!(
        !longer.parent().unwrap().exists(),
        "no folder is created for it"
    );
}
