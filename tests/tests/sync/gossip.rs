//! Gossip of blocks and transactions from neighbour to neighbour.

use std::time::Duration;

use actoreum_supervision::{Actor, ActorRef};
use actoreum_tests::p2p::{FullNode, MemoryNet, Sealers, settle, until};
use tokio::time::Instant;

use super::{on_network, stop};

/// Starts nodes in a row, each connected with the next.
async fn row(net: &MemoryNet, count: u32, sealers: &Sealers) -> Vec<FullNode> {
    let mut nodes = Vec::new();
    for number in 1..=count {
        nodes.push(FullNode::start(net, number, sealers).await);
    }
    for pair in nodes.windows(2) {
        pair[0].node.add_peer(&pair[1].node).await;
    }
    let neighbours = |at: usize| {
        if at == 0 || at + 1 == nodes.len() {
            1
        } else {
            2
        }
    };
    until("all are connected", || {
        let mut nodes = nodes.iter().enumerate();
        nodes.all(|(at, node)| node.eth.peers.list().len() == neighbours(at))
    })
    .await;
    nodes
}

async fn until_same_head(nodes: &[FullNode]) {
    until("all nodes have one head", || {
        nodes.iter().all(|node| node.head() == nodes[0].head())
    })
    .await;
}

#[test]
fn blocks_and_transactions_cross_a_row_of_nodes() {
    on_network("a row", async |net| {
        let nodes = row(&net, 6, &Sealers::Signers(vec![1, 6])).await;
        let (first, last) = (&nodes[0], &nodes[5]);
        let paid = last.pay(0).await.unwrap();
        until("a transaction arrives at the other end", || {
            let snapshot = first.txpool.snapshot();
            snapshot.is_some_and(|it| it.get(&paid).is_some())
        })
        .await;
        let begun = Instant::now();
        assert!(first.seal().await);
        until_same_head(&nodes).await;
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "no hop waits for an announcement"
        );
        assert!(last.chain_reader.transaction(&paid).unwrap().is_some());
        for number in 0..20 {
            let sealer = if number % 2 == 0 { last } else { first };
            assert!(sealer.seal().await, "{number}");
            until_same_head(&nodes).await;
        }
        assert_eq!(first.chain_reader.head_number(), 21);
        let peers = nodes.iter().flat_map(|it| it.node.network.peers().to_vec());
        for peer in peers {
            assert_eq!((peer.traffic.score(), peer.notes()), (0, Vec::new()));
        }
        stop(nodes).await;
    });
}

#[test]
fn a_joining_peer_gets_the_pool() {
    on_network("a pool", async |net| {
        let sealers = Sealers::Signers(vec![1]);
        let one = FullNode::start(&net, 1, &sealers).await;
        let two = FullNode::start(&net, 2, &sealers).await;
        for nonce in 0..16 {
            one.pay(nonce).await.unwrap();
        }
        two.node.add_peer(&one.node).await;
        until("the pool is synced", || {
            let snapshot = two.txpool.snapshot();
            snapshot.is_some_and(|it| it.pending_count() == 16)
        })
        .await;
        stop(vec![one, two]).await;
    });
}

async fn until_down<A: Actor>(actor: &ActorRef<A>) {
    while actor.is_available() {
        settle(Duration::from_millis(1)).await;
    }
}

#[test]
fn a_block_missed_during_a_crash_is_fetched_later() {
    on_network("a crash", async |net| {
        let nodes = row(&net, 2, &Sealers::AnyNode).await;
        // With a short delay messages arrive during the restart.
        net.set_delay(Duration::from_millis(1));
        for node in &nodes {
            assert!(node.seal().await);
            until_same_head(&nodes).await;
        }
        assert!(nodes[1].crash("eth/fetcher"));
        until_down(&nodes[1].eth.fetcher).await;
        assert!(nodes[0].seal().await);
        settle(Duration::from_millis(10)).await;
        assert!(
            !nodes[1].eth.fetcher.is_available(),
            "it came back too early"
        );
        until_same_head(&nodes).await;
        stop(nodes).await;
    });
}

#[test]
fn transactions_accepted_during_a_crash_are_sent_later() {
    on_network("a crash", async |net| {
        let nodes = row(&net, 2, &Sealers::AnyNode).await;
        assert!(nodes[0].crash("eth/protocol manager"));
        until_down(&nodes[0].eth.manager).await;
        let paid = nodes[0].pay(0).await.unwrap();
        assert!(
            !nodes[0].eth.manager.is_available(),
            "it came back too early"
        );
        until("the transaction arrives", || {
            let snapshot = nodes[1].txpool.snapshot();
            snapshot.is_some_and(|it| it.get(&paid).is_some())
        })
        .await;
        stop(nodes).await;
    });
}
