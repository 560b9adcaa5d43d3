#![no_main]

use std::net::SocketAddr;

use actoreum_primitives::keccak256;
use actoreum_wire::discv4::{
    Discovery, DiscoveryConfig, Node, Now, decode_packet, decode_unsigned,
};
use actoreum_wire::limits::MAX_DISCV4_PACKET;
use actoreum_wire::nodes::EnodeEndpoint;
use actoreum_wire_fuzz::{BEGUN, key};
use libfuzzer_sys::fuzz_target;

/// Length of hash and signature.
const ENVELOPE: usize = 97;

fuzz_target!(|data: &[u8]| {
    let _ = decode_packet(data);
    let Ok((packet, again)) = decode_unsigned(data) else {
        return;
    };
    if again.len() + ENVELOPE <= MAX_DISCV4_PACKET {
        assert_eq!(decode_unsigned(&again), Ok((packet, again.clone())));
    }

    // With a valid hash and signature, for an engine.
    let signature = key(1).sign(keccak256(data)).to_bytes();
    let hashed = [signature.as_slice(), data].concat();
    let datagram = [keccak256(&hashed).as_slice(), &hashed].concat();
    let from: SocketAddr = "8.8.8.8:30303".parse().expect("an address");
    let now = Now {
        instant: *BEGUN,
        unix: 1_700_000_000,
    };
    let endpoint = EnodeEndpoint::new(from.ip(), 30303, 30303);
    let config = DiscoveryConfig {
        key: key(2),
        endpoint,
        record: None,
        bootnodes: vec![Node::new(key(1).public_key(), endpoint)],
        allows: Box::new(|_| true),
        entropy: [5; 32],
    };
    let mut engine = Discovery::new(config, now);
    engine.start(now);
    let _ = engine.handle_datagram(from, &datagram, now);
    while engine.poll_output().is_some() {}
});
