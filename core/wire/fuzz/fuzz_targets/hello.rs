#![no_main]

use actoreum_wire::p2p::Hello;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(hello) = Hello::decode_payload(data) {
        let mut payload = Vec::new();
        hello.encode_payload(&mut payload);
        // A long name may have been cut, but the rest round-trips.
        if payload.len() <= actoreum_wire::limits::MAX_BASE_MESSAGE_SIZE {
            assert_eq!(Hello::decode_payload(&payload), Ok(hello));
        }
    }
    for code in [0x80_u8, 0x01] {
        let (mut session, mut codec) = actoreum_wire_fuzz::listener();
        let mut wire = Vec::new();
        codec
            .encode(&mut wire, |out| {
                out.push(code);
                out.extend_from_slice(data);
            })
            .expect("it fits");
        session.receive(&wire);
        let _ = session.poll(*actoreum_wire_fuzz::BEGUN);
    }
});
