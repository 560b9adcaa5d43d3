#![no_main]

use actoreum_wire::limits::MAX_FRAME_SIZE;
use actoreum_wire::p2p::Compression;
use actoreum_wire_fuzz::{BEGUN, open_listener};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (mut session, mut codec) = open_listener();
    // As a stream: only errors are possible.
    assert!(
        codec
            .clone()
            .decode(&mut BytesMut::from(data), MAX_FRAME_SIZE)
            .ok()
            .flatten()
            .is_none()
    );
    let _ = Compression::decompress(data);

    // As the body of an authentic frame in an open session.
    let mut wire = Vec::new();
    codec
        .encode(&mut wire, |out| out.extend_from_slice(data))
        .expect("it fits");
    session.receive(&wire);
    while let Ok(Some(_)) = session.poll(*BEGUN) {}
});
