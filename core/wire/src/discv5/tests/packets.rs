use actoreum_primitives::PeerId;
use proptest::prelude::*;

use super::key;
use super::messages::message;
use crate::discv5::*;
use crate::limits::{MAX_DISCV5_PACKET, MAX_ENR_SIZE, MIN_DISCV5_PACKET};
use crate::nodes::EnrBuilder;

const KEY: [u8; 16] = [9; 16];

fn id(number: u32) -> PeerId {
    PeerId::of(&key(number).public_key())
}

fn handshake(record: Option<Vec<u8>>) -> Vec<u8> {
    let handshake = Handshake {
        source: id(1),
        signature: [3; 64],
        ephemeral_key: key(5).public_key().to_compressed(),
        record,
    };
    encode_handshake(&id(2), (&[7; 16], &[8; 12]), &handshake, &KEY, &[1, 0xc0])
}

fn challenge() -> Vec<u8> {
    let content = WhoAreYou {
        id_nonce: [4; 16],
        enr_seq: 5,
    };
    encode_who_are_you(&id(2), (&[7; 16], &[8; 12]), &content).0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn packets_round_trip_and_any_changed_bit_is_seen(
        message in message(), iv: [u8; 16], nonce: [u8; 12], flip in any::<prop::sample::Index>(),
    ) {
        let plain = message.encode();
        let datagram = encode_ordinary(&id(1), &id(2), (&iv, &nonce), &KEY, &plain);
        prop_assume!(datagram.len() <= MAX_DISCV5_PACKET);
        prop_assert!(is_discv5(&id(2), &datagram));
        prop_assert!(!is_discv5(&id(3), &datagram));
        let packet = decode_packet(&id(2), &datagram).unwrap();
        prop_assert_eq!(packet.nonce, nonce);
        prop_assert_eq!(&packet.kind, &PacketKind::Ordinary { source: id(1) });
        let opened = open(&KEY, &nonce, &packet.associated, packet.message);
        prop_assert_eq!(opened, Some(plain));

        let mut changed = datagram;
        let bit = flip.index(changed.len() * 8);
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(packet) = decode_packet(&id(2), &changed) {
            let opened = open(&KEY, &packet.nonce, &packet.associated, packet.message);
            prop_assert_eq!(opened, None);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..400), flag in 0u8..4, size: u16,
    ) {
        let _ = decode_packet(&id(2), &bytes);
        // With a valid static header the decoder of the authentication data is reached.
        let Some((iv, rest)) = bytes.split_first_chunk_mut::<16>() else { return Ok(()) };
        let header = [b"discv5".as_slice(), &[0, 1, flag], &[0; 12], &size.to_be_bytes()].concat();
        for (byte, new) in rest.iter_mut().zip(header) {
            *byte = new;
        }
        use aes::cipher::{KeyIvInit, StreamCipher};
        let mask_key: [u8; 16] = id(2).0[..16].try_into().unwrap();
        ctr::Ctr128BE::<aes::Aes128>::new(&mask_key.into(), (&*iv).into()).apply_keystream(rest);
        let _ = decode_packet(&id(2), &bytes);
    }
}

#[test]
fn packets_of_a_wrong_size_are_refused() {
    let datagram = challenge();
    assert_eq!(datagram.len(), MIN_DISCV5_PACKET);
    assert!(decode_packet(&id(2), &datagram).is_ok());
    let short = &datagram[..MIN_DISCV5_PACKET - 1];
    assert_eq!(decode_packet(&id(2), short), Err(PacketError::TooShort));
    assert!(!is_discv5(&id(2), short));
    let long = [datagram.as_slice(), &[0; MAX_DISCV5_PACKET]].concat();
    assert_eq!(decode_packet(&id(2), &long), Err(PacketError::TooLong));
    assert!(!is_discv5(&id(2), &long));
    let message = [datagram.as_slice(), &[0]].concat();
    let expected = Err(PacketError::UnexpectedMessage);
    assert_eq!(decode_packet(&id(2), &message), expected);
}

#[test]
fn packets_for_another_node_are_refused() {
    let expected = Err(PacketError::InvalidHeader);
    assert_eq!(decode_packet(&id(3), &challenge()), expected);
    assert_eq!(decode_packet(&id(2), &[0; 100]), expected);
}

#[test]
fn wrong_headers_are_refused() {
    // The mask is an XOR, so that a change of the masked header is the same change of the header.
    let changed = |position: usize, change: u8| {
        let mut datagram = challenge();
        datagram[position] ^= change;
        decode_packet(&id(2), &datagram).map(|packet| packet.kind)
    };
    assert_eq!(changed(16, 1), Err(PacketError::InvalidHeader));
    assert_eq!(changed(23, 1), Err(PacketError::Version));
    assert_eq!(changed(24, 1 ^ 3), Err(PacketError::Flag(3)));
    assert_eq!(
        changed(24, 1),
        Err(PacketError::AuthSize),
        "an ordinary one"
    );
    assert_eq!(
        changed(24, 1 ^ 2),
        Err(PacketError::AuthSize),
        "a handshake"
    );
    assert_eq!(changed(37, 0xff), Err(PacketError::TooShort));
}

#[test]
fn handshakes_hold_a_record_of_at_most_300_bytes() {
    let record = EnrBuilder::new().sign(1, &key(1)).unwrap();
    for record in [None, Some(record.encoded().to_vec())] {
        let datagram = handshake(record.clone());
        let packet = decode_packet(&id(2), &datagram).unwrap();
        let PacketKind::Handshake(decoded) = packet.kind else {
            panic!("a handshake")
        };
        assert_eq!(decoded.record, record);
        assert_eq!(decoded.signature, [3; 64]);
    }
    let longest = handshake(Some(vec![1; MAX_ENR_SIZE]));
    assert!(decode_packet(&id(2), &longest).is_ok());
    let longer = handshake(Some(vec![1; MAX_ENR_SIZE + 1]));
    let expected = Err(PacketError::AuthSize);
    assert_eq!(decode_packet(&id(2), &longer), expected);
}

#[test]
fn other_signature_and_key_sizes_are_refused() {
    let sizes = 16 + 23 + 32;
    for position in [sizes, sizes + 1] {
        let mut datagram = handshake(None);
        datagram[position] ^= 1;
        let expected = Err(PacketError::AuthSize);
        assert_eq!(decode_packet(&id(2), &datagram), expected);
    }
}
