//! Tests of snapshots and metrics.

use super::*;
use crate::limits::SLOW_HANDLER;
use crate::observe::snapshot::{Kind, State};

/// Starts a tree with two actors on one thread and one on another, probed often.
async fn start_tree(refs: &[ActorRef<TestActor>; 3], log: &Log, probe_timeout: Duration) -> Tree {
    let [a, b, c] = refs;
    let inner = SupervisorSpec::new("inner", Strategy::OneForOne)
        .child(TestActor::child(b, log).arbiter("shared"))
        .child(TestActor::child(c, log).arbiter("other"));
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .child(TestActor::child(a, log).arbiter("shared").mailbox(7))
        .child(inner);
    TreeOptions::default()
        .probe(Duration::from_millis(5), probe_timeout)
        .start(spec)
        .await
        .unwrap()
}

fn three() -> [ActorRef<TestActor>; 3] {
    ["a", "b", "c"].map(ActorRef::new)
}

#[test]
fn a_snapshot_holds_the_whole_tree_and_serialises() {
    let refs = three();
    let log = Log::default();
    run(async {
        let tree = start_tree(&refs, &log, Duration::from_secs(60)).await;
        for _ in 0..10 {
            refs[2].ask(Add).await.unwrap();
        }
        let root = tree.handle().snapshot();
        let paths: Vec<_> = root.walk().iter().map(|node| node.path.clone()).collect();
        assert_eq!(
            paths,
            [
                "root",
                "root/a",
                "root/inner",
                "root/inner/b",
                "root/inner/c"
            ]
        );
        assert!(root.walk().iter().all(|node| node.state == State::Running));
        assert!(
            root.walk()
                .iter()
                .all(|node| node.generation == 1 && node.uptime_ms.is_some())
        );
        assert_eq!(
            (root.kind, root.arbiter.clone(), root.mailbox),
            (Kind::Supervisor, None, None)
        );
        let a = root.find("root/a").unwrap();
        assert_eq!(a.arbiter.as_deref(), Some("shared"));
        assert_eq!(a.mailbox.unwrap().capacity, 7);
        let c = root.find("root/inner/c").unwrap();
        assert_eq!(c.mailbox.unwrap().peak, 1);
        let add = c.message("Add").unwrap();
        assert_eq!(
            (add.handled, add.queue.count, add.handling.count),
            (10, 10, 10)
        );
        assert!(add.handling.max_ns > 0 && add.handling.p50_ns <= add.handling.max_ns);

        let json = serde_json::to_value(&root).unwrap();
        assert_eq!(json["children"][1]["children"][1]["path"], "root/inner/c");
        assert_eq!(
            json["children"][1]["children"][1]["messages"][0]["name"],
            "Add"
        );
        assert_eq!(json["children"][0]["state"], "running");

        let rate = || {
            let root = tree.handle().snapshot();
            root.find("root/inner/c")
                .unwrap()
                .message("Add")
                .unwrap()
                .per_second
        };
        until(|| rate() > 0.0).await;
        tree.shutdown().await;
    });
}

#[test]
fn a_stuck_actor_and_those_it_blocks_are_shown() {
    let refs = three();
    let log = Log::default();
    run(async {
        let tree = start_tree(&refs, &log, Duration::from_millis(50)).await;
        refs[0].tell(Block(Duration::from_millis(1500))).unwrap();
        let root = || tree.handle().snapshot();
        until(|| root().find("root/a").unwrap().stuck.is_some()).await;
        let stuck = root().find("root/a").unwrap().stuck.clone().unwrap();
        assert_eq!(
            (stuck.doing.as_deref(), stuck.blocked_by),
            (Some("Block"), None)
        );
        assert!(stuck.for_ms >= 50);

        until(|| root().find("root/inner/b").unwrap().stuck.is_some()).await;
        let blocked = root().find("root/inner/b").unwrap().stuck.clone().unwrap();
        assert_eq!(blocked.doing, None);
        assert_eq!(blocked.blocked_by.as_deref(), Some("root/a in Block"));

        until(|| root().walk().iter().all(|node| node.stuck.is_none())).await;
        let block = root()
            .find("root/a")
            .unwrap()
            .message("Block")
            .unwrap()
            .clone();
        assert_eq!((block.handled, block.slow), (1, 1));
        tree.shutdown().await;
    });
}

#[test]
fn a_handler_that_holds_its_thread_is_counted_as_slow() {
    let refs = three();
    let log = Log::default();
    run(async {
        let tree = start_tree(&refs, &log, Duration::from_secs(60)).await;
        refs[2].ask(Block(Duration::ZERO)).await.unwrap();
        refs[2].ask(Block(SLOW_HANDLER)).await.unwrap();
        let root = tree.handle().snapshot();
        let block = root.find("root/inner/c").unwrap().message("Block").unwrap();
        assert!(block.slow >= 1);
        assert!(block.handling.max_ns >= SLOW_HANDLER.as_nanos() as u64);
        tree.shutdown().await;
    });
}

#[test]
fn metrics_continue_over_restarts() {
    let refs = three();
    let log = Log::default();
    run(async {
        let tree = start_tree(&refs, &log, Duration::from_secs(60)).await;
        let a = &refs[0];
        a.ask(Add).await.unwrap();
        a.tell(Panic).unwrap();
        until(|| a.generation() == 2 && a.is_available()).await;
        a.ask(Add).await.unwrap();
        let root = tree.handle().snapshot();
        let node = root.find("root/a").unwrap();
        assert_eq!(node.message("Add").unwrap().handled, 2);
        assert_eq!(node.message("Panic").unwrap().failed, 1);
        assert_eq!(node.incidents[0].generation, 1);
        assert!(node.incidents[0].unix_ms > 1_600_000_000_000);
        tree.shutdown().await;
    });
}
