//! A geth process, and a session with it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use actoreum_primitives::SecretKey;
use actoreum_wire::eth::{EthMessage, EthVersion, GetBlockHeaders, HashOrNumber};
use actoreum_wire::p2p::{DisconnectReason, Event, Session, SessionConfig};

pub(super) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(super) fn binaries() -> Vec<PathBuf> {
    let Some(value) = std::env::var_os("ACTOREUM_GETH") else {
        println!("skipped: ACTOREUM_GETH names no binary");
        return Vec::new();
    };
    std::env::split_paths(&value).collect()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((LOOPBACK, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

pub(super) fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).expect("a valid key")
}

/// A running geth process.
pub(super) struct Geth {
    pub(super) process: Child,
    pub(super) folder: tempfile::TempDir,
    pub(super) key: SecretKey,
    pub(super) port: u16,
}

impl Geth {
    pub(super) fn start(binary: &Path, extra: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (port, key) = (free_port(), key(0x77));
        let version = Command::new(binary)
            .arg("version")
            .output()
            .expect("geth runs");
        let is_old = String::from_utf8_lossy(&version.stdout).contains("Version: 1.8");
        let mut command = Command::new(binary);
        command
            .arg("--datadir")
            .arg(folder.path())
            .arg("--ipcpath")
            .arg(folder.path().join("geth.ipc"))
            .args([
                "--nodekeyhex",
                &"77".repeat(32),
                "--port",
                &port.to_string(),
            ])
            .args([
                "--nat",
                "none",
                "--networkid",
                "424242",
                "--syncmode",
                "full",
            ])
            .args(["--cache", "64", "--verbosity", "5"])
            .args(extra);
        if is_old {
            command.arg("--nousb");
        } else {
            command.args(["--authrpc.port", &free_port().to_string()]);
        }
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let process = command
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn()
            .expect("geth starts");
        let geth = Self {
            process,
            folder,
            key,
            port,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while geth.ipc().is_none() || TcpStream::connect((LOOPBACK, port)).is_err() {
            assert!(
                Instant::now() < deadline,
                "geth does not listen: {}",
                geth.log()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        geth
    }

    fn ipc(&self) -> Option<UnixStream> {
        UnixStream::connect(self.folder.path().join("geth.ipc")).ok()
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Calls a method over IPC. Returns the answer as text.
    pub(super) fn call(&self, method: &str, params: &str) -> String {
        let mut stream = self.ipc().expect("geth runs");
        let request =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[{params}]}}"#);
        stream.write_all(request.as_bytes()).expect("geth reads");
        let mut answer = String::new();
        BufReader::new(stream)
            .read_line(&mut answer)
            .expect("geth answers");
        answer
    }
}

impl Drop for Geth {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A session on a blocking socket.
pub(super) struct Connection {
    pub(super) session: Session,
    pub(super) socket: TcpStream,
}

impl Connection {
    pub(super) fn flush(&mut self) {
        let output = self.session.take_output();
        self.socket.write_all(&output).expect("geth reads");
    }

    /// Runs until an event that `wanted` accepts; answers everything before.
    pub(super) fn wait_for<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(&Event) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut buffer = [0; 4096];
        loop {
            while let Some(event) = self.session.poll(Instant::now()).expect(what) {
                if let Some(found) = wanted(&event) {
                    return found;
                }
                if let Event::Disconnected(reason) = event {
                    panic!("{what}: disconnected: {reason}");
                }
            }
            self.flush();
            assert!(Instant::now() < deadline, "{what} did not come");
            match self.socket.read(&mut buffer) {
                Ok(0) => panic!("{what}: connection closed"),
                Ok(count) => self
                    .session
                    .receive(buffer.get(..count).expect("in bounds")),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("{what}: {error}"),
            }
        }
    }

    pub(super) fn open(session: Session, socket: TcpStream) -> (Self, EthVersion) {
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .expect("a socket");
        let mut connection = Self { session, socket };
        connection.wait_for("the encryption handshake", |event| {
            matches!(event, Event::Authenticated { .. }).then_some(())
        });
        connection.session.send_hello().expect("encrypted");
        connection.flush();
        connection.wait_for("the hello", |event| match event {
            Event::HelloReceived(hello) => {
                println!("hello of {}: {:?}", hello.client_name, hello.capabilities);
                Some(())
            }
            _ => None,
        });
        let shared = connection.session.shared().first().expect("eth is shared");
        let version = EthVersion::from_number(shared.capability.version).expect("a version");
        (connection, version)
    }

    pub(super) fn message(&mut self, version: EthVersion, what: &str) -> EthMessage {
        self.wait_for(what, |event| match event {
            Event::Message { id, payload, .. } => {
                let payload = payload.clone().decompress().expect(what);
                Some(EthMessage::decode(version, *id, &payload).expect(what))
            }
            _ => None,
        })
    }

    pub(super) fn send(&mut self, version: EthVersion, message: &EthMessage) {
        let payload = message.encode(version).expect("the version has it");
        self.session
            .send(0, message.id().code(), &payload)
            .expect("open");
        self.flush();
    }

    /// Exchanges status, headers and pings, and disconnects with a reason.
    pub(super) fn exchange_messages(&mut self, version: EthVersion) {
        let EthMessage::Status(status) = self.message(version, "the status") else {
            panic!("a status comes first");
        };
        assert_eq!(status.version, version.number());
        assert_eq!(status.network_id, 424_242);
        assert_eq!(status.fork_id.is_some(), version.has_fork_id());
        self.send(version, &EthMessage::Status(status));

        let origin = HashOrNumber::Hash(status.genesis);
        let request = GetBlockHeaders {
            origin,
            amount: 3,
            skip: 0,
            reverse: false,
        };
        let id = if version.has_request_ids() { 99 } else { 0 };
        self.send(version, &EthMessage::GetBlockHeaders(id, request));
        let headers = loop {
            // geth requests headers meanwhile.
            match self.message(version, "the headers") {
                EthMessage::BlockHeaders(answered, headers) => {
                    assert_eq!(answered, id);
                    break headers.decode().expect("headers decode");
                }
                EthMessage::GetBlockHeaders(id, _) => {
                    let none = actoreum_wire::eth::LazyList::from_items([]);
                    self.send(version, &EthMessage::BlockHeaders(id, none));
                }
                other => println!("meanwhile {other:?}"),
            }
        };
        assert_eq!(
            headers.first().expect("the genesis header").hash(),
            status.genesis
        );

        self.session.ping().expect("open");
        self.wait_for("the pong", |event| (*event == Event::Pong).then_some(()));
        self.session.disconnect(DisconnectReason::UselessPeer);
        self.flush();
    }
}

pub(super) fn config(byte: u8) -> SessionConfig {
    let protocols = EthVersion::ALL
        .into_iter()
        .map(EthVersion::protocol)
        .collect();
    SessionConfig::new(key(byte), "actoreum-test/v0", protocols)
}
