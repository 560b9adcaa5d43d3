//! Tests of the protocol under floods of valid packets.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::engine::{
    after, engine, engine_with, find_node, outputs, ping, pong, prove, sent, start,
};
use super::{key, node};
use crate::discv4::*;
use crate::limits::*;

const EARLY: &str = "8.8.8.8:40000";
const LATE: &str = "9.9.9.9:40000";

/// Number of sources of the flood, each in its own subnet.
const SOURCES: u32 = 250;

fn flooding(number: u32) -> SocketAddr {
    let address = Ipv4Addr::from(0x0b00_0000 + number % SOURCES * 256);
    SocketAddr::new(address.into(), 30303)
}

/// Returns the ping that an engine sent to `to`.
fn ping_back(
    packets: &[(SocketAddr, SignedPacket, usize)],
    to: SocketAddr,
) -> Option<SignedPacket> {
    let found = packets
        .iter()
        .find(|(sent_to, signed, _)| *sent_to == to && matches!(signed.packet, Packet::Ping(_)));
    found.map(|(_, signed, _)| signed.clone())
}

#[test]
fn a_new_node_is_bonded_and_answered_in_a_flood_of_pings() {
    let now = start();
    let mut engine = engine(now);
    prove(&mut engine, 1, EARLY.parse().unwrap(), now);
    let late: SocketAddr = LATE.parse().unwrap();
    let mut signed_ping_backs = None;
    let mut neighbors = 0;
    // Ten thousand pings per second; each has its own key while the limits admit it.
    let repeated = ping(&key(1_000_000), now);
    for millisecond in 0..2_000u32 {
        let time = after(now, Duration::from_millis(millisecond.into()));
        for packet in 0..10 {
            let number = millisecond * 10 + packet;
            let datagram = if millisecond % 1_000 < 200 {
                ping(&key(1_000 + number), time)
            } else {
                repeated.clone()
            };
            let _ = engine.handle_datagram(flooding(number), &datagram, time);
        }
        let flooded = sent(&mut engine);
        assert!(ping_back(&flooded, late).is_none());
        engine.handle_timeout(time);
        match millisecond {
            1_400 => {
                assert!(
                    engine.pending_requests() > 256,
                    "{}",
                    engine.pending_requests()
                );
                let request = ping(&key(2), time);
                assert_eq!(engine.handle_datagram(late, &request, time), Ok(()));
                signed_ping_backs = ping_back(&sent(&mut engine), late);
            }
            1_450 => {
                let ping_back = signed_ping_backs.as_ref().expect("it is pinged back");
                let answer = pong(&key(2), ping_back, time);
                assert_eq!(engine.handle_datagram(late, &answer, time), Ok(()));
            }
            1_500 => {
                let request = find_node(&key(2), time);
                assert_eq!(engine.handle_datagram(late, &request, time), Ok(()));
                for (to, signed, _) in sent(&mut engine) {
                    if let Packet::Neighbors(found) = signed.packet {
                        assert_eq!(to, late);
                        neighbors += found.nodes.len();
                    }
                }
            }
            _ => {}
        }
    }
    assert_eq!(neighbors, 2, "both known nodes");
    assert!(engine.pending_requests() <= MAX_PENDING_PING_BACKS);
}

#[test]
fn ping_backs_do_not_make_flooding_nodes_known() {
    let now = start();
    let mut engine = engine(now);
    prove(&mut engine, 1, EARLY.parse().unwrap(), now);
    let next = after(now, Duration::from_secs(1));
    // The shares in the second window of a flood follow from the sources in its first window.
    for time in [now, next] {
        let datagram = ping(&key(5), time);
        let mut handled = 0;
        for number in 0..10_000 {
            // Sources on a local network differ by their port.
            let from = SocketAddr::new([127, 0, 0, 1].into(), 20_000 + (number % 250) as u16);
            handled += usize::from(engine.handle_datagram(from, &datagram, time).is_ok());
        }
        while engine.poll_output().is_some() {}
        assert!(handled <= MAX_PACKETS_TOTAL as usize, "{handled}");
    }
    let request = find_node(&key(1), next);
    let early = EARLY.parse().unwrap();
    assert_eq!(engine.handle_datagram(early, &request, next), Ok(()));
}

#[test]
fn a_lookup_fills_an_empty_table_from_the_bootnodes() {
    let mut now = start();
    let bootnode = node(1, EARLY);
    let mut engine = engine_with(vec![bootnode], now);
    let deadline = now.instant + Duration::from_secs(25);
    // The bootnode does not answer, and is removed from the table before the next periodic refresh.
    while !engine.table().is_empty() {
        let due = engine
            .next_timeout()
            .max(now.instant + Duration::from_millis(1));
        assert!(due < deadline, "it never leaves");
        now = after(now, due - now.instant);
        engine.handle_timeout(now);
        outputs(&mut engine);
    }
    assert!(engine.start_lookup([5; 64], now).is_some());
    let packets = sent(&mut engine);
    let to = bootnode.udp_address();
    assert!(ping_back(&packets, to).is_some(), "it is asked again");
    assert!(engine.table().entry(&bootnode.id).is_some());
}

#[test]
fn pongs_with_another_signer_are_rate_limited() {
    let now = start();
    let mut engine = engine(now);
    let late: SocketAddr = LATE.parse().unwrap();
    let request = ping(&key(2), now);
    engine.handle_datagram(late, &request, now).unwrap();
    let ping_back = ping_back(&sent(&mut engine), late).expect("it is pinged back");
    let forged = pong(&key(3), &ping_back, now);
    let verified = (0..1_000)
        .filter(|_| engine.handle_datagram(late, &forged, now) == Err(Rejected::Unsolicited))
        .count();
    assert!(verified <= MAX_PACKETS_PER_SOURCE as usize, "{verified}");
}
