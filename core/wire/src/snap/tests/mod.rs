//! Tests of the snap protocol: fixed encodings, round trips, and messages of a hostile peer.

mod hostile;

use actoreum_primitives::{Account, B256, Bytes as Value, EMPTY_CODE_HASH, EMPTY_ROOT_HASH, U256};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::eth::LazyList;

/// Decodes hexadecimal digits; `#22` stands for 32 bytes of 0x22 with their RLP header.
fn payload(text: &str) -> Bytes {
    let mut digits = String::new();
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once('#') {
        let (byte, after) = tail.split_at(2);
        digits.push_str(head);
        digits.push_str("a0");
        digits.push_str(&byte.repeat(32));
        rest = after;
    }
    digits.push_str(rest);
    data_encoding::HEXLOWER
        .decode(digits.as_bytes())
        .unwrap()
        .into()
}

fn hash(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

fn values(items: &[&[u8]]) -> LazyList<Value> {
    let items: Vec<_> = items
        .iter()
        .map(|item| Value::copy_from_slice(item))
        .collect();
    LazyList::from_items(&items)
}

#[test]
fn requests_have_the_encoding_of_the_specification() {
    let path = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    let known = [
        (
            "f86801#11#22#3383080000",
            SnapMessage::GetAccountRange(
                1,
                GetAccountRange {
                    root: hash(0x11),
                    origin: hash(0x22),
                    limit: hash(0x33),
                    bytes: 512 * 1024,
                },
            ),
        ),
        (
            "f84701#11e1#22808064",
            SnapMessage::GetStorageRanges(
                1,
                GetStorageRanges {
                    root: hash(0x11),
                    accounts: vec![hash(0x22)],
                    origin: None,
                    limit: None,
                    bytes: 100,
                },
            ),
        ),
        (
            "f86601#11c0#00#ff64",
            SnapMessage::GetStorageRanges(
                1,
                GetStorageRanges {
                    root: hash(0x11),
                    accounts: Vec::new(),
                    origin: Some(hash(0)),
                    limit: Some(hash(0xff)),
                    bytes: 100,
                },
            ),
        ),
        (
            "e401e1#1164",
            SnapMessage::GetByteCodes(
                1,
                GetByteCodes {
                    hashes: vec![hash(0x11)],
                    bytes: 100,
                },
            ),
        ),
        (
            "f84a01#11e6c100e3#22001b64",
            SnapMessage::GetTrieNodes(
                1,
                GetTrieNodes {
                    root: hash(0x11),
                    paths: vec![
                        TriePathSet {
                            account: path(&[0]),
                            slots: Vec::new(),
                        },
                        TriePathSet {
                            account: path(&[0x22; 32]),
                            slots: vec![path(&[0]), path(&[0x1b])],
                        },
                    ],
                    bytes: 100,
                },
            ),
        ),
    ];
    for (text, message) in known {
        let bytes = payload(text);
        assert_eq!(message.encode(), bytes, "{message:?}");
        assert_eq!(
            SnapMessage::decode(message.id().code(), &bytes),
            Ok(message)
        );
    }
}

#[test]
fn answers_have_the_encoding_of_the_specification() {
    let plain = Account {
        nonce: 1,
        balance: U256::from(5),
        ..Account::default()
    };
    let contract = Account {
        storage_root: hash(0x44),
        code_hash: hash(0x55),
        ..Account::default()
    };
    let entry = |byte, account| RangeAccount {
        hash: hash(byte),
        account,
    };
    let slot = |byte, value: u64| RangeSlot {
        hash: hash(byte),
        value: U256::from(value),
    };
    let known = [
        (
            "ed01e7e6#22c401058080c3820102",
            SnapMessage::AccountRange(
                1,
                LazyList::from_items(&[entry(0x22, plain)]),
                values(&[&[1, 2]]),
            ),
        ),
        (
            "f86d01f869f867#22f8448080#44#55c0",
            SnapMessage::AccountRange(
                1,
                LazyList::from_items(&[entry(0x22, contract)]),
                values(&[]),
            ),
        ),
        (
            "f87201f86ee3e2#3302f848e2#3302e4#34828180c0",
            SnapMessage::StorageRanges(
                1,
                LazyList::from_items(&[
                    StorageRange(vec![slot(0x33, 2)]),
                    StorageRange(vec![slot(0x33, 2), slot(0x34, 0x80)]),
                ]),
                values(&[]),
            ),
        ),
        (
            "c601c482010280",
            SnapMessage::ByteCodes(1, values(&[&[1, 2], &[]])),
        ),
        (
            "c601c482010280",
            SnapMessage::TrieNodes(1, values(&[&[1, 2], &[]])),
        ),
    ];
    for (text, message) in known {
        let bytes = payload(text);
        assert_eq!(message.encode(), bytes, "{message:?}");
        let decoded = SnapMessage::decode(message.id().code(), &bytes).unwrap();
        assert_eq!(decoded, message);
        match decoded {
            SnapMessage::AccountRange(_, accounts, _) => {
                assert_eq!(accounts.decode().unwrap().len(), 1);
            }
            SnapMessage::StorageRanges(_, ranges, _) => {
                assert_eq!(ranges.decode().unwrap()[1].0[1], slot(0x34, 0x80));
            }
            _ => {}
        }
    }
}

#[test]
fn codes_of_messages_are_those_of_the_specification() {
    for (code, message) in SnapMessageId::ALL.into_iter().enumerate() {
        assert_eq!(message.code(), code as u64);
        assert_eq!(SnapMessageId::from_code(code as u64), Some(message));
    }
    assert_eq!(SnapMessageId::from_code(8), None);
    assert!(SnapMessageId::TrieNodes.is_answer());
    assert!(!SnapMessageId::GetTrieNodes.is_answer());
    assert_eq!(snap_protocol().capability.to_string(), "snap/1");
    assert_eq!(snap_protocol().length, 8);
}

fn any_hash() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::from)
}

fn any_account() -> impl Strategy<Value = RangeAccount> {
    let optional = |empty| prop_oneof![Just(empty), any_hash()];
    let fields = (
        any_hash(),
        any::<u64>(),
        any::<[u8; 32]>(),
        0_usize..256,
        optional(EMPTY_ROOT_HASH),
        optional(EMPTY_CODE_HASH),
    );
    fields.prop_map(
        |(hash, nonce, balance, shift, storage_root, code_hash)| RangeAccount {
            hash,
            account: Account {
                nonce: nonce >> (shift % 64),
                balance: U256::from_be_bytes(balance) >> shift,
                storage_root,
                code_hash,
            },
        },
    )
}

fn any_slot() -> impl Strategy<Value = RangeSlot> {
    (any_hash(), any::<[u8; 32]>(), 0_usize..256).prop_map(|(hash, value, shift)| RangeSlot {
        hash,
        value: (U256::from_be_bytes(value) >> shift).max(U256::from(1)),
    })
}

fn any_values() -> impl Strategy<Value = Vec<Value>> {
    vec(vec(any::<u8>(), 0..80).prop_map(Value::from), 0..8)
}

proptest! {
    #[test]
    fn ranges_round_trip(
        id: u64,
        accounts in vec(any_account(), 0..20),
        ranges in vec(vec(any_slot(), 0..6).prop_map(StorageRange), 0..6),
        proof in any_values(),
    ) {
        use actoreum_primitives::rlp::{self, Encode as _};
        for account in &accounts {
            prop_assert_eq!(rlp::encode(account).len(), account.length());
        }
        for range in &ranges {
            prop_assert_eq!(rlp::encode(range).len(), range.length());
        }
        let proof = LazyList::from_items(&proof);
        let sent = SnapMessage::AccountRange(id, LazyList::from_items(&accounts), proof.clone());
        match SnapMessage::decode(1, &sent.encode().into()).unwrap() {
            SnapMessage::AccountRange(got, list, nodes) => {
                prop_assert_eq!(got, id);
                prop_assert_eq!(list.decode().unwrap(), accounts);
                prop_assert_eq!(&nodes, &proof);
            }
            other => panic!("{other:?}"),
        }
        let sent = SnapMessage::StorageRanges(id, LazyList::from_items(&ranges), proof.clone());
        match SnapMessage::decode(3, &sent.encode().into()).unwrap() {
            SnapMessage::StorageRanges(got, list, nodes) => {
                prop_assert_eq!(got, id);
                prop_assert_eq!(list.decode().unwrap(), ranges);
                prop_assert_eq!(&nodes, &proof);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn requests_round_trip(
        id: u64, root in any_hash(), hashes in vec(any_hash(), 0..8),
        origin in proptest::option::of(any_hash()), limit in proptest::option::of(any_hash()),
        paths in vec(vec(vec(any::<u8>(), 0..34), 1..4), 0..6), bytes: u64,
    ) {
        let set = |paths: Vec<Vec<u8>>| {
            let mut paths = paths.into_iter().map(Bytes::from);
            TriePathSet { account: paths.next().unwrap(), slots: paths.collect() }
        };
        let paths = paths.into_iter().map(set).collect();
        let (from, to) = (origin.unwrap_or_default(), limit.unwrap_or_default());
        for message in [
            SnapMessage::GetAccountRange(id, GetAccountRange { root, origin: from, limit: to, bytes }),
            SnapMessage::GetStorageRanges(
                id,
                GetStorageRanges { root, accounts: hashes.clone(), origin, limit, bytes },
            ),
            SnapMessage::GetByteCodes(id, GetByteCodes { hashes: hashes.clone(), bytes }),
            SnapMessage::GetTrieNodes(id, GetTrieNodes { root, paths, bytes }),
        ] {
            let decoded = SnapMessage::decode(message.id().code(), &message.encode().into());
            prop_assert_eq!(decoded, Ok(message));
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(code in 0_u64..9, bytes: Vec<u8>) {
        let payload = Bytes::from(bytes);
        if let Ok(message) = SnapMessage::decode(code, &payload) {
            prop_assert_eq!(message.encode(), payload);
        }
    }
}
