use std::collections::HashSet;

use actoreum_primitives::SecretKey;
use actoreum_wire::nodes::EnodeEndpoint;

use super::*;

fn node(number: u8) -> Enode {
    let key = SecretKey::from_bytes(&[number; 32]).unwrap();
    let endpoint = EnodeEndpoint::new([10, 0, 0, number].into(), 30303, 30303);
    Enode {
        public_key: key.public_key(),
        endpoint: Some(endpoint),
    }
}

fn found(number: u8) -> Node {
    Node::from_enode(&node(number)).unwrap()
}

/// A network whose state the test sets.
#[derive(Default)]
struct World {
    connected: HashSet<PeerId>,
    banned: HashSet<PeerId>,
    table: Vec<Node>,
    dynamic: usize,
}

impl World {
    fn next(&self, state: &mut DialState, now: Instant) -> Vec<Task> {
        let mut context = DialContext {
            is_connected: &|id| self.connected.contains(id),
            is_banned: &|id| self.banned.contains(id),
            allows: &|address| address != IpAddr::from([10, 0, 0, 66]),
            random: &mut |count| self.table.iter().copied().take(count).collect(),
            dynamic: self.dynamic,
            peers: self.connected.len(),
        };
        state.next(&mut context, now)
    }
}

fn state(max_dynamic: usize, bootnodes: &[Enode], now: Instant) -> DialState {
    DialState::new(node(1).id(), max_dynamic, bootnodes, now)
}

fn dials(tasks: &[Task]) -> Vec<PeerId> {
    let id = |task: &Task| match task {
        Task::Dial { node, .. } => Some(node.id()),
        Task::Lookup => None,
    };
    tasks.iter().filter_map(id).collect()
}

#[test]
fn static_nodes_are_dialled_regardless_of_limits() {
    let now = Instant::now();
    let (mut state, mut world) = (state(0, &[], now), World::default());
    state.add_static(node(2));
    assert_eq!(dials(&world.next(&mut state, now)), [node(2).id()]);
    assert!(
        world.next(&mut state, now).is_empty(),
        "it is being dialled"
    );
    state.dialled(node(2).id(), now, Duration::ZERO);
    assert!(
        world.next(&mut state, now).is_empty(),
        "it was just dialled"
    );
    let later = now + DIAL_HISTORY;
    assert_eq!(dials(&world.next(&mut state, later)), [node(2).id()]);
    state.dialled(node(2).id(), later, Duration::ZERO);
    world.connected.insert(node(2).id());
    assert!(world.next(&mut state, later + DIAL_HISTORY).is_empty());
    world.connected.clear();
    world.banned.insert(node(2).id());
    assert!(world.next(&mut state, later + DIAL_HISTORY).is_empty());
    world.banned.clear();
    state.remove_static(&node(2).id());
    assert!(world.next(&mut state, later + DIAL_HISTORY * 2).is_empty());
}

#[test]
fn a_removed_node_may_be_added_and_dialled_at_once() {
    let now = Instant::now();
    let (mut state, world) = (state(0, &[], now), World::default());
    state.add_static(node(2));
    world.next(&mut state, now);
    state.dialled(node(2).id(), now, Duration::ZERO);
    state.remove_static(&node(2).id());
    state.add_static(node(2));
    assert_eq!(dials(&world.next(&mut state, now)), [node(2).id()]);
}

#[test]
fn the_own_node_and_forbidden_addresses_are_removed() {
    let now = Instant::now();
    let (mut state, world) = (state(0, &[], now), World::default());
    state.add_static(node(1));
    state.add_static(node(66));
    assert!(world.next(&mut state, now).is_empty());
    assert!(!state.is_static(&node(1).id()) && !state.is_static(&node(66).id()));
}

#[test]
fn half_of_the_dials_come_from_the_table_the_rest_from_lookups() {
    let now = Instant::now();
    let mut state = state(4, &[], now);
    let world = World {
        table: (2..20).map(found).collect(),
        ..World::default()
    };
    let tasks = world.next(&mut state, now);
    assert_eq!(dials(&tasks), [node(2).id(), node(3).id()]);
    assert_eq!(tasks.last(), Some(&Task::Lookup));
    state.looked_up([2, 3, 30, 31, 32].map(found));
    // Two dials are running, two more are wanted: one from the table, which is running already.
    let tasks = world.next(&mut state, now);
    assert_eq!(dials(&tasks), [node(30).id(), node(31).id()]);
    assert!(world.next(&mut state, now).is_empty());
}

#[test]
fn lookups_pause_between_each_other() {
    let now = Instant::now();
    let (mut state, world) = (state(2, &[], now), World::default());
    assert_eq!(world.next(&mut state, now), [Task::Lookup]);
    assert!(
        world.next(&mut state, now + LOOKUP_PERIOD).is_empty(),
        "it runs"
    );
    state.looked_up([]);
    assert!(world.next(&mut state, now).is_empty(), "it was just run");
    assert_eq!(world.next(&mut state, now + LOOKUP_PERIOD), [Task::Lookup]);
}

#[test]
fn bootnodes_are_dialled_in_turn_after_a_while_without_a_peer() {
    let now = Instant::now();
    let mut state = state(1, &[node(2), node(3)], now);
    let mut world = World::default();
    assert!(dials(&world.next(&mut state, now)).is_empty());
    let late = now + BOOTNODE_FALLBACK + Duration::from_secs(1);
    assert_eq!(dials(&world.next(&mut state, late)), [node(2).id()]);
    state.dialled(node(2).id(), late, Duration::ZERO);
    assert_eq!(dials(&world.next(&mut state, late)), [node(3).id()]);
    state.dialled(node(3).id(), late, Duration::ZERO);
    world.connected.insert(node(9).id());
    assert!(dials(&world.next(&mut state, late + DIAL_HISTORY)).is_empty());
}

#[test]
fn a_node_without_a_port_is_not_dialled() {
    let now = Instant::now();
    let mut state = state(1, &[], now);
    let mut without_port = found(2);
    without_port.endpoint.tcp = 0;
    state.looked_up([without_port]);
    assert!(dials(&World::default().next(&mut state, now)).is_empty());
}

#[test]
fn the_delay_of_static_node_lookups_doubles() {
    let now = Instant::now();
    let mut state = state(0, &[], now);
    let id = node(2).id();
    state.add_static(node(2));
    assert!(state.may_resolve(&id, now));
    state.resolved(&id, None);
    assert!(!state.may_resolve(&id, now + FIRST_RESOLVE_DELAY));
    let second = now + FIRST_RESOLVE_DELAY * 2;
    assert!(state.may_resolve(&id, second));
    for _ in 0..20 {
        state.resolved(&id, None);
    }
    assert!(!state.may_resolve(&id, second + MAX_RESOLVE_DELAY - Duration::from_secs(1)));
    assert!(state.may_resolve(&id, second + MAX_RESOLVE_DELAY));
    let moved = Enode {
        endpoint: node(7).endpoint,
        ..node(2)
    };
    state.resolved(&id, Some(moved));
    let tasks = World::default().next(&mut state, now);
    assert!(matches!(tasks[..], [Task::Dial { node, .. }] if node == moved));
}
