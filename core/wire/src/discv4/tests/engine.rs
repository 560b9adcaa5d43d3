use std::net::SocketAddr;
use std::time::{Duration, Instant};

use actoreum_primitives::SecretKey;

use super::{key, node};
use crate::discv4::*;
use crate::limits::*;
use crate::nodes::{EnodeEndpoint, Enr, EnrBuilder};

const UNIX: u64 = 1_700_000_000;

pub(super) fn start() -> Now {
    Now {
        instant: Instant::now(),
        unix: UNIX,
    }
}

pub(super) fn after(now: Now, delay: Duration) -> Now {
    Now {
        instant: now.instant + delay,
        unix: now.unix + delay.as_secs(),
    }
}

pub(super) fn engine_with(bootnodes: Vec<Node>, now: Now) -> Discovery {
    let address: SocketAddr = "7.7.7.7:30303".parse().unwrap();
    let endpoint = EnodeEndpoint::new(address.ip(), 30303, 30303);
    let config = DiscoveryConfig {
        key: key(0),
        endpoint,
        record: Some(
            EnrBuilder::new()
                .with_endpoint(&endpoint)
                .sign(3, &key(0))
                .unwrap(),
        ),
        bootnodes,
        allows: Box::new(|address| address != "6.6.6.6".parse::<std::net::IpAddr>().unwrap()),
        entropy: [9; 32],
    };
    let mut engine = Discovery::new(config, now);
    engine.start(now);
    engine
}

pub(super) fn engine(now: Now) -> Discovery {
    let mut engine = engine_with(Vec::new(), now);
    assert_eq!(outputs(&mut engine), [Output::Initialised]);
    engine
}

pub(super) fn outputs(engine: &mut Discovery) -> Vec<Output> {
    std::iter::from_fn(|| engine.poll_output()).collect()
}

/// Returns the packets that an engine sends, decoded; other outputs are dropped.
pub(super) fn sent(engine: &mut Discovery) -> Vec<(SocketAddr, SignedPacket, usize)> {
    outputs(engine)
        .into_iter()
        .filter_map(|output| match output {
            Output::Send { to, datagram } => {
                Some((to, decode_packet(&datagram).unwrap(), datagram.len()))
            }
            _ => None,
        })
        .collect()
}

pub(super) fn ping(from: &SecretKey, now: Now) -> Vec<u8> {
    let endpoint = Endpoint {
        address: Some([1, 2, 3, 4].into()),
        udp: 5,
        tcp: 6,
    };
    let (to, expiration) = (endpoint, now.unix + 20);
    encode_packet(
        &Packet::Ping(Ping {
            from: endpoint,
            to,
            expiration,
            enr_seq: None,
        }),
        from,
    )
    .0
}

pub(super) fn find_node(from: &SecretKey, now: Now) -> Vec<u8> {
    let request = FindNode {
        target: [1; 64],
        expiration: now.unix + 20,
    };
    encode_packet(&Packet::FindNode(request), from).0
}

pub(super) fn pong(from: &SecretKey, ping: &SignedPacket, now: Now) -> Vec<u8> {
    let to = Endpoint {
        address: Some([7, 7, 7, 7].into()),
        udp: 30303,
        tcp: 0,
    };
    let (ping_hash, expiration) = (ping.hash, now.unix + 20);
    encode_packet(
        &Packet::Pong(Pong {
            to,
            ping_hash,
            expiration,
            enr_seq: None,
        }),
        from,
    )
    .0
}

/// Lets the node with `number` at `address` prove its endpoint.
pub(super) fn prove(engine: &mut Discovery, number: u32, address: SocketAddr, now: Now) {
    engine
        .handle_datagram(address, &ping(&key(number), now), now)
        .unwrap();
    let packets = sent(engine);
    let ping_back = &packets.last().unwrap().1;
    assert!(matches!(ping_back.packet, Packet::Ping(_)));
    engine
        .handle_datagram(address, &pong(&key(number), ping_back, now), now)
        .unwrap();
}

#[test]
fn a_pong_to_our_ping_proves_the_endpoint() {
    let now = start();
    let mut engine = engine(now);
    let from: SocketAddr = "8.8.8.8:40000".parse().unwrap();
    let question = ping(&key(1), now);
    engine.handle_datagram(from, &question, now).unwrap();
    let packets = sent(&mut engine);
    let [(to, answer, _), (to_back, ping_back, _)] = packets.as_slice() else {
        panic!("{packets:?}");
    };
    assert_eq!((*to, *to_back), (from, from));
    let Packet::Pong(answer) = &answer.packet else {
        panic!("a pong first")
    };
    assert_eq!(answer.ping_hash, decode_packet(&question).unwrap().hash);
    assert_eq!(
        answer.to,
        Endpoint {
            address: Some(from.ip()),
            udp: 40000,
            tcp: 6
        }
    );
    assert_eq!(answer.enr_seq, Some(3));
    assert!(
        engine.table().is_empty(),
        "not before it has proven its endpoint"
    );

    engine
        .handle_datagram(from, &pong(&key(1), ping_back, now), now)
        .unwrap();
    let entry = engine.table().entries().next().unwrap();
    assert_eq!(entry.node.udp_address(), from);
    assert_eq!(entry.node.endpoint.tcp, 6);
    assert!(matches!(
        outputs(&mut engine).as_slice(),
        [Output::NodeVerified(_)]
    ));

    engine
        .handle_datagram(from, &find_node(&key(1), now), now)
        .unwrap();
    let packets = sent(&mut engine);
    let [(_, answer, _)] = packets.as_slice() else {
        panic!("{packets:?}")
    };
    let Packet::Neighbors(neighbors) = &answer.packet else {
        panic!("neighbors")
    };
    assert_eq!(neighbors.nodes.len(), 1);
}

#[test]
fn answers_before_the_proof_do_not_amplify() {
    let now = start();
    let mut engine = engine(now);
    let from: SocketAddr = "8.8.8.8:40000".parse().unwrap();
    let unknown = Err(Rejected::UnknownNode);
    assert_eq!(
        engine.handle_datagram(from, &find_node(&key(1), now), now),
        unknown
    );
    let request = Packet::EnrRequest(EnrRequest {
        expiration: now.unix + 20,
    });
    let (request, _) = encode_packet(&request, &key(1));
    assert_eq!(engine.handle_datagram(from, &request, now), unknown);
    assert!(outputs(&mut engine).is_empty());

    // A pong carries the hash of its ping, so it is a little longer; never more than this.
    let question = ping(&key(1), now);
    engine.handle_datagram(from, &question, now).unwrap();
    let packets = sent(&mut engine);
    assert!(
        packets
            .iter()
            .all(|(_, _, length)| *length <= question.len() + 32)
    );

    // However often it is asked, one ping-back is pending at a time.
    for _ in 0..20 {
        engine
            .handle_datagram(from, &ping(&key(1), now), now)
            .unwrap();
    }
    let ping_backs = sent(&mut engine)
        .iter()
        .filter(|(_, signed, _)| matches!(signed.packet, Packet::Ping(_)))
        .count();
    assert_eq!(ping_backs, 0);

    // A few ping-backs for ever new keys from one address.
    for number in 2..20 {
        engine
            .handle_datagram(from, &ping(&key(number), now), now)
            .unwrap();
    }
    let ping_backs = sent(&mut engine)
        .iter()
        .filter(|(_, signed, _)| matches!(signed.packet, Packet::Ping(_)))
        .count();
    assert_eq!(ping_backs, MAX_PENDING_PING_BACKS_PER_SOURCE - 1);
}

#[test]
fn a_proof_holds_for_its_address_alone() {
    let now = start();
    let mut engine = engine(now);
    let from: SocketAddr = "8.8.8.8:40000".parse().unwrap();
    prove(&mut engine, 1, from, now);
    outputs(&mut engine);
    let elsewhere: SocketAddr = "9.9.9.9:40000".parse().unwrap();
    let question = find_node(&key(1), now);
    assert_eq!(
        engine.handle_datagram(elsewhere, &question, now),
        Err(Rejected::UnknownNode)
    );
    assert_eq!(engine.handle_datagram(from, &question, now), Ok(()));
    let a_day_later = after(now, ENDPOINT_PROOF_LIFETIME);
    let question = find_node(&key(1), a_day_later);
    assert_eq!(
        engine.handle_datagram(from, &question, a_day_later),
        Err(Rejected::UnknownNode)
    );
}

#[test]
fn packets_with_a_bad_expiration_are_refused() {
    let now = start();
    let mut engine = engine(now);
    let from: SocketAddr = "8.8.8.8:40000".parse().unwrap();
    let request = |expiration| {
        let request = Packet::FindNode(FindNode {
            target: [1; 64],
            expiration,
        });
        encode_packet(&request, &key(1)).0
    };
    let unknown = Err(Rejected::UnknownNode);
    for (expiration, expected) in [
        (0, Err(Rejected::Expired)),
        (UNIX - 1, Err(Rejected::Expired)),
        (UNIX, unknown.clone()),
        (UNIX + MAX_EXPIRATION_AHEAD.as_secs(), unknown),
        (
            UNIX + MAX_EXPIRATION_AHEAD.as_secs() + 1,
            Err(Rejected::Expired),
        ),
        (u64::MAX, Err(Rejected::Expired)),
    ] {
        assert_eq!(
            engine.handle_datagram(from, &request(expiration), now),
            expected
        );
    }
    let captured = ping(&key(1), now);
    engine.handle_datagram(from, &captured, now).unwrap();
    let later = after(now, Duration::from_secs(21));
    assert_eq!(
        engine.handle_datagram(from, &captured, later),
        Err(Rejected::Expired)
    );
}

#[test]
fn unrequested_answers_are_refused_unread() {
    let now = start();
    let mut engine = engine(now);
    let from: SocketAddr = "8.8.8.8:40000".parse().unwrap();
    for type_byte in [2, 4, 6] {
        let mut malformed = vec![0; 200];
        malformed[97] = type_byte;
        assert_eq!(
            engine.handle_datagram(from, &malformed, now),
            Err(Rejected::Unsolicited)
        );
    }
    // A replayed pong: the one that proved the endpoint.
    engine
        .handle_datagram(from, &ping(&key(1), now), now)
        .unwrap();
    let ping_back = sent(&mut engine).pop().unwrap().1;
    let answer = pong(&key(1), &ping_back, now);
    assert_eq!(engine.handle_datagram(from, &answer, now), Ok(()));
    assert_eq!(
        engine.handle_datagram(from, &answer, now),
        Err(Rejected::Unsolicited)
    );
    // A pong signed by another key, and one for another ping.
    engine
        .handle_datagram(from, &ping(&key(2), now), now)
        .unwrap();
    let ping_back = sent(&mut engine).pop().unwrap().1;
    let forged = pong(&key(3), &ping_back, now);
    assert_eq!(
        engine.handle_datagram(from, &forged, now),
        Err(Rejected::Unsolicited)
    );
    let other = decode_packet(&ping(&key(9), now)).unwrap();
    let stale = pong(&key(2), &other, now);
    assert_eq!(
        engine.handle_datagram(from, &stale, now),
        Err(Rejected::Unsolicited)
    );
}

#[test]
fn own_packets_and_forbidden_addresses_are_refused() {
    let now = start();
    let mut engine = engine(now);
    let from: SocketAddr = "8.8.8.8:40000".parse().unwrap();
    let own = ping(&key(0), now);
    assert_eq!(
        engine.handle_datagram(from, &own, now),
        Err(Rejected::OwnPacket)
    );
    let forbidden: SocketAddr = "6.6.6.6:40000".parse().unwrap();
    let question = ping(&key(1), now);
    assert_eq!(
        engine.handle_datagram(forbidden, &question, now),
        Err(Rejected::NotAllowed)
    );
    assert!(outputs(&mut engine).is_empty());
}

#[test]
fn records_are_exchanged_with_proven_nodes() {
    let now = start();
    let mut engine = engine(now);
    let from: SocketAddr = "8.8.8.8:40000".parse().unwrap();
    prove(&mut engine, 1, from, now);
    outputs(&mut engine);
    let request = Packet::EnrRequest(EnrRequest {
        expiration: now.unix + 20,
    });
    let (request, hash) = encode_packet(&request, &key(1));
    engine.handle_datagram(from, &request, now).unwrap();
    let packets = sent(&mut engine);
    let Packet::EnrResponse(response) = &packets[0].1.packet else {
        panic!("a record")
    };
    assert_eq!(response.request_hash, hash);
    assert_eq!(response.record.public_key(), key(0).public_key());

    let peer = engine.table().entries().next().unwrap().node;
    assert!(engine.request_record(peer, now));
    let question = sent(&mut engine).pop().unwrap().1;
    let answer = |record: Enr, request_hash, signer: &SecretKey| {
        let response = Packet::EnrResponse(EnrResponse {
            request_hash,
            record,
        });
        encode_packet(&response, signer).0
    };
    let record = EnrBuilder::new().sign(5, &key(1)).unwrap();
    let foreign = EnrBuilder::new().sign(5, &key(2)).unwrap();
    let unsolicited = Err(Rejected::Unsolicited);
    let wrong_owner = answer(foreign, question.hash, &key(1));
    assert_eq!(engine.handle_datagram(from, &wrong_owner, now), unsolicited);
    let wrong_hash = answer(record.clone(), hash, &key(1));
    assert_eq!(engine.handle_datagram(from, &wrong_hash, now), unsolicited);
    let right = answer(record.clone(), question.hash, &key(1));
    assert_eq!(engine.handle_datagram(from, &right, now), Ok(()));
    let expected = Output::RecordReceived { node: peer, record };
    assert_eq!(outputs(&mut engine), [expected]);
}

#[test]
fn neighbors_are_checked_before_they_are_used() {
    let now = start();
    let mut engine = engine(now);
    let from: SocketAddr = "8.8.8.8:40000".parse().unwrap();
    prove(&mut engine, 1, from, now);
    outputs(&mut engine);
    engine.start_lookup([5; 64], now).unwrap();
    let reported = |number: u32, address: &str, udp: u16| NeighborNode {
        address: address.parse().unwrap(),
        udp,
        tcp: 1,
        public_key: key(number).public_key(),
    };
    let nodes = vec![
        reported(10, "127.0.0.1", 30303),
        reported(11, "10.0.0.1", 30303),
        reported(12, "224.0.0.1", 30303),
        reported(13, "6.6.6.6", 30303),
        reported(14, "5.5.5.5", 1024),
        reported(0, "5.5.5.5", 30303),
        reported(15, "5.5.5.5", 30303),
    ];
    let neighbors = Packet::Neighbors(Neighbors {
        nodes,
        expiration: now.unix + 20,
    });
    let (datagram, _) = encode_packet(&neighbors, &key(1));
    engine.handle_datagram(from, &datagram, now).unwrap();
    let later = after(now, RESPONSE_TIMEOUT);
    engine.handle_timeout(later);
    let known: Vec<u32> = (0..20)
        .filter(|&n| engine.table().entry(&node(n, "1.1.1.1:1").id).is_some())
        .collect();
    assert_eq!(known, [1, 15]);
}

#[test]
fn unanswered_requests_end_and_a_dead_node_leaves() {
    let now = start();
    let mut engine = engine(now);
    let from: SocketAddr = "8.8.8.8:40000".parse().unwrap();
    prove(&mut engine, 1, from, now);
    outputs(&mut engine);
    let mut time = now;
    let deadline = now.instant + Duration::from_secs(60);
    while engine.table().len() == 1 && time.instant < deadline {
        let due = engine
            .next_timeout()
            .max(time.instant + Duration::from_millis(1));
        time = after(time, due - time.instant);
        engine.handle_timeout(time);
        outputs(&mut engine);
    }
    assert!(engine.table().is_empty());
    assert_eq!(engine.pending_requests(), 0);
    assert!(engine.consecutive_timeouts() > 0);
}

#[test]
fn a_lookup_without_nodes_to_query_ends_at_once() {
    let now = start();
    let mut engine = engine(now);
    let id = engine.start_lookup([5; 64], now).unwrap();
    let expected = Output::LookupFinished {
        id,
        nodes: Vec::new(),
        queries: 0,
    };
    assert_eq!(outputs(&mut engine), [expected]);
}

#[test]
fn lookups_are_bounded() {
    let now = start();
    let bootnode = node(1, "8.8.8.8:30303");
    let mut engine = engine_with(vec![bootnode], now);
    let started = (0..100)
        .filter(|_| engine.start_lookup([5; 64], now).is_some())
        .count();
    assert_eq!(started, MAX_LOOKUPS - 1, "the refresh takes one");
}

#[test]
fn ten_thousand_hostile_datagrams_leave_the_state_bounded() {
    let now = start();
    let mut engine = engine(now);
    let honest: SocketAddr = "8.8.8.8:40000".parse().unwrap();
    prove(&mut engine, 1, honest, now);
    outputs(&mut engine);
    let replayed = ping(&key(2), now);
    let mut handled = 0;
    let next_second = after(now, Duration::from_secs(1));
    for number in 0..10_000u32 {
        let address = std::net::Ipv4Addr::from(0x0b00_0000 + number * 7);
        let from = SocketAddr::new(address.into(), 30303);
        let datagram = match number % 4 {
            0 => vec![number as u8; 200],
            1 => replayed.clone(),
            2 => {
                let mut wrong = replayed.clone();
                wrong[50] ^= 1;
                wrong
            }
            _ => find_node(&key(3), now)[..150].to_vec(),
        };
        handled += usize::from(engine.handle_datagram(from, &datagram, next_second).is_ok());
        while engine.poll_output().is_some() {}
    }
    assert!(handled <= MAX_PACKETS_TOTAL as usize);
    assert!(engine.pending_requests() <= MAX_PENDING_PING_BACKS);
    // The honest node is still answered.
    let question = find_node(&key(1), now);
    assert_eq!(
        engine.handle_datagram(honest, &question, next_second),
        Ok(())
    );
    assert!(matches!(
        sent(&mut engine)[0].1.packet,
        Packet::Neighbors(_)
    ));
}

#[test]
fn the_external_address_is_learned_from_other_nodes() {
    let now = start();
    let mut engine = engine(now);
    for number in 1..=10u8 {
        let from: SocketAddr = format!("8.8.{number}.8:40000").parse().unwrap();
        prove(&mut engine, u32::from(number), from, now);
    }
    let expected: SocketAddr = "7.7.7.7:30303".parse().unwrap();
    assert_eq!(engine.predicted_endpoint(now), Some(expected));
}
