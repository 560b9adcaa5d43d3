//! Tests of group restarts: which children they end, restart and report.

use super::*;

message!(Ended(String) -> ());

/// An actor that logs the ends that it is told of.
struct Watcher(Log);

impl Actor for Watcher {}

impl Handles<Ended> for Watcher {
    type Answer = ();

    fn handle(&mut self, Ended(reason): Ended, _: &mut Ctx<Self>) {
        self.0.add(reason);
    }
}

/// Returns a watcher's reference, its specification and its log.
fn watcher() -> (ActorRef<Watcher>, ChildSpec, Log) {
    let (me, log) = (ActorRef::new("watcher"), Log::default());
    let to_watcher = log.clone();
    let spec = ChildSpec::new(&me, move || Watcher(to_watcher.clone()));
    (me, spec.mailbox(1), log)
}

fn watched(me: &ActorRef<TestActor>, watcher: &ActorRef<Watcher>) -> ChildSpec {
    let name = me.path().to_owned();
    TestActor::child(me, &Log::default())
        .monitored_by(watcher, move |exit| Ended(format!("{name} {exit}")))
}

#[test]
fn a_watcher_is_told_of_the_ends_by_a_group_restart() {
    let (watcher, watcher_spec, log) = watcher();
    let (a, b) = (ActorRef::new("a"), ActorRef::new("b"));
    let spec = SupervisorSpec::new("root", Strategy::RestForOne)
        .child(watcher_spec)
        .child(watched(&a, &watcher))
        .child(watched(&b, &watcher));
    run_paused(async {
        let tree = start_single(spec).await;
        a.tell(Panic).unwrap();
        until(|| b.generation() == 2 && b.is_available()).await;
        assert_eq!(
            log.take(),
            ["a panicked in Panic: requested", "b shutdown"],
            "before the tree stops"
        );
        tree.shutdown().await;
    });
}

#[test]
fn a_start_that_a_stop_interrupts_is_reported_as_an_end() {
    let slow = ActorRef::new("slow");
    let made = Arc::new(Mutex::new(0));
    let count = Arc::clone(&made);
    let child = ChildSpec::new_async(&slow, move || {
        *count.lock() += 1;
        let is_first = *count.lock() == 1;
        async move {
            if !is_first {
                std::future::pending::<()>().await;
            }
            TestActor::new("slow", &Log::default())
        }
    });
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .child(child.stop_timeout(Duration::from_millis(20)));
    run_paused(async {
        let tree = start_single(spec).await;
        let handle = tree.handle().clone();
        slow.tell(Panic).unwrap();
        until(|| *made.lock() == 2).await;
        tree.shutdown().await;
        let root = handle.snapshot();
        let incidents = &root.find("root/slow").unwrap().incidents;
        let last = incidents.last().map(|incident| &*incident.reason);
        assert_eq!(last, Some("killed in its factory"));
    });
}

#[test]
fn a_temporary_child_ends_with_its_group_for_good() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let log = Log::default();
        let (a, b) = (ActorRef::new("a"), ActorRef::new("b"));
        let spec = SupervisorSpec::new("root", strategy)
            .child(TestActor::child(&a, &log))
            .child(TestActor::child(&b, &log).restart(Restart::Temporary));
        run_paused(async {
            let tree = start_single(spec).await;
            a.tell(Panic).unwrap();
            until(|| a.generation() == 2 && a.is_available()).await;
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert_eq!(b.generation(), 1, "{strategy:?}");
            assert!(!b.is_available());
            let root = tree.handle().snapshot();
            assert_eq!(root.find("root/b").unwrap().state, snapshot::State::Stopped);
            assert!(tree.shutdown().await.is_clean());
        });
        assert!(log.take().contains(&"b down: shutdown".to_owned()));
    }
}

#[test]
fn a_group_restart_leaves_a_child_done_that_ended_normally() {
    message!(QuitLater -> ());
    impl Handles<QuitLater> for TestActor {
        type Answer = ();
        fn handle(&mut self, _: QuitLater, ctx: &mut Ctx<Self>) {
            ctx.stop();
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    let log = Log::default();
    let (a, b) = (ActorRef::new("a"), ActorRef::new("b"));
    let spec = SupervisorSpec::new("root", Strategy::OneForAll)
        .child(TestActor::child(&a, &log))
        .child(
            TestActor::child(&b, &log)
                .arbiter("far")
                .restart(Restart::Transient),
        );
    run(async {
        let tree = Tree::start(spec).await.unwrap();
        b.tell(QuitLater).unwrap();
        let doing = || {
            tree.handle()
                .snapshot()
                .find("root/b")
                .unwrap()
                .doing
                .clone()
        };
        until(|| doing().is_some()).await;
        a.tell(Panic).unwrap();
        until(|| a.generation() == 2 && a.is_available()).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(b.generation(), 1);
        assert!(tree.shutdown().await.is_clean());
    });
}
