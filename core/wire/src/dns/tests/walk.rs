//! The walk: intervals, limits, failures, links and hostile trees.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{key, node};
use crate::dns::{EntryHash, Step, Tree, TreeEntry, TreeLink, TreeRoot, TreeWalk, WalkError};
use crate::limits::{MAX_TREE_ENTRIES, MAX_TREES, ROOT_RECHECK};
use crate::nodes::Enr;

/// DNS servers with records, and a walk that queries them with a clock of its own.
struct World {
    records: BTreeMap<String, String>,
    walk: TreeWalk,
    random: StdRng,
    now: Instant,
    began: Instant,
    queries: Vec<String>,
    errors: Vec<WalkError>,
}

impl World {
    fn new(links: Vec<TreeLink>) -> Self {
        let now = Instant::now();
        Self {
            records: BTreeMap::new(),
            walk: TreeWalk::new(links),
            random: StdRng::seed_from_u64(7),
            now,
            began: now,
            queries: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Publishes a tree in place of the one before.
    fn publish(&mut self, signer: u8, seq: u64, nodes: Vec<Enr>, links: Vec<TreeLink>) {
        let (mut tree, link) = (Tree::new(seq, nodes, links).unwrap(), link(signer));
        tree.sign(&key(signer), link.domain()).unwrap();
        let suffix = format!(".{}", link.domain());
        self.records.retain(|name, _| !name.ends_with(&suffix));
        self.records.extend(tree.records(link.domain()));
    }

    /// Runs until a node is found; `None` where the walk waits for longer than a query's interval.
    fn step(&mut self) -> Option<Enr> {
        loop {
            match self.walk.poll(self.now, &mut self.random) {
                Step::Node(node) => return Some(*node),
                Step::Query(name) => {
                    match self.records.get(&name) {
                        Some(text) => {
                            let other = "v=spf1 -all".to_owned();
                            let answered = self.walk.answered(&[&other, text], self.now);
                            self.errors.extend(answered.err());
                        }
                        None => self.walk.failed(self.now),
                    }
                    self.queries.push(name);
                }
                Step::Wait(until) => {
                    let wait = until?.duration_since(self.now);
                    if wait > Duration::from_secs(1) {
                        return None;
                    }
                    self.now += wait;
                }
            }
        }
    }

    fn find(&mut self, count: usize) -> Vec<Enr> {
        let found: Vec<Enr> = (0..count).map_while(|_| self.step()).collect();
        assert_eq!(found.len(), count, "errors: {:?}", self.errors);
        found
    }

    /// Lets time pass until the next step is due. Returns how long that was.
    fn wait(&mut self) -> Duration {
        let Step::Wait(Some(until)) = self.walk.poll(self.now, &mut self.random) else {
            panic!("the walk has something to do");
        };
        let wait = until.duration_since(self.now);
        self.now = until;
        wait
    }

    fn count(&self, name: &str) -> usize {
        self.queries.iter().filter(|query| *query == name).count()
    }
}

fn link(signer: u8) -> TreeLink {
    TreeLink::new(key(signer).public_key(), &format!("tree{signer}.test")).unwrap()
}

fn sorted(mut nodes: Vec<Enr>) -> Vec<Enr> {
    nodes.sort_by_key(|node| node.node_id().0);
    nodes
}

#[test]
fn a_tree_is_walked_again_and_again_from_the_cache() {
    let mut world = World::new(vec![link(100)]);
    let nodes: Vec<Enr> = (1..=20).map(node).collect();
    world.publish(100, 1, nodes.clone(), Vec::new());
    for _ in 0..3 {
        assert_eq!(sorted(world.find(20)), sorted(nodes.clone()));
    }
    assert_eq!(world.queries.len(), world.records.len());
    assert_eq!(world.errors, []);
}

#[test]
fn queries_and_cached_entries_are_limited_to_three_a_second() {
    let mut world = World::new(vec![link(100)]);
    world.publish(100, 1, (1..=8).map(node).collect(), Vec::new());
    world.find(300);
    let seconds = world.now.duration_since(world.began).as_secs();
    assert!((95..130).contains(&seconds), "{seconds} s for 300 nodes");
}

#[test]
fn a_changed_tree_is_seen_after_the_interval() {
    let mut world = World::new(vec![link(100)]);
    world.publish(100, 1, vec![node(1)], Vec::new());
    world.find(1);
    world.publish(100, 2, vec![node(2)], Vec::new());
    assert_eq!(world.find(1), [node(1)]);
    world.now += ROOT_RECHECK;
    assert_eq!(world.find(1), [node(2)]);
    assert_eq!(world.count("tree100.test"), 2);
}

#[test]
fn a_root_of_a_lower_number_is_refused() {
    let mut world = World::new(vec![link(100)]);
    world.publish(100, 5, vec![node(1)], Vec::new());
    world.find(1);
    world.publish(100, 4, vec![node(2)], Vec::new());
    world.now += ROOT_RECHECK;
    assert_eq!(world.find(3), vec![node(1); 3], "the tree as it was known");
    let name = "tree100.test".to_owned();
    let old = WalkError::OldRoot {
        name,
        seq: 4,
        seen: 5,
    };
    assert_eq!(world.errors.last(), Some(&old));
    world.publish(100, 6, vec![node(3)], Vec::new());
    world.now += ROOT_RECHECK;
    assert_eq!(world.find(1), [node(3)]);
}

#[test]
fn an_empty_tree_is_checked_only_at_its_interval() {
    let mut world = World::new(vec![link(100)]);
    world.publish(100, 1, Vec::new(), Vec::new());
    assert_eq!(world.step(), None);
    assert_eq!(world.queries.len(), 2, "both subtrees are the same branch");
    let wait = world.wait();
    assert!(wait > Duration::from_secs(1700) && wait <= ROOT_RECHECK);
}

#[test]
fn a_root_that_is_missing_is_queried_more_and_more_slowly() {
    let mut world = World::new(vec![link(100)]);
    assert_eq!(world.step(), None);
    assert_eq!(world.queries.len(), 6);
    for _ in 0..15 {
        assert_eq!(world.wait(), Duration::from_secs(5));
        assert_eq!(world.step(), None);
    }
    assert_eq!(world.wait(), Duration::from_secs(10));
    world.publish(100, 1, vec![node(1)], Vec::new());
    world.find(1);
}

#[test]
fn a_missing_entry_does_not_hide_the_others() {
    let mut world = World::new(vec![link(100)]);
    world.publish(100, 1, (1..=5).map(node).collect(), Vec::new());
    let lost = link(100).name_of(&EntryHash::of(&node(3).to_string()));
    world.records.remove(&lost);
    let found = world.find(40);
    for number in [1, 2, 4, 5] {
        let count = found.iter().filter(|it| **it == node(number)).count();
        assert!(count >= 9, "node {number} was found {count} times");
    }
    assert!(world.count(&lost) <= 33);
    assert!(world.count("tree100.test") > 2, "failures check the root");
}

#[test]
fn a_tree_whose_entries_are_missing_is_not_queried_in_a_loop() {
    let mut world = World::new(vec![link(100)]);
    world.publish(100, 1, vec![node(1)], Vec::new());
    world.records.retain(|name, _| name == "tree100.test");
    let mut waits = 0;
    for _ in 0..20 {
        assert_eq!(world.step(), None);
        waits += world.wait().as_secs();
    }
    assert!(waits >= 100, "{waits} s of pauses");
    world.publish(100, 1, vec![node(1)], Vec::new());
    world.find(1);
}

#[test]
fn entries_that_do_not_match_their_hash_are_refused() {
    let mut world = World::new(vec![link(100)]);
    world.publish(100, 1, vec![node(1), node(2)], Vec::new());
    let name = link(100).name_of(&EntryHash::of(&node(1).to_string()));
    world.records.insert(name.clone(), node(3).to_string());
    assert!(world.find(9).iter().all(|found| *found == node(2)));
    assert!(
        world
            .errors
            .contains(&WalkError::HashMismatch(name.clone()))
    );
    world
        .records
        .insert(name.clone(), "something else".to_owned());
    world.find(9);
    assert!(world.errors.contains(&WalkError::NoEntry(name)));
}

#[test]
fn a_root_of_another_key_is_refused() {
    let mut world = World::new(vec![link(100)]);
    let root = TreeRoot::sign(EntryHash::of(""), EntryHash::of(""), 1, &key(101));
    world
        .records
        .insert("tree100.test".to_owned(), root.to_string());
    assert_eq!(world.step(), None);
    assert!(matches!(world.errors[0], WalkError::Entry(..)));
}

#[test]
fn linked_trees_are_followed_until_the_link_is_removed() {
    let mut world = World::new(vec![link(100)]);
    world.publish(100, 1, vec![node(1)], vec![link(101)]);
    world.publish(101, 1, vec![node(2)], vec![link(102), link(100)]);
    world.publish(102, 1, vec![node(3)], Vec::new());
    let found = world.find(100);
    assert!((1..=3).all(|number| found.contains(&node(number))));
    assert_eq!(world.walk.trees().count(), 3);
    // The second tree and the first name each other: a cycle must not keep it.
    world.publish(100, 2, vec![node(1)], Vec::new());
    world.now += ROOT_RECHECK;
    world.find(9);
    assert_eq!(world.walk.trees().count(), 1);
    assert_eq!(world.find(9), vec![node(1); 9]);
}

#[test]
fn links_that_are_missing_for_a_while_stay_followed() {
    let mut world = World::new(vec![link(100)]);
    world.publish(100, 1, vec![node(1)], vec![link(101)]);
    world.publish(101, 1, vec![node(2)], Vec::new());
    world.find(20);
    world.publish(100, 2, vec![node(1)], vec![link(101), link(102)]);
    let mut branches = world
        .records
        .iter()
        .filter(|(_, text)| text.starts_with("enrtree-branch"));
    let (name, text) = branches
        .next_back()
        .map(|(name, text)| (name.clone(), text.clone()))
        .unwrap();
    world.records.remove(&name);
    world.now += ROOT_RECHECK;
    assert!(world.find(20).contains(&node(2)));
    assert!(world.count(&name) >= 3);
    world.records.insert(name, text);
    world.publish(102, 1, vec![node(3)], Vec::new());
    world.now += ROOT_RECHECK;
    assert!(world.find(60).contains(&node(3)));
}

#[test]
fn leaves_of_the_wrong_subtree_are_refused() {
    let mut world = World::new(vec![link(100)]);
    let (of_node, of_link) = (node(1).to_string(), link(101).to_string());
    let hashes = [&of_node, &of_link].map(|text| EntryHash::of(text));
    let root = TreeRoot::sign(hashes[1], hashes[0], 1, &key(100));
    world
        .records
        .insert("tree100.test".to_owned(), root.to_string());
    world.records.insert(link(100).name_of(&hashes[0]), of_node);
    world.records.insert(link(100).name_of(&hashes[1]), of_link);
    assert_eq!(world.step(), None);
    let name = "tree100.test".to_owned();
    let expected = [
        WalkError::NodeInLinks(name.clone()),
        WalkError::LinkInNodes(name),
    ];
    assert_eq!(world.errors, expected);
    assert_eq!(world.walk.trees().count(), 1);
    assert!(
        world.wait() > Duration::from_secs(1700),
        "it is refused for ever"
    );
}

#[test]
fn a_tree_that_links_to_many_is_followed_in_part() {
    let mut world = World::new(vec![link(100)]);
    let links: Vec<TreeLink> = (101..200).map(link).collect();
    world.publish(100, 1, vec![node(1)], links);
    world.find(30);
    assert_eq!(world.walk.trees().count(), MAX_TREES);
}

/// Adds a branch to a tree's records. Returns its hash.
fn add_branch(world: &mut World, children: Vec<EntryHash>) -> EntryHash {
    let text = TreeEntry::Branch(children).to_string();
    let hash = EntryHash::of(&text);
    world.records.insert(link(100).name_of(&hash), text);
    hash
}

#[test]
fn an_entry_that_many_branches_share_is_visited_once() {
    let mut world = World::new(vec![link(100)]);
    let leaf = node(1).to_string();
    let mut hash = EntryHash::of(&leaf);
    world.records.insert(link(100).name_of(&hash), leaf);
    // 13^12 paths lead to the node.
    for _ in 0..12 {
        hash = add_branch(&mut world, vec![hash; 13]);
    }
    let empty = add_branch(&mut world, Vec::new());
    let root = TreeRoot::sign(hash, empty, 1, &key(100));
    world
        .records
        .insert("tree100.test".to_owned(), root.to_string());
    world.find(1);
    assert_eq!(world.queries.len(), 15);
}

#[test]
fn a_tree_that_is_too_deep_is_cut_off() {
    let mut world = World::new(vec![link(100)]);
    let mut hash = add_branch(&mut world, Vec::new());
    let empty = hash;
    for _ in 0..100 {
        hash = add_branch(&mut world, vec![hash]);
    }
    let root = TreeRoot::sign(hash, empty, 1, &key(100));
    world
        .records
        .insert("tree100.test".to_owned(), root.to_string());
    assert_eq!(world.step(), None);
    assert!(world.queries.len() < 22, "{}", world.queries.len());
}

#[test]
fn a_tree_that_is_too_large_is_cut_off() {
    let tree = link(100);
    let mut world = World::new(vec![tree.clone()]);
    let empty = add_branch(&mut world, Vec::new());
    // Branches of two levels that name 18,000 different entries, all of them invalid.
    let mut number = 0;
    let mut leaves = |world: &mut World| -> Vec<EntryHash> {
        number += 60;
        let texts = (number..number + 60).map(|it| format!("enr:{it}"));
        let add = |text: String| {
            let hash = EntryHash::of(&text);
            world.records.insert(tree.name_of(&hash), text);
            hash
        };
        texts.map(add).collect()
    };
    let mut middle = Vec::new();
    for _ in 0..5 {
        let mut lower = Vec::new();
        for _ in 0..60 {
            let children = leaves(&mut world);
            lower.push(add_branch(&mut world, children));
        }
        middle.push(add_branch(&mut world, lower));
    }
    let top = add_branch(&mut world, middle);
    let root = TreeRoot::sign(top, empty, 1, &key(100));
    world
        .records
        .insert("tree100.test".to_owned(), root.to_string());
    assert_eq!(world.step(), None);
    // The root is checked again meanwhile; the subtree of links has one entry.
    let entries = world.queries.iter().filter(|name| *name != "tree100.test");
    assert_eq!(entries.count(), MAX_TREE_ENTRIES + 1);
}

#[test]
fn answers_without_a_query_are_ignored() {
    let mut walk = TreeWalk::new([link(100)]);
    assert_eq!(walk.answered(&["enr:"], Instant::now()), Ok(()));
    walk.failed(Instant::now());
    let mut none = TreeWalk::new([]);
    let mut random = StdRng::seed_from_u64(1);
    assert_eq!(none.poll(Instant::now(), &mut random), Step::Wait(None));
}
