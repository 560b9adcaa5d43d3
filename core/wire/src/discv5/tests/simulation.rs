//! Engines in a simulated network.

use actoreum_primitives::PeerId;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{key, record};
use crate::discv4::Node;
use crate::discv5::*;
use crate::limits::BUCKET_SIZE;
use crate::nodes::EnodeEndpoint;

const LATENCY: Duration = Duration::from_millis(20);

/// A datagram in flight; the heap returns the earliest first.
#[derive(PartialEq, Eq)]
struct Flight {
    arrives: Instant,
    order: u64,
    from: usize,
    to: usize,
    datagram: Vec<u8>,
}

impl Ord for Flight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.arrives, other.order).cmp(&(self.arrives, self.order))
    }
}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Engines that exchange datagrams with delay and loss, on a simulated clock.
struct Network {
    now: Instant,
    engines: Vec<Discovery>,
    addresses: Vec<SocketAddr>,
    by_address: HashMap<SocketAddr, usize>,
    flights: BinaryHeap<Flight>,
    finished: Vec<(usize, LookupId, Vec<Node>, usize)>,
    loss: f64,
    random: StdRng,
    sent: u64,
}

impl Network {
    /// Creates `count` nodes that know only the first.
    fn new(count: u32, loss: f64) -> Self {
        let started = Instant::now();
        let mut network = Self {
            now: started,
            engines: Vec::new(),
            addresses: Vec::new(),
            by_address: HashMap::new(),
            flights: BinaryHeap::new(),
            finished: Vec::new(),
            loss,
            random: StdRng::seed_from_u64(7),
            sent: 0,
        };
        let address =
            |number: u32| SocketAddr::new("127.0.0.1".parse().unwrap(), 2000 + number as u16);
        let endpoint =
            |number: u32| EnodeEndpoint::new(address(number).ip(), 0, address(number).port());
        let bootnode = Node::new(key(1).public_key(), endpoint(1));
        for number in 1..=count {
            let config = DiscoveryConfig {
                key: key(number),
                record: record(number, 1, address(number)),
                bootnodes: if number == 1 {
                    Vec::new()
                } else {
                    vec![bootnode]
                },
                allows: Box::new(|_| true),
                entropy: [number as u8; 32],
            };
            network
                .by_address
                .insert(address(number), network.engines.len());
            network.addresses.push(address(number));
            network.engines.push(Discovery::new(config, started));
        }
        for index in 0..network.engines.len() {
            network.engines[index].start(started);
            network.drain(index);
        }
        network
    }

    fn drain(&mut self, index: usize) {
        while let Some(output) = self.engines[index].poll_output() {
            match output {
                Output::Send { to, datagram } => {
                    self.sent += 1;
                    let lost = self.random.random_bool(self.loss);
                    if let (Some(&to), false) = (self.by_address.get(&to), lost) {
                        let (arrives, order) = (self.now + LATENCY, self.sent);
                        self.flights.push(Flight {
                            arrives,
                            order,
                            from: index,
                            to,
                            datagram,
                        });
                    }
                }
                Output::LookupFinished { id, nodes, queries } => {
                    self.finished.push((index, id, nodes, queries));
                }
                _ => {}
            }
        }
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let timer = self
                .engines
                .iter()
                .map(Discovery::next_timeout)
                .min()
                .unwrap();
            let arrival = self.flights.peek().map_or(end, |flight| flight.arrives);
            let next = timer.min(arrival);
            if next >= end {
                self.now = end;
                return;
            }
            self.now = next.max(self.now);
            let now = self.now;
            while self
                .flights
                .peek()
                .is_some_and(|flight| flight.arrives <= self.now)
            {
                let flight = self.flights.pop().unwrap();
                let from = self.addresses[flight.from];
                let _ = self.engines[flight.to].handle_datagram(from, &flight.datagram, now);
                self.drain(flight.to);
            }
            for index in 0..self.engines.len() {
                if self.engines[index].next_timeout() <= self.now {
                    self.engines[index].handle_timeout(now);
                    self.drain(index);
                }
            }
        }
    }
}

fn fill_and_find(count: u32, loss: f64, minutes: u64) {
    let mut network = Network::new(count, loss);
    for minute in 0..minutes {
        network.run(Duration::from_secs(60));
        // A dialer that wants nodes looks up random ids.
        for index in 0..network.engines.len() {
            let number = 1_000 + minute as u32 * count + index as u32;
            let (target, now) = (PeerId::of(&key(number).public_key()), network.now);
            network.engines[index].start_lookup(target, now);
            network.drain(index);
        }
    }
    network.run(Duration::from_secs(60));
    for engine in &network.engines {
        // A node with less than a bucket searches every half a minute.
        let known = engine.table().len();
        assert!(known >= BUCKET_SIZE / 2, "{known} nodes known");
        assert!(engine.pending_requests() < 20);
    }
    network.finished.clear();
    // Each tenth node looks for the node half the network away.
    let mut wanted = HashMap::new();
    for index in (0..network.engines.len()).step_by(10) {
        let target = (index as u32 + count / 2) % count + 1;
        let now = network.now;
        let target = PeerId::of(&key(target).public_key());
        let id = network.engines[index].start_lookup(target, now).unwrap();
        wanted.insert((index, id), target);
        network.drain(index);
    }
    network.run(Duration::from_secs(60));
    let mut found = HashSet::new();
    for (index, id, nodes, queries) in &network.finished {
        let Some(target) = wanted.get(&(*index, *id)) else {
            continue;
        };
        assert!(*queries <= 40, "{queries} queries");
        if nodes.first().is_some_and(|node| node.id == *target) {
            found.insert(*index);
        }
    }
    let expected = if loss == 0.0 {
        wanted.len()
    } else {
        // A first contact takes four datagrams, and a query is not repeated.
        wanted.len() * 7 / 10
    };
    assert!(
        found.len() >= expected,
        "{} of {} found",
        found.len(),
        wanted.len()
    );
}

#[test]
fn two_hundred_nodes_find_each_other_with_loss() {
    // A node returns only nodes that it has seen alive, and checks one every five seconds.
    fill_and_find(200, 0.1, 12);
}

#[test]
fn every_lookup_succeeds_without_loss() {
    fill_and_find(40, 0.0, 2);
}

#[test]
fn three_nodes_meet_through_the_first() {
    let mut network = Network::new(3, 0.0);
    network.run(Duration::from_secs(30));
    for engine in &network.engines {
        assert_eq!(engine.table().len(), 2);
    }
}
