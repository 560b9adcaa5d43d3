use std::time::{Duration, Instant};

use actoreum_primitives::{B256, PeerId};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{key, node};
use crate::discv4::*;
use crate::limits::{BUCKET_SIZE, MAX_FINDNODE_FAILURES, MAX_REPLACEMENTS, REVALIDATION_PAUSE};

fn table() -> Table {
    Table::new(PeerId::of(&key(0).public_key()), StdRng::seed_from_u64(1))
}

/// Nodes of the furthest bucket, which half of all nodes belong to, each on a network of its own.
fn far_nodes() -> impl Iterator<Item = Node> {
    let table = table();
    (1..).filter_map(move |number: u32| {
        let [_, high, low, _] = (number << 8).to_be_bytes();
        let far = node(number, &format!("8.{high}.{low}.1:30303"));
        (table.bucket_index(&far.id) == BUCKET_COUNT - 1).then_some(far)
    })
}

#[test]
fn a_full_bucket_keeps_ten_replacements_and_promotes_one() {
    let now = Instant::now();
    let mut table = table();
    let nodes: Vec<Node> = far_nodes().take(40).collect();
    for node in &nodes {
        table.add_seen(*node, now);
    }
    let bucket = table.buckets().last().unwrap();
    assert_eq!(bucket.entries().len(), BUCKET_SIZE);
    assert_eq!(bucket.replacements().len(), MAX_REPLACEMENTS);
    let replacements = bucket.replacements().to_vec();
    let last = bucket.entries().last().unwrap().node;
    table.revalidated(&last, false, now);
    let bucket = table.buckets().last().unwrap();
    assert_eq!(bucket.entries().len(), BUCKET_SIZE);
    assert_eq!(bucket.replacements().len(), MAX_REPLACEMENTS - 1);
    assert!(replacements.contains(&bucket.entries().last().unwrap().node));
    assert!(table.entry(&last.id).is_none());
}

#[test]
fn nodes_of_one_subnet_are_limited_per_bucket_and_table() {
    let now = Instant::now();
    let mut table = table();
    for number in 1..500 {
        table.add_seen(node(number, &format!("8.8.8.{}:30303", number % 250)), now);
    }
    assert_eq!(table.len(), 10);
    for bucket in table.buckets() {
        assert!(bucket.entries().len() + bucket.replacements().len() <= 2);
    }
    let ids: Vec<PeerId> = table.entries().map(|entry| entry.node.id).collect();
    for id in ids {
        table.remove(&id, now);
    }
    for number in 500..1000 {
        table.add_verified(node(number, &format!("8.8.8.{}:30303", number % 250)), now);
    }
    assert_eq!(table.len(), 10, "places were given back");
}

#[test]
fn local_networks_are_not_limited() {
    let now = Instant::now();
    let mut table = table();
    for number in 1..200 {
        table.add_seen(node(number, &format!("127.0.0.1:{}", 2000 + number)), now);
    }
    assert!(table.len() > 60, "{}", table.len());
}

#[test]
fn only_live_nodes_are_returned_the_closest_first() {
    let now = Instant::now();
    let mut table = table();
    for number in 1..60 {
        let [high, low] = (number as u16).to_be_bytes();
        let node = node(number, &format!("9.{high}.{low}.1:30303"));
        if number % 2 == 0 {
            table.add_verified(node, now)
        } else {
            table.add_seen(node, now)
        }
    }
    let target = PeerId(B256::repeat_byte(7));
    let live = table.closest(&target, BUCKET_SIZE, true);
    assert_eq!(live.len(), BUCKET_SIZE);
    assert!(
        live.iter()
            .all(|node| table.entry(&node.id).unwrap().liveness_checks > 0)
    );
    let distances: Vec<B256> = live.iter().map(|node| node.id.0 ^ target.0).collect();
    assert!(distances.is_sorted());
    let all = table.closest(&target, usize::MAX, false);
    assert_eq!(all.len(), table.len());
}

#[test]
fn a_verified_node_moves_to_the_front_and_keeps_its_age() {
    let now = Instant::now();
    let mut table = table();
    let nodes: Vec<Node> = far_nodes().take(5).collect();
    nodes.iter().for_each(|node| table.add_seen(*node, now));
    let later = now + Duration::from_secs(600);
    table.add_verified(nodes[4], later);
    table.add_verified(nodes[4], later);
    let first = table.buckets().last().unwrap().entries()[0];
    assert_eq!(
        (first.node, first.liveness_checks, first.added_at),
        (nodes[4], 2, now)
    );
    assert_eq!(table.len(), 5);
    assert_eq!(table.settled(Duration::from_secs(300), later).count(), 1);
    assert_eq!(table.settled(Duration::from_secs(601), later).count(), 0);
}

#[test]
fn a_node_that_moves_to_a_full_subnet_keeps_its_old_endpoint() {
    let now = Instant::now();
    let mut table = table();
    let mut far = far_nodes();
    let (first, second, mover) = (
        far.next().unwrap(),
        far.next().unwrap(),
        far.next().unwrap(),
    );
    let crowded = |node: Node, host: u8| {
        let mut moved = node;
        moved.endpoint.address = [5, 5, 5, host].into();
        moved
    };
    table.add_verified(crowded(first, 1), now);
    table.add_verified(crowded(second, 2), now);
    table.add_verified(mover, now);
    table.add_verified(crowded(mover, 3), now);
    assert_eq!(
        table.entry(&mover.id).unwrap().node.endpoint,
        mover.endpoint
    );
    table.remove(&first.id, now);
    table.add_verified(crowded(mover, 3), now);
    assert_eq!(table.entry(&mover.id).unwrap().node, crowded(mover, 3));
}

#[test]
fn five_unanswered_requests_in_a_row_remove_a_node() {
    let now = Instant::now();
    let mut table = table();
    let node = far_nodes().next().unwrap();
    table.add_verified(node, now);
    for _ in 1..MAX_FINDNODE_FAILURES {
        table.count_findnode(&node.id, false, now);
    }
    table.count_findnode(&node.id, true, now);
    for _ in 1..MAX_FINDNODE_FAILURES {
        table.count_findnode(&node.id, false, now);
        assert_eq!(table.len(), 1);
    }
    table.count_findnode(&node.id, false, now);
    assert!(table.is_empty());
}

#[test]
fn a_dead_node_that_was_seen_meanwhile_stays() {
    let now = Instant::now();
    let mut table = table();
    let nodes: Vec<Node> = far_nodes().take(3).collect();
    nodes.iter().for_each(|node| table.add_seen(*node, now));
    let asked = table.next_to_revalidate(now).unwrap();
    assert_eq!(asked, nodes[2]);
    table.add_verified(asked, now);
    table.revalidated(&asked, false, now);
    assert_eq!(table.len(), 3);
}

#[test]
fn a_node_that_was_just_seen_is_not_revalidated() {
    let now = Instant::now();
    let mut table = table();
    let node = far_nodes().next().unwrap();
    table.add_seen(node, now);
    assert_eq!(table.next_to_revalidate(now), Some(node));
    table.add_verified(node, now);
    assert_eq!(table.next_to_revalidate(now + REVALIDATION_PAUSE / 2), None);
    let later = now + REVALIDATION_PAUSE;
    assert_eq!(table.next_to_revalidate(later), Some(node));
}

#[test]
fn random_nodes_are_different() {
    let now = Instant::now();
    let mut table = table();
    far_nodes()
        .take(10)
        .for_each(|node| table.add_seen(node, now));
    let chosen = table.random_nodes(7);
    let ids: std::collections::HashSet<PeerId> = chosen.iter().map(|node| node.id).collect();
    assert_eq!(ids.len(), 7);
    assert_eq!(table.random_nodes(50).len(), 10);
}

#[test]
fn a_lookup_ends_even_when_every_answer_is_closer() {
    let own = PeerId::of(&key(0).public_key());
    let target = PeerId(B256::ZERO);
    let fake = |rank: u32| {
        let mut node = node(1, "1.2.3.4:30303");
        node.id = PeerId(B256::left_padding_from(&(u32::MAX - rank).to_be_bytes()));
        node
    };
    let mut lookup = Lookup::new(target, own, &[fake(0)]);
    let mut rank = 0;
    while let Some(asked) = lookup.next_query() {
        let answer: Vec<Node> = (0..16).map(|offset| fake(rank + offset)).collect();
        rank += 16;
        lookup.answered(&asked.id, &answer);
    }
    assert!(lookup.is_finished());
    assert_eq!(lookup.queries(), crate::limits::MAX_LOOKUP_QUERIES);
}

#[test]
fn a_lookup_has_at_most_three_queries_in_flight() {
    let own = PeerId::of(&key(0).public_key());
    let known: Vec<Node> = far_nodes().take(5).collect();
    let mut lookup = Lookup::new(PeerId(B256::ZERO), own, &known);
    let asked: Vec<Node> = std::iter::from_fn(|| lookup.next_query()).collect();
    assert_eq!(asked.len(), 3);
    lookup.answered(&known[4].id, &[]);
    lookup.answered(&asked[0].id, &[]);
    lookup.answered(&asked[0].id, &[node(99, "1.2.3.4:5000")]);
    assert_eq!(lookup.closest().len(), 5);
    assert!(lookup.next_query().is_some());
    assert!(lookup.next_query().is_none());
    assert!(!lookup.is_finished());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn random_events_keep_the_table_within_its_limits(
        events in proptest::collection::vec((0u8..5, 1u32..60, 0u8..6), 1..200),
    ) {
        let now = Instant::now();
        let mut table = table();
        for (kind, number, network) in events {
            let node = node(number, &format!("8.8.{network}.{}:30303", number % 7));
            match kind {
                0 => table.add_seen(node, now),
                1 => table.add_verified(node, now),
                2 => table.remove(&node.id, now),
                3 => table.revalidated(&node, number % 2 == 0, now),
                _ => table.count_findnode(&node.id, false, now),
            }
            let mut table_counts = std::collections::HashMap::new();
            for bucket in table.buckets() {
                prop_assert!(bucket.entries().len() <= BUCKET_SIZE);
                prop_assert!(bucket.replacements().len() <= MAX_REPLACEMENTS);
                let mut bucket_counts = std::collections::HashMap::new();
                let entries = bucket.entries().iter().map(|entry| entry.node);
                for node in entries.chain(bucket.replacements().iter().copied()) {
                    let subnet = Subnet::of(node.endpoint.address);
                    *bucket_counts.entry(subnet).or_insert(0) += 1;
                    *table_counts.entry(subnet).or_insert(0) += 1;
                }
                prop_assert!(bucket_counts.values().all(|&count| count <= 2));
            }
            prop_assert!(table_counts.values().all(|&count| count <= 10));
        }
    }
}
