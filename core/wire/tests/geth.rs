//! The wire against real go-ethereum nodes, on loopback.
//!
//! `ACTOREUM_GETH` names the binaries, separated by colons; without it the tests say that they
//! are skipped. Each node is alone, with a data directory of its own that goes when it stops.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actoreum_primitives::SecretKey;
use actoreum_wire::discv4::{Discovery, DiscoveryConfig, Node, Now, Output};
use actoreum_wire::eth::{BlockOrigin, EthMessage, EthVersion, GetBlockHeaders};
use actoreum_wire::nodes::{Enode, EnodeEndpoint, EnrBuilder, NodeId};
use actoreum_wire::p2p::{DisconnectReason, Event, Session, SessionConfig};
use actoreum_wire::rlpx::HandshakeFormat;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn binaries() -> Vec<PathBuf> {
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

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).expect("a valid key")
}

/// A running geth.
struct Geth {
    process: Child,
    folder: tempfile::TempDir,
    key: SecretKey,
    port: u16,
}

impl Geth {
    fn start(binary: &Path, extra: &[&str]) -> Self {
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
            .args(["--cache", "64", "--verbosity", "3"])
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

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Calls a method over IPC; the answer as it comes.
    fn call(&self, method: &str, params: &str) -> String {
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
struct Connection {
    session: Session,
    socket: TcpStream,
}

impl Connection {
    fn flush(&mut self) {
        let output = self.session.take_output();
        self.socket.write_all(&output).expect("geth reads");
    }

    /// Runs until an event that `wanted` takes; answers what comes before.
    fn wait_for<T>(&mut self, what: &str, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
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

    fn open(session: Session, socket: TcpStream) -> (Self, EthVersion) {
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .expect("a socket");
        let mut connection = Self { session, socket };
        connection.wait_for("the encryption handshake", |event| {
            matches!(event, Event::Authenticated { .. }).then_some(())
        });
        connection.session.send_hello().expect("encrypted");
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

    fn message(&mut self, version: EthVersion, what: &str) -> EthMessage {
        self.wait_for(what, |event| match event {
            Event::Message { id, payload, .. } => {
                Some(EthMessage::decode(version, *id, payload).expect(what))
            }
            _ => None,
        })
    }

    fn send(&mut self, version: EthVersion, message: &EthMessage) {
        let payload = message.encode(version).expect("the version has it");
        self.session
            .send(0, message.id().code(), &payload)
            .expect("open");
        self.flush();
    }

    /// Status both ways, headers, ping and a disconnect with a reason.
    fn talk(&mut self, version: EthVersion) {
        let EthMessage::Status(status) = self.message(version, "the status") else {
            panic!("a status comes first");
        };
        assert_eq!(status.version, version.number());
        assert_eq!(status.network_id, 424_242);
        assert_eq!(status.fork_id.is_some(), version.has_fork_id());
        self.send(version, &EthMessage::Status(status));

        let origin = BlockOrigin::Hash(status.genesis);
        let request = GetBlockHeaders {
            origin,
            amount: 3,
            skip: 0,
            reverse: false,
        };
        let id = if version.has_request_ids() { 99 } else { 0 };
        self.send(version, &EthMessage::GetBlockHeaders(id, request));
        let headers = loop {
            // geth asks for headers of its own meanwhile.
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

fn config(byte: u8) -> SessionConfig {
    let protocols = EthVersion::ALL
        .into_iter()
        .map(EthVersion::protocol)
        .collect();
    SessionConfig::new(key(byte), "actoreum-test/v0", protocols)
}

#[test]
fn we_dial_geth_and_talk_in_both_handshake_forms() {
    for binary in binaries() {
        let geth = Geth::start(&binary, &["--nodiscover"]);
        let is_old = geth.call("web3_clientVersion", "").contains("v1.8");
        let mut formats = vec![HandshakeFormat::Eip8];
        // Newer ones understand the packets of EIP-8 alone.
        if is_old {
            formats.push(HandshakeFormat::Plain);
        }
        for (number, format) in formats.into_iter().enumerate() {
            let socket = TcpStream::connect((LOOPBACK, geth.port)).expect("geth listens");
            let remote = geth.key.public_key();
            let (byte, entropy) = (number as u8 + 1, [number as u8 + 9; 32]);
            let session = Session::initiate(config(byte), remote, format, entropy, Instant::now());
            let (mut connection, version) = Connection::open(session, socket);
            let expected = if is_old {
                EthVersion::Eth63
            } else {
                EthVersion::Eth68
            };
            assert_eq!(version, expected);
            connection.talk(version);
            println!(
                "{} by {format:?}: eth/{}",
                binary.display(),
                version.number()
            );
        }
    }
}

#[test]
fn geth_dials_us_and_talks() {
    for binary in binaries() {
        let geth = Geth::start(&binary, &["--nodiscover"]);
        let listener = TcpListener::bind((LOOPBACK, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let endpoint = Some(EnodeEndpoint::new(LOOPBACK, port, port));
        let url = Enode {
            public_key: key(5).public_key(),
            endpoint,
        }
        .to_string();
        let answer = geth.call("admin_addPeer", &format!("\"{url}\""));
        assert!(answer.contains("true"), "{answer}");
        let (socket, _) = listener.accept().expect("geth dials");
        let session = Session::accept(config(5), [6; 32], Instant::now());
        let (mut connection, version) = Connection::open(session, socket);
        connection.talk(version);
        println!("{} dialled us: eth/{}", binary.display(), version.number());
    }
}

#[test]
fn we_and_geth_find_each_other_by_discovery() {
    for binary in binaries() {
        let socket = UdpSocket::bind((LOOPBACK, 0)).expect("a port");
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a socket");
        let port = socket.local_addr().expect("an address").port();
        let endpoint = EnodeEndpoint::new(LOOPBACK, port, port);
        let own = Enode {
            public_key: key(8).public_key(),
            endpoint: Some(endpoint),
        };
        let geth = Geth::start(&binary, &["--bootnodes", &own.to_string()]);
        let geth_id = NodeId::of(&geth.key.public_key());
        let geth_endpoint = EnodeEndpoint::new(LOOPBACK, geth.port, geth.port);
        let now = || Now {
            instant: Instant::now(),
            unix: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .expect("after 1970")
                .as_secs(),
        };
        let record = EnrBuilder::new()
            .with_endpoint(&endpoint)
            .sign(1, &key(8))
            .expect("small");
        let config = DiscoveryConfig {
            key: key(8),
            endpoint,
            record: Some(record),
            bootnodes: vec![Node::new(geth.key.public_key(), geth_endpoint)],
            allows: Box::new(|_| true),
            entropy: [3; 32],
        };
        let mut engine = Discovery::new(config, now());
        engine.start(now());
        let mut buffer = [0; 1280];
        let deadline = Instant::now() + Duration::from_secs(30);
        // Old ones do not know requests for records.
        let has_records = !geth.call("web3_clientVersion", "").contains("v1.8");
        let (mut verified, mut record, mut rejected) = (false, None, Vec::new());
        let mut answered_lookup = false;
        while !(verified && answered_lookup && record.is_some() == has_records) {
            assert!(
                Instant::now() < deadline,
                "verified {verified}, record {record:?}, lookup {answered_lookup}, {rejected:?}"
            );
            while let Some(output) = engine.poll_output() {
                match output {
                    Output::Send { to, datagram } => {
                        socket.send_to(&datagram, to).expect("a socket");
                    }
                    Output::NodeVerified(node) if node.id == geth_id && !verified => {
                        verified = true;
                        engine.request_record(node, now());
                    }
                    Output::RecordReceived {
                        node,
                        record: received,
                    } => {
                        assert_eq!(node.id, geth_id);
                        assert_eq!(received.endpoint(), Some(geth_endpoint));
                        record = Some(received);
                    }
                    Output::Initialised => {
                        answered_lookup = engine
                            .table()
                            .entry(&geth_id)
                            .is_some_and(|entry| entry.failures == 0);
                    }
                    _ => {}
                }
            }
            if let Ok((count, from)) = socket.recv_from(&mut buffer) {
                let datagram = buffer.get(..count).expect("in bounds");
                let from = SocketAddr::new(from.ip(), from.port());
                if let Err(error) = engine.handle_datagram(from, datagram, now()) {
                    rejected.push(error);
                }
            }
            engine.handle_timeout(now());
        }
        println!(
            "{}: found, {record:?}, rejected {rejected:?}",
            binary.display()
        );
    }
}
