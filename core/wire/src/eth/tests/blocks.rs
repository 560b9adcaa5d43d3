//! Tests of blocks, bodies and receipts.

use super::*;

#[test]
fn impossible_difficulties_and_extra_data_are_refused() {
    let decode = |header: Header, total_difficulty| {
        let block = Block {
            header,
            body: Body::default(),
        };
        let message = EthMessage::NewBlock(Box::new(NewBlock::new(&block, total_difficulty)));
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
fn bodies_and_receipts_of_too_small_items_are_not_decoded() {
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
fn hash_lists_are_read_up_to_their_limit() {
    for (count, accepted) in [(MAX_REQUEST_HASHES, true), (MAX_REQUEST_HASHES + 1, false)] {
        let request = EthMessage::GetReceipts(1, vec![B256::ZERO; count]);
        let payload = Bytes::from(request.encode(EthVersion::Eth66).unwrap());
        let result = EthMessage::decode(EthVersion::Eth66, 15, &payload);
        assert_eq!(result.is_ok(), accepted);
    }
}
