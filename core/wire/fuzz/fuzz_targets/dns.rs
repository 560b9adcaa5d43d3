#![no_main]

use std::time::Instant;

use actoreum_wire::dns::{EntryHash, Step, TreeEntry, TreeLink, TreeRoot, TreeWalk};
use actoreum_wire_fuzz::{BEGUN, key};
use libfuzzer_sys::fuzz_target;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Queries of one input: as many as the rate allows at once.
const QUERIES: usize = 10;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let public_key = key(1).public_key();
    if let Ok(entry) = text.parse::<TreeEntry>() {
        assert_eq!(entry.to_string().parse(), Ok(entry));
    }
    if let Ok(root) = TreeRoot::parse(text, &public_key) {
        assert_eq!(TreeRoot::parse(&root.to_string(), &public_key), Ok(root));
    }
    // The lines are the entries of a signed tree, whose first one is the root of both subtrees.
    let lines: Vec<&str> = text.lines().collect();
    let first = EntryHash::of(lines.first().unwrap_or(&""));
    let root = TreeRoot::sign(first, first, 1, &key(1)).to_string();
    let link = TreeLink::new(public_key, "n").expect("a domain name");
    let mut walk = TreeWalk::new([link]);
    let mut random = StdRng::seed_from_u64(1);
    let now: Instant = *BEGUN;
    for _ in 0..QUERIES {
        match walk.poll(now, &mut random) {
            Step::Query(name) if name == "n" => {
                walk.answered(&[&root], now).expect("a signed root");
            }
            Step::Query(_) => drop(walk.answered(&lines, now)),
            Step::Node(_) => {}
            Step::Wait(_) => break,
        }
    }
});
