//! Tests of the wire protocols against go-ethereum nodes on loopback.
//!
//! `ACTOREUM_GETH` lists the binaries, separated by colons; without it the tests print that they
//! are skipped. Each node runs alone, with a temporary data directory.

mod node;
mod reasons;

use actoreum_primitives::PeerId;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actoreum_wire::discv4::{Discovery, DiscoveryConfig, Node, Now, Output};
use actoreum_wire::eth::EthVersion;
use actoreum_wire::nodes::{Enode, EnodeEndpoint, EnrBuilder};
use actoreum_wire::p2p::Session;
use actoreum_wire::rlpx::HandshakeFormat;

use self::node::{Connection, Geth, LOOPBACK, binaries, config, key};

#[test]
fn geth_accepts_a_session_in_both_handshake_formats() {
    for binary in binaries() {
        let geth = Geth::start(&binary, &["--nodiscover"]);
        let is_old = geth.call("web3_clientVersion", "").contains("v1.8");
        let mut formats = vec![HandshakeFormat::Eip8];
        // Newer geths accept EIP-8 packets only.
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
            connection.exchange_messages(version);
            println!(
                "{} by {format:?}: eth/{}",
                binary.display(),
                version.number()
            );
        }
    }
}

#[test]
fn geth_dials_a_session() {
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
        connection.exchange_messages(version);
        println!("{} dialled us: eth/{}", binary.display(), version.number());
    }
}

#[test]
fn discovery_finds_geth_and_is_found() {
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
        let geth_id = PeerId::of(&geth.key.public_key());
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
        // Old geths do not support requests for records.
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
