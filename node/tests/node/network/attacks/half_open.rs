//! Connections that begin a handshake and stall, more than the node's limit of pending peers.

use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use actoreum_primitives::SecretKey;
use actoreum_wire::eth::EthVersion;
use actoreum_wire::rlpx::{Handshake, HandshakeFormat};

use super::{Arena, Attacker, Target};

/// Number of connections that the attacker holds. A closed one is opened again.
const HELD: usize = 300;
/// Number of honest peers that connect one after the other.
const HONEST: usize = 10;
/// Limit of the time until an honest peer is connected, which once took 18 s.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// Holds one half-open connection, and opens it again when the node closes it.
fn hold(target: &Target, from: Ipv4Addr, opened: &AtomicUsize, is_over: &AtomicBool) {
    let (_, auth) = Handshake::initiate(
        SecretKey::random(),
        target.public_key,
        HandshakeFormat::Eip8,
        [7; 32],
    );
    while !is_over.load(Relaxed) {
        let Ok(mut stream) = target.connect_from(from) else {
            continue;
        };
        opened.fetch_add(1, Relaxed);
        stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let _ = stream.write_all(&auth[..auth.len() / 2]);
        while !is_over.load(Relaxed) {
            match stream.read(&mut [0; 64]) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                _ => break,
            }
        }
        // The pause stands for the round trip of a real network.
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn half_open_connections_keep_no_peer_waiting() {
    let arena = Arena::open(&[]);
    let (opened, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    arena.measure("half-open connections", |target| {
        thread::scope(|scope| {
            for _ in 0..HELD {
                let (opened, is_over) = (&opened, &is_over);
                // The attacker's address differs from that of the honest peers.
                let from = Ipv4Addr::new(127, 0, 0, 66);
                scope.spawn(move || hold(target, from, opened, is_over));
            }
            thread::sleep(Duration::from_secs(2));
            let waits: Vec<Duration> = (0..HONEST)
                .map(|_| {
                    let begun = Instant::now();
                    let joined = Attacker::join(target, EthVersion::Eth68);
                    let wait = begun.elapsed();
                    let joined = joined.map(drop);
                    // The scope waits for the other threads before it panics, so they must stop.
                    if joined.is_err() {
                        is_over.store(true, Relaxed);
                    }
                    joined.expect("an honest peer is let in");
                    wait
                })
                .collect();
            is_over.store(true, Relaxed);
            let slowest = waits.into_iter().max().unwrap();
            println!(
                "{} opened; honest peers waited {slowest:.0?}",
                opened.load(Relaxed)
            );
            assert!(slowest < MAX_WAIT, "{slowest:?}");
        });
    });
}
