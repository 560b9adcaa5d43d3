//! Requests of the engine and their results.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::peer::*;
use super::{key, record};
use crate::discv5::*;
use crate::limits::*;

const UNSOLICITED: Result<(), Rejected> = Err(Rejected::Unsolicited);

/// Starts an engine with a bootnode, and returns the nonce of its first packet.
fn with_bootnode(peer: &mut Peer, now: Instant) -> (Discovery, Nonce) {
    let mut engine = engine_with(vec![peer.node()], now);
    let packets = sent(&mut engine);
    let [(to, datagram)] = packets.as_slice() else {
        panic!("{packets:?}")
    };
    assert_eq!(*to, peer.address);
    let Read::Unreadable(nonce) = peer.read(datagram, None) else {
        panic!("a random packet")
    };
    (engine, nonce)
}

/// Challenges an engine as the answer to a packet; returns the datagram and the challenge data.
fn challenge(nonce: &Nonce) -> (Vec<u8>, Vec<u8>) {
    let engine = record(ENGINE, 1, engine_address()).node_id();
    let content = WhoAreYou {
        id_nonce: [3; 16],
        enr_seq: 0,
    };
    encode_who_are_you(&engine, (&[4; 16], nonce), &content)
}

#[test]
fn a_challenge_is_answered_with_the_request() {
    let now = Instant::now();
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    let (mut engine, nonce) = with_bootnode(&mut peer, now);
    let (datagram, data) = challenge(&nonce);
    engine
        .handle_datagram(peer.address, &datagram, now)
        .unwrap();
    let (to, handshake) = sent(&mut engine).pop().unwrap();
    assert_eq!(to, peer.address);
    let packet = decode_packet(&peer.id, &handshake).unwrap();
    let PacketKind::Handshake(content) = packet.kind else {
        panic!("a handshake")
    };
    let own = record(ENGINE, 3, engine_address());
    assert_eq!(content.record.as_deref(), Some(own.encoded()));
    let Read::Message(request) = peer.read(&handshake, Some(&data)) else {
        panic!("a message")
    };
    assert!(matches!(request, Message::FindNode { .. }));
    // The same challenge again, and one for the handshake packet: one handshake per request.
    let again = engine.handle_datagram(peer.address, &datagram, now);
    assert_eq!(again, UNSOLICITED);
    let (second, _) = challenge(&packet.nonce);
    assert_eq!(
        engine.handle_datagram(peer.address, &second, now),
        UNSOLICITED
    );

    // The answer makes the node live; its record is requested, since the bootnode has none.
    let answer = peer.packet(&Message::Nodes {
        id: request.request_id(),
        total: 1,
        records: Vec::new(),
    });
    engine.handle_datagram(peer.address, &answer, now).unwrap();
    assert_eq!(engine.table().entry(&peer.id).unwrap().liveness_checks, 1);
    peer.answer_all(&mut engine, now);
    assert_eq!(engine.record(&peer.id), Some(&peer.record));
}

#[test]
fn a_challenge_that_belongs_to_no_request_is_refused() {
    let now = Instant::now();
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    let (mut engine, nonce) = with_bootnode(&mut peer, now);
    let (wrong, _) = challenge(&[1; 12]);
    assert_eq!(
        engine.handle_datagram(peer.address, &wrong, now),
        UNSOLICITED
    );
    let (right, _) = challenge(&nonce);
    let elsewhere = "9.9.9.9:40000".parse().unwrap();
    let refused = engine.handle_datagram(elsewhere, &right, now);
    assert_eq!(refused, UNSOLICITED);
    assert!(sent(&mut engine).is_empty());
    let late = now + DISCV5_RESPONSE_TIMEOUT;
    engine.handle_timeout(late);
    outputs(&mut engine);
    let refused = engine.handle_datagram(peer.address, &right, late);
    assert_eq!(refused, UNSOLICITED);
}

/// Returns an engine with a live peer, and the first request of a lookup to it.
fn with_lookup(now: Instant) -> (Discovery, Peer, RequestId, Vec<u16>) {
    let mut engine = engine(now);
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    peer.connect(&mut engine, now);
    let target = engine.random_target();
    engine.start_lookup(target, now).unwrap();
    let messages = peer.messages(&mut engine);
    let [Message::FindNode { id, distances }] = messages.as_slice() else {
        panic!("{messages:?}")
    };
    let (id, distances) = (*id, distances.clone());
    assert_eq!(distances.len(), LOOKUP_DISTANCES);
    (engine, peer, id, distances)
}

/// Returns a peer at one of the distances from another.
fn peer_at(distances: &[u16], from: &Peer, address: &str, after: u32) -> Peer {
    (after..)
        .map(|number| Peer::new(number, address))
        .find(|peer| {
            let distance = from.id.log_distance(&peer.id);
            distances.iter().any(|it| usize::from(*it) == distance)
        })
        .unwrap()
}

fn other_than(distances: &[u16], from: &Peer) -> Peer {
    (100..)
        .map(|number| Peer::new(number, "9.9.9.9:40000"))
        .find(|peer| {
            let distance = from.id.log_distance(&peer.id);
            distances.iter().all(|it| usize::from(*it) != distance)
        })
        .unwrap()
}

#[test]
fn found_nodes_are_checked_before_they_are_used() {
    let now = Instant::now();
    let (mut engine, mut peer, id, distances) = with_lookup(now);
    let good = peer_at(&distances, &peer, "9.9.9.9:40000", 200);
    let forbidden = peer_at(&distances, &peer, "6.6.6.6:40000", 300);
    let low = peer_at(&distances, &peer, "9.9.9.10:1024", 400);
    let lan = peer_at(&distances, &peer, "192.168.0.1:40000", 500);
    let loopback = peer_at(&distances, &peer, "127.0.0.1:40000", 600);
    let far = other_than(&distances, &peer);
    let mut forged = peer_at(&distances, &peer, "9.9.9.9:40000", 700)
        .record
        .encoded()
        .to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let mut records: Vec<Vec<u8>> = [&good, &good, &forbidden, &low, &lan, &loopback, &far]
        .into_iter()
        .map(|peer| peer.record.encoded().to_vec())
        .collect();
    records.push(forged);
    records.push(vec![0xc0]);
    let (first, second) = records.split_at(4);
    for records in [first.to_vec(), second.to_vec()] {
        let nodes = Message::Nodes {
            id,
            total: 2,
            records,
        };
        let datagram = peer.packet(&nodes);
        engine
            .handle_datagram(peer.address, &datagram, now)
            .unwrap();
    }
    let asked: Vec<SocketAddr> = sent(&mut engine).into_iter().map(|(to, _)| to).collect();
    assert_eq!(asked, [good.address]);
    assert!(engine.table().entry(&good.id).is_some());
    assert_eq!(engine.table().len(), 2);

    // A late part of the answer.
    let late = peer.packet(&Message::Nodes {
        id,
        total: 2,
        records: Vec::new(),
    });
    assert_eq!(
        engine.handle_datagram(peer.address, &late, now),
        UNSOLICITED
    );
}

#[test]
fn an_answer_of_endless_parts_ends() {
    let now = Instant::now();
    let (mut engine, mut peer, id, _) = with_lookup(now);
    let part = Message::Nodes {
        id,
        total: u64::MAX,
        records: Vec::new(),
    };
    let mut time = now;
    for _ in 0..MAX_NODES_PACKETS {
        assert_eq!(engine.pending_requests(), 1);
        time += DISCV5_RESPONSE_TIMEOUT - Duration::from_millis(1);
        let datagram = peer.packet(&part);
        engine
            .handle_datagram(peer.address, &datagram, time)
            .unwrap();
    }
    assert_eq!(engine.pending_requests(), 0);
    let [Output::LookupFinished { queries: 1, .. }] = outputs(&mut engine)[..] else {
        panic!("the lookup is over")
    };
}

#[test]
fn a_part_of_an_answer_is_used_after_the_timeout() {
    let now = Instant::now();
    let (mut engine, mut peer, id, distances) = with_lookup(now);
    let found = peer_at(&distances, &peer, "9.9.9.9:40000", 200);
    let datagram = peer.packet(&Message::Nodes {
        id,
        total: 3,
        records: vec![found.record.encoded().to_vec()],
    });
    engine
        .handle_datagram(peer.address, &datagram, now)
        .unwrap();
    assert!(sent(&mut engine).is_empty());
    engine.handle_timeout(now + DISCV5_RESPONSE_TIMEOUT);
    let asked = sent(&mut engine).into_iter().map(|(to, _)| to);
    assert!(asked.collect::<Vec<_>>().contains(&found.address));
}

#[test]
fn responses_of_another_kind_or_id_are_refused() {
    let now = Instant::now();
    let (mut engine, mut peer, id, _) = with_lookup(now);
    let request = Message::Ping { id, enr_seq: 1 };
    let pong = peer.answer_to(&request);
    let pong = peer.packet(&pong);
    assert_eq!(
        engine.handle_datagram(peer.address, &pong, now),
        UNSOLICITED
    );
    let nodes = peer.packet(&Message::Nodes {
        id: RequestId::new(&[1]).unwrap(),
        total: 1,
        records: Vec::new(),
    });
    assert_eq!(
        engine.handle_datagram(peer.address, &nodes, now),
        UNSOLICITED
    );
    assert_eq!(engine.pending_requests(), 1);
}

#[test]
fn one_request_at_a_time_is_sent_to_a_node() {
    let now = Instant::now();
    let (mut engine, mut peer, id, _) = with_lookup(now);
    let target = engine.random_target();
    engine.start_lookup(target, now).unwrap();
    assert!(sent(&mut engine).is_empty());
    assert_eq!(engine.pending_requests(), 2);
    let nodes = peer.packet(&Message::Nodes {
        id,
        total: 1,
        records: Vec::new(),
    });
    engine.handle_datagram(peer.address, &nodes, now).unwrap();
    let messages = peer.messages(&mut engine);
    assert!(matches!(messages.as_slice(), [Message::FindNode { .. }]));
    // At most a few wait, so that a silent node does not hold up many lookups.
    let lookups = (0..MAX_LOOKUPS).filter_map(|_| {
        let target = engine.random_target();
        engine.start_lookup(target, now)
    });
    assert_eq!(lookups.count(), MAX_LOOKUPS);
    assert_eq!(engine.pending_requests(), 1 + MAX_QUEUED_REQUESTS);
}

#[test]
fn one_lost_ping_removes_no_node() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    peer.connect(&mut engine, now);
    // The node was seen just now: it is pinged after a pause.
    let mut time = now + REVALIDATION_PAUSE;
    while peer.messages(&mut engine).is_empty() {
        time += Duration::from_secs(1);
        engine.handle_timeout(time);
    }
    // That ping is lost. The second is answered.
    time += DISCV5_RESPONSE_TIMEOUT;
    engine.handle_timeout(time);
    peer.answer_all(&mut engine, time);
    engine.handle_timeout(time + DISCV5_RESPONSE_TIMEOUT);
    assert!(engine.table().entry(&peer.id).is_some());
}

#[test]
fn a_silent_node_is_removed() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    peer.connect(&mut engine, now);
    let mut time = now;
    for _ in 0..60 {
        time += Duration::from_secs(2);
        engine.handle_timeout(time);
        outputs(&mut engine);
    }
    assert!(engine.table().is_empty());
}

#[test]
fn a_newer_record_is_requested_and_its_endpoint_used() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    peer.connect(&mut engine, now);
    let moved: SocketAddr = "9.9.9.9:50000".parse().unwrap();
    peer.record = record(1, 2, moved);
    let ping = peer.ping();
    let datagram = peer.packet(&ping);
    engine
        .handle_datagram(peer.address, &datagram, now)
        .unwrap();
    let messages = peer.messages(&mut engine);
    let [
        Message::Pong { .. },
        request @ Message::FindNode { distances, .. },
    ] = messages.as_slice()
    else {
        panic!("{messages:?}")
    };
    assert_eq!(distances, &[0]);
    let answer = peer.answer_to(request);
    let answer = peer.packet(&answer);
    engine.handle_datagram(peer.address, &answer, now).unwrap();
    assert_eq!(engine.record(&peer.id).unwrap().seq(), 2);
    let entry = engine.table().entry(&peer.id).unwrap();
    assert_eq!(entry.node.udp_address(), moved);
    assert_eq!(entry.liveness_checks, 0, "it has not answered there");
    let asked: Vec<SocketAddr> = sent(&mut engine).into_iter().map(|(to, _)| to).collect();
    assert_eq!(asked, [moved]);
}

#[test]
fn ten_pongs_predict_the_own_endpoint() {
    let now = Instant::now();
    let mut engine = engine(now);
    for number in 1..=10 {
        assert_eq!(engine.predicted_endpoint(now), None);
        let mut peer = Peer::new(number, &format!("8.{number}.8.8:40000"));
        peer.connect(&mut engine, now);
    }
    assert_eq!(engine.predicted_endpoint(now), Some(engine_address()));
}

#[test]
fn nodes_that_open_sessions_at_the_same_time_both_succeed() {
    let now = Instant::now();
    let addresses: [SocketAddr; 2] =
        ["7.7.7.7:30303", "8.8.8.8:30303"].map(|it| it.parse().unwrap());
    let mut engines: Vec<Discovery> = [0, 1]
        .map(|number: u32| {
            let other = Peer::new(1 - number, &addresses[1 - number as usize].to_string());
            let config = DiscoveryConfig {
                key: key(number),
                record: record(number, 1, addresses[number as usize]),
                bootnodes: vec![other.node()],
                allows: Box::new(|_| true),
                entropy: [number as u8; 32],
            };
            let mut engine = Discovery::new(config, now);
            engine.start(now);
            engine
        })
        .into();
    // Each round delivers what both sent before any of it arrived.
    for _ in 0..40 {
        let flights = [sent(&mut engines[0]), sent(&mut engines[1])];
        for (number, flight) in flights.iter().enumerate() {
            for (_, datagram) in flight {
                let handled = engines[1 - number].handle_datagram(addresses[number], datagram, now);
                assert_eq!(handled, Ok(()));
            }
        }
    }
    for engine in &engines {
        assert_eq!(engine.pending_requests(), 0);
        assert_eq!(engine.table().len(), 1);
        let entry = engine.table().entries().next().unwrap();
        assert!(entry.liveness_checks > 0);
        assert!(engine.record(&entry.node.id).is_some());
    }
}
