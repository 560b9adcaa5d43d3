#![no_main]

use actoreum_fuzz::assert_round_trip;
use actoreum_primitives::{Log, Receipt, logs_bloom};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert_round_trip::<Log>(data);
    assert_round_trip::<Vec<Receipt>>(data);
    assert_round_trip::<Receipt>(data);
    if let Ok(receipt) = Receipt::decode_2718(data) {
        assert_eq!(receipt.encode_2718(), data);
        let _ = logs_bloom(&receipt.logs);
    }
});
