//! Messages of a hostile peer: false lengths, too many items, items in another form.

use actoreum_primitives::rlp::Encode as _;

use super::*;
use crate::limits::{
    MAX_CODES_SERVED, MAX_RANGE_PROOF_NODES, MAX_REQUEST_HASHES, MAX_SNAP_MESSAGE,
    MAX_TRIE_PATH_SIZE, MAX_TRIE_PATHS,
};
use crate::rlp::put_list;

/// Returns the payload of a list of these encoded fields after the request id 1.
fn fields(fields: &[&[u8]]) -> Bytes {
    let mut out = Vec::new();
    put_list(&mut out, |out| {
        out.push(1);
        fields.iter().for_each(|field| out.extend_from_slice(field));
    });
    out.into()
}

/// Returns a list with this content.
fn list(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_list(&mut out, |out| out.extend_from_slice(content));
    out
}

/// Returns the RLP of a hash.
fn word(byte: u8) -> Vec<u8> {
    let mut out = Vec::new();
    hash(byte).encode(&mut out);
    out
}

fn is_invalid(message: SnapMessageId, payload: &Bytes) -> bool {
    let result = SnapMessage::decode(message.code(), payload);
    matches!(result, Err(SnapError::Invalid { .. }))
}

#[test]
fn lengths_that_claim_a_billion_items_are_refused() {
    let claim = [0xfb, 0x3b, 0x9a, 0xca, 0x00];
    for message in SnapMessageId::ALL {
        for payload in [
            Bytes::copy_from_slice(&claim),
            Bytes::copy_from_slice(&[0xff; 9]),
            fields(&[&claim]),
            fields(&[&[0xc0], &claim]),
            fields(&[&word(1), &claim]),
        ] {
            assert!(is_invalid(message, &payload), "{message:?}");
        }
    }
}

#[test]
fn lists_of_items_too_short_to_be_valid_are_refused() {
    for byte in [0x80, 0xc0] {
        let many = list(&vec![byte; 100_000]);
        for message in SnapMessageId::ALL {
            for payload in [
                fields(&[&many, &[0xc0]]),
                fields(&[&many]),
                fields(&[&[0xc0], &many]),
                fields(&[&many, &[0x64]]),
                fields(&[&word(1), &many, &[0x80], &[0x80], &[0x64]]),
                fields(&[&word(1), &many, &[0x64]]),
            ] {
                assert!(is_invalid(message, &payload), "{message:?}");
            }
        }
    }
}

#[test]
fn numbers_of_items_are_bounded() {
    let codes = |count: usize| fields(&[&list(&[0x80].repeat(count))]);
    assert!(!is_invalid(
        SnapMessageId::ByteCodes,
        &codes(MAX_CODES_SERVED)
    ));
    assert!(is_invalid(
        SnapMessageId::ByteCodes,
        &codes(MAX_CODES_SERVED + 1)
    ));
    let proof = |count: usize| fields(&[&[0xc0], &list(&[0x80].repeat(count))]);
    for message in [SnapMessageId::AccountRange, SnapMessageId::StorageRanges] {
        assert!(!is_invalid(message, &proof(MAX_RANGE_PROOF_NODES)));
        assert!(is_invalid(message, &proof(MAX_RANGE_PROOF_NODES + 1)));
    }
    let hashes = |count: usize| fields(&[&list(&word(1).repeat(count)), &[0x64]]);
    let message = SnapMessageId::GetByteCodes;
    assert!(!is_invalid(message, &hashes(MAX_REQUEST_HASHES)));
    assert!(is_invalid(message, &hashes(MAX_REQUEST_HASHES + 1)));
}

#[test]
fn paths_are_bounded_over_all_sets() {
    let request = |sets: &[u8]| fields(&[&word(1), &list(sets), &[0x64]]);
    let message = SnapMessageId::GetTrieNodes;
    let half = list(&vec![0x00; MAX_TRIE_PATHS / 2]);
    assert!(!is_invalid(message, &request(&half.repeat(2))));
    let with_one_more = [half.repeat(2), list(&[0x00])].concat();
    assert!(is_invalid(message, &request(&with_one_more)));
    let long = |size: usize| {
        let mut set = Vec::new();
        actoreum_primitives::rlp::encode_str(&vec![7; size], &mut set);
        request(&list(&set))
    };
    assert!(!is_invalid(message, &long(MAX_TRIE_PATH_SIZE)));
    assert!(is_invalid(message, &long(MAX_TRIE_PATH_SIZE + 1)));
}

#[test]
fn an_empty_set_of_paths_is_refused() {
    let request = fields(&[&word(1), &list(&[0xc0, 0xc1, 0x00]), &[0x64]]);
    assert!(is_invalid(SnapMessageId::GetTrieNodes, &request));
}

#[test]
fn fields_after_the_last_one_are_refused() {
    for text in ["e501e1#116464", "c701c48201028001", "c80180c0c0"] {
        for message in SnapMessageId::ALL {
            assert!(is_invalid(message, &payload(text)), "{message:?} {text}");
        }
    }
}

#[test]
fn a_message_above_the_limit_is_refused_undecoded() {
    let payload = Bytes::from(vec![0; MAX_SNAP_MESSAGE + 1]);
    let result = SnapMessage::decode(1, &payload);
    assert!(matches!(result, Err(SnapError::TooLarge { .. })));
    let result = SnapMessage::decode(8, &Bytes::new());
    assert_eq!(result, Err(SnapError::InvalidCode(8)));
}

#[test]
fn accounts_in_another_form_are_refused() {
    let empty_root = [&[0xa0][..], EMPTY_ROOT_HASH.as_slice()].concat();
    let bodies = [
        [&[0x01, 0x05][..], &empty_root, &[0x80]].concat(),
        [&[0x01, 0x05, 0x82, 1, 2, 0x80][..]].concat(),
        vec![0x01, 0x05, 0x80],
        vec![0x01, 0x05, 0x80, 0x80, 0x80],
        vec![0x00, 0x05, 0x80, 0x80],
        vec![0x01, 0x00, 0x80, 0x80],
    ];
    for body in bodies {
        let entry = list(&[word(1), list(&body)].concat());
        // The count of a list is checked at once, its items when they are read.
        let padded = [entry, list(&[1; 100])].concat();
        let message = SnapMessage::decode(1, &fields(&[&list(&padded), &[0xc0]])).unwrap();
        let SnapMessage::AccountRange(_, accounts, _) = message else {
            panic!("not expected: {message:?}");
        };
        assert!(accounts.iter().next().unwrap().is_err(), "{body:?}");
    }
}

#[test]
fn slots_in_another_form_are_refused() {
    let zero = [0x81, 0x80];
    let with_leading_zero = [0x83, 0x82, 0x00, 0x05];
    let in_a_list = [0xc1, 0x05];
    let with_more = [0x82, 0x05, 0x05];
    for value in [
        &zero[..],
        &with_leading_zero,
        &in_a_list,
        &with_more,
        &[0x80],
    ] {
        let slots = list(&list(&[&word(1), value].concat()));
        let message = SnapMessage::decode(3, &fields(&[&list(&slots), &[0xc0]])).unwrap();
        let SnapMessage::StorageRanges(_, ranges, _) = message else {
            panic!("not expected: {message:?}");
        };
        assert!(ranges.iter().next().unwrap().is_err(), "{value:?}");
    }
    let many = list(&list(&[0xc0].repeat(1_000)));
    let message = SnapMessage::decode(3, &fields(&[&many, &[0xc0]])).unwrap();
    let SnapMessage::StorageRanges(_, ranges, _) = message else {
        panic!("not expected: {message:?}");
    };
    assert!(ranges.decode().is_err(), "refused before slots are decoded");
}
