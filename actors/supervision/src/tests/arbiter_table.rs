//! Tests of the table of arbiters: busy share, lag, and the actor that takes most of the time.

use super::*;
use crate::snapshot::ArbiterSnapshot;

message!(
    /// Holds the thread for a duration, in a future.
    BlockLater(Duration) -> ()
);

impl Handles<BlockLater> for TestActor {
    type Answer = ();

    fn handle(&mut self, BlockLater(time): BlockLater, ctx: &mut Ctx<Self>) {
        ctx.spawn(async move { std::thread::sleep(time) });
    }
}

const HELD: Duration = Duration::from_millis(40);

fn pair() -> [ActorRef<TestActor>; 3] {
    ["busy", "idle", "apart"].map(ActorRef::new)
}

fn spec([busy, idle, apart]: &[ActorRef<TestActor>; 3]) -> SupervisorSpec {
    let log = Log::default();
    SupervisorSpec::new("root", Strategy::OneForOne)
        .child(TestActor::child(busy, &log).arbiter("shared"))
        .child(TestActor::child(idle, &log).arbiter("shared"))
        .child(TestActor::child(apart, &log).arbiter("quiet"))
}

/// Takes the figures every ten milliseconds.
fn options() -> TreeOptions {
    TreeOptions::default().probe(Duration::from_millis(10), Duration::from_secs(60))
}

fn arbiter(tree: &Tree, name: &str) -> ArbiterSnapshot {
    let all = tree.handle().arbiters();
    all.into_iter().find(|it| it.name == name).unwrap()
}

/// The actor and the message type that take more than half of an arbiter's time.
fn busiest(tree: &Tree, name: &str) -> Option<(String, String)> {
    let busiest = arbiter(tree, name).busiest?;
    let is_most = busiest.share > 0.5 && busiest.message_share > 0.5;
    is_most.then_some((busiest.actor, busiest.message))
}

#[test]
fn the_table_shows_what_takes_an_arbiters_time() {
    run(async {
        let refs = pair();
        let tree = options().start(spec(&refs)).await.unwrap();
        let names: Vec<_> = tree
            .handle()
            .arbiters()
            .into_iter()
            .map(|it| it.name)
            .collect();
        assert_eq!(names, ["shared", "quiet"]);
        for _ in 0..20 {
            refs[0].tell(Block(HELD)).unwrap();
        }
        let expected = Some(("root/busy".to_owned(), "Block".to_owned()));
        until(|| busiest(&tree, "shared") == expected).await;
        let (shared, quiet) = (arbiter(&tree, "shared"), arbiter(&tree, "quiet"));
        assert_eq!((shared.actors, quiet.actors), (2, 1));
        assert!(shared.busy > 0.5, "{shared:?}");
        assert!(quiet.busy < 0.5 && quiet.busiest.is_none(), "{quiet:?}");
        let json = serde_json::to_value(&shared).unwrap();
        assert_eq!(json["busiest"]["actor"], "root/busy");

        refs[0].ask(Add).await.unwrap();
        until(|| arbiter(&tree, "shared").busy < 0.5).await;
        tree.shutdown().await;
    });
}

#[test]
fn the_lag_of_an_arbiter_is_that_of_its_wake_ups() {
    run(async {
        let refs = pair();
        let tree = options().start(spec(&refs)).await.unwrap();
        until(|| arbiter(&tree, "shared").lag.count > 2).await;
        assert!(arbiter(&tree, "shared").lag_ns > 0);
        refs[0].tell(Block(HELD * 10)).unwrap();
        // Shown while the thread is held, and counted when it is free again.
        let late = (HELD * 5).as_nanos() as u64;
        until(|| arbiter(&tree, "shared").lag_ns > late).await;
        until(|| arbiter(&tree, "shared").lag.max_ns > late).await;
        assert!(arbiter(&tree, "quiet").lag.max_ns < late);
        tree.shutdown().await;
    });
}

#[test]
fn futures_count_as_time_of_the_message_that_began_them() {
    run(async {
        let refs = pair();
        let tree = options().start(spec(&refs)).await.unwrap();
        for _ in 0..20 {
            refs[1].tell(BlockLater(HELD)).unwrap();
        }
        let expected = Some(("root/idle".to_owned(), "BlockLater".to_owned()));
        until(|| busiest(&tree, "shared") == expected).await;
        tree.shutdown().await;
    });
}

#[test]
fn a_tree_on_one_thread_has_a_table_from_its_handlers() {
    run(async {
        let refs = pair();
        let tree = options().single_thread().start(spec(&refs)).await.unwrap();
        let expected = Some(("root/busy".to_owned(), "Block".to_owned()));
        for _ in 0..200 {
            refs[0].ask(Block(HELD / 4)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
            if busiest(&tree, "shared") == expected {
                break;
            }
        }
        assert_eq!(busiest(&tree, "shared"), expected);
        assert_eq!(arbiter(&tree, "shared").lag.count, 0);
        tree.shutdown().await;
    });
}
