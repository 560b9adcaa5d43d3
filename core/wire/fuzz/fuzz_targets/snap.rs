#![no_main]

use actoreum_wire::snap::{SnapMessage, SnapMessageId};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let payload = Bytes::copy_from_slice(data);
    for message in SnapMessageId::ALL {
        let Ok(decoded) = SnapMessage::decode(message.code(), &payload) else {
            continue;
        };
        match &decoded {
            SnapMessage::AccountRange(_, accounts, proof) => {
                accounts.iter().for_each(drop);
                proof.iter().for_each(drop);
            }
            SnapMessage::StorageRanges(_, ranges, proof) => {
                ranges.iter().for_each(drop);
                proof.iter().for_each(drop);
            }
            SnapMessage::ByteCodes(_, values) | SnapMessage::TrieNodes(_, values) => {
                values.iter().for_each(drop);
            }
            _ => {}
        }
        assert_eq!(decoded.encode(), data);
    }
});
