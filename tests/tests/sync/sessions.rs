//! The actor of an eth session lives as long as its connection.

use std::time::Duration;

use actoreum_tests::p2p::{FullNode, MemoryNet, Sealers, settle, until};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::{on_network, stop};

/// Steps of the node's thread in which the test ends the connection.
const STEPS: usize = 16;

/// Waits until a new connection of `node` is in its set of peers, to the millisecond.
async fn connection(node: &FullNode) -> String {
    while node.node.connections().is_empty() {
        settle(Duration::from_millis(20)).await;
    }
    // The handshakes take longer than that.
    while node.node.peers() == 0 {
        settle(Duration::from_millis(1)).await;
    }
    node.node.connections().remove(0)
}

async fn pair(net: &MemoryNet) -> (FullNode, FullNode) {
    let sealers = Sealers::AnyNode;
    let one = FullNode::start(net, 1, &sealers).await;
    let two = FullNode::start(net, 2, &sealers).await;
    one.node.add_peer(&two.node).await;
    (one, two)
}

fn crash(node: &FullNode, path: &str) {
    node.crash(path.strip_prefix("node/").unwrap());
}

#[test]
fn a_session_actor_ends_with_its_connection() {
    on_network("sessions end", async |net| {
        let (one, two) = pair(&net).await;
        // How long the exchange of statuses takes is the same for each connection.
        let path = connection(&one).await;
        let begun = Instant::now();
        while one.node.sessions().is_empty() {
            settle(Duration::from_millis(1)).await;
        }
        let until_session = begun.elapsed().saturating_sub(Duration::from_millis(1));
        crash(&one, &path);
        for step in 0..STEPS {
            until("both are gone", || one.node.peers() + two.node.peers() == 0).await;
            let path = connection(&one).await;
            settle(until_session).await;
            for _ in 0..step {
                yield_now().await;
            }
            crash(&one, &path);
            settle(Duration::from_secs(1)).await;
            let (connections, sessions) = (one.node.connections(), one.node.sessions());
            assert!(
                sessions.len() <= connections.len(),
                "after {step} steps: {sessions:?} beside {connections:?}"
            );
        }
        stop(vec![one, two]).await;
    });
}

#[test]
fn a_crashed_session_ends_its_connection_alone() {
    on_network("a session crashes", async |net| {
        let (one, two) = pair(&net).await;
        until("they speak eth", || {
            one.eth.peers.list().len() + two.eth.peers.list().len() == 2
        })
        .await;
        let server = one.node.generation("connections/server");
        crash(&one, &one.node.sessions()[0]);
        until("the peer is lost", || one.eth.peers.list().is_empty()).await;
        until("they are connected again", || {
            one.eth.peers.list().len() + two.eth.peers.list().len() == 2
        })
        .await;
        assert_eq!(one.node.generation("connections/server"), server);
        assert_eq!(one.node.sessions().len(), 1);
        assert!(two.seal().await);
        until("a block arrives", || one.head() == two.head()).await;
        stop(vec![one, two]).await;
    });
}
