//! Tests of restarts: factory, strategies, intensity, backoff.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::time::Instant;

use super::*;
use crate::observe::snapshot::State;

/// Quick restarts for tests on several threads.
const QUICK: Backoff = Backoff {
    first: Duration::from_millis(1),
    max: Duration::from_millis(2),
    healthy_after: Duration::from_secs(60),
};

fn reasons(tree: &TreeHandle, path: &str) -> Vec<String> {
    let root = tree.snapshot();
    let node = root.find(path).unwrap();
    node.incidents
        .iter()
        .map(|incident| incident.reason.clone())
        .collect()
}

/// Returns the actor `root/a`, its log, and the specification of a supervisor that restarts it at
/// once.
fn single_actor() -> (ActorRef<TestActor>, Log, SupervisorSpec) {
    let log = Log::default();
    let me = ActorRef::new("a");
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .backoff(QUICK)
        .child(TestActor::child(&me, &log));
    (me, log, spec)
}

/// Makes an actor fail with `fail` and checks the reason of its first generation's end.
fn check_failure(fail: impl FnOnce(&ActorRef<TestActor>), expected: &str) {
    let (me, _log, spec) = single_actor();
    run(async {
        let tree = Tree::start(spec).await.unwrap();
        assert_eq!(me.ask(Add).await, Ok(1));
        assert_eq!(me.ask(Add).await, Ok(2));
        fail(&me);
        until(|| me.generation() == 2 && me.is_available()).await;
        assert_eq!(me.ask(Add).await, Ok(1), "the state came from the factory");
        assert_eq!(reasons(tree.handle(), "root/a"), [expected]);
        // The supervisor counts the restart when it hears of the start.
        let node = || tree.handle().snapshot().find("root/a").unwrap().clone();
        until(|| node().restarts > 0).await;
        assert_eq!((node().restarts, node().generation), (1, 2));
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_panic_in_a_handler_is_named_by_its_message() {
    check_failure(|me| me.tell(Panic).unwrap(), "panicked in Panic: requested");
}

#[test]
fn a_panic_in_a_future_is_named_by_its_spawning_message() {
    check_failure(
        |me| me.tell(PanicLater).unwrap(),
        "panicked in a future of PanicLater: in a future",
    );
}

#[test]
fn a_panic_in_a_timer_is_named_by_its_message() {
    check_failure(
        |me| me.tell(PanicByTimer).unwrap(),
        "panicked in Panic: requested",
    );
}

#[test]
fn an_actor_may_fail_with_an_error() {
    check_failure(|me| me.tell(Fail).unwrap(), "failed: requested");
}

#[test]
fn a_requested_crash_is_a_panic_in_a_handler() {
    let (me, log, spec) = single_actor();
    run(async {
        let tree = Tree::start(spec).await.unwrap();
        let handle = tree.handle();
        assert_eq!(handle.crash("root/b"), Err(CrashError::NoSuchActor));
        assert_eq!(handle.crash("root"), Err(CrashError::Supervisor));
        handle.crash("root/a").unwrap();
        assert_eq!(handle.crash("root/a"), Err(CrashError::Crashing));
        until(|| me.generation() == 2 && me.is_available()).await;
        handle.crash_at("root/a", "Add").unwrap();
        assert_eq!(
            me.ask(Block(Duration::ZERO)).await,
            Ok(()),
            "another message passes"
        );
        assert_eq!(me.ask(Add).await, Err(AskError::Interrupted));
        until(|| me.generation() == 3 && me.is_available()).await;
        assert_eq!(me.ask(Add).await, Ok(1), "once");
        assert_eq!(
            reasons(handle, "root/a"),
            [
                "panicked in a requested crash: a crash was asked for",
                "panicked in Add: a crash at this message was asked for",
            ]
        );
        let root = handle.snapshot();
        assert_eq!(
            root.find("root/a").unwrap().message("Add").unwrap().failed,
            1
        );
        tree.shutdown().await;
        assert_eq!(log.take().last().unwrap(), "a down: shutdown");
    });
}

#[test]
fn an_actor_that_is_down_cannot_be_crashed() {
    let log = Log::default();
    let refs = ["a", "b"].map(ActorRef::new);
    let long = Backoff {
        first: Duration::from_secs(3_600),
        max: Duration::from_secs(3_600),
        ..QUICK
    };
    let spec = SupervisorSpec::new("root", Strategy::OneForAll)
        .backoff(long)
        .child(TestActor::child(&refs[0], &log))
        .child(TestActor::child(&refs[1], &log));
    run(async {
        let tree = Tree::start(spec).await.unwrap();
        let handle = tree.handle();
        handle.crash("root/a").unwrap();
        let state = |path| handle.snapshot().find(path).unwrap().state;
        until(|| state("root/b") == State::BackingOff).await;
        for path in ["root/a", "root/b"] {
            assert_eq!(handle.crash(path), Err(CrashError::Down), "{path}");
        }
        tree.shutdown().await;
        assert!(refs.iter().all(|me| me.generation() == 1));
    });
}

#[test]
fn policies_decide_which_children_restart() {
    let log = Log::default();
    let refs = ["permanent", "transient", "temporary"].map(ActorRef::new);
    let [permanent, transient, temporary] = &refs;
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .backoff(QUICK)
        .child(TestActor::child(permanent, &log))
        .child(TestActor::child(transient, &log).restart(Restart::Transient))
        .child(TestActor::child(temporary, &log).restart(Restart::Temporary));
    run(async {
        let tree = Tree::start(spec).await.unwrap();
        let state =
            |me: &ActorRef<TestActor>| tree.handle().snapshot().find(me.path()).unwrap().state;
        permanent.tell(Quit).unwrap();
        transient.tell(Fail).unwrap();
        temporary.tell(Fail).unwrap();
        until(|| permanent.generation() == 2 && permanent.is_available()).await;
        until(|| transient.generation() == 2 && transient.is_available()).await;
        until(|| state(temporary) == State::Failed).await;
        transient.tell(Quit).unwrap();
        until(|| state(transient) == State::Stopped).await;
        assert_eq!(temporary.generation(), 1);
        assert_eq!(transient.generation(), 2);
        assert!(tree.shutdown().await.is_clean());
    });
}

/// Makes `b` of `a`, `b`, `c` fail under a strategy. Returns the lines logged afterwards, and the
/// generations.
fn fail_the_middle(strategy: Strategy) -> (Vec<String>, [u64; 3]) {
    let log = Log::default();
    let refs = ["a", "b", "c"].map(ActorRef::new);
    let mut spec = SupervisorSpec::new("root", strategy);
    for me in &refs {
        spec = spec.child(TestActor::child(me, &log));
    }
    run_paused(async {
        let tree = start_single(spec).await;
        log.take();
        refs[1].tell(Panic).unwrap();
        until(|| refs[1].generation() == 2 && refs.iter().all(ActorRef::is_available)).await;
        let lines = log.take();
        let generations = [0, 1, 2].map(|index| refs[index].generation());
        if refs[2].generation() == 2 {
            let reasons = reasons(tree.handle(), "root/c");
            assert_eq!(reasons, ["restarted with root/b"]);
        }
        tree.shutdown().await;
        (lines, generations)
    })
}

#[test]
fn one_for_one_restarts_the_failed_child() {
    let (lines, generations) = fail_the_middle(Strategy::OneForOne);
    assert_eq!(lines, ["b up"]);
    assert_eq!(generations, [1, 2, 1]);
}

#[test]
fn rest_for_one_restarts_the_failed_child_and_later_ones() {
    let (lines, generations) = fail_the_middle(Strategy::RestForOne);
    assert_eq!(lines, ["c down: shutdown", "b up", "c up"]);
    assert_eq!(generations, [1, 2, 2]);
}

#[test]
fn one_for_all_restarts_all_in_order() {
    let (lines, generations) = fail_the_middle(Strategy::OneForAll);
    assert_eq!(
        lines,
        [
            "c down: shutdown",
            "a down: shutdown",
            "a up",
            "b up",
            "c up"
        ]
    );
    assert_eq!(generations, [2, 2, 2]);
}

#[test]
fn a_finished_child_is_not_restarted_with_its_siblings() {
    let log = Log::default();
    let (worker, done) = (ActorRef::new("worker"), ActorRef::new("done"));
    let spec = SupervisorSpec::new("root", Strategy::OneForAll)
        .child(TestActor::child(&worker, &log))
        .child(TestActor::child(&done, &log).restart(Restart::Transient));
    run_paused(async {
        let tree = start_single(spec).await;
        done.tell(Quit).unwrap();
        until(|| !done.is_available()).await;
        worker.tell(Panic).unwrap();
        until(|| worker.generation() == 2 && worker.is_available()).await;
        assert_eq!(done.generation(), 1);
        tree.shutdown().await;
    });
}

/// An actor that fails to start from its second generation on.
struct OnceOnly(u64);

impl Actor for OnceOnly {
    fn started(&mut self, _: &mut Ctx<Self>) -> Result<(), Failure> {
        if self.0 > 1 {
            Err("starts only once".into())
        } else {
            Ok(())
        }
    }
}

impl Handles<Panic> for OnceOnly {
    type Answer = ();

    fn handle(&mut self, _: Panic, _: &mut Ctx<Self>) {
        panic!("requested");
    }
}

fn once_only(me: &ActorRef<OnceOnly>) -> ChildSpec {
    let made = AtomicUsize::new(0);
    ChildSpec::new(me, move || OnceOnly(made.fetch_add(1, SeqCst) as u64 + 1))
}

#[test]
fn failing_restarts_make_the_root_give_up_in_order() {
    let log = Log::default();
    let (a, b) = (ActorRef::new("a"), ActorRef::new("b"));
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .intensity(3, Duration::from_secs(60))
        .child(TestActor::child(&a, &log))
        .child(once_only(&b));
    let (outcome, root) = run_paused(async {
        let tree = start_single(spec).await;
        let handle = tree.handle().clone();
        b.tell(Panic).unwrap();
        (tree.wait().await, handle.snapshot())
    });
    assert_eq!(
        outcome.to_string(),
        "gave up after too many restarts of root/b: could not start: starts only once"
    );
    assert_eq!(outcome.exit_code(), 1);
    assert_eq!(log.take(), ["a up", "a down: shutdown"]);
    assert_eq!(b.generation(), 4);
    assert_eq!(root.find("root/b").unwrap().state, State::Failed);
    assert_eq!(root.find("root/b").unwrap().incidents.len(), 4);
}

#[test]
fn max_restarts_limits_one_child() {
    let a = ActorRef::new("a");
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .intensity(1000, Duration::from_secs(60))
        .child(once_only(&a).max_restarts(2, Duration::from_secs(60)));
    let outcome = run_paused(async {
        let tree = start_single(spec).await;
        a.tell(Panic).unwrap();
        tree.wait().await
    });
    assert_eq!(a.generation(), 3);
    assert!(matches!(outcome.exit, Exit::GaveUp { .. }));
}

#[test]
fn a_supervisor_that_gives_up_is_restarted_by_its_parent() {
    let log = Log::default();
    let (a, b) = (ActorRef::new("a"), ActorRef::new("b"));
    let inner = SupervisorSpec::new("inner", Strategy::OneForOne)
        .intensity(1, Duration::from_secs(60))
        .child(TestActor::child(&b, &log));
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .intensity(1, Duration::from_secs(60))
        .child(TestActor::child(&a, &log))
        .child(inner);
    let outcome = run_paused(async {
        let tree = start_single(spec).await;
        // Two generations in the first inner supervisor, two in the second.
        for generation in 1..=4 {
            until(|| b.generation() == generation && b.is_available()).await;
            b.tell(Panic).unwrap();
        }
        tree.wait().await
    });
    assert_eq!(
        outcome.to_string(),
        "gave up after too many restarts of root/inner: gave up after too many restarts of \
         root/inner/b: panicked in Panic: requested"
    );
    assert_eq!(b.generation(), 4);
    assert_eq!(log.take().last().unwrap(), "a down: shutdown");
}

#[test]
fn backoff_grows_with_failures_and_resets_after_a_healthy_run() {
    let log = Log::default();
    let a = ActorRef::new("a");
    let second = Duration::from_secs(1);
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .intensity(100, Duration::from_secs(1))
        .backoff(Backoff {
            first: second,
            max: 8 * second,
            healthy_after: 60 * second,
        })
        .child(TestActor::child(&a, &log));
    run_paused(async {
        let tree = start_single(spec).await;
        let check = async |longest: u32| {
            a.tell(Panic).unwrap();
            let state = || tree.handle().snapshot().find("root/a").unwrap().state;
            until(|| state() == State::BackingOff).await;
            let begin = Instant::now();
            a.within(Duration::from_secs(3600))
                .available()
                .await
                .unwrap();
            let pause = begin.elapsed();
            let slack = Duration::from_millis(10);
            assert!(
                pause + slack >= longest * second / 2,
                "{pause:?} of {longest}"
            );
            assert!(pause <= longest * second + slack, "{pause:?} of {longest}");
        };
        for longest in [1, 2, 4, 8, 8] {
            check(longest).await;
        }
        tokio::time::sleep(60 * second).await;
        check(1).await;
        tree.shutdown().await;
    });
}
