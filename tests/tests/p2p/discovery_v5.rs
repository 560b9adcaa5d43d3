//! Discovery v5 between nodes, alone and on one socket with v4, and hostile datagrams.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use actoreum_actors::net::limits::SETTLED_AFTER;
use actoreum_actors::net::settings::NetworkSettings;
use actoreum_messages::discovery::Lookup;
use actoreum_primitives::{PeerId, keccak256};
use actoreum_tests::p2p::{MemoryNet, TestNode, key, settle, until};
use actoreum_wire::discv5::{
    Handshake, WhoAreYou, encode_handshake, encode_random, encode_who_are_you,
};
use actoreum_wire::limits::MAX_PENDING_REQUESTS;
use actoreum_wire::nodes::Enode;

use super::{SECOND, on_network};

fn only_v5(settings: &mut NetworkSettings) {
    settings.discovery_v4 = false;
    settings.discovery_v5 = true;
}

fn both(settings: &mut NetworkSettings) {
    settings.discovery_v5 = true;
}

async fn start_one(
    net: &MemoryNet,
    number: u32,
    bootnode: Option<Enode>,
    change: fn(&mut NetworkSettings),
) -> TestNode {
    TestNode::start(net, number, |settings| {
        settings.bootnodes = bootnode.into_iter().map(Into::into).collect();
        change(settings);
    })
    .await
}

/// Starts nodes that have discovery v5 alone and know only the first.
async fn start(net: &MemoryNet, count: u32) -> Vec<TestNode> {
    let mut nodes = vec![start_one(net, 1, None, only_v5).await];
    let bootnode = nodes[0].enode();
    for number in 2..=count {
        nodes.push(start_one(net, number, Some(bootnode), only_v5).await);
    }
    nodes
}

fn known(node: &TestNode) -> usize {
    node.network.table_v5().nodes().count()
}

async fn stop(nodes: Vec<TestNode>) {
    for node in nodes {
        node.stop().await;
    }
}

/// Returns whether a node finds another by its key, by discovery v5.
async fn finds(node: &TestNode, number: u32) -> bool {
    let target = key(number).public_key();
    let lookup = Lookup {
        target: Some(target),
    };
    let found = node.network.discovery_v5().ask(lookup).await.unwrap();
    found.first().map(|it| it.id) == Some(PeerId::of(&target))
}

#[test]
fn nodes_become_peers_by_v5_alone_despite_loss() {
    on_network(async |net| {
        net.set_loss(0.1);
        let nodes = start(&net, 20).await;
        until("all nodes have peers", || {
            nodes.iter().all(|node| node.peers() >= 3)
        })
        .await;
        until("all nodes know some", || {
            nodes.iter().all(|node| known(node) >= 8)
        })
        .await;
        assert!(finds(&nodes[1], 20).await);
        assert!(
            nodes
                .iter()
                .all(|node| node.network.table().nodes().count() == 0)
        );
        stop(nodes).await;
    });
}

#[test]
fn both_versions_share_one_socket() {
    on_network(async |net| {
        let hub = start_one(&net, 1, None, both).await;
        let bootnode = Some(hub.enode());
        let of_v4 = start_one(&net, 2, bootnode, |_| {}).await;
        let of_v5 = start_one(&net, 3, bootnode, only_v5).await;
        let of_both = start_one(&net, 4, bootnode, both).await;
        until("the hub knows the nodes of each version", || {
            let v4: Vec<PeerId> = hub.network.table().nodes().map(|node| node.id).collect();
            let v5: Vec<PeerId> = hub.network.table_v5().nodes().map(|it| it.id).collect();
            v4.contains(&of_v4.id())
                && v5.contains(&of_v5.id())
                && v4.contains(&of_both.id())
                && v5.contains(&of_both.id())
                && !v5.contains(&of_v4.id())
        })
        .await;
        until("nodes of one version find peers", || {
            of_v4.has_peer(&of_both) && of_v5.has_peer(&of_both)
        })
        .await;
        stop(vec![hub, of_v4, of_v5, of_both]).await;
        assert_eq!(net.sockets(), 0);
    });
}

#[test]
fn v5_goes_on_after_a_crash_of_each_actor() {
    on_network(async |net| {
        let nodes = [
            start_one(&net, 1, None, both).await,
            start_one(&net, 2, None, both).await,
        ];
        let bootnode = Some(nodes[0].enode());
        let third = start_one(&net, 3, bootnode, both).await;
        until("they know each other", || known(&third) >= 1).await;
        for crashed in ["discovery_v5", "discovery"] {
            nodes[0].crash(crashed);
            // A node that starts now is found only by an actor that reads and sends.
            let number = if crashed == "discovery" { 4 } else { 5 };
            let late = start_one(&net, number, bootnode, both).await;
            until("a late node knows another", || known(&late) >= 1).await;
            until("the restarted node knows the late one", || {
                let table = nodes[0].network.table_v5();
                table.nodes().any(|node| node.id == late.id())
            })
            .await;
            late.stop().await;
        }
        third.stop().await;
        stop(nodes.into()).await;
    });
}

#[test]
fn nodes_known_to_v5_survive_a_restart() {
    on_network(async |net| {
        let mut nodes = start(&net, 6).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nodes");
        let remembering = |settings: &mut NetworkSettings| {
            only_v5(settings);
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
        assert!(file.with_extension("v5").exists());
        // The bootnode is stopped, and is not configured any more.
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

/// Hostile datagrams with the header of v5: requests for a challenge in the name of random nodes, a
/// challenge and a handshake that nobody asked for, and the shortest and the longest noise.
fn hostile(to: &PeerId, number: u32) -> Vec<u8> {
    let random = keccak256(number.to_be_bytes());
    let source = PeerId(random);
    let mut iv = [0; 16];
    iv.copy_from_slice(&random[..16]);
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&random[16..28]);
    match number % 5 {
        0 => encode_random(&source, to, (&iv, &nonce), &[7; 32]),
        1 => {
            let content = WhoAreYou {
                id_nonce: iv,
                enr_seq: 0,
            };
            encode_who_are_you(to, (&iv, &nonce), &content).0
        }
        2 => {
            let handshake = Handshake {
                source,
                signature: [9; 64],
                ephemeral_key: key(1).public_key().to_compressed(),
                record: None,
            };
            encode_handshake(to, (&iv, &nonce), &handshake, &[1; 16], b"hello")
        }
        3 => vec![3; 63],
        _ => vec![4; 1280],
    }
}

#[test]
fn hostile_v5_datagrams_do_not_stop_honest_lookups() {
    on_network(async |net| {
        let mut nodes = vec![start_one(&net, 1, None, both).await];
        let bootnode = Some(nodes[0].enode());
        for number in 2..=12 {
            nodes.push(start_one(&net, number, bootnode, both).await);
        }
        until("the tables are filled", || {
            known(&nodes[1]) >= 8 && known(&nodes[2]) >= 8
        })
        .await;
        let victim = &nodes[1];
        let to = SocketAddr::new(victim.address, 30303);
        let refused = || victim.network.table_v5().refused + victim.network.table().refused;
        let before = refused();
        // Ten thousand a second, for three seconds, from as many addresses.
        for tick in 0..300_u32 {
            for number in 0..100_u32 {
                let [_, high, middle, low] = (tick * 100 + number).to_be_bytes();
                let host = net.host(IpAddr::from([120 + high, middle, low, 1]));
                host.send(4000, to, hostile(&victim.id(), tick * 100 + number));
            }
            settle(Duration::from_millis(10)).await;
            if tick % 100 == 50 {
                assert!(finds(victim, 12).await, "an honest lookup fails");
                assert!(finds(&nodes[2], 2).await, "the victim is not found");
                let pending = victim.network.table_v5().pending;
                assert!(pending < MAX_PENDING_REQUESTS, "{pending} requests");
            }
        }
        settle(2 * SECOND).await;
        let refused = refused() - before;
        assert!(refused > 20_000, "{refused} refused");
        let is_honest = |id: &PeerId| nodes.iter().any(|node| node.id() == *id);
        let table = victim.network.table_v5();
        assert!(table.nodes().all(|node| is_honest(&node.id)));
        assert_eq!(victim.waiting(), 0);
        stop(nodes).await;
    });
}
