//! Helpers of the fuzz targets: keys, and an open session.

use std::sync::LazyLock;
use std::time::Instant;

use actoreum_primitives::SecretKey;
use actoreum_wire::p2p::{Capability, Event, Hello, Protocol, Session, SessionConfig};
use actoreum_wire::rlpx::{FrameCodec, Handshake, HandshakeFormat};

/// Returns a key made from one byte.
pub fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).expect("a small key is valid")
}

/// Returns a session of key 2 that waits for a Hello of key 1, and the codec to send it with. The
/// handshake is made once: it would take most of every input's time.
pub fn listener() -> (Session, FrameCodec) {
    static LISTENER: LazyLock<(Session, FrameCodec)> = LazyLock::new(shake_hands);
    LISTENER.clone()
}

/// Returns the same after the Hello.
pub fn open_listener() -> (Session, FrameCodec) {
    static OPEN: LazyLock<(Session, FrameCodec)> = LazyLock::new(|| {
        let (mut session, mut codec) = listener();
        let hello = Hello {
            version: 5,
            client_name: "fuzz".to_owned(),
            capabilities: vec![Capability::new("eth", 68)],
            listen_port: 0,
            public_key: key(1).public_key(),
        };
        let mut wire = Vec::new();
        codec
            .encode(&mut wire, |out| {
                out.push(0x80);
                hello.encode_payload(out);
            })
            .expect("it fits");
        session.receive(&wire);
        while session.poll(*BEGUN).expect("a good hello").is_some() {}
        assert!(session.is_open());
        (session, codec)
    });
    OPEN.clone()
}

/// The time of every input.
pub static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

fn shake_hands() -> (Session, FrameCodec) {
    let now = *BEGUN;
    let (mut initiator, auth) =
        Handshake::initiate(key(1), key(2).public_key(), HandshakeFormat::Eip8, [3; 32]);
    let protocols = vec![Protocol {
        capability: Capability::new("eth", 68),
        length: 17,
    }];
    let mut session = Session::accept(SessionConfig::new(key(2), "fuzz", protocols), [4; 32], now);
    session.receive(&auth);
    assert!(matches!(
        session.poll(now),
        Ok(Some(Event::Authenticated { .. }))
    ));
    let outcome = initiator
        .read(&session.take_output())
        .expect("valid")
        .expect("complete");
    session.send_hello().expect("encrypted");
    session.take_output();
    (session, FrameCodec::new(outcome.secrets))
}
