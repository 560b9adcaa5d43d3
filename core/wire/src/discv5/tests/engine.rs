//! Sessions, challenges and answers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::peer::*;
use super::{key, record};
use crate::discv5::*;
use crate::limits::*;
use crate::nodes::EnrBuilder;

#[test]
fn a_handshake_opens_a_session() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    let question = peer.raw_packet(&[]);
    engine
        .handle_datagram(peer.address, &question, now)
        .unwrap();
    let packets = sent(&mut engine);
    let [(to, datagram)] = packets.as_slice() else {
        panic!("{packets:?}")
    };
    assert_eq!((*to, datagram.len()), (peer.address, MIN_DISCV5_PACKET));
    let Read::Challenge(nonce, content, challenge) = peer.read(datagram, None) else {
        panic!("a challenge")
    };
    let packet = decode_packet(&record(0, 1, engine_address()).node_id(), &question)
        .unwrap()
        .nonce;
    assert_eq!((nonce, content.enr_seq), (packet, 0));

    let ping = peer.ping();
    let handshake = peer.handshake(&challenge, &ping.encode());
    engine
        .handle_datagram(peer.address, &handshake, now)
        .unwrap();
    let messages = peer.messages(&mut engine);
    let [
        Message::Pong {
            id,
            enr_seq,
            address,
            port,
        },
        verification @ Message::Ping { .. },
    ] = messages.as_slice()
    else {
        panic!("{messages:?}")
    };
    assert_eq!((*id, *enr_seq), (ping.request_id(), 3));
    assert_eq!(SocketAddr::new(*address, *port), peer.address);
    let entry = engine.table().entry(&peer.id).unwrap();
    assert_eq!(entry.liveness_checks, 0, "it has not answered yet");
    assert_eq!(engine.record(&peer.id), Some(&peer.record));

    let pong = peer.answer_to(verification);
    let pong = peer.packet(&pong);
    engine.handle_datagram(peer.address, &pong, now).unwrap();
    let entry = engine.table().entry(&peer.id).unwrap();
    assert_eq!(entry.liveness_checks, 1);
    assert_eq!(engine.pending_requests(), 0);
}

#[test]
fn a_known_node_may_leave_out_its_record() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    let challenge = peer.be_challenged(&mut engine, now);
    let ping = peer.ping().encode();
    let handshake = peer.handshake_with(&challenge, None, &ping);
    let unknown = engine.handle_datagram(peer.address, &handshake, now);
    assert_eq!(unknown, Err(Rejected::InvalidRecord));
    peer.sessions.clear();
    let handshake = peer.handshake(&challenge, &ping);
    engine
        .handle_datagram(peer.address, &handshake, now)
        .unwrap();
    outputs(&mut engine);

    // The peer has lost its session.
    peer.sessions.clear();
    let question = peer.raw_packet(&[]);
    engine
        .handle_datagram(peer.address, &question, now)
        .unwrap();
    let (_, datagram) = sent(&mut engine).pop().unwrap();
    let Read::Challenge(_, content, challenge) = peer.read(&datagram, None) else {
        panic!("a challenge")
    };
    assert_eq!(content.enr_seq, 1);
    let handshake = peer.handshake_with(&challenge, None, &ping);
    engine
        .handle_datagram(peer.address, &handshake, now)
        .unwrap();
    assert!(matches!(
        peer.messages(&mut engine).as_slice(),
        [Message::Pong { .. }]
    ));
}

#[test]
fn a_second_message_repeats_the_challenge() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    let mut answers = Vec::new();
    for _ in 0..2 {
        let question = peer.raw_packet(&[]);
        engine
            .handle_datagram(peer.address, &question, now)
            .unwrap();
        answers.extend(sent(&mut engine));
    }
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0], answers[1]);
    assert_eq!(engine.open_challenges(), 1);

    let later = now + CHALLENGE_LIFETIME;
    let question = peer.raw_packet(&[]);
    engine
        .handle_datagram(peer.address, &question, later)
        .unwrap();
    assert_ne!(sent(&mut engine), answers[..1]);
}

#[test]
fn a_session_holds_for_its_address_alone() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    peer.connect(&mut engine, now);
    let ping = peer.ping();
    for elsewhere in ["9.9.9.9:40000", "8.8.8.8:40001"] {
        let from = elsewhere.parse().unwrap();
        let question = peer.packet(&ping);
        engine.handle_datagram(from, &question, now).unwrap();
        let packets = sent(&mut engine);
        let [(to, datagram)] = packets.as_slice() else {
            panic!("{packets:?}")
        };
        assert_eq!(*to, from);
        assert!(matches!(peer.read(datagram, None), Read::Challenge(..)));
    }
    let question = peer.packet(&ping);
    engine
        .handle_datagram(peer.address, &question, now)
        .unwrap();
    assert!(matches!(
        peer.messages(&mut engine).as_slice(),
        [Message::Pong { .. }]
    ));
}

#[test]
fn forged_handshakes_are_refused() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    let ping = peer.ping().encode();
    let handshake = peer.handshake(&[1; 63], &ping);
    assert_eq!(
        engine.handle_datagram(peer.address, &handshake, now),
        Err(Rejected::NoChallenge)
    );
    peer.sessions.clear();

    let own = Some(peer.record.encoded().to_vec());
    let foreign = EnrBuilder::new().sign(1, &key(2)).unwrap();
    let foreign = Some(foreign.encoded().to_vec());
    let mut unsigned = peer.record.encoded().to_vec();
    unsigned[10] ^= 1;
    let cases = [
        (own.clone(), true, Rejected::InvalidSignature),
        (foreign, false, Rejected::InvalidRecord),
        (Some(unsigned), false, Rejected::InvalidRecord),
        (Some(vec![0xc0]), false, Rejected::InvalidRecord),
    ];
    for (record, is_wrong_challenge, expected) in cases {
        let mut challenge = peer.be_challenged(&mut engine, now);
        if is_wrong_challenge {
            challenge[0] ^= 1;
        }
        let handshake = peer.handshake_with(&challenge, record, &ping);
        peer.sessions.clear();
        assert_eq!(
            engine.handle_datagram(peer.address, &handshake, now),
            Err(expected)
        );
        engine.handle_timeout(now);
        // The next case gets a challenge of its own.
        peer.address.set_port(peer.address.port() + 1);
    }
    let challenge = peer.be_challenged(&mut engine, now);
    let mut changed = peer.handshake_with(&challenge, own, &ping);
    peer.sessions.clear();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(
        engine.handle_datagram(peer.address, &changed, now),
        Err(Rejected::Undecryptable)
    );
    assert_eq!(engine.open_sessions(), 0);
    assert!(engine.table().is_empty());
    assert_eq!(sent(&mut engine), []);
}

#[test]
fn a_challenge_admits_three_attempts() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    let challenge = peer.be_challenged(&mut engine, now);
    let handshake = peer.handshake(&challenge, &[1, 0xc0]);
    let mut forged = handshake.clone();
    *forged.last_mut().unwrap() ^= 1;
    for _ in 0..MAX_HANDSHAKE_ATTEMPTS {
        let refused = engine.handle_datagram(peer.address, &forged, now);
        assert_eq!(refused, Err(Rejected::Undecryptable));
    }
    let refused = engine.handle_datagram(peer.address, &handshake, now);
    assert_eq!(refused, Err(Rejected::NoChallenge));
}

#[test]
fn a_late_or_repeated_handshake_is_refused() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    let challenge = peer.be_challenged(&mut engine, now);
    let ping = peer.ping().encode();
    let handshake = peer.handshake(&challenge, &ping);
    let late = now + CHALLENGE_LIFETIME;
    let refused = Err(Rejected::NoChallenge);
    assert_eq!(
        engine.handle_datagram(peer.address, &handshake, late),
        refused
    );
    peer.sessions.clear();
    let challenge = peer.be_challenged(&mut engine, late);
    let handshake = peer.handshake(&challenge, &ping);
    engine
        .handle_datagram(peer.address, &handshake, late)
        .unwrap();
    assert_eq!(
        engine.handle_datagram(peer.address, &handshake, late),
        refused
    );
}

#[test]
fn a_long_request_id_is_not_answered() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    let challenge = peer.be_challenged(&mut engine, now);
    let ping = [1, 0xcb, 0x89, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1];
    let handshake = peer.handshake(&challenge, &ping);
    let refused = engine.handle_datagram(peer.address, &handshake, now);
    let expected = MessageError::RequestIdTooLong;
    assert_eq!(refused, Err(Rejected::Message(expected)));
    let messages = peer.messages(&mut engine);
    assert!(messages.iter().all(Message::is_request), "{messages:?}");
}

#[test]
fn talk_requests_get_an_empty_response() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    peer.connect(&mut engine, now);
    for id in [RequestId::default(), RequestId::new(&[7; 8]).unwrap()] {
        let request = Message::TalkRequest {
            id,
            protocol: b"test-protocol".to_vec(),
            request: vec![1, 2, 3],
        };
        let datagram = peer.packet(&request);
        engine
            .handle_datagram(peer.address, &datagram, now)
            .unwrap();
        let response = Vec::new();
        let expected = [Message::TalkResponse { id, response }];
        assert_eq!(peer.messages(&mut engine), expected);
    }
    let datagram = peer.packet(&Message::TalkResponse {
        id: RequestId::default(),
        response: Vec::new(),
    });
    let refused = engine.handle_datagram(peer.address, &datagram, now);
    assert_eq!(refused, Err(Rejected::Unsolicited));
}

/// Returns the records of the answer to a request for nodes, and the sizes of its packets.
fn find_nodes(
    engine: &mut Discovery,
    peer: &mut Peer,
    distances: Vec<u16>,
    now: Instant,
) -> (Vec<Vec<u8>>, Vec<usize>) {
    let id = RequestId::new(&[4]).unwrap();
    let datagram = peer.packet(&Message::FindNode { id, distances });
    engine
        .handle_datagram(peer.address, &datagram, now)
        .unwrap();
    let packets = sent(engine);
    let sizes: Vec<usize> = packets.iter().map(|(_, packet)| packet.len()).collect();
    let mut found = Vec::new();
    for (to, packet) in &packets {
        assert_eq!(*to, peer.address);
        let Read::Message(Message::Nodes { total, records, .. }) = peer.read(packet, None) else {
            panic!("nodes")
        };
        assert_eq!(total, packets.len() as u64);
        found.extend(records);
    }
    (found, sizes)
}

#[test]
fn distance_zero_is_the_own_record() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    peer.connect(&mut engine, now);
    let (found, _) = find_nodes(&mut engine, &mut peer, vec![0, 0], now);
    let own = record(ENGINE, 3, engine_address());
    assert_eq!(found, [own.encoded()]);
    let (found, sizes) = find_nodes(&mut engine, &mut peer, vec![1], now);
    assert!(found.is_empty());
    assert_eq!(sizes.len(), 1, "an empty answer is an answer");
}

#[test]
fn live_nodes_are_returned_by_distance() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut peers: Vec<Peer> = (1..=24)
        .map(|number| Peer::new(number, &format!("8.{number}.8.8:40000")))
        .collect();
    for peer in &mut peers {
        // As many bytes as a record can have.
        peer.record = EnrBuilder::new()
            .with_endpoint(&peer.node().endpoint)
            .with_bytes("x", &[1; 150])
            .sign(1, &peer.key)
            .unwrap();
        peer.connect(&mut engine, now);
    }
    // One that has not answered the engine's ping.
    let mut silent = Peer::new(99, "8.99.8.8:40000");
    let challenge = silent.be_challenged(&mut engine, now);
    let ping = silent.ping().encode();
    let handshake = silent.handshake(&challenge, &ping);
    engine
        .handle_datagram(silent.address, &handshake, now)
        .unwrap();
    outputs(&mut engine);

    let (mut asker, own_id) = (peers.remove(0), record(0, 1, engine_address()).node_id());
    let all = (1..=256).collect();
    let (found, sizes) = find_nodes(&mut engine, &mut asker, all, now);
    assert_eq!(found.len(), MAX_FOUND_RECORDS);
    assert!(sizes.iter().all(|size| *size <= MAX_DISCV5_PACKET));
    assert!(!found.contains(&silent.record.encoded().to_vec()));

    for distance in 250..=256 {
        let at_distance = |peer: &&Peer| own_id.log_distance(&peer.id) == distance;
        let expected = peers.iter().chain([&asker]).filter(at_distance);
        let mut expected: Vec<_> = expected.map(|it| it.record.encoded().to_vec()).collect();
        let distances = vec![distance as u16];
        let (mut found, _) = find_nodes(&mut engine, &mut asker, distances, now);
        expected.sort();
        found.sort();
        if expected.len() <= BUCKET_SIZE {
            assert_eq!(found, expected, "{distance}");
        }
    }
}

#[test]
fn lan_nodes_are_not_returned_to_wan_hosts() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut near = Peer::new(1, "192.168.0.7:40000");
    near.connect(&mut engine, now);
    let mut far = Peer::new(2, "8.8.8.8:40000");
    far.connect(&mut engine, now);
    let all: Vec<u16> = (1..=256).collect();
    let (found, _) = find_nodes(&mut engine, &mut far, all.clone(), now);
    assert_eq!(found, [far.record.encoded()]);
    let (found, _) = find_nodes(&mut engine, &mut near, all, now);
    assert_eq!(found.len(), 2);
}

#[test]
fn own_packets_and_forbidden_addresses_are_refused() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut own = Peer::new(ENGINE, "8.8.8.8:40000");
    let datagram = own.raw_packet(&[]);
    assert_eq!(
        engine.handle_datagram(own.address, &datagram, now),
        Err(Rejected::OwnPacket)
    );
    let mut peer = Peer::new(1, "6.6.6.6:40000");
    let datagram = peer.raw_packet(&[]);
    assert_eq!(
        engine.handle_datagram(peer.address, &datagram, now),
        Err(Rejected::NotAllowed)
    );
    assert!(outputs(&mut engine).is_empty());
}

#[test]
fn a_record_with_another_address_is_not_pinged_at_once() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    let victim: SocketAddr = "9.9.9.9:40000".parse().unwrap();
    peer.record = record(1, 1, victim);
    let challenge = peer.be_challenged(&mut engine, now);
    let ping = peer.ping().encode();
    let handshake = peer.handshake(&challenge, &ping);
    engine
        .handle_datagram(peer.address, &handshake, now)
        .unwrap();
    assert!(sent(&mut engine).iter().all(|(to, _)| *to == peer.address));
    // Like every node that is only known from others, it is asked in its turn.
    assert!(engine.table().entry(&peer.id).is_some());
    let later = now + Duration::from_secs(11);
    engine.handle_timeout(later);
    let packets = sent(&mut engine);
    assert!(packets.iter().any(|(to, _)| *to == victim));
}
