//! Round trips and invariants.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Instant;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{key, node};
use crate::dns::{EntryHash, Step, Tree, TreeEntry, TreeLink, TreeRoot, TreeWalk};
use crate::limits::{MAX_BRANCH_CHILDREN, TREE_QUERY_INTERVAL};
use crate::nodes::Enr;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,120}", count in 0usize..4) {
        for prefix in ["", "enr:", "enrtree://", "enrtree-branch:", "enrtree-root:v1 e="] {
            let text = format!("{prefix}{text}");
            if let Ok(entry) = text.parse::<TreeEntry>() {
                prop_assert_eq!(entry.to_string().parse(), Ok(entry));
            }
            let _ = TreeRoot::parse(&text, &key(1).public_key());
            let mut walk = TreeWalk::new([TreeLink::new(key(1).public_key(), "n").unwrap()]);
            let mut random = StdRng::seed_from_u64(1);
            let now = Instant::now();
            prop_assert_eq!(walk.poll(now, &mut random), Step::Query("n".to_owned()));
            prop_assert!(walk.answered(&vec![text; count], now).is_err());
        }
    }

    #[test]
    fn hashes_round_trip(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let text = data_encoding::BASE32_NOPAD.encode(&bytes);
        match text.parse::<EntryHash>() {
            Ok(hash) => {
                prop_assert_eq!(hash.as_bytes(), &bytes);
                prop_assert_eq!(hash.to_string(), text);
            }
            Err(_) => prop_assert!(!(12..=32).contains(&bytes.len())),
        }
    }

    #[test]
    fn roots_round_trip(seq: u64, nodes in "\\PC{0,9}", links in "\\PC{0,9}", signer in 1u8..9) {
        let hashes = (EntryHash::of(&nodes), EntryHash::of(&links));
        let root = TreeRoot::sign(hashes.0, hashes.1, seq, &key(signer));
        let read = TreeRoot::parse(&root.to_string(), &key(signer).public_key());
        prop_assert_eq!(read, Ok(root));
    }
}

/// Signed once: signatures take most of the time.
static NODES: LazyLock<Vec<Enr>> = LazyLock::new(|| (1..=120).map(node).collect());

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_walk_finds_every_node_of_a_tree_once(
        count in 0usize..=120, seed: u64, lost in any::<prop::sample::Index>(),
    ) {
        let nodes = NODES[..count].to_vec();
        let mut tree = Tree::new(5, nodes.clone(), Vec::new()).unwrap();
        let link = tree.sign(&key(250), "nodes.example.org").unwrap();
        let records = tree.records("nodes.example.org");
        for (_, entry) in tree.entries() {
            prop_assert!(entry.to_string().len() < 400);
            let TreeEntry::Branch(children) = entry else { continue };
            prop_assert!(children.len() <= MAX_BRANCH_CHILDREN);
        }
        let mut walk = TreeWalk::new([link]);
        let mut random = StdRng::seed_from_u64(seed);
        let mut now = Instant::now();
        let mut found = BTreeSet::new();
        // One query in ten is lost, in half of the cases. An entry that is lost three times is left to
        // the next walk, which finds the other nodes again.
        let (mut queries, mut has_lost) = (lost.index(10), false);
        let loses = seed % 2 == 0;
        while found.len() < nodes.len() {
            match walk.poll(now, &mut random) {
                Step::Query(name) => {
                    queries += 1;
                    if loses && queries % 10 == 0 {
                        has_lost = true;
                        walk.failed(now);
                    } else {
                        prop_assert_eq!(walk.answered(&[&records[&name]], now), Ok(()));
                    }
                }
                Step::Node(node) => {
                    let is_new = found.insert(node.node_id().0);
                    prop_assert!(is_new || has_lost);
                }
                Step::Wait(until) => now = until.unwrap().max(now + TREE_QUERY_INTERVAL),
            }
        }
        prop_assert_eq!(found, nodes.iter().map(|node| node.node_id().0).collect());
        prop_assert!(has_lost || queries <= records.len() + 20);
    }
}
