use std::os::unix::net::{UnixDatagram, UnixStream as StdStream};

use super::*;

struct Place {
    folder: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("geth.ipc");
    Place { folder, path }
}

impl Place {
    /// A socket that a killed process left behind.
    fn leave_dead_socket(&self) {
        drop(StdListener::bind(&self.path).unwrap());
        assert!(self.path.exists());
    }

    /// The names in the folder.
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
async fn a_socket_is_its_owners_and_leaves_nothing_behind() {
    let place = place();
    let path = place.folder.path().join("new/folder/geth.ipc");
    let listener = IpcListener::bind(&path).unwrap();
    assert_eq!(mode(&path), SOCKET_MODE);
    assert_eq!(mode(path.parent().unwrap()), FOLDER_MODE);
    let (connected, accepted) = tokio::join!(UnixStream::connect(&path), listener.accept());
    assert!(connected.is_ok() && accepted.is_ok());
    drop(listener);
    let left = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(left, 0, "the file goes with its listener");
}

#[test]
#[cfg(target_os = "linux")]
fn the_file_is_made_with_the_mode_of_the_socket() {
    let place = place();
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    mode_of_socket(&socket).unwrap();
    socket.bind(&SockAddr::unix(&place.path).unwrap()).unwrap();
    assert_eq!(mode(&place.path), SOCKET_MODE);
}

#[tokio::test]
async fn a_dead_socket_is_replaced() {
    let place = place();
    place.leave_dead_socket();
    let listener = IpcListener::bind(&place.path).unwrap();
    assert_eq!(place.names(), ["geth.ipc"]);
    let (connected, accepted) = tokio::join!(UnixStream::connect(&place.path), listener.accept());
    assert!(connected.is_ok() && accepted.is_ok());
}

#[tokio::test]
async fn a_socket_that_answers_is_never_replaced() {
    let place = place();
    let first = IpcListener::bind(&place.path).unwrap();
    let file = FileId::of(&place.path).unwrap();
    assert_eq!(kind(IpcListener::bind(&place.path)), ErrorKind::AddrInUse);
    assert_eq!(FileId::of(&place.path).unwrap(), file);
    assert_eq!(place.names(), ["geth.ipc"]);
    let (connected, accepted) = tokio::join!(UnixStream::connect(&place.path), first.accept());
    assert!(connected.is_ok() && accepted.is_ok());
}

#[tokio::test]
async fn a_busy_socket_counts_as_one_that_answers() {
    let place = place();
    let busy = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    busy.bind(&SockAddr::unix(&place.path).unwrap()).unwrap();
    busy.listen(0).unwrap();
    let waiting = StdStream::connect(&place.path).unwrap();
    assert_eq!(kind(IpcListener::bind(&place.path)), ErrorKind::AddrInUse);
    drop(waiting);
}

#[tokio::test]
async fn a_datagram_socket_in_use_is_not_replaced() {
    let place = place();
    let _other = UnixDatagram::bind(&place.path).unwrap();
    assert_eq!(kind(IpcListener::bind(&place.path)), ErrorKind::AddrInUse);
    assert!(place.path.exists());
}

#[tokio::test]
async fn only_sockets_are_removed() {
    let place = place();
    fs::write(&place.path, "precious").unwrap();
    assert_eq!(
        kind(IpcListener::bind(&place.path)),
        ErrorKind::AlreadyExists
    );
    assert_eq!(fs::read(&place.path).unwrap(), b"precious");
    fs::remove_file(&place.path).unwrap();

    let target = place.folder.path().join("target");
    fs::write(&target, "precious").unwrap();
    std::os::unix::fs::symlink(&target, &place.path).unwrap();
    assert_eq!(
        kind(IpcListener::bind(&place.path)),
        ErrorKind::AlreadyExists
    );
    assert_eq!(place.names(), ["geth.ipc", "target"]);
    fs::remove_file(&place.path).unwrap();

    fs::create_dir(&place.path).unwrap();
    assert_eq!(
        kind(IpcListener::bind(&place.path)),
        ErrorKind::AlreadyExists
    );
}

#[tokio::test]
async fn files_beside_the_socket_are_left_alone() {
    let place = place();
    place.leave_dead_socket();
    let beside = place.folder.path().join("geth.ipc~");
    fs::write(&beside, "precious").unwrap();
    drop(IpcListener::bind(&place.path).unwrap());
    assert_eq!(fs::read(&beside).unwrap(), b"precious");
    assert_eq!(place.names(), ["geth.ipc~"]);
}

#[tokio::test]
async fn the_end_removes_no_file_of_another_process() {
    let place = place();
    let first = IpcListener::bind(&place.path).unwrap();
    // As geth does it: the file is removed, whoever listens.
    fs::remove_file(&place.path).unwrap();
    let second = IpcListener::bind(&place.path).unwrap();
    drop(first);
    assert!(StdStream::connect(&place.path).is_ok());
    drop(second);
    assert_eq!(place.names(), [""; 0]);
}

#[tokio::test]
async fn of_many_that_start_at_once_one_listens() {
    let place = place();
    for _ in 0..50 {
        place.leave_dead_socket();
        let runtime = tokio::runtime::Handle::current();
        let starts: Vec<_> = (0..4)
            .map(|_| {
                let (path, runtime) = (place.path.clone(), runtime.clone());
                std::thread::spawn(move || {
                    let _entered = runtime.enter();
                    IpcListener::bind(&path)
                })
            })
            .collect();
        let outcomes: Vec<_> = starts.into_iter().map(|it| it.join().unwrap()).collect();
        let listening = outcomes.iter().filter(|it| it.is_ok()).count();
        assert_eq!(listening, 1, "{outcomes:?}");
        assert_eq!(place.names(), ["geth.ipc"]);
        assert!(StdStream::connect(&place.path).is_ok());
    }
}

#[tokio::test]
async fn a_path_of_the_greatest_length_works_and_a_longer_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let room = MAX_IPC_PATH_BYTES - folder.path().as_os_str().len() - "//geth.ipc".len();
    let path = folder.path().join("d".repeat(room)).join("geth.ipc");
    assert_eq!(path.as_os_str().len(), MAX_IPC_PATH_BYTES);
    let listener = IpcListener::bind(&path).unwrap();
    assert!(StdStream::connect(&path).is_ok());
    drop(listener);
    let longer = folder.path().join("d".repeat(room + 1)).join("geth.ipc");
    assert_eq!(kind(IpcListener::bind(&longer)), ErrorKind::InvalidInput);
    assert!(!longer.parent().unwrap().exists(), "nothing is made for it");
}
