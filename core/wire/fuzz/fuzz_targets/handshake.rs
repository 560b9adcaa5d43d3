#![no_main]

use std::sync::LazyLock;

use actoreum_wire::ecies;
use actoreum_wire::rlpx::fuzz::read_plaintext;
use actoreum_wire::rlpx::{Handshake, HandshakeFormat};
use actoreum_wire_fuzz::key;
use libfuzzer_sys::fuzz_target;

/// Fixed randomness, the same in every run.
struct Constant;

impl rand::RngCore for Constant {
    fn next_u32(&mut self) -> u32 {
        7
    }

    fn next_u64(&mut self) -> u64 {
        7
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// Initial state of both sides. Generating their keys would take most of an input's time.
static SIDES: LazyLock<(Handshake, Handshake)> = LazyLock::new(|| {
    let remote = key(1).public_key();
    let (initiator, _) = Handshake::initiate(key(2), remote, HandshakeFormat::Eip8, [3; 32]);
    (initiator, Handshake::respond(key(2), [4; 32]))
});

/// Inputs with this first byte are also encrypted, as a peer that knows the local key can do.
/// Encryption takes a thousand times as long.
const SEALED: u8 = 0xff;

fuzz_target!(|data: &[u8]| {
    let (mut initiator, mut responder) = SIDES.clone();
    let _ = responder.read(data);
    let _ = initiator.read(data);
    read_plaintext(data);

    let Some((&SEALED, data)) = data.split_first() else {
        return;
    };
    let length = u16::try_from(data.len() + ecies::OVERHEAD)
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    let recipient = key(2).public_key();
    let eip8 = ecies::encrypt(&recipient, data, &length, &mut Constant);
    let plain = ecies::encrypt(&recipient, data, &[], &mut Constant);
    let _ = responder.read(&[&length[..], &eip8].concat());
    let _ = initiator.read(&[&length[..], &eip8].concat());
    let _ = responder.read(&plain);
    let _ = initiator.read(&plain);
});
