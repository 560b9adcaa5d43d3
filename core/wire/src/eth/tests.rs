//! Round trips of every message in every version, and what a hostile peer sends.

use actoreum_primitives::config::ForkId;
use actoreum_primitives::rlp::{self, Encode};
use actoreum_primitives::{
    Address, B256, Block, Body, Bytes as Value, Header, LegacyTx, Log, PooledTransaction, Receipt,
    ReceiptOutcome, Signature, Transaction, TxPayload, TxType, U256, Withdrawal,
};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::limits::*;
use crate::rlp::put_list;

fn hash() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::new)
}

fn hashes() -> impl Strategy<Value = Vec<B256>> {
    vec(hash(), 0..20)
}

fn transaction() -> impl Strategy<Value = Transaction> {
    (
        any::<u64>(),
        any::<[u8; 20]>(),
        vec(any::<u8>(), 0..40),
        1u64..,
    )
        .prop_map(|(number, address, input, word)| {
            let payload = TxPayload::Legacy(LegacyTx {
                chain_id: Some(1337),
                nonce: number,
                gas_price: U256::from(number),
                gas_limit: number,
                to: Some(Address::from(address)),
                value: U256::from(word),
                input: input.into(),
            });
            let wide = U256::from(word) << 192;
            Transaction::new(
                payload,
                Signature {
                    y_parity: true,
                    r: wide,
                    s: wide,
                },
            )
        })
}

fn header() -> impl Strategy<Value = Header> {
    (
        hash(),
        any::<u64>(),
        any::<u64>(),
        vec(any::<u8>(), 0..100),
        any::<bool>(),
    )
        .prop_map(
            |(parent_hash, number, difficulty, extra_data, london)| Header {
                parent_hash,
                number,
                difficulty: U256::from(difficulty),
                extra_data: extra_data.into(),
                base_fee_per_gas: london.then_some(number),
                ..Header::default()
            },
        )
}

fn body() -> impl Strategy<Value = Body> {
    (
        vec(transaction(), 0..4),
        vec(header(), 0..2),
        any::<bool>(),
        any::<[u8; 20]>(),
    )
        .prop_map(|(transactions, ommers, shanghai, address)| {
            let address = Address::from(address);
            let withdrawal = Withdrawal {
                index: 1,
                validator_index: 2,
                address,
                amount: 3,
            };
            Body {
                transactions,
                ommers,
                withdrawals: shanghai.then(|| vec![withdrawal]),
            }
        })
}

fn block_receipts() -> impl Strategy<Value = BlockReceipts> {
    let log = (
        any::<[u8; 20]>(),
        vec(hash(), 0..4),
        vec(any::<u8>(), 0..40),
    )
        .prop_map(|(address, topics, data)| Log {
            address: Address::from(address),
            topics,
            data: data.into(),
        });
    let receipt = (any::<bool>(), any::<u64>(), vec(log, 0..3), 0usize..3).prop_map(
        |(success, gas, logs, kind)| {
            Receipt::new(
                TxType::ALL[kind],
                ReceiptOutcome::Status(success),
                gas,
                logs,
            )
        },
    );
    vec(receipt, 0..4).prop_map(BlockReceipts)
}

fn pooled() -> impl Strategy<Value = PooledTransaction> {
    transaction().prop_map(|transaction| PooledTransaction {
        transaction,
        sidecar: None,
    })
}

fn lazy<T: WireItem + std::fmt::Debug>(
    items: impl Strategy<Value = T>,
) -> impl Strategy<Value = LazyList<T>> {
    vec(items, 0..5).prop_map(|items| LazyList::from_items(&items))
}

fn request() -> impl Strategy<Value = GetBlockHeaders> {
    let origin = prop_oneof![
        hash().prop_map(BlockOrigin::Hash),
        any::<u64>().prop_map(BlockOrigin::Number)
    ];
    (origin, any::<u64>(), any::<u64>(), any::<bool>()).prop_map(
        |(origin, amount, skip, reverse)| GetBlockHeaders {
            origin,
            amount,
            skip,
            reverse,
        },
    )
}

/// A version, and a message that it has, as it arrives there.
fn message() -> impl Strategy<Value = (EthVersion, EthMessage)> {
    let version = (0..EthVersion::ALL.len()).prop_map(|index| EthVersion::ALL[index]);
    (version, 0..MessageId::ALL.len())
        .prop_filter("the version has the message", |(version, index)| {
            version.has(MessageId::ALL[*index])
        })
        .prop_flat_map(|(version, index)| {
            let id = if version.has_request_ids() {
                any::<u64>().boxed()
            } else {
                Just(0).boxed()
            };
            let content = content(version, MessageId::ALL[index], id);
            content.prop_map(move |message| (version, message))
        })
}

fn content(
    version: EthVersion,
    message: MessageId,
    id: BoxedStrategy<u64>,
) -> BoxedStrategy<EthMessage> {
    match message {
        MessageId::Status => (any::<[u64; 3]>(), hash(), hash(), any::<[u8; 4]>())
            .prop_map(
                move |([version_number, network_id, number], head, genesis, fork)| {
                    let fork_id = ForkId {
                        hash: fork.into(),
                        next: number,
                    };
                    EthMessage::Status(Status {
                        version: version_number,
                        network_id,
                        total_difficulty: U256::from(number) << 30,
                        head,
                        genesis,
                        fork_id: version.has_fork_id().then_some(fork_id),
                    })
                },
            )
            .boxed(),
        MessageId::NewBlockHashes => {
            let announcement = (hash(), any::<u64>())
                .prop_map(|(hash, number)| BlockAnnouncement { hash, number });
            vec(announcement, 0..10)
                .prop_map(EthMessage::NewBlockHashes)
                .boxed()
        }
        MessageId::NewBlock => (header(), body(), any::<u64>())
            .prop_map(|(header, body, difficulty)| {
                let block = Block { header, body };
                let total_difficulty = U256::from(difficulty);
                EthMessage::NewBlock(Box::new(NewBlock {
                    block,
                    total_difficulty,
                }))
            })
            .boxed(),
        MessageId::NewPooledTransactionHashes => {
            let announcement = (hash(), any::<(u8, u32)>()).prop_map(move |(hash, described)| {
                let kind_and_size = version.has_typed_announcements().then_some(described);
                TransactionAnnouncement {
                    hash,
                    kind_and_size,
                }
            });
            vec(announcement, 0..10)
                .prop_map(EthMessage::NewPooledTransactionHashes)
                .boxed()
        }
        MessageId::Transactions => lazy(transaction())
            .prop_map(EthMessage::Transactions)
            .boxed(),
        MessageId::GetBlockHeaders => (id, request())
            .prop_map(|(id, it)| EthMessage::GetBlockHeaders(id, it))
            .boxed(),
        MessageId::GetBlockBodies => (id, hashes())
            .prop_map(|(id, it)| EthMessage::GetBlockBodies(id, it))
            .boxed(),
        MessageId::GetPooledTransactions => (id, hashes())
            .prop_map(|(id, it)| EthMessage::GetPooledTransactions(id, it))
            .boxed(),
        MessageId::GetNodeData => (id, hashes())
            .prop_map(|(id, it)| EthMessage::GetNodeData(id, it))
            .boxed(),
        MessageId::GetReceipts => (id, hashes())
            .prop_map(|(id, it)| EthMessage::GetReceipts(id, it))
            .boxed(),
        MessageId::BlockHeaders => (id, lazy(header()))
            .prop_map(|(id, it)| EthMessage::BlockHeaders(id, it))
            .boxed(),
        MessageId::BlockBodies => (id, lazy(body()))
            .prop_map(|(id, it)| EthMessage::BlockBodies(id, it))
            .boxed(),
        MessageId::PooledTransactions => (id, lazy(pooled()))
            .prop_map(|(id, it)| EthMessage::PooledTransactions(id, it))
            .boxed(),
        MessageId::NodeData => {
            let values = vec(any::<u8>(), 0..100).prop_map(Value::from);
            (id, lazy(values))
                .prop_map(|(id, it)| EthMessage::NodeData(id, it))
                .boxed()
        }
        MessageId::Receipts => (id, lazy(block_receipts()))
            .prop_map(|(id, it)| EthMessage::Receipts(id, it))
            .boxed(),
    }
}

/// Decodes every item of a message; the number that decoded.
fn decode_items(message: &EthMessage) -> Result<usize, rlp::DecodeError> {
    Ok(match message {
        EthMessage::Transactions(list) => list.decode()?.len(),
        EthMessage::BlockHeaders(_, list) => list.decode()?.len(),
        EthMessage::BlockBodies(_, list) => list.decode()?.len(),
        EthMessage::PooledTransactions(_, list) => list.decode()?.len(),
        EthMessage::NodeData(_, list) => list.decode()?.len(),
        EthMessage::Receipts(_, list) => list.decode()?.len(),
        _ => 0,
    })
}

proptest! {
    #[test]
    fn messages_round_trip_in_every_version((version, message) in message()) {
        let payload = Bytes::from(message.encode(version).unwrap());
        let decoded = EthMessage::decode(version, message.id().code(), &payload).unwrap();
        prop_assert_eq!(&decoded, &message);
        prop_assert_eq!(decode_items(&decoded), decode_items(&message));
        prop_assert!(decode_items(&message).is_ok());
    }

    #[test]
    fn a_message_of_one_version_never_panics_another(
        (version, message) in message(), other in 0..EthVersion::ALL.len(), code in 0u64..20,
        cut in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(),
    ) {
        let mut payload = message.encode(version).unwrap();
        let decode = |payload: &[u8]| {
            let payload = Bytes::copy_from_slice(payload);
            if let Ok(message) = EthMessage::decode(EthVersion::ALL[other], code, &payload) {
                let _ = decode_items(&message);
            }
        };
        decode(&payload);
        let bit = flip.index(payload.len() * 8);
        payload[bit / 8] ^= 1 << (bit % 8);
        decode(&payload);
        payload.truncate(cut.index(payload.len()));
        decode(&payload);
    }

    #[test]
    fn the_run_of_a_request_never_overflows(request in request(), first: u64) {
        let numbers: Vec<u64> = request.numbers(first).take(50).collect();
        prop_assert!(numbers.len() as u64 <= request.amount);
        if request.amount > 0 {
            prop_assert_eq!(numbers[0], first);
        }
        for pair in numbers.windows(2) {
            let (low, high) = if request.reverse { (pair[1], pair[0]) } else { (pair[0], pair[1]) };
            prop_assert_eq!((high - low) - 1, request.skip);
        }
    }
}

#[test]
fn counts_of_zero_one_and_the_most_are_served_within_the_limit() {
    for (amount, served) in [(0, 0), (1, 1), (u64::MAX, MAX_HEADERS)] {
        for skip in [0, 1, u64::MAX - 1, u64::MAX] {
            for reverse in [false, true] {
                let origin = BlockOrigin::Number(u64::MAX);
                let request = GetBlockHeaders {
                    origin,
                    amount,
                    skip,
                    reverse,
                };
                assert_eq!(request.served(), served);
                for first in [0, 1, u64::MAX] {
                    assert!(request.numbers(first).count() <= served);
                }
                let payload = EthMessage::GetBlockHeaders(u64::MAX, request);
                let payload = Bytes::from(payload.encode(EthVersion::Eth68).unwrap());
                let decoded = EthMessage::decode(EthVersion::Eth68, 3, &payload).unwrap();
                assert_eq!(decoded, EthMessage::GetBlockHeaders(u64::MAX, request));
            }
        }
    }
    let step = |skip, reverse| {
        let origin = BlockOrigin::Number(0);
        GetBlockHeaders {
            origin,
            amount: 2,
            skip,
            reverse,
        }
        .next_number(10)
    };
    assert_eq!(step(9, true), Some(0));
    assert_eq!(step(10, true), None);
    assert_eq!(step(u64::MAX, true), None);
    assert_eq!(step(u64::MAX, false), None);
    assert_eq!(step(u64::MAX - 11, false), Some(u64::MAX));
    assert_eq!(step(u64::MAX - 10, false), None);
}

#[test]
fn numbers_beyond_64_bits_are_refused() {
    let mut payload = Vec::new();
    put_list(&mut payload, |out| {
        put_list(out, |out| {
            rlp::encode_str(&[1; 9], out);
            for _ in 0..3 {
                0u64.encode(out);
            }
        });
    });
    let mut inner = Vec::new();
    put_list(&mut inner, |out| {
        rlp::encode_str(&[1; 9], out);
        for _ in 0..3 {
            0u64.encode(out);
        }
    });
    let result = EthMessage::decode(EthVersion::Eth63, 3, &inner.into());
    assert!(matches!(
        result,
        Err(EthError::Invalid {
            message: MessageId::GetBlockHeaders,
            ..
        })
    ));
    assert!(EthMessage::decode(EthVersion::Eth66, 3, &payload.into()).is_err());
}

#[test]
fn messages_that_a_version_does_not_have_are_refused() {
    for version in EthVersion::ALL {
        for code in 0..=17 {
            let known = MessageId::from_code(code).is_some_and(|message| version.has(message));
            let result = EthMessage::decode(version, code, &Bytes::from_static(&[0xc0]));
            let refused = result == Err(EthError::InvalidCode(code));
            assert_eq!(refused, !known, "{version:?} {code}");
        }
    }
    let announcement = EthMessage::NewPooledTransactionHashes(Vec::new());
    let refused = Err(EthError::InvalidCode(8));
    assert_eq!(announcement.encode(EthVersion::Eth64), refused);
    let node_data = EthMessage::GetNodeData(0, Vec::new());
    assert!(node_data.encode(EthVersion::Eth66).is_ok());
    assert_eq!(
        node_data.encode(EthVersion::Eth67),
        Err(EthError::InvalidCode(13))
    );
}

#[test]
fn a_message_above_ten_mebibytes_is_refused_unread() {
    let payload = Bytes::from(vec![0xc0; MAX_ETH_MESSAGE + 1]);
    let size = payload.len();
    let result = EthMessage::decode(EthVersion::Eth68, 2, &payload);
    assert_eq!(result, Err(EthError::TooLarge { size }));
}

/// A payload for every message with a list: the list has this content.
fn list_payload(version: EthVersion, message: MessageId, content: &[u8]) -> Option<Bytes> {
    let mut out = Vec::new();
    let put_content = |out: &mut Vec<u8>| put_list(out, |out| out.extend_from_slice(content));
    match message {
        MessageId::Status | MessageId::GetBlockHeaders | MessageId::NewBlock => return None,
        MessageId::NewPooledTransactionHashes if version.has_typed_announcements() => {
            put_list(&mut out, |out| {
                rlp::encode_str(&vec![1; content.len()], out);
                put_content(out);
                put_content(out);
            });
        }
        MessageId::NewBlockHashes
        | MessageId::Transactions
        | MessageId::NewPooledTransactionHashes => put_content(&mut out),
        _ if version.has_request_ids() => put_list(&mut out, |out| {
            1u64.encode(out);
            put_content(out);
        }),
        _ => put_content(&mut out),
    }
    Some(out.into())
}

#[test]
fn lists_of_the_smallest_items_are_refused() {
    for version in EthVersion::ALL {
        for message in MessageId::ALL
            .into_iter()
            .filter(|message| version.has(*message))
        {
            for byte in [0x80, 0xc0] {
                let content = vec![byte; 100_000];
                let Some(payload) = list_payload(version, message, &content) else {
                    continue;
                };
                let result = EthMessage::decode(version, message.code(), &payload);
                assert!(
                    matches!(result, Err(EthError::Invalid { .. })),
                    "{version:?} {message:?}"
                );
            }
        }
    }
}

#[test]
fn lists_that_claim_a_billion_elements_are_refused() {
    for version in EthVersion::ALL {
        for message in MessageId::ALL
            .into_iter()
            .filter(|message| version.has(*message))
        {
            for claim in [
                &[0xfb, 0x3b, 0x9a, 0xca, 0x00][..],
                &[0xff; 9],
                &[0xc2, 0x01, 0xfb],
            ] {
                let payload = Bytes::copy_from_slice(claim);
                let result = EthMessage::decode(version, message.code(), &payload);
                assert!(
                    matches!(result, Err(EthError::Invalid { .. })),
                    "{version:?} {message:?}"
                );
            }
        }
    }
}

#[test]
fn bodies_and_receipts_of_the_smallest_items_are_refused_before_they_are_decoded() {
    let mut body = Vec::new();
    put_list(&mut body, |out| {
        put_list(out, |out| {
            for _ in 0..10_000 {
                // A transaction of nine empty strings decodes, and is thirty times its size.
                out.extend_from_slice(&[
                    0xc9, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                ]);
            }
        });
        out.push(0xc0);
    });
    let bodies = LazyList::<Body>::from_encoded([body.as_slice()]);
    assert_eq!(bodies.decode(), Err(crate::rlp::IMPLAUSIBLE_ELEMENTS));
    let mut receipts = Vec::new();
    put_list(&mut receipts, |out| out.extend_from_slice(&[0xc0; 1000]));
    let receipts = LazyList::<BlockReceipts>::from_encoded([receipts.as_slice()]);
    assert_eq!(receipts.decode(), Err(crate::rlp::IMPLAUSIBLE_ELEMENTS));

    let mut block = Vec::new();
    put_list(&mut block, |out| {
        put_list(out, |out| {
            Header::default().encode(out);
            put_list(out, |out| out.extend_from_slice(&[0xc0; 10_000]));
            out.push(0xc0);
        });
        1u64.encode(out);
    });
    let result = EthMessage::decode(EthVersion::Eth63, 7, &block.into());
    let error = crate::rlp::IMPLAUSIBLE_ELEMENTS;
    assert_eq!(
        result,
        Err(EthError::Invalid {
            message: MessageId::NewBlock,
            error
        })
    );
}

#[test]
fn announcements_whose_parts_differ_in_number_are_refused() {
    for (kinds, sizes, count) in [(1, 2, 2), (2, 1, 2), (2, 2, 1), (0, 0, 1)] {
        let mut payload = Vec::new();
        put_list(&mut payload, |out| {
            rlp::encode_str(&vec![2; kinds], out);
            vec![100u32; sizes].encode(out);
            vec![B256::ZERO; count].encode(out);
        });
        let result = EthMessage::decode(EthVersion::Eth68, 8, &payload.into());
        assert!(matches!(result, Err(EthError::Invalid { .. })));
    }
}

#[test]
fn hash_lists_are_read_up_to_their_limit() {
    for (count, accepted) in [(MAX_REQUEST_HASHES, true), (MAX_REQUEST_HASHES + 1, false)] {
        let request = EthMessage::GetReceipts(1, vec![B256::ZERO; count]);
        let payload = Bytes::from(request.encode(EthVersion::Eth66).unwrap());
        let result = EthMessage::decode(EthVersion::Eth66, 15, &payload);
        assert_eq!(result.is_ok(), accepted);
    }
}

#[test]
fn a_block_with_an_impossible_difficulty_or_extra_data_is_refused() {
    let decode = |header: Header, total_difficulty| {
        let block = Block {
            header,
            body: Body::default(),
        };
        let message = EthMessage::NewBlock(Box::new(NewBlock {
            block,
            total_difficulty,
        }));
        let payload = Bytes::from(message.encode(EthVersion::Eth63).unwrap());
        EthMessage::decode(EthVersion::Eth63, 7, &payload).is_ok()
    };
    let with_difficulty = |bits: usize| Header {
        difficulty: U256::from(1) << (bits - 1),
        ..Header::default()
    };
    assert!(decode(with_difficulty(80), U256::from(1) << 99));
    assert!(!decode(with_difficulty(81), U256::from(1) << 99));
    assert!(!decode(with_difficulty(80), U256::from(1) << 100));
    let with_extra = |length: usize| Header {
        extra_data: vec![0; length].into(),
        ..Header::default()
    };
    assert!(decode(with_extra(MAX_EXTRA_DATA), U256::ZERO));
    assert!(!decode(with_extra(MAX_EXTRA_DATA + 1), U256::ZERO));
}

#[test]
fn a_status_is_checked_in_order() {
    let fork_id = Some(ForkId {
        hash: [1; 4].into(),
        next: 0,
    });
    let ours = Status {
        version: 64,
        network_id: 1,
        total_difficulty: U256::ZERO,
        head: B256::ZERO,
        genesis: B256::repeat_byte(1),
        fork_id,
    };
    let accept = |_: &ForkId| Ok::<(), String>(());
    let refuse = |_: &ForkId| Err("remote needs update".to_owned());
    assert_eq!(ours.check(&ours, accept), Ok(()));
    let mut theirs = ours;
    let error = StatusError::ForkId("remote needs update".to_owned());
    assert_eq!(theirs.check(&ours, refuse), Err(error));
    theirs.version = 63;
    let error = theirs.check(&ours, refuse).unwrap_err();
    assert_eq!(error.to_string(), "Protocol version mismatch - 63 (!= 64)");
    theirs.network_id = 2;
    let error = theirs.check(&ours, refuse).unwrap_err();
    assert_eq!(error.to_string(), "NetworkId mismatch - 2 (!= 1)");
    theirs.genesis = B256::ZERO;
    assert!(matches!(
        theirs.check(&ours, refuse),
        Err(StatusError::Genesis { .. })
    ));
}

#[test]
fn versions_have_their_lengths() {
    for version in EthVersion::ALL {
        assert_eq!(EthVersion::from_number(version.number()), Some(version));
        let highest = MessageId::ALL
            .into_iter()
            .filter(|message| version.has(*message))
            .max();
        assert!(highest.unwrap().code() < version.length());
        assert_eq!(
            version.protocol().capability.to_string(),
            format!("eth/{}", version.number())
        );
    }
    assert_eq!(EthVersion::from_number(61), None);
    assert_eq!(EthVersion::from_number(69), None);
}

#[test]
fn a_stranger_s_lists_are_not_shown() {
    let list = LazyList::<Value>::from_items(&[Value::from(vec![7; 100])]);
    assert_eq!(format!("{list:?}"), "[1 items, 102 bytes]");
}
