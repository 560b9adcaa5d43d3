//! Benchmarks of the wire protocols: frames compared with the bare cipher and hash, handshakes,
//! discovery packets.

#![allow(missing_docs, reason = "criterion makes the public functions")]

mod tcp;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use actoreum_primitives::SecretKey;
use actoreum_primitives::crypto::Keccak256;
use actoreum_wire::discv4::{
    Discovery, DiscoveryConfig, Endpoint, FindNode, NeighborNode, Neighbors, Now, Packet, Ping,
    decode_packet, encode_packet,
};
use actoreum_wire::limits::MAX_FRAME_SIZE;
use actoreum_wire::nodes::EnodeEndpoint;
use actoreum_wire::p2p::{Capability, Event, Protocol, Session, SessionConfig};
use actoreum_wire::rlpx::{FrameCodec, Handshake, HandshakeFormat};
use aes::cipher::{KeyIvInit, StreamCipher};
use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const SIZES: [(&str, usize); 2] = [("1KiB", 1 << 10), ("1MiB", 1 << 20)];

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).expect("because the key is small")
}

/// Returns a payload of half noise and half zeros: it compresses to about half, as block data does.
fn payload(size: usize) -> Vec<u8> {
    let noise = |index: usize| (index.wrapping_mul(2_654_435_761) >> 15) as u8;
    (0..size)
        .map(|index| if index / 64 % 2 == 0 { noise(index) } else { 0 })
        .collect()
}

fn codecs() -> (FrameCodec, FrameCodec) {
    let format = HandshakeFormat::Eip8;
    let (mut initiator, auth) = Handshake::initiate(key(1), key(2).public_key(), format, [3; 32]);
    let mut responder = Handshake::respond(key(2), [4; 32]);
    let responded = responder.read(&auth).expect("valid").expect("complete");
    let initiated = initiator
        .read(&responded.reply)
        .expect("valid")
        .expect("complete");
    (
        FrameCodec::new(initiated.secrets),
        FrameCodec::new(responded.secrets),
    )
}

/// Returns two open sessions of a base protocol version: 5 compresses, 4 does not.
fn sessions(version: u64) -> (Session, Session) {
    let now = Instant::now();
    let config = |byte: u8| {
        let capability = Capability::new("eth", 68);
        let protocols = vec![Protocol {
            capability,
            length: 17,
        }];
        SessionConfig {
            version,
            ..SessionConfig::new(key(byte), "bench", protocols)
        }
    };
    let format = HandshakeFormat::Eip8;
    let mut dialer = Session::initiate(config(1), key(2).public_key(), format, [1; 32], now);
    let mut listener = Session::accept(config(2), [2; 32], now);
    while !(dialer.is_open() && listener.is_open()) {
        listener.receive(&dialer.take_output());
        dialer.receive(&listener.take_output());
        for session in [&mut dialer, &mut listener] {
            while let Some(event) = session.poll(now).expect("valid") {
                if matches!(event, Event::Authenticated { .. }) {
                    session.send_hello().expect("encrypted");
                }
            }
        }
    }
    (dialer, listener)
}

/// Measures frames that one side encrypts and the other decrypts: each byte passes cipher and hash
/// twice.
fn frames(criterion: &mut Criterion) {
    for (name, size) in SIZES {
        let mut group = criterion.benchmark_group(format!("rlpx/{name}"));
        group.throughput(Throughput::Bytes(size as u64));
        let body = payload(size);

        group.bench_function("floor_aes_keccak", |bencher| {
            let mut cipher = ctr::Ctr128BE::<aes::Aes256>::new(&[1; 32].into(), &[0; 16].into());
            let mut hash = Keccak256::new();
            let mut buffer = body.clone();
            bencher.iter(|| {
                for _ in 0..2 {
                    cipher.apply_keystream(&mut buffer);
                    hash.update(&buffer);
                }
                black_box(&buffer);
            });
            black_box(hash.digest());
        });
        group.bench_function("frame", |bencher| {
            let (mut sender, mut receiver) = codecs();
            let (mut wire, mut input) = (Vec::new(), BytesMut::new());
            bencher.iter(|| {
                wire.clear();
                sender
                    .encode(&mut wire, |out| out.extend_from_slice(&body))
                    .expect("it fits");
                input.extend_from_slice(&wire);
                let frame = receiver.decode(&mut input, MAX_FRAME_SIZE).expect("valid");
                black_box(frame.expect("complete"));
            });
        });
        for (kind, version) in [("session_plain", 4), ("session_snappy", 5)] {
            group.bench_function(kind, |bencher| {
                let (mut sender, mut receiver) = sessions(version);
                let now = Instant::now();
                bencher.iter(|| {
                    sender.send(0, 7, &body).expect("open");
                    receiver.receive(&sender.take_output());
                    black_box(receiver.poll(now).expect("valid").expect("complete"));
                });
            });
        }
        group.finish();
    }
}

fn handshakes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake");
    group.throughput(Throughput::Elements(1));
    for (name, format) in [
        ("eip8", HandshakeFormat::Eip8),
        ("plain", HandshakeFormat::Plain),
    ] {
        group.bench_function(format!("{name}_both_sides"), |bencher| {
            bencher.iter(|| {
                let (mut initiator, auth) =
                    Handshake::initiate(key(1), key(2).public_key(), format, [3; 32]);
                let mut responder = Handshake::respond(key(2), [4; 32]);
                let responded = responder.read(&auth).expect("valid").expect("complete");
                black_box(initiator.read(&responded.reply).expect("valid"));
            });
        });
    }
    group.finish();
}

fn discovery(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("discv4");
    group.throughput(Throughput::Elements(1));
    let address = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));
    let endpoint = Endpoint {
        address: Some(address),
        udp: 30303,
        tcp: 30303,
    };
    let expiration = 1_700_000_020;
    let ping = Packet::Ping(Ping {
        from: endpoint,
        to: endpoint,
        expiration,
        enr_seq: Some(1),
    });
    let find_node = Packet::FindNode(FindNode {
        target: [7; 64],
        expiration,
    });
    let public_key = key(9).public_key();
    let node = NeighborNode {
        address,
        udp: 30303,
        tcp: 30303,
        public_key,
    };
    let neighbors = Packet::Neighbors(Neighbors {
        nodes: vec![node; 12],
        expiration,
    });
    for (name, packet) in [
        ("ping", &ping),
        ("find_node", &find_node),
        ("neighbors", &neighbors),
    ] {
        group.bench_function(format!("encode_{name}"), |bencher| {
            let key = key(1);
            bencher.iter(|| black_box(encode_packet(packet, &key)));
        });
        let (datagram, _) = encode_packet(packet, &key(1));
        group.bench_function(format!("decode_{name}"), |bencher| {
            bencher.iter(|| black_box(decode_packet(&datagram)));
        });
    }

    let now = Now {
        instant: Instant::now(),
        unix: 1_700_000_000,
    };
    let config = DiscoveryConfig {
        key: key(2),
        endpoint: EnodeEndpoint::new(address, 30303, 30303),
        record: None,
        bootnodes: Vec::new(),
        allows: Box::new(|_| true),
        entropy: [1; 32],
    };
    let mut engine = Discovery::new(config, now);
    let (datagram, _) = encode_packet(&ping, &key(1));
    let (mut second, mut sent) = (0, 0);
    group.bench_function("engine_ping_to_pong", |bencher| {
        bencher.iter_batched(
            || {
                // The source and the second change now and then, so that no limit applies.
                sent += 1;
                second += u64::from(sent % 1000 == 0);
                let from = Ipv4Addr::from(0x0900_0000 + (sent % 100) as u32);
                let instant = now.instant + std::time::Duration::from_secs(second);
                (
                    SocketAddr::new(from.into(), 30303),
                    Now {
                        instant,
                        unix: now.unix,
                    },
                )
            },
            |(from, now)| {
                engine.handle_timeout(now);
                let _ = black_box(engine.handle_datagram(from, &datagram, now));
                while let Some(output) = engine.poll_output() {
                    black_box(output);
                }
            },
            BatchSize::SmallInput,
        );
    });
    let mut corrupt = datagram.clone();
    corrupt
        .iter_mut()
        .skip(40)
        .take(1)
        .for_each(|byte| *byte ^= 1);
    group.bench_function("refuse_bad_hash", |bencher| {
        bencher.iter(|| black_box(decode_packet(&corrupt)));
    });
    group.finish();
}

criterion_group!(benches, frames, tcp::throughput, handshakes, discovery);
criterion_main!(benches);
