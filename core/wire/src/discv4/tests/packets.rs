use std::net::IpAddr;

use actoreum_primitives::B256;
use actoreum_primitives::rlp::{self, Encode};
use proptest::prelude::*;

use super::key;
use crate::discv4::*;
use crate::limits::{MAX_DISCV4_PACKET, MAX_NEIGHBORS_DECODED, MAX_NEIGHBORS_PER_PACKET};
use crate::nodes::EnrBuilder;
use crate::rlp::put_list;
use crate::test_support::{fixture, unhex};

#[test]
fn eip8_packets_decode() {
    let Some(vectors) = fixture("devp2p/vectors.json") else {
        return;
    };
    let vectors = vectors["discv4_eip8_packets"]["recover_and_decode_each"].clone();
    let vectors = vectors.as_array().unwrap();
    assert_eq!(vectors.len(), 6);
    let expected_sender = "ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd3138";
    for vector in vectors {
        let kind = vector["kind"].as_str().unwrap();
        let signed = decode_packet(&unhex(&vector["packet"])).unwrap();
        let sender: String = signed.sender.to_uncompressed()[..32]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(sender, expected_sender, "{kind}");
        assert_eq!(signed.packet.expiration(), Some(1_136_239_445), "{kind}");
        let matches = match &signed.packet {
            Packet::Ping(ping) => {
                assert!(ping.from.address.is_some() && ping.to.address.is_some());
                kind.starts_with("ping")
            }
            Packet::Pong(pong) => {
                assert_eq!(pong.to.udp, 2222);
                kind.starts_with("pong")
            }
            Packet::FindNode(request) => {
                assert_eq!(request.target[..4], [0xca, 0x63, 0x4c, 0xae]);
                kind.starts_with("findnode")
            }
            Packet::Neighbors(neighbors) => {
                assert_eq!(neighbors.nodes.len(), 4);
                assert_eq!(
                    neighbors.nodes[0].address,
                    "99.33.22.55".parse::<IpAddr>().unwrap()
                );
                assert_eq!(
                    (neighbors.nodes[0].udp, neighbors.nodes[0].tcp),
                    (4444, 4445)
                );
                kind.starts_with("neighbours")
            }
            Packet::EnrRequest(_) | Packet::EnrResponse(_) => false,
        };
        assert!(matches, "{kind}");
    }
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    (
        proptest::option::of(any::<IpAddr>()),
        any::<u16>(),
        any::<u16>(),
    )
        .prop_map(|(address, udp, tcp)| Endpoint {
            address: address.map(|address| address.to_canonical()),
            udp,
            tcp,
        })
}

fn neighbor() -> impl Strategy<Value = NeighborNode> {
    (any::<IpAddr>(), any::<u16>(), any::<u16>(), 0u32..20).prop_map(
        |(address, udp, tcp, number)| {
            let public_key = key(number).public_key();
            NeighborNode {
                address: address.to_canonical(),
                udp,
                tcp,
                public_key,
            }
        },
    )
}

fn packet() -> impl Strategy<Value = Packet> {
    let hash = any::<[u8; 32]>().prop_map(B256::new);
    let seq = proptest::option::of(any::<u64>());
    let target = proptest::collection::vec(any::<u8>(), 64);
    let neighbors = proptest::collection::vec(neighbor(), 0..=MAX_NEIGHBORS_PER_PACKET);
    prop_oneof![
        (endpoint(), endpoint(), any::<u64>(), seq.clone()).prop_map(
            |(from, to, expiration, enr_seq)| Packet::Ping(Ping {
                from,
                to,
                expiration,
                enr_seq
            })
        ),
        (endpoint(), hash.clone(), any::<u64>(), seq).prop_map(
            |(to, ping_hash, expiration, enr_seq)| {
                Packet::Pong(Pong {
                    to,
                    ping_hash,
                    expiration,
                    enr_seq,
                })
            }
        ),
        (target, any::<u64>()).prop_map(|(target, expiration)| {
            Packet::FindNode(FindNode {
                target: target.try_into().unwrap(),
                expiration,
            })
        }),
        (neighbors, any::<u64>())
            .prop_map(|(nodes, expiration)| { Packet::Neighbors(Neighbors { nodes, expiration }) }),
        any::<u64>().prop_map(|expiration| Packet::EnrRequest(EnrRequest { expiration })),
        (hash, any::<u64>(), 0u32..20).prop_map(|(request_hash, seq, number)| {
            let record = EnrBuilder::new().sign(seq, &key(number)).unwrap();
            Packet::EnrResponse(EnrResponse {
                request_hash,
                record,
            })
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn packets_round_trip_and_any_changed_bit_is_seen(
        packet in packet(), number in 0u32..20, flip in any::<prop::sample::Index>(),
    ) {
        let (datagram, hash) = encode_packet(&packet, &key(number));
        prop_assert!(datagram.len() <= MAX_DISCV4_PACKET);
        let signed = decode_packet(&datagram).unwrap();
        prop_assert_eq!(&signed.packet, &packet);
        prop_assert_eq!(signed.sender, key(number).public_key());
        prop_assert_eq!(signed.hash, hash);
        let mut changed = datagram;
        let bit = flip.index(changed.len() * 8);
        changed[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(decode_packet(&changed), Err(PacketError::BadHash));
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..300), type_byte in 0u8..8,
    ) {
        let _ = decode_packet(&bytes);
        // With a valid hash the decoder is reached. Sometimes the bytes decode.
        if bytes.len() > 98 {
            bytes[97] = type_byte;
            let hash = actoreum_primitives::keccak256(&bytes[32..]);
            bytes[..32].copy_from_slice(hash.as_slice());
            let _ = decode_packet(&bytes);
        }
    }
}

/// Returns a datagram with any type and data and a valid signature.
fn signed(type_byte: u8, data: &[u8]) -> Vec<u8> {
    let content = [&[type_byte], data].concat();
    let signature = key(1)
        .sign(actoreum_primitives::keccak256(&content))
        .to_bytes();
    let hashed = [signature.as_slice(), &content].concat();
    [actoreum_primitives::keccak256(&hashed).as_slice(), &hashed].concat()
}

#[test]
fn wrong_envelopes_are_refused() {
    let packet = Packet::EnrRequest(EnrRequest { expiration: 1 });
    let (datagram, _) = encode_packet(&packet, &key(1));
    for length in 0..98 {
        assert_eq!(
            decode_packet(&datagram[..length]),
            Err(PacketError::TooSmall)
        );
    }
    assert_eq!(
        decode_packet(&[0; MAX_DISCV4_PACKET + 1]),
        Err(PacketError::TooLarge)
    );
    assert_eq!(
        decode_packet(&signed(0, &[0xc0])),
        Err(PacketError::UnknownType(0))
    );
    assert_eq!(
        decode_packet(&signed(7, &[0xc0])),
        Err(PacketError::UnknownType(7))
    );
    assert!(matches!(
        decode_packet(&signed(1, &[])),
        Err(PacketError::Rlp(_))
    ));

    let mut unsigned = signed(5, &[0xc1, 0x01]);
    unsigned[32..97].fill(0);
    let hash = actoreum_primitives::keccak256(&unsigned[32..]);
    unsigned[..32].copy_from_slice(hash.as_slice());
    assert_eq!(decode_packet(&unsigned), Err(PacketError::BadSignature));
}

#[test]
fn oversized_list_claims_are_refused() {
    for type_byte in 1..=6 {
        let claim = [0xfb, 0x3b, 0x9a, 0xca, 0x00];
        assert!(matches!(
            decode_packet(&signed(type_byte, &claim)),
            Err(PacketError::Rlp(_))
        ));
        assert!(decode_packet(&signed(type_byte, &[0xff; 9])).is_err());
    }
}

#[test]
fn neighbors_with_an_invalid_key_or_address_are_left_out() {
    let mut data = Vec::new();
    put_list(&mut data, |out| {
        put_list(out, |out| {
            for (address, key_bytes) in [
                ([1, 2, 3, 4].as_slice(), [0x11; 64]),
                ([1, 2, 3].as_slice(), key(2).public_key().to_uncompressed()),
                (
                    [1, 2, 3, 4].as_slice(),
                    key(2).public_key().to_uncompressed(),
                ),
            ] {
                put_list(out, |out| {
                    rlp::encode_str(address, out);
                    30303u16.encode(out);
                    30303u16.encode(out);
                    rlp::encode_str(&key_bytes, out);
                });
            }
        });
        1u64.encode(out);
    });
    let Packet::Neighbors(neighbors) = decode_packet(&signed(4, &data)).unwrap().packet else {
        panic!("a neighbors packet");
    };
    assert_eq!(neighbors.nodes.len(), 1);
    assert_eq!(neighbors.nodes[0].public_key, key(2).public_key());
}

#[test]
fn neighbors_beyond_a_bucket_are_ignored() {
    let neighbor = NeighborNode {
        address: "1.2.3.4".parse().unwrap(),
        udp: 1,
        tcp: 1,
        public_key: key(3).public_key(),
    };
    let count = MAX_NEIGHBORS_DECODED + 1;
    let packet = Packet::Neighbors(Neighbors {
        nodes: vec![neighbor; count],
        expiration: 1,
    });
    let (datagram, _) = encode_packet(&packet, &key(1));
    assert!(datagram.len() > MAX_DISCV4_PACKET);
    // A packet of that size is refused before; this tests the decoder alone.
    let mut data = Vec::new();
    packet.encode_data(&mut data);
    let Ok(Packet::Neighbors(neighbors)) = Packet::decode_data(4, &data) else {
        panic!("a neighbors packet");
    };
    assert_eq!(neighbors.nodes.len(), MAX_NEIGHBORS_DECODED);
}

#[test]
fn at_most_twelve_neighbors_with_ipv6_addresses_fit_a_packet() {
    let neighbor = NeighborNode {
        address: "2a00:1111:2222:3333:4444:5555:6666:7777".parse().unwrap(),
        udp: u16::MAX,
        tcp: u16::MAX,
        public_key: key(3).public_key(),
    };
    for (count, fits) in [
        (MAX_NEIGHBORS_PER_PACKET, true),
        (MAX_NEIGHBORS_PER_PACKET + 1, false),
    ] {
        let nodes = vec![neighbor; count];
        let packet = Packet::Neighbors(Neighbors {
            nodes,
            expiration: u64::MAX,
        });
        assert_eq!(
            encode_packet(&packet, &key(1)).0.len() <= MAX_DISCV4_PACKET,
            fits
        );
    }
}
