#![no_main]

use actoreum_fuzz::assert_round_trip;
use actoreum_primitives::{Header, keccak256};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(header) = assert_round_trip::<Header>(data) {
        assert_eq!(header.hash(), keccak256(data));
    }
});
