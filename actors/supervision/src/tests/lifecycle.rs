//! Tests of the ordered start and stop of trees.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::*;

fn chain_of_three(log: &Log) -> ([ActorRef<TestActor>; 3], SupervisorSpec) {
    let refs = ["a", "b", "c"].map(ActorRef::new);
    let mut spec = SupervisorSpec::new("root", Strategy::RestForOne);
    for me in &refs {
        spec = spec.child(TestActor::child(me, log).arbiter(me.path()));
    }
    (refs, spec)
}

#[test]
fn children_start_in_order_and_stop_in_reverse() {
    let log = Log::default();
    let (refs, spec) = chain_of_three(&log);
    let outcome = run(async {
        let tree = Tree::start(spec).await.unwrap();
        assert_eq!(log.take(), ["a up", "b up", "c up"]);
        assert!(
            refs.iter()
                .all(|me| me.is_available() && me.generation() == 1)
        );
        tree.shutdown().await
    });
    assert_eq!(
        log.take(),
        ["c down: shutdown", "b down: shutdown", "a down: shutdown"]
    );
    assert!(outcome.is_clean());
    assert_eq!(outcome.exit_code(), 0);
    assert!(refs.iter().all(|me| !me.is_available()));
}

#[test]
fn references_may_form_a_circle_before_the_start() {
    struct Player {
        other: ActorRef<Player>,
    }
    message!(Serve(u32) -> ());
    message!(Rallies -> u32);
    struct Counter(u32);
    impl Actor for Counter {}
    impl Actor for Player {}
    impl Handles<Serve> for Player {
        type Answer = ();
        fn handle(&mut self, Serve(left): Serve, _: &mut Ctx<Self>) {
            if left > 0 {
                self.other.tell(Serve(left - 1)).unwrap();
            }
        }
    }
    impl Handles<Rallies> for Counter {
        type Answer = u32;
        fn handle(&mut self, _: Rallies, _: &mut Ctx<Self>) -> u32 {
            self.0
        }
    }

    let (ping, pong) = (ActorRef::new("ping"), ActorRef::new("pong"));
    let counter = ActorRef::new("counter");
    let (to_ping, to_pong) = (ping.clone(), pong.clone());
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .child(ChildSpec::new(&ping, move || Player {
            other: to_pong.clone(),
        }))
        .child(
            ChildSpec::new(&pong, move || Player {
                other: to_ping.clone(),
            })
            .arbiter("far"),
        )
        .child(ChildSpec::new(&counter, || Counter(7)));
    run(async {
        let tree = Tree::start(spec).await.unwrap();
        ping.tell(Serve(100)).unwrap();
        let handled = || {
            let root = tree.handle().snapshot();
            let serves = |path| root.find(path)?.message("Serve").map(|serve| serve.handled);
            serves("root/ping").unwrap_or(0) + serves("root/pong").unwrap_or(0)
        };
        until(|| handled() == 101).await;
        assert_eq!(counter.ask(Rallies).await, Ok(7));
        assert!(tree.shutdown().await.is_clean());
    });
}

/// Checks that children that had started are stopped in reverse and others are never created.
fn check_rollback(bad: impl FnOnce(&ActorRef<Bad>) -> ChildSpec, expected: &str) {
    let log = Log::default();
    let (_, spec) = chain_of_three(&log);
    let me = ActorRef::new("bad");
    let never = ActorRef::new("never");
    let inner = SupervisorSpec::new("inner", Strategy::OneForOne)
        .child(bad(&me))
        .child(TestActor::child(&never, &log));
    let error = run(Tree::start(spec.child(inner))).unwrap_err();
    assert_eq!(error.to_string(), expected);
    let lines = log.take();
    assert_eq!(lines[..3], ["a up", "b up", "c up"]);
    assert_eq!(
        lines[3..],
        ["c down: shutdown", "b down: shutdown", "a down: shutdown"]
    );
    assert_eq!(never.generation(), 0);
}

struct Bad;

impl Actor for Bad {
    fn started(&mut self, _: &mut Ctx<Self>) -> Result<(), Failure> {
        Err("no socket".into())
    }

    async fn stopped(self, _: &Exit) {
        unreachable!("it never started");
    }
}

#[test]
fn an_error_in_started_reaches_the_caller_and_rolls_back() {
    check_rollback(
        |me| ChildSpec::new(me, || Bad),
        "root/inner/bad could not start: no socket",
    );
}

#[test]
fn an_error_in_the_factory_reaches_the_caller_and_rolls_back() {
    check_rollback(
        |me| ChildSpec::new(me, || Err::<Bad, _>("no disk")),
        "root/inner/bad could not start: no disk",
    );
}

#[test]
fn a_panic_in_the_factory_reaches_the_caller_and_rolls_back() {
    fn broken() -> Bad {
        panic!("no luck")
    }
    check_rollback(
        |me| ChildSpec::new(me, broken),
        "root/inner/bad panicked in its factory: no luck",
    );
}

#[test]
fn a_start_that_takes_too_long_is_killed_and_rolls_back() {
    check_rollback(
        |me| {
            let endless = || std::future::pending::<Bad>();
            ChildSpec::new_async(me, endless).start_timeout(Duration::from_millis(20))
        },
        "root/inner/bad did not start in time",
    );
}

#[test]
fn a_stop_interrupts_a_start() {
    let log = Log::default();
    let (a, slow) = (ActorRef::new("a"), ActorRef::new("slow"));
    let is_in_factory = Arc::new(AtomicUsize::new(0));
    let entered = Arc::clone(&is_in_factory);
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .backoff(Backoff {
            first: Duration::ZERO,
            ..Backoff::default()
        })
        .child(TestActor::child(&a, &log))
        .child(
            ChildSpec::new_async(&slow, move || {
                let is_first = entered.fetch_add(1, SeqCst) == 0;
                let actor = TestActor::new("slow", &Log::default());
                async move {
                    if !is_first {
                        std::future::pending::<()>().await;
                    }
                    actor
                }
            })
            .stop_timeout(Duration::from_millis(20)),
        );
    let outcome = run(async {
        let tree = Tree::start(spec).await.unwrap();
        slow.tell(Panic).unwrap();
        until(|| is_in_factory.load(SeqCst) == 2).await;
        tree.shutdown().await
    });
    assert_eq!(outcome.killed, Vec::<String>::new());
    assert_eq!(outcome.exit_code(), 0);
    assert_eq!(log.take(), ["a up", "a down: shutdown"]);
}

#[test]
fn a_reference_or_name_binds_one_child() {
    let log = Log::default();
    let a = ActorRef::new("a");
    let twice = SupervisorSpec::new("root", Strategy::OneForOne)
        .child(TestActor::child(&a, &log))
        .child(TestActor::child(&a, &log));
    let error = run(Tree::start(twice)).unwrap_err();
    assert_eq!(error.to_string(), "root/a is already part of the tree");

    let namesakes = SupervisorSpec::new("root", Strategy::OneForOne)
        .child(TestActor::child(&ActorRef::new("b"), &log))
        .child(TestActor::child(&ActorRef::new("b"), &log));
    assert!(matches!(
        run(Tree::start(namesakes)),
        Err(StartError::AlreadyBound { .. })
    ));
    assert!(log.take().is_empty());
}

struct Lingerer {
    log: Log,
}

impl Actor for Lingerer {
    async fn stopped(self, _: &Exit) {
        self.log.add("lingers");
        std::future::pending().await
    }
}

#[test]
fn a_child_that_does_not_stop_is_killed() {
    let log = Log::default();
    let (a, lingerer) = (ActorRef::new("a"), ActorRef::new("lingerer"));
    let to_lingerer = log.clone();
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .child(TestActor::child(&a, &log))
        .child(
            ChildSpec::new(&lingerer, move || Lingerer {
                log: to_lingerer.clone(),
            })
            .stop_timeout(Duration::from_millis(20)),
        );
    let (outcome, root) = run(async {
        let tree = Tree::start(spec).await.unwrap();
        let handle = tree.handle().clone();
        (tree.shutdown().await, handle.snapshot())
    });
    assert_eq!(outcome.to_string(), "shutdown; killed: root/lingerer");
    assert_eq!(outcome.exit_code(), 1);
    assert_eq!(log.take(), ["a up", "lingers", "a down: shutdown"]);
    let incidents = &root.find("root/lingerer").unwrap().incidents;
    assert_eq!(incidents[0].reason, "killed in its stopped hook");
}

#[test]
fn an_actor_that_never_releases_its_thread_is_reported() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    struct Wedge(std::sync::mpsc::Receiver<()>);
    message!(Hold -> ());
    impl Actor for Wedge {}
    impl Handles<Hold> for Wedge {
        type Answer = ();
        fn handle(&mut self, _: Hold, _: &mut Ctx<Self>) {
            let _ = self.0.recv();
        }
    }
    let wedge = ActorRef::new("wedge");
    let log = Log::default();
    let other = ActorRef::new("other");
    let held = Mutex::new(Some(held));
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .child(TestActor::child(&other, &log))
        .child(
            ChildSpec::new(&wedge, move || {
                held.lock().take().map(Wedge).ok_or("created twice")
            })
            .arbiter("wedged")
            .stop_timeout(Duration::from_millis(20)),
        );
    let (outcome, root) = run(async {
        let tree = Tree::start(spec).await.unwrap();
        let handle = tree.handle().clone();
        wedge.tell(Hold).unwrap();
        until(|| {
            handle
                .snapshot()
                .find("root/wedge")
                .unwrap()
                .doing
                .is_some()
        })
        .await;
        (tree.shutdown().await, handle.snapshot())
    });
    drop(release);
    assert_eq!(outcome.wedged, ["root/wedge"]);
    assert_eq!(outcome.unjoined, ["wedged"]);
    assert_eq!(outcome.exit_code(), 1);
    assert_eq!(
        root.find("root/wedge").unwrap().incidents[0].reason,
        "killed in Hold"
    );
    assert_eq!(log.take(), ["other up", "other down: shutdown"]);
}

#[test]
fn the_longest_timeouts_mean_never() {
    let log = Log::default();
    let me = ActorRef::new("a");
    let child = TestActor::child(&me, &log)
        .start_timeout(Duration::MAX)
        .stop_timeout(Duration::MAX)
        .max_restarts(u32::MAX, Duration::MAX);
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .intensity(u32::MAX, Duration::MAX)
        .backoff(Backoff {
            healthy_after: Duration::MAX,
            ..Backoff::default()
        })
        .child(child);
    run_paused(async {
        let tree = start_single(spec).await;
        me.tell(Panic).unwrap();
        until(|| me.generation() == 2).await;
        assert_eq!(me.within(Duration::MAX).ask(Add).await, Ok(1));
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn stopping_from_a_handle_ends_the_wait() {
    let log = Log::default();
    let (_, spec) = chain_of_three(&log);
    let outcome = run(async {
        let tree = Tree::start(spec).await.unwrap();
        let handle = tree.handle().clone();
        std::thread::spawn(move || handle.stop());
        tree.wait().await
    });
    assert!(outcome.is_clean());
}

#[test]
fn started_may_send_to_itself_and_stop_at_once() {
    struct Eager(Log);
    impl Actor for Eager {
        fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
            ctx.me().tell(Add)?;
            ctx.notify(Add);
            Ok(())
        }
    }
    impl Handles<Add> for Eager {
        type Answer = u64;
        fn handle(&mut self, _: Add, ctx: &mut Ctx<Self>) -> u64 {
            self.0
                .add(format!("add in generation {}", ctx.generation()));
            0
        }
    }
    struct Brief;
    impl Actor for Brief {
        fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
            ctx.stop();
            Ok(())
        }
    }
    let log = Log::default();
    let to_eager = log.clone();
    let (eager, brief) = (ActorRef::new("eager"), ActorRef::new("brief"));
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .child(ChildSpec::new(&eager, move || Eager(to_eager.clone())))
        .child(ChildSpec::new(&brief, || Brief).restart(Restart::Transient));
    run(async {
        let tree = Tree::start(spec).await.unwrap();
        until(|| log.lines.lock().len() == 2).await;
        let state = || tree.handle().snapshot().find("root/brief").unwrap().state;
        until(|| state() == snapshot::State::Stopped).await;
        assert_eq!(brief.generation(), 1);
        assert!(tree.shutdown().await.is_clean());
    });
    assert_eq!(log.take(), ["add in generation 1", "add in generation 1"]);
}

#[test]
fn a_task_that_ends_at_once_leaves_the_actor_idle() {
    message!(LeaveTwo -> ());
    impl Handles<LeaveTwo> for TestActor {
        type Answer = ();
        fn handle(&mut self, _: LeaveTwo, ctx: &mut Ctx<Self>) {
            ctx.spawn_then(async {}, |_, (), ctx| {
                ctx.spawn(async {});
            });
        }
    }
    let (me, log) = (ActorRef::new("me"), Log::default());
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .child(TestActor::child(&me, &log).arbiter("its own"));
    run(async {
        let tree = Tree::start(spec).await.unwrap();
        me.tell(LeaveTwo).unwrap();
        let waiting = me.within(Duration::from_secs(30));
        assert_eq!(waiting.ask(Add).await, Ok(1));
        assert!(tree.shutdown().await.is_clean());
    });
}
