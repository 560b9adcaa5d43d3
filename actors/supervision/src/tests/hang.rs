//! Tests of actors that hold their thread and are given up with it.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::*;
use crate::observe::snapshot::State;

message!(
    /// Holds the thread until the gate opens.
    Hold -> ()
);
message!(
    /// Never answered.
    Never -> ()
);

/// An actor that holds its thread on request, and in `started` where it is told so.
struct Holder {
    gate: Arc<AtomicBool>,
    count: u64,
}

impl Holder {
    fn wait_for_gate(&self) {
        while self.gate.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Actor for Holder {}

impl Handles<Hold> for Holder {
    type Answer = ();

    fn handle(&mut self, _: Hold, ctx: &mut Ctx<Self>) {
        ctx.notify_after(Duration::ZERO, Add);
        self.wait_for_gate();
    }
}

impl Handles<Add> for Holder {
    type Answer = u64;

    fn handle(&mut self, _: Add, _: &mut Ctx<Self>) -> u64 {
        self.count += 1;
        self.count
    }
}

impl Handles<Never> for Holder {
    type Answer = Later<()>;

    fn handle(&mut self, _: Never, _: &mut Ctx<Self>) -> Later<()> {
        Later::new(std::future::pending())
    }
}

/// Opens the gate when a test ends, also by a panic, so that its threads end.
struct Gate(Arc<AtomicBool>);

impl Gate {
    fn shut() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    fn open(&self) {
        self.0.store(false, SeqCst);
    }

    fn holder(&self, me: &ActorRef<Holder>, policy: WhenStuck) -> ChildSpec {
        let gate = Arc::clone(&self.0);
        let make = move || Holder {
            gate: Arc::clone(&gate),
            count: 0,
        };
        ChildSpec::new(me, make)
            .arbiter("shared")
            .when_stuck(policy)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

fn supervisor(name: &str) -> SupervisorSpec {
    SupervisorSpec::new(name, Strategy::OneForOne).backoff(Backoff {
        first: Duration::from_millis(1),
        max: Duration::from_millis(2),
        ..Backoff::default()
    })
}

async fn start(spec: SupervisorSpec) -> Tree {
    TreeOptions::default()
        .probe(Duration::from_millis(5), Duration::from_millis(50))
        .start(spec)
        .await
        .unwrap()
}

fn is_back<A: Actor>(me: &ActorRef<A>, generation: u64) -> bool {
    me.generation() == generation && me.is_available()
}

fn reasons(tree: &Tree, path: &str) -> Vec<String> {
    let root = tree.handle().snapshot();
    let incidents = root.find(path).unwrap().incidents.iter();
    incidents.map(|incident| incident.reason.clone()).collect()
}

#[test]
fn a_hung_actor_is_replaced_and_its_late_return_is_void() {
    let (gate, me) = (Gate::shut(), ActorRef::new("a"));
    let spec = supervisor("root").child(gate.holder(&me, WhenStuck::Replace));
    run(async {
        let tree = start(spec).await;
        let node = || tree.handle().snapshot().find("root/a").unwrap().clone();
        let (owed, held) = (me.ask(Never), me.ask(Hold));
        until(|| node().doing.as_deref() == Some("Hold")).await;
        let queued = me.ask(Add);
        let resent = {
            let me = me.clone();
            actix::spawn(async move { me.within(Duration::from_secs(30)).ask(Add).await })
        };
        assert_eq!(owed.await, Err(AskError::Interrupted));
        assert_eq!(held.await, Err(AskError::Interrupted));
        assert_eq!(queued.await, Err(AskError::Unavailable));
        assert_eq!(resent.await.unwrap(), Ok(1), "on the next generation");
        assert_eq!(reasons(&tree, "root/a"), ["hung in Hold and was given up"]);
        assert_eq!((node().generation, node().restarts), (2, 1));
        assert!(node().stuck.is_none());

        gate.open();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(me.ask(Add).await, Ok(2), "still the second generation");
        assert_eq!((node().generation, node().state), (2, State::Running));
        let hold = node().message("Hold").unwrap().clone();
        assert_eq!((hold.handled, hold.failed), (0, 1));
        assert_eq!(node().message("Add").unwrap().handled, 2);
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_neighbour_of_a_hung_actor_restarts_uncounted() {
    let gate = Gate::shut();
    let (a, b, c) = (ActorRef::new("a"), ActorRef::new("b"), ActorRef::new("c"));
    let inner = supervisor("inner")
        .intensity(0, Duration::from_secs(60))
        .child(gate.holder(&b, WhenStuck::Replace));
    let spec = supervisor("root")
        .intensity(1, Duration::from_secs(60))
        .child(inner)
        .child(gate.holder(&c, WhenStuck::Report))
        .child(gate.holder(&a, WhenStuck::Replace));
    run(async {
        let tree = start(spec).await;
        let owed = b.ask(Never);
        assert_eq!(b.ask(Add).await, Ok(1));
        a.tell(Hold).unwrap();
        assert_eq!(owed.await, Err(AskError::Interrupted));
        until(|| [&a, &b, &c].into_iter().all(|me| is_back(me, 2))).await;
        assert_eq!(b.ask(Add).await, Ok(1), "its state came from the factory");
        assert_eq!(
            reasons(&tree, "root/inner/b"),
            ["arbiter shared was given up: root/a is stuck in Hold"]
        );
        assert_eq!(reasons(&tree, "root/a"), ["hung in Hold and was given up"]);
        gate.open();
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn the_policy_of_the_actor_that_holds_the_thread_decides() {
    let gate = Gate::shut();
    let (a, b) = (ActorRef::new("a"), ActorRef::new("b"));
    let spec = supervisor("root")
        .child(gate.holder(&a, WhenStuck::Report))
        .child(gate.holder(&b, WhenStuck::Replace));
    run(async {
        let tree = start(spec).await;
        a.tell(Hold).unwrap();
        let root = || tree.handle().snapshot();
        until(|| root().find("root/b").unwrap().stuck.is_some()).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        gate.open();
        until(|| root().walk().iter().all(|node| node.stuck.is_none())).await;
        assert!(is_back(&a, 1) && is_back(&b, 1));
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn an_actor_that_keeps_hanging_exceeds_the_intensity() {
    let (gate, me) = (Gate::shut(), ActorRef::new("a"));
    let spec = supervisor("root")
        .intensity(1, Duration::from_secs(60))
        .child(gate.holder(&me, WhenStuck::Replace));
    run(async {
        let tree = start(spec).await;
        me.tell(Hold).unwrap();
        until(|| is_back(&me, 2)).await;
        me.tell(Hold).unwrap();
        let outcome = tree.wait().await;
        let expected = "gave up after too many restarts of root/a: hung in Hold and was given up; \
                        threads left behind: shared, shared";
        assert_eq!(outcome.to_string(), expected);
        assert_eq!(outcome.exit_code(), 1);
    });
}

#[test]
fn an_escalated_hang_fails_the_supervisor() {
    let gate = Gate::shut();
    let (a, b) = (ActorRef::new("a"), ActorRef::new("b"));
    let inner = supervisor("inner")
        .child(gate.holder(&b, WhenStuck::Report).arbiter("other"))
        .child(gate.holder(&a, WhenStuck::Escalate));
    run(async {
        let tree = start(supervisor("root").child(inner)).await;
        a.tell(Hold).unwrap();
        until(|| is_back(&a, 2) && is_back(&b, 2)).await;
        assert_eq!(
            reasons(&tree, "root/inner"),
            ["escalated the failure of root/inner/a: hung in Hold and was given up"]
        );
        gate.open();
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_start_that_hangs_is_tried_again_on_a_new_thread() {
    struct Starter(bool, Arc<AtomicBool>);
    impl Actor for Starter {
        fn started(&mut self, _: &mut Ctx<Self>) -> Result<(), Failure> {
            while self.0 && self.1.load(SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        }
    }
    impl Handles<Panic> for Starter {
        type Answer = ();
        fn handle(&mut self, _: Panic, _: &mut Ctx<Self>) {
            panic!("requested");
        }
    }
    let (gate, me) = (Gate::shut(), ActorRef::new("a"));
    let (made, flag) = (AtomicBool::new(false), Arc::clone(&gate.0));
    let generations = Arc::new(Mutex::new(0));
    let child = ChildSpec::new(&me, move || {
        let mut generations = generations.lock();
        *generations += 1;
        made.store(true, SeqCst);
        Starter(*generations == 2, Arc::clone(&flag))
    });
    let child = child
        .start_timeout(Duration::from_millis(50))
        .when_stuck(WhenStuck::Replace);
    run(async {
        let tree = start(supervisor("root").child(child)).await;
        me.tell(Panic).unwrap();
        until(|| is_back(&me, 3)).await;
        gate.open();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(is_back(&me, 3), "the late start has no effect");
        let outcome = tree.shutdown().await;
        assert!(outcome.unjoined.is_empty(), "{outcome}");
    });
}

#[test]
fn a_pool_on_an_abandoned_thread_serves_again() {
    let (gate, me) = (Gate::shut(), ActorRef::new("a"));
    let pool = Pool::new("pool", 2);
    let spec = supervisor("root")
        .child(pool.child().arbiter("shared"))
        .child(gate.holder(&me, WhenStuck::Replace));
    run(async {
        let tree = start(spec).await;
        assert_eq!(pool.job("Hold").run(|| 1).await, Ok(1));
        me.tell(Hold).unwrap();
        until(|| is_back(&me, 2)).await;
        let state = || tree.handle().snapshot().find("root/pool").unwrap().state;
        until(|| state() == State::Running).await;
        gate.open();
        tokio::time::sleep(Duration::from_millis(50)).await;
        for number in 0..100 {
            assert_eq!(pool.job("Hold").run(move || number).await, Ok(number));
        }
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn callers_of_an_actor_that_cannot_be_killed_are_interrupted() {
    let (gate, me) = (Gate::shut(), ActorRef::new("a"));
    let child = gate.holder(&me, WhenStuck::Report);
    let spec = supervisor("root").child(child.stop_timeout(Duration::from_millis(20)));
    run(async {
        let tree = start(spec).await;
        let held = me.ask(Hold);
        let handle = tree.handle().clone();
        until(|| handle.snapshot().find("root/a").unwrap().doing.is_some()).await;
        handle.stop();
        assert_eq!(held.await, Err(AskError::Interrupted));
        gate.open();
        let outcome = tree.wait().await;
        assert_eq!(
            (outcome.killed, outcome.wedged),
            (vec!["root/a".into()], vec!["root/a".into()])
        );
    });
}

#[test]
fn a_requested_hang_is_repaired_and_then_void() {
    let (gate, me) = (Gate::shut(), ActorRef::new("a"));
    let spec = supervisor("root").child(gate.holder(&me, WhenStuck::Replace));
    run(async {
        let tree = start(spec).await;
        let handle = tree.handle();
        let hang = |path| handle.hang(path, Duration::from_millis(300));
        assert_eq!(hang("root/b"), Err(CrashError::NoSuchActor));
        assert_eq!(hang("root"), Err(CrashError::Supervisor));
        hang("root/a").unwrap();
        until(|| is_back(&me, 2)).await;
        assert_eq!(
            reasons(&tree, "root/a"),
            ["hung in a requested hang and was given up"]
        );
        assert_eq!(me.ask(Add).await, Ok(1));
        assert!(tree.shutdown().await.is_clean(), "the thread has ended");
        assert_eq!(me.generation(), 2);
    });
}

#[test]
fn actors_of_an_arbiter_that_is_stopped_restart_on_another() {
    let gate = Gate::shut();
    let (a, b) = (ActorRef::new("a"), ActorRef::new("b"));
    let spec = supervisor("root")
        .child(gate.holder(&a, WhenStuck::Report))
        .child(gate.holder(&b, WhenStuck::Report));
    run(async {
        let tree = start(spec).await;
        assert!(!tree.handle().stop_arbiter("another"));
        for generation in 2..=4 {
            assert!(tree.handle().stop_arbiter("shared"));
            until(|| is_back(&a, generation) && is_back(&b, generation)).await;
        }
        assert_eq!(a.ask(Add).await, Ok(1));
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn what_a_group_restart_left_behind_is_no_part_of_the_outcome() {
    let gate = Gate::shut();
    let (a, b) = (ActorRef::new("a"), ActorRef::new("b"));
    let inner = supervisor("inner").child(gate.holder(&b, WhenStuck::Report));
    let group = SupervisorSpec::new("group", Strategy::RestForOne)
        .intensity(100, Duration::from_secs(60))
        .backoff(Backoff {
            first: Duration::from_millis(1),
            max: Duration::from_millis(2),
            ..Backoff::default()
        })
        .child(gate.holder(&a, WhenStuck::Report))
        .child(inner);
    run(async {
        let tree = start(supervisor("root").child(group)).await;
        for _ in 0..20 {
            let generation = a.generation();
            assert!(tree.handle().stop_arbiter("shared"));
            until(|| a.generation() > generation && a.is_available() && b.is_available()).await;
        }
        let outcome = tree.shutdown().await;
        assert!(outcome.is_clean(), "{outcome}");
    });
}
