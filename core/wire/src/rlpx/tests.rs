//! Vectors, properties and attacks for the handshake and for frames.

use actoreum_primitives::crypto::CryptoError;
use actoreum_primitives::{PublicKey, SecretKey};
use bytes::BytesMut;
use proptest::prelude::*;

use super::packet::{Ack, Auth, Opened, open};
use super::*;
use crate::ecies::{self, EciesError};
use crate::limits::MAX_FRAME_SIZE;
use crate::test_support::{fixture, unhex};

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).unwrap()
}

fn secret(vectors: &serde_json::Value, name: &str) -> SecretKey {
    SecretKey::from_bytes(&unhex(&vectors[name]).try_into().unwrap()).unwrap()
}

#[test]
fn eip8_auth_packets_decode() {
    let Some(vectors) = fixture("devp2p/vectors.json") else {
        return;
    };
    let vectors = &vectors["rlpx_eip8"];
    let (key_a, key_b) = (
        secret(vectors, "static_key_a"),
        secret(vectors, "static_key_b"),
    );
    let auths = vectors["auth_to_b"].as_array().unwrap();
    assert_eq!(auths.len(), 2);
    for vector in auths {
        let packet = unhex(&vector["packet"]);
        let Ok(Opened::Packet {
            packet: auth,
            format,
            length,
        }) = open::<Auth>(&key_b, &packet)
        else {
            panic!("version {} does not open", vector["version"]);
        };
        assert_eq!(format, HandshakeFormat::Eip8);
        assert_eq!(length, packet.len());
        assert_eq!(auth.public_key, key_a.public_key());
        assert_eq!(auth.nonce.to_vec(), unhex(&vectors["nonce_a"]));
        assert_eq!(
            auth.signature.to_bytes().to_vec(),
            unhex(&vectors["auth_signature"])
        );
    }
}

#[test]
fn eip8_ack_packets_decode() {
    let Some(vectors) = fixture("devp2p/vectors.json") else {
        return;
    };
    let vectors = &vectors["rlpx_eip8"];
    let acks = vectors["ack_to_a"].as_array().unwrap();
    assert_eq!(acks.len(), 2);
    for vector in acks {
        let packet = unhex(&vector["packet"]);
        let key_a = secret(vectors, "static_key_a");
        let Ok(Opened::Packet {
            packet: ack,
            format,
            ..
        }) = open::<Ack>(&key_a, &packet)
        else {
            panic!("version {} does not open", vector["version"]);
        };
        assert_eq!(format, HandshakeFormat::Eip8);
        assert_eq!(
            ack.ephemeral_key,
            secret(vectors, "ephemeral_key_b").public_key()
        );
        assert_eq!(ack.nonce.to_vec(), unhex(&vectors["nonce_b"]));
    }
}

#[test]
fn eip8_secrets_are_derived() {
    let Some(vectors) = fixture("devp2p/vectors.json") else {
        return;
    };
    let vectors = &vectors["rlpx_eip8"];
    let derived = &vectors["derived_by_recipient_b_from_auth0_ack0"];
    let auth = unhex(&vectors["auth_to_b"][0]["packet"]);
    let mut responder = Handshake::respond(secret(vectors, "static_key_b"), [0; 32]);
    let nonce = unhex(&vectors["nonce_b"]).try_into().unwrap();
    responder.fix(secret(vectors, "ephemeral_key_b"), nonce);
    let outcome = responder.read(&auth).unwrap().unwrap();
    assert_eq!(outcome.consumed, auth.len());
    assert_eq!(outcome.remote, secret(vectors, "static_key_a").public_key());
    assert_eq!(outcome.secrets.aes.to_vec(), unhex(&derived["aes_secret"]));
    assert_eq!(outcome.secrets.mac.to_vec(), unhex(&derived["mac_secret"]));
    assert_eq!(
        outcome.secrets.ingress.digest_after(b"foo").to_vec(),
        unhex(&derived["ingress_mac_after_updating_with_ascii_foo"]),
    );
}

/// Runs a handshake between two keys; returns the codecs of initiator and responder.
fn codecs(format: HandshakeFormat, seed: u8) -> (FrameCodec, FrameCodec) {
    let (mut initiator, auth) =
        Handshake::initiate(key(1), key(2).public_key(), format, [seed; 32]);
    let mut responder = Handshake::respond(key(2), [seed.wrapping_add(1); 32]);
    let responded = responder.read(&auth).unwrap().unwrap();
    assert_eq!(responded.remote, key(1).public_key());
    assert_eq!(responded.consumed, auth.len());
    let initiated = initiator.read(&responded.reply).unwrap().unwrap();
    assert_eq!(initiated.consumed, responded.reply.len());
    assert_eq!(initiated.remote, key(2).public_key());
    (
        FrameCodec::new(initiated.secrets),
        FrameCodec::new(responded.secrets),
    )
}

fn encode(codec: &mut FrameCodec, body: &[u8]) -> BytesMut {
    let mut out = Vec::new();
    codec
        .encode(&mut out, |out| out.extend_from_slice(body))
        .unwrap();
    BytesMut::from(out.as_slice())
}

#[test]
fn both_handshake_formats_interoperate() {
    for format in [HandshakeFormat::Plain, HandshakeFormat::Eip8] {
        let (mut initiator, mut responder) = codecs(format, 7);
        let mut frame = encode(&mut initiator, b"ping");
        let body = responder
            .decode(&mut frame, MAX_FRAME_SIZE)
            .unwrap()
            .unwrap();
        assert_eq!(body, b"ping".as_slice());
        let mut frame = encode(&mut responder, b"pong");
        let body = initiator
            .decode(&mut frame, MAX_FRAME_SIZE)
            .unwrap()
            .unwrap();
        assert_eq!(body, b"pong".as_slice());
    }
}

#[test]
fn the_ack_has_the_format_of_the_auth() {
    let (_, auth) =
        Handshake::initiate(key(1), key(2).public_key(), HandshakeFormat::Plain, [3; 32]);
    assert_eq!(auth.len(), 307);
    let outcome = Handshake::respond(key(2), [4; 32])
        .read(&auth)
        .unwrap()
        .unwrap();
    assert_eq!(outcome.reply.len(), 210);
}

#[test]
fn a_handshake_packet_may_arrive_byte_by_byte() {
    for format in [HandshakeFormat::Plain, HandshakeFormat::Eip8] {
        let (_, auth) = Handshake::initiate(key(1), key(2).public_key(), format, [3; 32]);
        let mut responder = Handshake::respond(key(2), [4; 32]);
        for length in 0..auth.len() {
            assert!(responder.read(&auth[..length]).unwrap().is_none());
        }
        assert!(responder.read(&auth).unwrap().is_some());
    }
}

#[test]
fn short_and_long_size_prefixes_are_refused_at_once() {
    let mut responder = Handshake::respond(key(2), [4; 32]);
    for size in [0u16, 1, 80, 112, 113, 306] {
        let error = responder.read(&size.to_be_bytes()).unwrap_err();
        assert_eq!(error, HandshakeError::TooShort { minimum: 307 });
    }
    assert_eq!(
        responder.read(&[0xff, 0xff]).unwrap_err(),
        HandshakeError::TooLong
    );
    assert_eq!(
        responder.read(&4097u16.to_be_bytes()).unwrap_err(),
        HandshakeError::TooLong
    );
    assert!(responder.read(&4096u16.to_be_bytes()).unwrap().is_none());
}

#[test]
fn a_handshake_for_another_key_is_refused() {
    let (_, auth) =
        Handshake::initiate(key(1), key(3).public_key(), HandshakeFormat::Eip8, [3; 32]);
    let error = Handshake::respond(key(2), [4; 32]).read(&auth).unwrap_err();
    assert_eq!(error, HandshakeError::Ecies(EciesError::WrongTag));
}

#[test]
fn static_and_ephemeral_keys_off_the_curve_are_refused() {
    use rand::SeedableRng;
    let random = &mut rand::rngs::StdRng::seed_from_u64(1);
    let recipient: PublicKey = key(2).public_key();

    let mut plain_auth = vec![1; 194];
    plain_auth[97..161].fill(0x11);
    let sealed = ecies::encrypt(&recipient, &plain_auth, &[], random);
    let error = Handshake::respond(key(2), [4; 32])
        .read(&sealed)
        .unwrap_err();
    assert_eq!(error, HandshakeError::Crypto(CryptoError::InvalidPublicKey));

    let (mut initiator, _) =
        Handshake::initiate(key(2), key(1).public_key(), HandshakeFormat::Plain, [3; 32]);
    let sealed = ecies::encrypt(&recipient, &[0x11; 97], &[], random);
    let error = initiator.read(&sealed).unwrap_err();
    assert_eq!(error, HandshakeError::Crypto(CryptoError::InvalidPublicKey));
}

#[test]
fn a_wrong_mac_is_an_error_in_every_part() {
    let frame_length = {
        let (mut initiator, _) = codecs(HandshakeFormat::Eip8, 9);
        encode(&mut initiator, &[5; 40]).len()
    };
    for position in 0..frame_length {
        let (mut initiator, mut responder) = codecs(HandshakeFormat::Eip8, 9);
        let mut frame = encode(&mut initiator, &[5; 40]);
        frame[position] ^= 1;
        let error = responder.decode(&mut frame, MAX_FRAME_SIZE).unwrap_err();
        let expected = if position < 32 {
            FrameError::BadHeaderMac
        } else {
            FrameError::BadBodyMac
        };
        assert_eq!(error, expected, "at {position}");
    }
}

#[test]
fn a_replayed_frame_is_an_error() {
    let (mut initiator, mut responder) = codecs(HandshakeFormat::Eip8, 9);
    let frame = encode(&mut initiator, b"once");
    assert!(
        responder
            .decode(&mut frame.clone(), MAX_FRAME_SIZE)
            .unwrap()
            .is_some()
    );
    let error = responder
        .decode(&mut frame.clone(), MAX_FRAME_SIZE)
        .unwrap_err();
    assert_eq!(error, FrameError::BadHeaderMac);
}

#[test]
fn the_announced_size_is_checked_before_the_body_arrives() {
    let (mut initiator, mut responder) = codecs(HandshakeFormat::Eip8, 9);
    let mut header = encode(&mut initiator, &[0; 3000]).split_to(32);
    let error = responder.decode(&mut header, 2048).unwrap_err();
    assert_eq!(
        error,
        FrameError::TooLarge {
            size: 3000,
            limit: 2048
        }
    );
}

#[test]
fn a_message_beyond_the_length_field_is_not_sent() {
    let (mut initiator, mut responder) = codecs(HandshakeFormat::Eip8, 9);
    let mut out = Vec::new();
    let too_long = vec![0; MAX_FRAME_SIZE + 1];
    let result = initiator.encode(&mut out, |out| out.extend_from_slice(&too_long));
    assert_eq!(result, Err(FrameError::Overflow));
    assert!(out.is_empty());
    let mut largest = encode(&mut initiator, &too_long[..MAX_FRAME_SIZE]);
    let body = responder
        .decode(&mut largest, MAX_FRAME_SIZE)
        .unwrap()
        .unwrap();
    assert_eq!(body.len(), MAX_FRAME_SIZE);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn frames_round_trip_in_any_chunks(
        bodies in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 0..200), 1..8),
        chunk in 1usize..80,
    ) {
        let (mut initiator, mut responder) = codecs(HandshakeFormat::Eip8, 11);
        let mut stream = Vec::new();
        for body in &bodies {
            initiator.encode(&mut stream, |out| out.extend_from_slice(body)).unwrap();
        }
        let mut input = BytesMut::new();
        let mut received = Vec::new();
        for bytes in stream.chunks(chunk) {
            input.extend_from_slice(bytes);
            while let Some(body) = responder.decode(&mut input, MAX_FRAME_SIZE).unwrap() {
                received.push(body.to_vec());
            }
        }
        prop_assert_eq!(received, bodies);
        prop_assert!(input.is_empty());
    }

    #[test]
    fn arbitrary_handshake_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let _ = Handshake::respond(key(2), [4; 32]).read(&bytes);
        let (mut initiator, _) =
            Handshake::initiate(key(1), key(2).public_key(), HandshakeFormat::Eip8, [3; 32]);
        let _ = initiator.read(&bytes);
    }
}
