#![no_main]

use std::time::Instant;

use actoreum_wire::limits::MAX_FRAME_SIZE;
use actoreum_wire::p2p::{Capability, Compression, Hello};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let now = Instant::now();
    // As a stream: nothing but an error may come of it.
    let (_, mut codec) = actoreum_wire_fuzz::listener(now);
    assert!(
        codec
            .decode(&mut BytesMut::from(data), MAX_FRAME_SIZE)
            .ok()
            .flatten()
            .is_none()
    );
    let _ = Compression::decompress(data);

    // As the body of an authentic frame in an open session.
    let mut wire = Vec::new();
    let hello = Hello {
        version: 5,
        client_name: "fuzz".to_owned(),
        capabilities: vec![Capability::new("eth", 68)],
        listen_port: 0,
        public_key: actoreum_wire_fuzz::key(1).public_key(),
    };
    let (mut session, mut codec) = actoreum_wire_fuzz::listener(now);
    codec
        .encode(&mut wire, |out| {
            out.push(0x80);
            hello.encode_payload(out);
        })
        .expect("it fits");
    codec
        .encode(&mut wire, |out| out.extend_from_slice(data))
        .expect("it fits");
    session.receive(&wire);
    while let Ok(Some(_)) = session.poll(now) {}
});
