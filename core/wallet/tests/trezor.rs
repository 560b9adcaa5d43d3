//! Trezor's packets and messages, and those of a broken or foreign device. The simulated devices
//! are in `tests/src/usb` of the workspace.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use actoreum_primitives::address;
use actoreum_wallet::{
    DerivationPath, Password,
    hardware::Packet,
    limits::MAX_TREZOR_MESSAGE_BYTES,
    trezor::{Assembly, Features, Message, Reply, Request, TrezorError, TxRequest},
};
use proptest::prelude::*;

fn packets(message: &Message) -> Vec<Packet> {
    let mut packets = Vec::new();
    let sent: Result<(), ()> = message.send(|packet| {
        packets.push(*packet);
        Ok(())
    });
    sent.unwrap();
    packets
}

fn message(kind: u16, content: &[u8]) -> Message {
    Message {
        kind,
        content: content.to_vec().into(),
    }
}

#[test]
fn vectors_requests_in_packets() {
    // Initialize, the first message of every trezorlib session.
    let [packet] = packets(&Request::Initialize.encode())[..] else {
        panic!("one packet")
    };
    assert_eq!(packet[..9], *b"?##\0\0\0\0\0\0");
    assert_eq!(packet[9..], [0; 55]);

    let path = DerivationPath::account(3);
    let request = Request::GetAddress(&path).encode();
    assert_eq!(request.kind, 56);
    // address_n = 1: 44', 60', 0', 0, 3, each a field.
    let want = "08ac808080 0808bc80808008 088080808008 0800 0803".replace(' ', "");
    assert_eq!(hex::encode(&request.content), want);
    let pin = Request::PinMatrixAck(&Password::from("7139")).encode();
    assert_eq!(
        (pin.kind, pin.content.as_slice()),
        (19, &b"\x0a\x047139"[..])
    );
    let nothing = Request::PassphraseAck(&Password::default()).encode();
    assert_eq!(nothing.content.as_slice(), b"\x0a\x00", "empty, not absent");
}

#[test]
fn replies_of_old_and_new_firmwares_are_decoded() {
    let want = address!("73d0385F4d8E00C5e6504C6030F47BF6212736A8");
    let old = [&[0x0a, 20][..], want.as_slice()].concat();
    let new = [&[0x12, 42][..], want.to_string().as_bytes()].concat();
    for content in [old, new] {
        assert_eq!(
            Reply::decode(&message(57, &content)),
            Ok(Reply::Address(want))
        );
    }
    for broken in [
        &[][..],
        &[0x0a, 3, 1, 2, 3],
        b"\x12\x020x",
        b"\x12\x06monero",
    ] {
        let missing = TrezorError::Malformed("missing derived address");
        assert_eq!(Reply::decode(&message(57, broken)), Err(missing));
    }
    let encoded = b"\x10\x02\x18\x08\x20\x01\x52\x07my\nkeys\x38\x01";
    let features = Features {
        version: [2, 8, 1],
        label: "mykeys".to_owned(),
    };
    assert_eq!(
        Reply::decode(&message(17, encoded)),
        Ok(Reply::Features(features))
    );
    let failed = |content: &[u8]| Reply::decode(&message(3, content)).unwrap_err();
    let refused = TrezorError::Refused("Cancelled".to_owned());
    assert_eq!(failed(b"\x08\x04\x12\x09Cancelled"), refused);
    assert_eq!(
        failed(b"\x08\x63"),
        TrezorError::Failure("failure 99".to_owned())
    );
    let long = [&b"\x08\x01\x12\xe8\x07"[..], &[b'x'; 1000]].concat();
    assert_eq!(failed(&long), TrezorError::Failure("x".repeat(200)));
}

#[test]
fn oversized_requests_and_empty_signatures_are_refused() {
    let decode = |content: &[u8]| Reply::decode(&message(59, content));
    assert_eq!(
        decode(b"\x08\x80\x08"),
        Ok(Reply::TxRequest(TxRequest::More(1024)))
    );
    for content in [
        &b"\x08\x81\x08"[..],
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"",
        b"\x10\x1b\x1a\x01\x05",
        &[&b"\x1a\x21"[..], &[1; 33], b"\x22\x01\x05"].concat(),
    ] {
        let refused = decode(content);
        assert!(
            matches!(refused, Err(TrezorError::Malformed(_))),
            "{refused:?}"
        );
    }
}

#[test]
fn prealloc_a_length_is_bounded_before_allocation() {
    let header = |length: u32| {
        let mut packet = [0; 64];
        packet[..5].copy_from_slice(b"?##\0\x02");
        packet[5..9].copy_from_slice(&length.to_be_bytes());
        packet
    };
    let max = MAX_TREZOR_MESSAGE_BYTES as u32;
    assert_eq!(Assembly::default().push(&header(max)), Ok(None));
    for length in [max + 1, u32::MAX] {
        let refused = Assembly::default().push(&header(length));
        assert_eq!(refused, Err(TrezorError::TooLong(length)));
    }
    let mut second = [0; 64];
    second[0] = b'!';
    let mut assembly = Assembly::default();
    assert_eq!(assembly.push(&header(100)), Ok(None));
    assert_eq!(assembly.push(&second), Err(TrezorError::InvalidHeader));
}

proptest! {
    #[test]
    fn prop_messages_round_trip_in_packets(
        kind: u16,
        content in proptest::collection::vec(any::<u8>(), 0..2_000),
    ) {
        let sent = message(kind, &content);
        let mut assembly = Assembly::default();
        let packets = packets(&sent);
        for (index, packet) in packets.iter().enumerate() {
            let message_so_far = assembly.push(packet).unwrap();
            prop_assert_eq!(message_so_far, (index + 1 == packets.len()).then(|| sent.clone()));
        }
    }

    #[test]
    fn prop_no_device_causes_a_panic(
        stream in proptest::collection::vec(any::<[u8; 32]>(), 0..40),
        has_header: bool,
        length in 0_u32..3_000,
    ) {
        let mut assembly = Assembly::default();
        for (number, noise) in stream.iter().enumerate() {
            let mut packet = [0; 64];
            packet[32..].copy_from_slice(noise);
            if has_header {
                packet[0] = b'?';
                if number == 0 {
                    packet[1..5].copy_from_slice(b"##\0\x3b");
                    packet[5..9].copy_from_slice(&length.to_be_bytes());
                }
            }
            match assembly.push(&packet) {
                Ok(Some(message)) => {
                    let _ = Reply::decode(&message);
                }
                Ok(None) => {}
                Err(_) => break,
            }
        }
    }

    #[test]
    fn prop_no_reply_causes_a_panic(
        kind in prop_oneof![Just(3_u16), Just(17), Just(57), Just(59), Just(66), Just(469)],
        content in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = Reply::decode(&message(kind, &content));
    }
}
