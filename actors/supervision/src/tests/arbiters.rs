//! Tests of arbiters that end while the tree runs.

use super::*;

message!(StopArbiter -> ());

impl Handles<StopArbiter> for TestActor {
    type Answer = ();

    fn handle(&mut self, _: StopArbiter, _: &mut Ctx<Self>) {
        actix::Arbiter::current().stop();
    }
}

#[test]
fn a_stopped_arbiter_is_replaced_by_a_fresh_one() {
    let log = Log::default();
    let refs = ["a", "b"].map(ActorRef::new);
    let mut spec = SupervisorSpec::new("root", Strategy::OneForOne).backoff(Backoff {
        first: Duration::from_millis(1),
        ..Backoff::default()
    });
    for me in &refs {
        spec = spec.child(TestActor::child(me, &log).arbiter("shared"));
    }
    run(async {
        let tree = Tree::start(spec).await.unwrap();
        refs[0].tell(StopArbiter).unwrap();
        let is_back = |me: &ActorRef<TestActor>| me.generation() > 1 && me.is_available();
        until(|| refs.iter().all(is_back)).await;
        for me in &refs {
            assert_eq!(me.ask(Add).await, Ok(1), "{} serves again", me.path());
        }
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_stopped_arbiter_counts_as_one_failure() {
    let log = Log::default();
    let refs = ["a", "b", "c", "d"].map(ActorRef::new);
    let mut spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .intensity(1, Duration::from_secs(60))
        .backoff(Backoff {
            first: Duration::from_millis(1),
            ..Backoff::default()
        });
    for me in &refs {
        spec = spec.child(TestActor::child(me, &log).arbiter("shared"));
    }
    run(async {
        let tree = Tree::start(spec).await.unwrap();
        refs[0].tell(StopArbiter).unwrap();
        let is_back = |me: &ActorRef<TestActor>| me.generation() == 2 && me.is_available();
        until(|| refs.iter().all(is_back)).await;
        let root = tree.handle().snapshot();
        for node in &root.children {
            assert_eq!(node.incidents.len(), 1);
            assert_eq!(node.incidents[0].reason, "arbiter shared was stopped");
        }
        refs[0].tell(StopArbiter).unwrap();
        let outcome = tree.wait().await;
        assert!(matches!(outcome.exit, Exit::GaveUp { .. }), "{outcome}");
    });
}
