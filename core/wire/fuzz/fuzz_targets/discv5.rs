#![no_main]

use std::net::SocketAddr;

use actoreum_primitives::PeerId;
use actoreum_wire::discv5::{
    Discovery, DiscoveryConfig, Handshake, Message, Output, PacketKind, decode_packet,
    derive_keys, encode_handshake, encode_ordinary, encode_random, sign_identity,
};
use actoreum_wire::limits::MAX_DISCV5_PACKET;
use actoreum_wire::nodes::{EnodeEndpoint, EnrBuilder};
use actoreum_wire_fuzz::{BEGUN, key};
use libfuzzer_sys::fuzz_target;

/// Length of the header and the tag of a message in a session.
const ENVELOPE: usize = 87;

fn engine() -> Discovery {
    let record = EnrBuilder::new().sign(1, &key(2)).expect("a small record");
    let config = DiscoveryConfig {
        key: key(2),
        record,
        bootnodes: Vec::new(),
        allows: Box::new(|_| true),
        entropy: [5; 32],
    };
    let mut engine = Discovery::new(config, *BEGUN);
    engine.start(*BEGUN);
    engine
}

/// Returns the last datagram that an engine sends.
fn last_sent(engine: &mut Discovery) -> Option<Vec<u8>> {
    let outputs = std::iter::from_fn(|| engine.poll_output());
    outputs
        .filter_map(|output| match output {
            Output::Send { datagram, .. } => Some(datagram),
            _ => None,
        })
        .last()
}

/// Opens a session with an engine, with `content` as the first message, and sends it again in the
/// session.
fn exchange(content: &[u8]) {
    let from: SocketAddr = "8.8.8.8:30303".parse().expect("an address");
    let (own, other) = (key(1).public_key(), key(2).public_key());
    let (own_id, other_id) = (PeerId::of(&own), PeerId::of(&other));
    let mut engine = engine();
    let question = encode_random(&own_id, &other_id, (&[1; 16], &[2; 12]), &[3; 32]);
    engine
        .handle_datagram(from, &question, *BEGUN)
        .expect("a challenge is sent");
    let answer = last_sent(&mut engine).expect("a challenge");
    let challenge = decode_packet(&own_id, &answer)
        .expect("a valid packet")
        .associated;

    let ephemeral_key = key(3).public_key().to_compressed();
    let keys = derive_keys(&key(3), &other, &own_id, &other_id, &challenge);
    let endpoint = EnodeEndpoint::new(from.ip(), 30303, 30303);
    let record = EnrBuilder::new()
        .with_endpoint(&endpoint)
        .sign(1, &key(1))
        .expect("a small record");
    let handshake = Handshake {
        source: own_id,
        signature: sign_identity(&key(1), &challenge, &ephemeral_key, &other_id),
        ephemeral_key,
        record: Some(record.encoded().to_vec()),
    };
    let numbers = (&[1; 16], &[4; 12]);
    let datagram = encode_handshake(&other_id, numbers, &handshake, &keys.initiator, content);
    let _ = engine.handle_datagram(from, &datagram, *BEGUN);
    let numbers = (&[1; 16], &[5; 12]);
    let datagram = encode_ordinary(&own_id, &other_id, numbers, &keys.initiator, content);
    let _ = engine.handle_datagram(from, &datagram, *BEGUN);
    while let Some(output) = engine.poll_output() {
        if let Output::Send { datagram, .. } = output {
            assert!(datagram.len() <= MAX_DISCV5_PACKET);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let from: SocketAddr = "8.8.8.8:30303".parse().expect("an address");
    let own_id = PeerId::of(&key(2).public_key());
    if let Ok(packet) = decode_packet(&own_id, data) {
        assert!(data.len() <= MAX_DISCV5_PACKET);
        assert!(!matches!(packet.kind, PacketKind::WhoAreYou(_)) || packet.message.is_empty());
        let mut engine = engine();
        let _ = engine.handle_datagram(from, data, *BEGUN);
        if let Some(answer) = last_sent(&mut engine) {
            assert!(answer.len() <= data.len());
        }
    }
    let Ok(message) = Message::decode(data) else {
        return;
    };
    assert_eq!(Message::decode(&message.encode()), Ok(message));
    if data.len() + ENVELOPE <= MAX_DISCV5_PACKET {
        exchange(data);
    }
});
