//! The engine under floods of hostile datagrams.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::peer::*;
use crate::discv5::*;
use crate::limits::*;

/// Number of sources of the flood, each in its own subnet.
const SOURCES: u32 = 250;

fn flooding(number: u32) -> SocketAddr {
    let address = Ipv4Addr::from(0x0b00_0000 + number % SOURCES * 256);
    SocketAddr::new(address.into(), 30303)
}

/// Returns random packets of many senders, which cost the attacker nothing.
fn hostile(count: u32) -> Vec<Vec<u8>> {
    let mut peer = Peer::new(1_000, "9.9.9.9:1");
    (0..count)
        .map(|number| {
            peer.id.0[..4].copy_from_slice(&number.to_be_bytes());
            peer.raw_packet(&[])
        })
        .collect()
}

#[test]
fn a_new_node_opens_a_session_in_a_flood() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut early = Peer::new(1, "8.8.8.8:40000");
    early.connect(&mut engine, now);
    let mut late = Peer::new(2, "9.9.9.9:40000");
    let datagrams = hostile(20_000);
    // Ten thousand datagrams per second for two seconds.
    for (number, datagram) in datagrams.iter().enumerate() {
        let time = now + Duration::from_micros(100 * number as u64);
        let _ = engine.handle_datagram(flooding(number as u32), datagram, time);
        assert!(engine.open_challenges() <= MAX_CHALLENGES);
        match number {
            15_000 => {
                outputs(&mut engine);
                late.connect(&mut engine, time);
            }
            16_000 => {
                outputs(&mut engine);
                let ping = early.ping();
                let datagram = early.packet(&ping);
                engine
                    .handle_datagram(early.address, &datagram, time)
                    .unwrap();
                let messages = early.messages(&mut engine);
                assert!(matches!(messages.as_slice(), [Message::Pong { .. }]));
            }
            _ => {}
        }
    }
    assert_eq!(engine.table().len(), 2);
}

#[test]
fn no_answer_to_a_stranger_is_larger_than_its_question() {
    let now = Instant::now();
    let mut engine = engine(now);
    for (number, datagram) in hostile(500).iter().enumerate() {
        let from = flooding(number as u32);
        let _ = engine.handle_datagram(from, datagram, now);
        let packets = sent(&mut engine);
        assert!(packets.len() <= 1);
        for (to, answer) in packets {
            assert_eq!(to, from);
            assert!(answer.len() < datagram.len());
        }
    }
}

#[test]
fn one_source_has_few_challenges() {
    let now = Instant::now();
    let mut engine = engine(now);
    let from = flooding(0);
    let refused: Vec<Rejected> = hostile(200)
        .iter()
        .filter_map(|datagram| engine.handle_datagram(from, datagram, now).err())
        .collect();
    assert_eq!(engine.open_challenges(), MAX_CHALLENGES_PER_SOURCE);
    assert!(refused.contains(&Rejected::TooManyChallenges));
    assert!(refused.contains(&Rejected::RateLimited));
    // They end by themselves.
    let later = now + CHALLENGE_LIFETIME;
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    peer.connect(&mut engine, later);
    assert_eq!(engine.open_challenges(), 0);
}

#[test]
fn a_session_survives_a_flood_with_its_address_and_id() {
    let now = Instant::now();
    let mut engine = engine(now);
    let mut peer = Peer::new(1, "8.8.8.8:40000");
    peer.connect(&mut engine, now);
    let sessions = std::mem::take(&mut peer.sessions);
    for number in 0..5_000 {
        let time = now + Duration::from_micros(100 * number);
        let forged = peer.raw_packet(&[]);
        let _ = engine.handle_datagram(peer.address, &forged, time);
        outputs(&mut engine);
    }
    peer.sessions = sessions;
    // The response to a request of the engine passes all limits.
    let time = now + Duration::from_millis(500);
    let target = engine.random_target();
    engine.start_lookup(target, time).unwrap();
    let messages = peer.messages(&mut engine);
    let answer = peer.answer_to(&messages[0]);
    let datagram = peer.packet(&answer);
    engine
        .handle_datagram(peer.address, &datagram, time)
        .unwrap();
}
