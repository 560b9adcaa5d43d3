//! Clients that hold connections, or disconnect while their work runs.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    chains, http,
    process::{Running, http_only},
};

/// Returns the command with a limit of open files.
fn with_open_files(command: &Command, limit: u32) -> Command {
    let mut limited = Command::new("sh");
    limited
        .args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\"")])
        .arg(command.get_program())
        .args(command.get_args())
        .env("HOME", "/proc/nobody")
        .env_remove("RUST_LOG")
        .stdin(std::process::Stdio::null());
    limited
}

#[test]
fn rpc_and_admin_page_have_separate_connection_limits() {
    // More connections than a server may hold with this limit of open files.
    const HELD: usize = 150;
    const OPEN_FILES: u32 = 400;
    // Shorter than the time after which idle connections are closed.
    const PROMPT: Duration = Duration::from_secs(4);
    let folder = tempfile::tempdir().unwrap();
    let datadir = chains::init(folder.path(), &chains::foreign_genesis(json!({})));
    let command = http_only(&datadir, &["--admin", "--admin.port", "0"]);
    let mut node = Running::start_command(with_open_files(&command, OPEN_FILES));
    let (rpc, admin) = (node.wait_for_http(), node.wait_for_admin());
    let hold = |address: SocketAddr| -> Vec<TcpStream> {
        let held = (0..HELD).map(|_| TcpStream::connect(address).unwrap());
        held.collect()
    };
    let answers = |address: SocketAddr, request: &str| {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PROMPT)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut begin = [0; 12];
        let read = stream.read_exact(&mut begin);
        let took = begun.elapsed();
        assert!(
            read.is_ok() && begin == *b"HTTP/1.1 200" && took < PROMPT,
            "{took:?}"
        );
    };
    let held = hold(rpc);
    answers(admin, "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n");
    drop(held);
    let _held = hold(admin);
    answers(rpc, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(!node.has_ended());
}

#[test]
fn bodies_that_never_end_do_not_keep_others_out() {
    const HELD: usize = 150;
    // geth ends such requests after 30 seconds.
    const DUE: Duration = Duration::from_secs(45);
    let folder = tempfile::tempdir().unwrap();
    let datadir = chains::init(folder.path(), &chains::foreign_genesis(json!({})));
    let command = with_open_files(&http_only(&datadir, &[]), 200);
    let mut node = Running::start_command(command);
    let address = node.wait_for_http();
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 1000\r\n\r\n{";
    let held: Vec<_> = (0..HELD)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let begun = Instant::now();
    let number = loop {
        match http::block_number(address) {
            Ok(number) => break number,
            Err(error) => assert!(begun.elapsed() < DUE, "{error}"),
        }
    };
    assert_eq!(number, 0);
    assert!(begun.elapsed() < DUE, "{:?}", begun.elapsed());
    // All of them are ended, and no other client was short of a descriptor.
    for mut stream in held {
        stream.set_read_timeout(Some(DUE)).unwrap();
        let mut answer = Vec::new();
        // A reset also ends the connection.
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
    }
    assert_eq!(node.lines("Error accepting"), [""; 0]);
    assert!(!node.has_ended());
}

/// Returns a batch of a thousand calls, each of which runs up to the gas cap: JUMPDEST, PUSH1 0,
/// JUMP.
fn heavy_batch() -> String {
    let to = "0x7777777777777777777777777777777777777777";
    let call = json!({
        "jsonrpc": "2.0", "id": 1, "method": "eth_call",
        "params": [{"to": to}, "latest", {to: {"code": "0x5b600056"}}],
    });
    format!("[{}]", vec![call.to_string(); 1_000].join(","))
}

/// Returns a masked text frame.
fn frame(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x81, 0x80 | 127];
    bytes.extend((payload.len() as u64).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

fn over_http(address: SocketAddr) -> TcpStream {
    let batch = heavy_batch();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{batch}",
        batch.len()
    )
    .unwrap();
    stream
}

fn over_websocket(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    stream.write_all(&frame(heavy_batch().as_bytes())).unwrap();
    stream
}

fn over_ipc(path: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(heavy_batch().as_bytes()).unwrap();
    stream
}

/// Asserts that the node works while the connection is open, and not after it is closed.
#[track_caller]
fn assert_work_ends<T>(node: &Running, name: &str, connect: impl FnOnce() -> T) {
    const WINDOW: Duration = Duration::from_secs(3);
    let idle = node.processor_time();
    let connection = connect();
    let begun = Instant::now();
    while node.processor_time() < idle + Duration::from_millis(500) {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{name}: no work is done"
        );
        thread::sleep(Duration::from_millis(20));
    }
    drop(connection);
    // Running work may take a moment to notice.
    thread::sleep(Duration::from_millis(500));
    let before = node.processor_time();
    thread::sleep(WINDOW);
    let used = node.processor_time() - before;
    assert!(used < WINDOW / 4, "{name}: {used:?} of {WINDOW:?}");
}

#[test]
fn a_heavy_batch_ends_when_its_client_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = chains::init(folder.path(), &chains::foreign_genesis(json!({})));
    let socket = folder.path().join("test.ipc");
    let mut node = Running::start(&[
        "--datadir",
        &datadir,
        "--ipcpath",
        socket.to_str().unwrap(),
        "--http",
        "--http.port",
        "0",
        "--ws",
        "--ws.port",
        "0",
    ]);
    let address = node.wait_for_http();
    // HTTP and WebSocket share one port, since both are given port 0.
    let line = node.wait_for("WebSocket endpoint opened");
    let (_, url) = line.split_once("ws://").unwrap();
    let websocket: SocketAddr = url.split_whitespace().next().unwrap().parse().unwrap();
    node.wait_for("IPC endpoint opened");
    assert_work_ends(&node, "HTTP", || over_http(address));
    assert_work_ends(&node, "WebSocket", || over_websocket(websocket));
    assert_work_ends(&node, "IPC", || over_ipc(&socket));
    assert_eq!(http::block_number(address).unwrap(), 0);
}

#[test]
fn a_host_that_only_begins_with_an_address_is_refused() {
    let args = ["--dev", "--http", "--http.port", "0"];
    let mut node = Running::start(&args);
    let address = node.wait_for_http();
    for (host, status) in [
        ("127.0.0.1:8545", "200"),
        ("LOCALHOST", "200"),
        ("[127.0.0.1]evil.com", "403"),
        ("[::1]evil.com", "403"),
        ("localhost.evil.com", "403"),
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer.get(9..12), Some(status), "{host}: {answer}");
    }
}
