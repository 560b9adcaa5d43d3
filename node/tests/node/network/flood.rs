//! Hostile datagrams at a node's port. `ACTOREUM_FLOOD_SECONDS` asks for a longer flood.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actoreum_primitives::{PeerId, SecretKey, keccak256};
use actoreum_wire::discv4::{Endpoint, FindNode, Packet, Ping, encode_packet};
use actoreum_wire::discv5::{
    Handshake, WhoAreYou, encode_handshake, encode_random, encode_who_are_you,
};
use actoreum_wire::nodes::NodeUrl;

use super::{Node, until};

/// Rate of the flood, in datagrams per second.
const RATE: usize = 10_000;
/// Number of sockets, each of which is a separate source to a node on the same machine.
const SOURCES: usize = 250;

fn unix() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn ping(expiration: u64) -> Packet {
    let endpoint = Endpoint {
        address: Some([127, 0, 0, 1].into()),
        udp: 30303,
        tcp: 30303,
    };
    Packet::Ping(Ping {
        from: endpoint,
        to: endpoint,
        expiration,
        enr_seq: None,
    })
}

/// Returns hostile datagrams of discovery v5 for a node: requests for a challenge in the name of many
/// nodes, and challenges and handshakes that nobody asked for.
fn hostile_v5(to: &PeerId) -> Vec<Vec<u8>> {
    let key = SecretKey::random().public_key().to_compressed();
    let of = |number: u32| {
        let random = keccak256(number.to_be_bytes());
        let (mut iv, mut nonce) = ([0; 16], [0; 12]);
        iv.copy_from_slice(&random[..16]);
        nonce.copy_from_slice(&random[16..28]);
        let handshake = Handshake {
            source: PeerId(random),
            signature: [9; 64],
            ephemeral_key: key,
            record: None,
        };
        let content = WhoAreYou {
            id_nonce: iv,
            enr_seq: 0,
        };
        [
            encode_random(&PeerId(random), to, (&iv, &nonce), &[7; 300]),
            encode_who_are_you(to, (&iv, &nonce), &content).0,
            encode_handshake(to, (&iv, &nonce), &handshake, &[1; 16], &[2; 300]),
        ]
    };
    (0..1_000).flat_map(of).collect()
}

/// Returns hostile datagrams: noise, a replayed packet, an expired one, one with an invalid
/// signature, and a request without an endpoint proof.
fn hostile() -> Vec<Vec<u8>> {
    let key = SecretKey::random();
    let (replayed, _) = encode_packet(&ping(unix() + 3600), &key);
    let (expired, _) = encode_packet(&ping(unix() - 60), &key);
    let mut forged = replayed.clone();
    forged[40] ^= 1;
    let hash = keccak256(&forged[32..]);
    forged[..32].copy_from_slice(hash.as_slice());
    let question = FindNode {
        target: [7; 64],
        expiration: unix() + 3600,
    };
    let (unproven, _) = encode_packet(&Packet::FindNode(question), &key);
    let noise: Vec<u8> = (0..1200_u32).map(|it| (it * 167) as u8).collect();
    vec![noise, replayed, expired, forged, unproven]
}

/// Sends at [`RATE`] until `is_over`; returns the numbers of datagrams sent, of bytes sent and of
/// bytes received.
fn flood(to: SocketAddr, kinds: &[Vec<u8>], is_over: &AtomicBool) -> (usize, usize, usize) {
    let sockets: Vec<UdpSocket> = (0..SOURCES)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let begun = Instant::now();
    let (mut sent, mut bytes, mut back) = (0, 0, 0);
    let mut buffer = [0; 2048];
    while !is_over.load(Relaxed) {
        let due = begun.elapsed().as_millis() as usize * RATE / 1000;
        while sent < due {
            let socket = &sockets[sent % SOURCES];
            let datagram = &kinds[sent % kinds.len()];
            // A full buffer loses it, as the network does.
            if socket.send_to(datagram, to).is_ok() {
                bytes += datagram.len();
            }
            while let Ok((count, _)) = socket.recv_from(&mut buffer) {
                back += count;
            }
            sent += 1;
        }
        thread::sleep(Duration::from_millis(2));
    }
    (sent, bytes, back)
}

#[test]
fn a_late_node_finds_all_through_a_flooded_bootnode() {
    find_through_a_flooded_bootnode(&[], |_| hostile());
}

#[test]
fn a_late_node_finds_all_by_v5_through_a_flooded_bootnode() {
    let flags = ["--discovery.v4=false", "--discovery.v5"];
    find_through_a_flooded_bootnode(&flags, |id| [hostile(), hostile_v5(id)].concat());
}

/// Floods a bootnode while a node joins that knows only it.
fn find_through_a_flooded_bootnode(flags: &[&str], hostile: impl Fn(&PeerId) -> Vec<Vec<u8>>) {
    let seconds = std::env::var("ACTOREUM_FLOOD_SECONDS");
    let seconds = seconds.map_or(6, |it| it.parse().unwrap());
    let folder = || tempfile::tempdir().unwrap();
    // The victim serves both versions on one socket.
    let is_v5 = flags.contains(&"--discovery.v5");
    let victim_flags: &[&str] = if is_v5 { &["--discovery.v5"] } else { &[] };
    let victim = Node::start_in(folder(), victim_flags);
    let url = victim.enode();
    let flags = [&["--bootnodes", &url], flags].concat();
    let early = Node::start_in(folder(), &flags);
    let (id, early_id) = (victim.id(), early.id());
    until("the first node is connected", || {
        victim.peer(&early_id).is_some()
    });

    let is_over = Arc::new(AtomicBool::new(false));
    let (to, stop) = (victim.discovery(), Arc::clone(&is_over));
    let kinds = hostile(&url.parse::<NodeUrl>().unwrap().id());
    let flooding = thread::spawn(move || flood(to, &kinds, &stop));
    thread::sleep(Duration::from_secs(2));
    let (memory, time, begun) = (
        victim.process.resident_bytes(),
        victim.process.processor_time(),
        Instant::now(),
    );
    // A node that starts now knows only the node under attack.
    let late = Node::start_in(folder(), &flags);
    until("the later node finds both others", || {
        late.peer(&id).is_some() && late.peer(&early_id).is_some()
    });
    while begun.elapsed() < Duration::from_secs(seconds) {
        thread::sleep(Duration::from_millis(100));
    }
    let (took, spent) = (
        begun.elapsed(),
        victim.process.processor_time().saturating_sub(time),
    );
    let grown = victim.process.resident_bytes().saturating_sub(memory);
    is_over.store(true, Relaxed);
    let (sent, bytes, back) = flooding.join().unwrap();
    let share = spent.as_secs_f64() / took.as_secs_f64();
    println!(
        "{sent} datagrams, {bytes} bytes, {back} bytes back; {took:.1?}: {:.0} % of a processor, \
         {} KiB grown",
        100.0 * share,
        grown / 1024
    );
    assert!(back > 0, "no node listens there");
    assert!(share < 0.9, "{share:.2} of a processor");
    assert!(grown < 16 << 20, "{grown} bytes");
    assert!(back < bytes / 2, "{back} bytes came back for {bytes}");
    assert!(victim.peer(&early_id).is_some(), "its peers stay");
}
