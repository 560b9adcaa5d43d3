//! Tests of the text format on a tree with names that need escapes.

use actoreum_supervision::{
    Actor, ActorRef, ChildSpec, Ctx, DynamicRef, Handles, IncidentLog, Message, NodeSnapshot, Pool,
    Strategy, SupervisorSpec, Tree, TreeHandle, snapshot::ArbiterSnapshot,
};

use super::tree;

#[path = "../../../tests/node/exposition.rs"]
mod exposition;

use exposition::Exposition;

#[derive(Message)]
#[message(weight = 40)]
struct Hello;

mod other {
    use actoreum_supervision::Message;

    #[derive(Message)]
    pub struct Hello;
}

struct Answerer;

impl Actor for Answerer {}

impl Handles<Hello> for Answerer {
    type Answer = ();

    fn handle(&mut self, _: Hello, _: &mut Ctx<Self>) {}
}

impl Handles<other::Hello> for Answerer {
    type Answer = ();

    fn handle(&mut self, _: other::Hello, _: &mut Ctx<Self>) {}
}

/// Runs a tree until `work` is done; returns its snapshot and its arbiters.
fn run(work: impl AsyncFnOnce(&TreeHandle, &Parts)) -> (NodeSnapshot, Vec<ArbiterSnapshot>) {
    actoreum_supervision::block_on(async {
        let parts = Parts {
            greeter: ActorRef::new("a \"quoted\"\\\nname"),
            peers: DynamicRef::new("peers"),
            pool: Pool::new("pool", 3),
        };
        let greeter = ChildSpec::new(&parts.greeter, || Answerer);
        let spec = SupervisorSpec::new("root", Strategy::OneForOne)
            .child(greeter.mailbox(7).mailbox_bytes(1_000))
            .child(SupervisorSpec::dynamic(&parts.peers))
            .child(parts.pool.child());
        let tree = Tree::start(spec).await.unwrap();
        work(tree.handle(), &parts).await;
        let seen = (tree.handle().snapshot(), tree.handle().arbiters());
        tree.shutdown().await;
        seen
    })
}

pub(super) struct Parts {
    greeter: ActorRef<Answerer>,
    peers: DynamicRef,
    pool: Pool,
}

/// Returns a snapshot of the tree after `work`.
pub(super) fn snapshot(work: impl AsyncFnOnce(&TreeHandle, &Parts)) -> NodeSnapshot {
    run(work).0
}

/// Starts three children of the dynamic supervisor, and sends a message to each and to the actor
/// beside it.
pub(super) async fn with_children(_: &TreeHandle, parts: &Parts) {
    for name in ["one", "two", "three"] {
        let child = ActorRef::new(name);
        let spec = ChildSpec::new(&child, || Answerer);
        parts.peers.start(spec).await.unwrap();
        child.ask(Hello).await.unwrap();
    }
    parts.greeter.ask(Hello).await.unwrap();
    parts.greeter.ask(other::Hello).await.unwrap();
    parts.pool.job("Test").run(|| 1).await.unwrap();
    // A job's result arrives before its thread counts as free.
    while !parts.pool.is_idle() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn the_metrics_of_a_tree_are_valid_whatever_its_names() {
    let (snapshot, arbiters) = run(with_children);
    let text = tree::render(&snapshot, &arbiters, &IncidentLog::default());
    let parsed = Exposition::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));

    let path = "root/a \"quoted\"\\\nname";
    let value = |name: &str, labels: &[(&str, &str)]| {
        let value = parsed.value(name, labels);
        value.unwrap_or_else(|| panic!("no {name} {labels:?} in\n{text}"))
    };
    assert_eq!(
        value("actoreum_actor_mailbox_capacity", &[("actor", path)]),
        7.0
    );
    assert_eq!(
        value("actoreum_actor_mailbox_peak", &[("actor", path)]),
        1.0
    );
    for (figure, bytes) in [("", 0.0), ("_peak", 40.0), ("_capacity", 1_000.0)] {
        let name = format!("actoreum_actor_mailbox{figure}_bytes");
        assert_eq!(value(&name, &[("actor", path)]), bytes, "{name}");
        let unbounded = parsed.value(&name, &[("actor", "root/peers/one")]);
        assert_eq!(
            unbounded, None,
            "{name} of a mailbox without a bound in bytes"
        );
    }
    assert_eq!(value("actoreum_incidents_dropped_total", &[]), 0.0);
    assert_eq!(
        value("actoreum_pool_threads", &[("pool", "root/pool")]),
        3.0
    );
    assert_eq!(
        value("actoreum_pool_busy_threads", &[("pool", "root/pool")]),
        0.0
    );
    assert!(value("actoreum_arbiter_busy_ratio", &[("arbiter", "main")]) <= 1.0);
    // Two types of one name are told apart by their paths.
    for message in [
        std::any::type_name::<Hello>(),
        std::any::type_name::<other::Hello>(),
    ] {
        let labels = [("actor", path), ("message", message)];
        assert_eq!(value("actoreum_messages_owed", &labels), 0.0);
        let count = "actoreum_message_handling_duration_seconds_count";
        assert_eq!(value(count, &labels), 1.0);
        let edge = [labels[0], labels[1], ("le", "4.294967296")];
        let bucket = "actoreum_message_handling_duration_seconds_bucket";
        assert_eq!(value(bucket, &edge), 1.0);
    }
}
