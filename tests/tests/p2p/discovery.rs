//! Discovery between nodes, and hostile datagrams.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actoreum_actors::net::limits::SETTLED_AFTER;
use actoreum_actors::net::nat::Nat;
use actoreum_actors::net::settings::NetworkSettings;
use actoreum_messages::discovery::Lookup;
use actoreum_primitives::{PeerId, keccak256};
use actoreum_tests::p2p::{MemoryNet, TestNode, key, settle, until};
use actoreum_wire::discv4::{Endpoint, FindNode, Packet, Ping, encode_packet};
use actoreum_wire::limits::{BUCKET_SIZE, MAX_PENDING_REQUESTS, RESPONSE_TIMEOUT};
use tokio::time::Instant;

use super::{DELAY, SECOND, on_network};

/// Starts nodes that know only the first.
async fn start(net: &MemoryNet, count: u32, max_peers: usize) -> Vec<TestNode> {
    let boot = TestNode::start(net, 1, |settings| settings.max_peers = max_peers).await;
    let bootnode = boot.enode();
    let mut nodes = vec![boot];
    for number in 2..=count {
        let node = TestNode::start(net, number, |settings| {
            settings.bootnodes = vec![bootnode.into()];
            settings.max_peers = max_peers;
        });
        nodes.push(node.await);
    }
    nodes
}

fn known(node: &TestNode) -> usize {
    node.network.table().nodes().count()
}

async fn stop(nodes: Vec<TestNode>) {
    for node in nodes {
        node.stop().await;
    }
}

/// Returns whether a node finds another by its key.
async fn finds(node: &TestNode, number: u32) -> bool {
    let target = key(number).public_key();
    let lookup = Lookup {
        target: Some(target),
    };
    let found = node.network.discovery().ask(lookup).await.unwrap();
    found.first().map(|it| it.id) == Some(PeerId::of(&target))
}

#[test]
fn nodes_find_each_other_by_discovery_despite_loss() {
    on_network(async |net| {
        net.set_loss(0.1);
        let nodes = start(&net, 30, 25).await;
        until("all nodes have peers", || {
            nodes.iter().all(|node| node.peers() >= 3)
        })
        .await;
        until("all nodes know some", || {
            nodes.iter().all(|node| known(node) >= 8)
        })
        .await;
        assert!(finds(&nodes[1], 30).await);
        stop(nodes).await;
    });
}

#[test]
fn two_hundred_nodes_find_targets_in_few_hops() {
    on_network(async |net| {
        let nodes = start(&net, 200, 0).await;
        until("every table holds more than a bucket", || {
            nodes.iter().all(|node| known(node) > BUCKET_SIZE)
        })
        .await;
        // Neighbours are sent once they were seen to be alive.
        settle(Duration::from_secs(120)).await;
        let round_trip = 2 * DELAY;
        let mut slowest = Duration::ZERO;
        for (index, node) in nodes.iter().enumerate().step_by(10) {
            let target = (index as u32 + 100) % 200 + 1;
            let begun = Instant::now();
            assert!(finds(node, target).await, "{index} does not find {target}");
            slowest = slowest.max(begun.elapsed());
        }
        // On this clock a lookup takes the time of its round trips: a hop is one, and a node
        // without an endpoint proof costs two more.
        let round_trips = slowest.as_millis() / round_trip.as_millis();
        println!("a lookup took {slowest:?}, {round_trips} round trips, at most");
        assert!(slowest < 40 * round_trip + RESPONSE_TIMEOUT, "{slowest:?}");
        let smallest = nodes.iter().map(known).min().unwrap_or_default();
        println!("the emptiest table holds {smallest} nodes");
        stop(nodes).await;
        assert_eq!(net.sockets(), 0);
    });
}

#[test]
fn known_nodes_survive_a_restart() {
    on_network(async |net| {
        let nodes = start(&net, 6, 25).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nodes");
        let remembering = |settings: &mut NetworkSettings| {
            settings.nodes_file = Some(file.clone());
        };
        let bootnode = nodes[0].enode();
        let node = TestNode::start(&net, 7, |settings| {
            settings.bootnodes = vec![bootnode.into()];
            remembering(settings);
        })
        .await;
        until("it knows all nodes", || known(&node) == 6).await;
        // Nodes are stored once they have been in the table for a while.
        settle(2 * SETTLED_AFTER).await;
        node.stop().await;
        assert!(file.exists());
        // The bootnode is stopped, and is not configured any more.
        let mut nodes = nodes;
        nodes.remove(0).stop().await;
        let node = TestNode::start(&net, 7, remembering).await;
        until("it knows them again", || {
            known(&node) >= 5 && node.peers() >= 3
        })
        .await;
        node.stop().await;
        stop(nodes).await;
    });
}

#[test]
fn a_node_learns_its_address_from_its_peers() {
    on_network(async |net| {
        let nodes = start(&net, 14, 25).await;
        let bootnode = nodes[0].enode();
        let node = TestNode::start(&net, 15, |settings| {
            settings.bootnodes = vec![bootnode.into()];
            settings.nat = Nat::None;
        })
        .await;
        assert!(node.enode().endpoint.unwrap().address.is_loopback());
        let outside = IpAddr::from([50, 0, 15, 1]);
        until("it knows where it is", || {
            node.network.local().endpoint.address == outside
        })
        .await;
        let record = node.network.local().record.endpoint().unwrap();
        assert_eq!(record.address, outside, "and says so in its record");
        node.stop().await;
        stop(nodes).await;
    });
}

/// Hostile datagrams: noise, a replayed packet of another node, an expired packet, a packet with a
/// forged signature, and a request without an endpoint proof.
fn hostile() -> [Vec<u8>; 5] {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let unix = since.unwrap().as_secs();
    let endpoint = Endpoint {
        address: Some([50, 0, 9, 1].into()),
        udp: 30303,
        tcp: 30303,
    };
    let ping = |expiration| {
        let ping = Packet::Ping(Ping {
            from: endpoint,
            to: endpoint,
            expiration,
            enr_seq: None,
        });
        encode_packet(&ping, &key(1000)).0
    };
    let noise = (0..1280_u32).map(|it| (it * 167) as u8).collect();
    let (replayed, expired) = (ping(unix + 3600), ping(unix - 60));
    let mut forged = replayed.clone();
    forged[40] ^= 1;
    let hash = keccak256(&forged[32..]);
    forged[..32].copy_from_slice(hash.as_slice());
    let question = Packet::FindNode(FindNode {
        target: [7; 64],
        expiration: unix + 3600,
    });
    let (unproven, _) = encode_packet(&question, &key(1001));
    [noise, replayed, expired, forged, unproven]
}

#[test]
fn hostile_datagrams_do_not_stop_honest_lookups() {
    on_network(async |net| {
        let nodes = start(&net, 12, 25).await;
        until("the table is filled", || known(&nodes[1]) >= 8).await;
        let victim = &nodes[1];
        let to = SocketAddr::new(victim.address, 30303);
        let (before, kinds) = (victim.network.table(), hostile());
        // Ten thousand a second, for three seconds, from as many addresses.
        for tick in 0..300_u32 {
            for number in 0..100_u32 {
                let [_, high, middle, low] = (tick * 100 + number).to_be_bytes();
                let host = net.host(IpAddr::from([120 + high, middle, low, 1]));
                let kind = number as usize % kinds.len();
                host.send(4000, to, kinds[kind].clone());
            }
            settle(Duration::from_millis(10)).await;
            if tick % 100 == 50 {
                assert!(finds(victim, 12).await, "an honest lookup fails");
                assert!(finds(&nodes[2], 2).await, "the victim is not found");
                let pending = victim.network.table().pending;
                assert!(pending < MAX_PENDING_REQUESTS, "{pending} requests");
            }
        }
        settle(2 * SECOND).await;
        let table = victim.network.table();
        let refused = table.refused - before.refused;
        assert!(refused > 20_000, "{refused} refused");
        let is_honest = |id: &PeerId| nodes.iter().any(|node| node.id() == *id);
        assert!(table.nodes().all(|node| is_honest(&node.id)));
        assert!(table.pending < 32, "{} requests", table.pending);
        assert_eq!(victim.waiting(), 0);
        stop(nodes).await;
    });
}
