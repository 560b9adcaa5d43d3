//! What the targets share: keys, and a session that has been opened.

use std::time::Instant;

use actoreum_primitives::SecretKey;
use actoreum_wire::p2p::{Capability, Event, Protocol, Session, SessionConfig};
use actoreum_wire::rlpx::{FrameCodec, Handshake, HandshakeFormat};

/// A key from one byte.
pub fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).expect("a small key is valid")
}

/// A session of key 2 that waits for a Hello of key 1, and the codec to send it with.
pub fn listener(now: Instant) -> (Session, FrameCodec) {
    let (mut initiator, auth) =
        Handshake::initiate(key(1), key(2).public_key(), HandshakeFormat::Eip8, [3; 32]);
    let capability = Capability::new("eth", 68);
    let protocols = vec![Protocol {
        capability,
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
