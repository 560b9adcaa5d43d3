//! Nodes in one process, on an in-memory network with a paused clock.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, too, stop at the unexpected"
)]

mod discovery;
mod discovery_v5;
mod reasons;
mod untrusted;

use std::time::Duration;

use actoreum_actors::net::limits::{DIAL_HISTORY, SEND_BUDGET, WRITE_TIMEOUT};
use actoreum_actors::net::protocol::SendError;
use actoreum_messages::server::{AddTrusted, RemovePeer};
use actoreum_tests::p2p::{MemoryNet, TestNode, run, settle, until};
use bytes::Bytes;

const DELAY: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);

/// Runs a test on a network with a paused clock. Every log line is formatted and discarded:
/// untrusted input must not break the log, either.
fn on_network<F: Future<Output = ()>>(test: impl FnOnce(MemoryNet) -> F) {
    let log =
        tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::TRACE);
    // Another test may have set the subscriber already.
    let _ = log.with_writer(std::io::sink).try_init();
    run(async {
        tokio::time::pause();
        test(MemoryNet::new(DELAY)).await;
    });
}

async fn without_discovery(net: &MemoryNet, number: u32) -> TestNode {
    TestNode::start(net, number, |settings| settings.discovery_v4 = false).await
}

#[test]
fn two_nodes_connect_exchange_messages_and_disconnect() {
    on_network(async |net| {
        let (one, two) = (
            without_discovery(&net, 1).await,
            without_discovery(&net, 2).await,
        );
        one.add_peer(&two).await;
        until("both are connected", || {
            one.has_peer(&two) && two.has_peer(&one)
        })
        .await;
        let peer = one.chat.peer(&two.id()).unwrap();
        for number in 0..100_u8 {
            peer.send(0, Bytes::from(vec![number; 1000])).await.unwrap();
        }
        until("all messages are received", || {
            two.chat.received().len() == 100
        })
        .await;
        let received = two.chat.received();
        assert!(
            received
                .iter()
                .zip(0..)
                .all(|((from, text), number)| { *from == one.id() && *text == vec![number; 1000] })
        );

        // Longer than the idle timeout: pings keep the peer.
        settle(Duration::from_secs(120)).await;
        assert!(one.has_peer(&two));
        let latency = one.network.peers()[0].traffic.latency().unwrap();
        assert!(latency >= 2 * DELAY, "{latency:?}");

        one.network
            .server()
            .ask(RemovePeer(two.enode().into()))
            .await
            .unwrap();
        until("both are disconnected", || one.peers() + two.peers() == 0).await;
        settle(3 * DIAL_HISTORY).await;
        assert_eq!((one.peers(), one.chat.sessions(), net.streams()), (0, 0, 0));
        one.stop().await;
        two.stop().await;
        assert_eq!(net.sockets(), 0);
    });
}

#[test]
fn two_nodes_that_dial_each_other_keep_one_connection() {
    on_network(async |net| {
        let (one, two) = (
            without_discovery(&net, 1).await,
            without_discovery(&net, 2).await,
        );
        one.add_peer(&two).await;
        two.add_peer(&one).await;
        until("both are connected", || {
            one.has_peer(&two) && two.has_peer(&one)
        })
        .await;
        settle(4 * DIAL_HISTORY).await;
        assert_eq!((one.peers(), two.peers(), net.streams()), (1, 1, 1));
        one.stop().await;
        two.stop().await;
    });
}

#[test]
fn trusted_peers_need_no_free_slot() {
    on_network(async |net| {
        let full = TestNode::start(&net, 1, |settings| {
            settings.discovery_v4 = false;
            settings.max_peers = 1;
        })
        .await;
        let (first, second) = (
            without_discovery(&net, 2).await,
            without_discovery(&net, 3).await,
        );
        first.add_peer(&full).await;
        until("the first is in", || full.has_peer(&first)).await;
        second.add_peer(&full).await;
        settle(3 * DIAL_HISTORY).await;
        assert!(!full.has_peer(&second), "there was no place");
        full.network
            .server()
            .ask(AddTrusted(second.enode().into()))
            .await
            .unwrap();
        until("the trusted one is in", || full.has_peer(&second)).await;
        for node in [full, first, second] {
            node.stop().await;
        }
    });
}

#[test]
fn a_static_peer_is_redialled_after_a_partition() {
    on_network(async |net| {
        let (one, two) = (
            without_discovery(&net, 1).await,
            without_discovery(&net, 2).await,
        );
        one.add_peer(&two).await;
        until("they are connected", || {
            one.has_peer(&two) && two.has_peer(&one)
        })
        .await;
        net.cut_off(&[two.address]);
        until("the silence is noticed", || one.peers() + two.peers() == 0).await;
        settle(2 * DIAL_HISTORY).await;
        assert_eq!(one.peers() + two.peers(), 0);
        net.heal();
        until("they found each other again", || {
            one.has_peer(&two) && two.has_peer(&one)
        })
        .await;
        settle(SECOND).await;
        assert_eq!(net.streams(), 1);
        one.stop().await;
        two.stop().await;
    });
}

#[test]
fn a_peer_that_does_not_read_delays_no_other() {
    on_network(async |net| {
        let (one, two, stalled) = (
            without_discovery(&net, 1).await,
            without_discovery(&net, 2).await,
            without_discovery(&net, 3).await,
        );
        one.add_peer(&two).await;
        one.add_peer(&stalled).await;
        until("both are in", || {
            one.has_peer(&two) && one.has_peer(&stalled)
        })
        .await;
        stalled.chat.stop_listening();
        until("both talk", || one.chat.sessions() == 2).await;

        let slow = one.chat.peer(&stalled.id()).unwrap();
        let message = || Bytes::from(vec![1; 64 * 1024]);
        let mut queued = 0;
        let refused = loop {
            match slow.try_send(0, message()) {
                Ok(()) => queued += 1,
                Err(error) => break error,
            }
            assert!(
                queued * 64 * 1024 <= 2 * SEND_BUDGET,
                "the queue has no bound"
            );
            settle(Duration::from_millis(1)).await;
        };
        assert_eq!(refused, SendError::Full);

        let other = one.chat.peer(&two.id()).unwrap();
        other
            .send(0, Bytes::from_static(b"still here"))
            .await
            .unwrap();
        until("the other peer has received it", || {
            two.chat.received().len() == 1
        })
        .await;

        settle(2 * WRITE_TIMEOUT).await;
        assert!(one.has_peer(&two));
        assert!(
            !one.network
                .peers()
                .iter()
                .any(|peer| { peer.connection == slow.record().connection })
        );
        assert_eq!(slow.send(0, message()).await, Err(SendError::Gone));
        for node in [one, two, stalled] {
            node.stop().await;
        }
    });
}

#[test]
fn a_panic_in_a_session_ends_only_its_connection() {
    on_network(async |net| {
        let (one, two, three) = (
            without_discovery(&net, 1).await,
            without_discovery(&net, 2).await,
            without_discovery(&net, 3).await,
        );
        two.add_peer(&one).await;
        three.add_peer(&one).await;
        until("both are in", || {
            one.peers() == 2 && one.chat.sessions() == 2
        })
        .await;
        let talker = two.chat.peer(&one.id()).unwrap();
        talker.send(0, Bytes::from_static(b"panic")).await.unwrap();
        until("it is gone", || !one.has_peer(&two)).await;
        assert!(one.has_peer(&three));
        assert_eq!(one.generation("connections/server"), 1);
        until("it came back", || {
            one.has_peer(&two) && one.chat.sessions() == 2
        })
        .await;
        for node in [one, two, three] {
            node.stop().await;
        }
    });
}

#[test]
fn a_peer_with_a_bad_score_is_banned_for_a_while() {
    on_network(async |net| {
        let (one, two) = (
            without_discovery(&net, 1).await,
            without_discovery(&net, 2).await,
        );
        two.add_peer(&one).await;
        until("it is in", || one.chat.sessions() == 1).await;
        let peer = one.chat.peer(&two.id()).unwrap();
        peer.penalise(60, "once");
        settle(SECOND).await;
        assert!(one.has_peer(&two));
        assert_eq!(peer.record().traffic.score(), -60);
        peer.penalise(60, "and again");
        until("it is gone", || one.peers() == 0).await;
        settle(5 * DIAL_HISTORY).await;
        assert_eq!(one.peers(), 0, "it is not let in");
        settle(Duration::from_secs(600)).await;
        until("it is let in again", || one.has_peer(&two)).await;
        one.stop().await;
        two.stop().await;
    });
}

#[test]
fn crashed_actors_restart_with_their_peers_and_leak_nothing() {
    on_network(async |net| {
        let boot = TestNode::start(&net, 1, |_| {}).await;
        let bootnode = boot.enode();
        let mut nodes = vec![boot];
        for number in 2..=6 {
            nodes.push(
                TestNode::start(&net, number, |it| it.bootnodes = vec![bootnode.into()]).await,
            );
        }
        nodes[1].add_peer(&nodes[2]).await;
        let is_whole = || nodes[1].peers() >= 3 && nodes[1].has_peer(&nodes[2]);
        until("the network stands", is_whole).await;
        for path in [
            "discovery",
            "connections/server",
            "connections/edges/listener",
            "connections/edges/dialer",
        ] {
            let generation = nodes[1].generation(path);
            nodes[1].crash(path);
            until("it is up again", || nodes[1].generation(path) > generation).await;
            until("its peers are back", is_whole).await;
        }
        for _ in 0..20 {
            for path in nodes[1].connections() {
                nodes[1].crash(path.strip_prefix("node/network/").unwrap());
            }
            settle(5 * SECOND).await;
        }
        until("its peers are back", is_whole).await;
        settle(10 * SECOND).await;
        let node = &nodes[1];
        assert_eq!(node.chat.sessions(), node.peers());
        assert_eq!(node.connections().len(), node.peers());
        assert_eq!(node.waiting(), 0);
        for node in nodes {
            node.stop().await;
        }
        settle(SECOND).await;
        assert_eq!((net.streams(), net.sockets()), (0, 0));
    });
}
