//! Connections that begin a handshake and stall, more than there are places.

use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use actoreum_primitives::SecretKey;
use actoreum_wire::eth::EthVersion;
use actoreum_wire::rlpx::{Handshake, HandshakeFormat};

use super::{Arena, Attacker, Target};

/// Connections that the attacker holds, of which each is opened again when it was closed.
const HELD: usize = 300;
/// Honest peers that come one after the other.
const HONEST: usize = 10;
/// The slowest of them is in after this (and was after 18 s).
const WAIT: Duration = Duration::from_secs(2);

/// Holds one half-open connection after the other.
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
        // As it would be over a network.
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
                // Another host than that of the honest ones.
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
                    // The scope waits for the others, whatever came of this.
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
            assert!(slowest < WAIT, "{slowest:?}");
        });
    });
}
