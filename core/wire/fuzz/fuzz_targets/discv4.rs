#![no_main]

use std::net::SocketAddr;
use std::time::Instant;

use actoreum_primitives::keccak256;
use actoreum_wire::discv4::{Discovery, DiscoveryConfig, Node, Now, decode_packet, encode_packet};
use actoreum_wire::nodes::EnodeEndpoint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = decode_packet(data);
    // Under a right hash and signature.
    let signature = actoreum_wire_fuzz::key(1).sign(keccak256(data)).to_bytes();
    let hashed = [signature.as_slice(), data].concat();
    let datagram = [keccak256(&hashed).as_slice(), &hashed].concat();
    let decoded = decode_packet(&datagram);
    if let Ok(signed) = &decoded {
        let (again, _) = encode_packet(&signed.packet, &actoreum_wire_fuzz::key(1));
        if again.len() <= actoreum_wire::limits::MAX_DISCV4_PACKET {
            assert_eq!(
                decode_packet(&again).map(|again| again.packet),
                Ok(signed.packet.clone())
            );
        }
    }

    let from: SocketAddr = "8.8.8.8:30303".parse().expect("an address");
    let now = Now {
        instant: Instant::now(),
        unix: 1_700_000_000,
    };
    let endpoint = EnodeEndpoint::new(from.ip(), 30303, 30303);
    let config = DiscoveryConfig {
        key: actoreum_wire_fuzz::key(2),
        endpoint,
        record: None,
        bootnodes: vec![Node::new(actoreum_wire_fuzz::key(1).public_key(), endpoint)],
        allows: Box::new(|_| true),
        entropy: [5; 32],
    };
    let mut engine = Discovery::new(config, now);
    engine.start(now);
    let _ = engine.handle_datagram(from, &datagram, now);
    let _ = engine.handle_datagram(from, data, now);
    while engine.poll_output().is_some() {}
});
