//! Messages over TCP on loopback, one thread per side, compared with a bare copy of as many bytes
//! (modelled on go-ethereum's `BenchmarkThroughput`).

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use actoreum_wire::p2p::{Event, Session};
use criterion::{Criterion, Throughput};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use super::{SIZES, sessions};

fn pipe() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let near = TcpStream::connect(address).expect("it listens");
    let (far, _) = listener.accept().expect("it connects");
    for stream in [&near, &far] {
        stream.set_nodelay(true).expect("a socket");
    }
    (near, far)
}

/// Returns bytes that do not compress, as in geth's benchmark.
fn noise(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    StdRng::seed_from_u64(1337).fill_bytes(&mut bytes);
    bytes
}

/// Sends on one thread and receives on another. Returns the time until everything has arrived.
fn timed(send: impl FnOnce() + Send, take: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(send);
        take();
    });
    begun.elapsed()
}

fn copy(near: &mut TcpStream, far: &mut TcpStream, body: &[u8], times: u64) -> Duration {
    let mut taken = vec![0; body.len()];
    timed(
        || (0..times).for_each(|_| near.write_all(body).expect("a socket")),
        || (0..times).for_each(|_| far.read_exact(&mut taken).expect("a socket")),
    )
}

fn take(session: &mut Session, stream: &mut TcpStream, times: u64) {
    let (mut buffer, mut taken, now) = (vec![0; 64 * 1024], 0, Instant::now());
    while taken < times {
        match session.poll(now).expect("valid") {
            Some(Event::Message { .. }) => taken += 1,
            Some(_) => {}
            None => {
                let count = stream.read(&mut buffer).expect("a socket");
                session.receive(buffer.get(..count).expect("in bounds"));
            }
        }
    }
}

fn send(session: &mut Session, stream: &mut TcpStream, body: &[u8], times: u64) {
    for _ in 0..times {
        session.send(0, 7, body).expect("open");
        stream.write_all(&session.take_output()).expect("a socket");
    }
}

pub(super) fn throughput(criterion: &mut Criterion) {
    for (name, size) in SIZES {
        let mut group = criterion.benchmark_group(format!("tcp/{name}"));
        group.throughput(Throughput::Bytes(size as u64));
        let body = noise(size);
        group.bench_function("bare_copy", |bencher| {
            let (mut near, mut far) = pipe();
            bencher.iter_custom(|times| copy(&mut near, &mut far, &body, times));
        });
        for (kind, version) in [("session_plain", 4), ("session_snappy", 5)] {
            group.bench_function(kind, |bencher| {
                let (mut near, mut far) = pipe();
                let (mut sender, mut receiver) = sessions(version);
                bencher.iter_custom(|times| {
                    timed(
                        || send(&mut sender, &mut near, &body, times),
                        || take(&mut receiver, &mut far, times),
                    )
                });
            });
        }
        group.finish();
    }
}
