#![no_main]

use actoreum_wire::eth::{EthMessage, EthVersion, MessageId};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let payload = Bytes::copy_from_slice(data);
    for version in EthVersion::ALL {
        for message in MessageId::ALL {
            let Ok(decoded) = EthMessage::decode(version, message.code(), &payload) else {
                continue;
            };
            match &decoded {
                EthMessage::Transactions(list) => list.iter().for_each(drop),
                EthMessage::BlockHeaders(_, list) => list.iter().for_each(drop),
                EthMessage::BlockBodies(_, list) => list.iter().for_each(drop),
                EthMessage::PooledTransactions(_, list) => list.iter().for_each(drop),
                EthMessage::NodeData(_, list) => list.iter().for_each(drop),
                EthMessage::Receipts(_, lists) => drop(lists.encoded()),
                EthMessage::GetBlockHeaders(_, request) => {
                    assert!(request.numbers(u64::MAX / 2).count() <= request.served());
                }
                _ => {}
            }
            let again = decoded.encode(version).expect("the version has it");
            assert_eq!(again, data);
        }
    }
});
