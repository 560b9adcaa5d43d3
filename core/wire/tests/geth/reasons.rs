//! Disconnect reasons: each arrives as it was sent, in both directions.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use actoreum_primitives::rlp::{Decode, Encode};
use actoreum_primitives::{PeerId, PublicKey, SecretKey};
use actoreum_wire::eth::EthVersion;
use actoreum_wire::limits::MAX_FRAME_SIZE;
use actoreum_wire::p2p::{
    Capability, DisconnectReason, Event, Hello, Protocol, Session, SessionConfig,
};
use actoreum_wire::rlpx::{FrameCodec, Handshake, HandshakeFormat};
use bytes::BytesMut;

use super::node::{Connection, Geth, LOOPBACK, binaries, config, key};

/// A version of the base protocol without compression.
const UNCOMPRESSED: u64 = 4;

fn dial(geth: &Geth) -> TcpStream {
    let socket = TcpStream::connect((LOOPBACK, geth.port)).expect("geth listens");
    let timeout = Some(Duration::from_secs(10));
    socket.set_read_timeout(timeout).expect("a socket");
    socket
}

fn session(geth: &Geth, config: SessionConfig) -> Session {
    let remote = geth.key.public_key();
    Session::initiate(
        config,
        remote,
        HandshakeFormat::Eip8,
        [9; 32],
        Instant::now(),
    )
}

fn open(geth: &Geth, config: SessionConfig) -> (Connection, EthVersion) {
    Connection::open(session(geth, config), dial(geth))
}

/// Waits until a line of geth's log has a node and a reason.
fn until_logged(geth: &Geth, node: &SecretKey, reason: DisconnectReason) {
    let (id, reason) = (
        PeerId::of(&node.public_key()).to_string(),
        reason.to_string(),
    );
    let short = id
        .trim_start_matches("0x")
        .get(..16)
        .expect("an id")
        .to_owned();
    let deadline = Instant::now() + Duration::from_secs(30);
    let is_said = |line: &str| line.contains(&short) && line.contains(&reason);
    while !geth.log().lines().any(is_said) {
        assert!(
            Instant::now() < deadline,
            "geth did not hear {reason:?} from {short}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn every_disconnect_reason_arrives_at_geth() {
    for binary in binaries() {
        let geth = Geth::start(&binary, &["--nodiscover"]);
        for (reason, byte) in DisconnectReason::ALL.iter().zip(100..) {
            let (mut connection, _) = open(&geth, config(byte));
            connection.session.disconnect(*reason);
            connection.flush();
            until_logged(&geth, &key(byte), *reason);
        }
        println!(
            "{}: {} reasons",
            binary.display(),
            DisconnectReason::ALL.len()
        );
    }
}

/// Runs the handshakes until geth disconnects. Returns its reason.
fn refused(geth: &Geth, config: SessionConfig) -> DisconnectReason {
    let (session, socket) = (session(geth, config), dial(geth));
    let mut connection = Connection { session, socket };
    let mut buffer = [0; 4096];
    loop {
        connection.flush();
        let count = connection
            .socket
            .read(&mut buffer)
            .expect("geth sends a reason");
        assert!(count > 0, "geth sends a reason before it closes");
        let bytes = buffer.get(..count).expect("in bounds");
        connection.session.receive(bytes);
        while let Some(event) = connection.session.poll(Instant::now()).expect("valid") {
            match event {
                Event::Authenticated { .. } => connection.session.send_hello().expect("encrypted"),
                Event::Disconnected(reason) => return reason,
                _ => {}
            }
        }
    }
}

#[test]
fn disconnect_reasons_of_geth_arrive_here() {
    for binary in binaries() {
        let geth = Geth::start(&binary, &["--nodiscover"]);
        let unknown = vec![Protocol {
            capability: Capability::new("chat", 1),
            length: 1,
        }];
        let useless = SessionConfig::new(key(1), "actoreum-test/v0", unknown);
        assert_eq!(refused(&geth, useless), DisconnectReason::UselessPeer);

        let (first, _) = open(&geth, config(2));
        let again = refused(&geth, config(2));
        assert_eq!(again, DisconnectReason::AlreadyConnected);
        drop(first);

        assert_eq!(refused(&geth, config(0x77)), DisconnectReason::Self_);
        let other = key(4).public_key();
        let reason = refused_hello(&geth, &key(3), other);
        assert_eq!(reason, DisconnectReason::UnexpectedIdentity);
        println!("{}: useless, connected, self, unexpected", binary.display());
    }
}

/// Returns geth's reason for a Hello with another key than the handshake proved.
fn refused_hello(geth: &Geth, own: &SecretKey, named: PublicKey) -> DisconnectReason {
    let remote = geth.key.public_key();
    let (mut handshake, auth) =
        Handshake::initiate(own.clone(), remote, HandshakeFormat::Eip8, [7; 32]);
    let mut socket = dial(geth);
    socket.write_all(&auth).expect("geth reads");
    let (mut input, mut buffer) = (BytesMut::new(), [0; 4096]);
    let mut receive = |socket: &mut TcpStream, input: &mut BytesMut| {
        let count = socket.read(&mut buffer).expect("geth answers");
        assert!(count > 0, "geth sends a reason before it closes");
        input.extend_from_slice(buffer.get(..count).expect("in bounds"));
    };
    let outcome = loop {
        receive(&mut socket, &mut input);
        if let Some(outcome) = handshake.read(&input).expect("valid") {
            break outcome;
        }
    };
    let _ = input.split_to(outcome.consumed);
    let mut codec = FrameCodec::new(outcome.secrets);
    let hello = Hello {
        version: UNCOMPRESSED,
        client_name: "actoreum-test/v0".to_owned(),
        capabilities: vec![Capability::new("eth", 63), Capability::new("eth", 68)],
        listen_port: 0,
        public_key: named,
    };
    let mut frame = Vec::new();
    let written = codec.encode(&mut frame, |out| {
        0_u64.encode(out);
        hello.encode_payload(out);
    });
    written.expect("it fits");
    socket.write_all(&frame).expect("geth reads");
    loop {
        while let Some(frame) = codec.decode(&mut input, MAX_FRAME_SIZE).expect("valid") {
            let mut rest = frame.as_ref();
            let code = u64::decode(&mut rest).expect("a code");
            if code == 1 {
                // A list of one reason; newer geths write the reason alone.
                let (&[reason] | &[_, reason]) = rest else {
                    panic!("no reason: {rest:?}")
                };
                return DisconnectReason::from_code(reason);
            }
        }
        receive(&mut socket, &mut input);
    }
}
