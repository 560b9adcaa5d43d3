#![no_main]

use actoreum_wire::nodes::{Enode, Enr};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(record) = Enr::decode(data) {
        assert_eq!(record.encoded(), data);
        assert_eq!(record.to_string().parse(), Ok(record.clone()));
        let _ = record.enode().to_string();
    }
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let _ = text.parse::<Enr>();
    if let Ok(node) = text.parse::<Enode>() {
        assert_eq!(node.to_string().parse(), Ok(node));
    }
});
