//! Tests of the lists in messages: limits, size claims, debug output.

use actoreum_primitives::rlp::Decode as _;

use super::*;

/// Returns a payload of a message with a list of this content; `None` for messages without a list.
fn list_payload(version: EthVersion, message: MessageId, content: &[u8]) -> Option<Bytes> {
    let mut out = Vec::new();
    let put_content = |out: &mut Vec<u8>| put_list(out, |out| out.extend_from_slice(content));
    match message {
        MessageId::Status
        | MessageId::GetBlockHeaders
        | MessageId::NewBlock
        | MessageId::BlockRangeUpdate => return None,
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
fn lists_of_too_small_items_are_refused() {
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
fn announcements_with_unequal_parts_are_refused() {
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
fn debug_output_does_not_show_the_items_of_a_list() {
    let list = LazyList::<Value>::from_items(&[Value::from(vec![7; 100])]);
    assert_eq!(format!("{list:?}"), "[1 items, 102 bytes]");
}

#[test]
fn receipts_without_blooms_grow_to_a_bounded_size() {
    // [type, status, gas, []]
    let smallest = [0xc4, 0x80, 0x01, 0x01, 0xc0];
    let message = |count: usize| {
        let mut block = Vec::new();
        put_list(&mut block, |out| out.extend(smallest.repeat(count)));
        let mut payload = Vec::new();
        put_list(&mut payload, |out| {
            out.push(1);
            put_list(out, |out| out.append(&mut block));
        });
        EthMessage::decode(EthVersion::Eth69, 16, &payload.into()).unwrap()
    };
    let expand = |message| match message {
        EthMessage::Receipts(1, lists) => lists.encoded(),
        other => panic!("{other:?}"),
    };
    let blocks = expand(message(2)).unwrap();
    let receipts = BlockReceipts::decode(&mut &*blocks[0]).unwrap().0;
    let receipt = Receipt::new(TxType::Legacy, ReceiptOutcome::Status(true), 1, Vec::new());
    assert_eq!(receipts, [receipt.clone(), receipt]);
    assert!(expand(message(1_000_000)).is_err());
}
