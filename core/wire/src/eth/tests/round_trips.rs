//! Tests of every message in every version, intact and damaged, and of messages that a version does
//! not have.

use super::strategies::message;
use super::*;

/// Decodes every item of a message. Returns how many decoded.
fn decode_items(message: &EthMessage) -> Result<usize, rlp::DecodeError> {
    Ok(match message {
        EthMessage::Transactions(list) => list.decode()?.len(),
        EthMessage::BlockHeaders(_, list) => list.decode()?.len(),
        EthMessage::BlockBodies(_, list) => list.decode()?.len(),
        EthMessage::PooledTransactions(_, list) => list.decode()?.len(),
        EthMessage::NodeData(_, list) => list.decode()?.len(),
        EthMessage::Receipts(_, lists) => lists.encoded()?.len(),
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
    fn a_message_of_one_version_never_panics_in_another(
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
}

#[test]
fn messages_that_a_version_does_not_have_are_refused() {
    for version in EthVersion::ALL {
        for code in 0..=18 {
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
    assert_eq!(EthVersion::from_number(70), None);
}
