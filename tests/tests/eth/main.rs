//! Nodes with chains, on a network in memory, with a clock that does not wait.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, too, stop at the unexpected"
)]

mod partitions;

use std::time::Duration;

use actoreum_tests::p2p::{EthNode, MemoryNet, Signers, run, until};

const DELAY: Duration = Duration::from_millis(20);

fn on_network<F: Future<Output = ()>>(test: impl FnOnce(MemoryNet) -> F) {
    run(async {
        tokio::time::pause();
        test(MemoryNet::new(DELAY)).await;
    });
}

/// Nodes in a row, each connected with the next.
async fn row(net: &MemoryNet, count: u32, signers: &Signers) -> Vec<EthNode> {
    let mut nodes = Vec::new();
    for number in 1..=count {
        nodes.push(EthNode::start(net, number, signers).await);
    }
    for pair in nodes.windows(2) {
        pair[0].node.add_peer(&pair[1].node).await;
    }
    let ends = |at: usize| {
        if at == 0 || at + 1 == nodes.len() {
            1
        } else {
            2
        }
    };
    until("all are connected", || {
        let mut nodes = nodes.iter().enumerate();
        nodes.all(|(at, node)| node.eth.peers.list().len() == ends(at))
    })
    .await;
    nodes
}

async fn same_head(nodes: &[EthNode]) {
    until("all stand on one block", || {
        nodes.iter().all(|node| node.head() == nodes[0].head())
    })
    .await;
}

async fn stop(nodes: Vec<EthNode>) {
    for node in nodes {
        node.node.stop().await;
    }
}

#[test]
fn blocks_and_transactions_cross_nodes_that_know_their_neighbours_alone() {
    on_network(async |net| {
        let nodes = row(&net, 6, &Signers(vec![1, 6])).await;
        let (first, last) = (&nodes[0], &nodes[5]);
        let paid = last.pay(0).await.unwrap();
        until("a transaction arrives at the other end", || {
            first
                .pool
                .snapshot()
                .is_some_and(|it| it.get(&paid).is_some())
        })
        .await;
        let begun = tokio::time::Instant::now();
        assert!(first.seal().await);
        same_head(&nodes).await;
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "no hop waits for an announcement"
        );
        assert!(last.reader.transaction(&paid).unwrap().is_some());
        for number in 0..20 {
            let sealer = if number % 2 == 0 { last } else { first };
            assert!(sealer.seal().await, "{number}");
            same_head(&nodes).await;
        }
        assert_eq!(first.reader.head_number(), 21);
        let penalised = nodes.iter().flat_map(|it| it.node.network.peers().to_vec());
        for peer in penalised {
            assert_eq!((peer.traffic.score(), peer.notes()), (0, Vec::new()));
        }
        stop(nodes).await;
    });
}

#[test]
fn a_peer_that_joins_is_told_of_the_pool() {
    on_network(async |net| {
        let signers = Signers(vec![1]);
        let (one, two) = (
            EthNode::start(&net, 1, &signers).await,
            EthNode::start(&net, 2, &signers).await,
        );
        for nonce in 0..16 {
            one.pay(nonce).await.unwrap();
        }
        two.node.add_peer(&one.node).await;
        until("the pool is told", || {
            two.pool
                .snapshot()
                .is_some_and(|it| it.pending_count() == 16)
        })
        .await;
        stop(vec![one, two]).await;
    });
}
