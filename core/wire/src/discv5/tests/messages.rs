use std::net::IpAddr;

use actoreum_primitives::rlp::{self, Encode};
use proptest::prelude::*;

use super::key;
use crate::discv5::*;
use crate::limits::{MAX_FINDNODE_DISTANCES, MAX_FOUND_RECORDS};
use crate::nodes::EnrBuilder;
use crate::rlp::put_list;

fn request_id() -> impl Strategy<Value = RequestId> {
    proptest::collection::vec(any::<u8>(), 0..=8).prop_map(|id| RequestId::new(&id).unwrap())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..200)
}

pub(super) fn message() -> impl Strategy<Value = Message> {
    let record = (any::<u64>(), 0u32..4)
        .prop_map(|(seq, number)| EnrBuilder::new().sign(seq, &key(number)).unwrap());
    let records = proptest::collection::vec(record.prop_map(|r| r.encoded().to_vec()), 0..8);
    let distances = proptest::collection::vec(0u16..=256, 0..=MAX_FINDNODE_DISTANCES);
    prop_oneof![
        (request_id(), any::<u64>()).prop_map(|(id, enr_seq)| Message::Ping { id, enr_seq }),
        (request_id(), any::<u64>(), any::<IpAddr>(), any::<u16>()).prop_map(
            |(id, enr_seq, address, port)| Message::Pong {
                id,
                enr_seq,
                address: address.to_canonical(),
                port
            }
        ),
        (request_id(), distances).prop_map(|(id, distances)| Message::FindNode { id, distances }),
        (request_id(), any::<u64>(), records).prop_map(|(id, total, records)| Message::Nodes {
            id,
            total,
            records
        }),
        (request_id(), bytes(), bytes()).prop_map(|(id, protocol, request)| {
            Message::TalkRequest {
                id,
                protocol,
                request,
            }
        }),
        (request_id(), bytes()).prop_map(|(id, response)| Message::TalkResponse { id, response }),
    ]
}

/// Returns a message with any type and fields.
fn encoded(kind: u8, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut content = Vec::new();
    put_list(&mut content, write);
    [&[kind], content.as_slice()].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn messages_round_trip(message in message()) {
        let bytes = message.encode();
        prop_assert_eq!(Message::decode(&bytes).unwrap(), message);
        let longer = [bytes.as_slice(), &[0]].concat();
        prop_assert!(Message::decode(&longer).is_err());
        prop_assert!(Message::decode(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(kind in 0u8..10, bytes in bytes()) {
        let _ = Message::decode(&bytes);
        let _ = Message::decode(&[&[kind], bytes.as_slice()].concat());
        let _ = Message::decode(&encoded(kind, |out| out.extend_from_slice(&bytes)));
    }
}

#[test]
fn request_ids_have_at_most_eight_bytes() {
    let ping = |length: usize| {
        encoded(1, |out| {
            rlp::encode_str(&vec![7; length], out);
            1u64.encode(out);
        })
    };
    assert!(Message::decode(&ping(0)).is_ok());
    assert!(Message::decode(&ping(8)).is_ok());
    assert_eq!(
        Message::decode(&ping(9)),
        Err(MessageError::RequestIdTooLong)
    );
    assert_eq!(RequestId::new(&[0; 9]), None);
}

#[test]
fn unknown_types_and_empty_messages_are_refused() {
    assert_eq!(Message::decode(&[]), Err(MessageError::Empty));
    for kind in [0, 7, 8, 9, 10, 255] {
        let message = encoded(kind, |out| rlp::encode_str(&[1], out));
        assert_eq!(
            Message::decode(&message),
            Err(MessageError::UnknownType(kind))
        );
    }
}

#[test]
fn more_distances_than_there_are_are_refused() {
    let request = |count: usize, distance: u64| {
        encoded(3, |out| {
            rlp::encode_str(&[1], out);
            put_list(out, |out| (0..count).for_each(|_| distance.encode(out)));
        })
    };
    assert!(Message::decode(&request(MAX_FINDNODE_DISTANCES, 256)).is_ok());
    assert!(Message::decode(&request(MAX_FINDNODE_DISTANCES + 1, 256)).is_err());
    let Ok(Message::FindNode { distances, .. }) = Message::decode(&request(3, 257)) else {
        panic!("a request")
    };
    assert!(distances.is_empty(), "no ids have this distance");
}

#[test]
fn records_beyond_a_bucket_are_not_read() {
    let record = EnrBuilder::new().sign(1, &key(1)).unwrap();
    let message = Message::Nodes {
        id: RequestId::default(),
        total: 1,
        records: vec![record.encoded().to_vec(); MAX_FOUND_RECORDS + 1],
    };
    let Ok(Message::Nodes { records, .. }) = Message::decode(&message.encode()) else {
        panic!("nodes")
    };
    assert_eq!(records.len(), MAX_FOUND_RECORDS);
}

#[test]
fn a_pong_with_an_address_of_another_length_is_refused() {
    let pong = |length: usize| {
        encoded(2, |out| {
            rlp::encode_str(&[1], out);
            1u64.encode(out);
            rlp::encode_str(&vec![8; length], out);
            30303u16.encode(out);
        })
    };
    assert!(Message::decode(&pong(4)).is_ok());
    assert!(Message::decode(&pong(16)).is_ok());
    for length in [0, 3, 5, 17] {
        assert_eq!(
            Message::decode(&pong(length)),
            Err(MessageError::InvalidAddress)
        );
    }
}

#[test]
fn false_claims_of_length_are_refused() {
    for kind in 1..=6 {
        let claim = [kind, 0xfb, 0x3b, 0x9a, 0xca, 0x00];
        assert!(matches!(Message::decode(&claim), Err(MessageError::Rlp(_))));
    }
}
