//! Tests of monitors, of stops by reference, and of dynamic children that are restarted.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::*;
use crate::observe::snapshot::State;

message!(MonitorIt -> ());
message!(DemonitorIt -> bool);

/// An actor that monitors another one on request and logs what it is told.
struct Observer {
    target: ActorRef<TestActor>,
    monitor: Option<Monitor>,
    log: Log,
    gate: Arc<AtomicBool>,
}

impl Actor for Observer {}

impl Handles<MonitorIt> for Observer {
    type Answer = ();

    fn handle(&mut self, _: MonitorIt, ctx: &mut Ctx<Self>) {
        let monitor = ctx.monitor(&self.target);
        assert_eq!(self.monitor.replace(monitor).unwrap_or(monitor), monitor);
    }
}

impl Handles<DemonitorIt> for Observer {
    type Answer = bool;

    fn handle(&mut self, _: DemonitorIt, ctx: &mut Ctx<Self>) -> bool {
        while self.gate.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.monitor.is_some_and(|monitor| ctx.demonitor(monitor))
    }
}

impl Handles<Down> for Observer {
    type Answer = ();

    fn handle(&mut self, down: Down, _: &mut Ctx<Self>) {
        assert_eq!(Some(down.monitor), self.monitor);
        self.log
            .add(format!("{} {}: {}", down.path, down.generation, down.exit));
    }
}

impl Handles<Panic> for Observer {
    type Answer = ();

    fn handle(&mut self, _: Panic, _: &mut Ctx<Self>) {
        panic!("requested");
    }
}

/// An observer beside the actor that it observes.
struct Pair {
    observer: ActorRef<Observer>,
    target: ActorRef<TestActor>,
    log: Log,
    gate: Arc<AtomicBool>,
    tree: Tree,
}

fn quick(name: &str, strategy: Strategy) -> SupervisorSpec {
    SupervisorSpec::new(name, strategy).backoff(Backoff {
        first: Duration::from_millis(1),
        max: Duration::from_millis(2),
        ..Backoff::default()
    })
}

impl Pair {
    async fn start(set: impl FnOnce(ChildSpec) -> ChildSpec) -> Self {
        let (observer, target) = (ActorRef::new("observer"), ActorRef::new("target"));
        let (log, gate) = (Log::default(), Arc::new(AtomicBool::new(false)));
        let parts = (target.clone(), log.clone(), Arc::clone(&gate));
        let watching = ChildSpec::new(&observer, move || Observer {
            target: parts.0.clone(),
            monitor: None,
            log: parts.1.clone(),
            gate: Arc::clone(&parts.2),
        });
        let watched = set(TestActor::child(&target, &Log::default()).arbiter("far"));
        let spec = quick("root", Strategy::OneForOne)
            .child(watching.mailbox(1))
            .child(watched);
        let tree = Tree::start(spec).await.unwrap();
        Self {
            observer,
            target,
            log,
            gate,
            tree,
        }
    }

    async fn crash(&self) {
        let generation = self.target.generation();
        self.target.tell(Panic).unwrap();
        until(|| self.target.generation() > generation && self.target.is_available()).await;
    }
}

#[test]
fn a_monitor_tells_each_end_until_it_is_removed() {
    run(async {
        let pair = Pair::start(|child| child).await;
        pair.observer.ask(MonitorIt).await.unwrap();
        pair.observer.ask(MonitorIt).await.unwrap();
        pair.crash().await;
        pair.crash().await;
        let mut told = Vec::new();
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while told.len() < 2 && std::time::Instant::now() < deadline {
            told.extend(pair.log.take());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let panicked =
            |generation| format!("root/target {generation}: panicked in Panic: requested");
        assert_eq!(told, [panicked(1), panicked(2)], "each once");
        assert_eq!(pair.observer.ask(DemonitorIt).await, Ok(true));
        assert_eq!(pair.observer.ask(DemonitorIt).await, Ok(false));
        pair.crash().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(pair.log.take(), [""; 0]);
        assert!(pair.tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_removed_monitor_tells_nothing_that_is_queued() {
    run(async {
        let pair = Pair::start(|child| child).await;
        pair.observer.ask(MonitorIt).await.unwrap();
        pair.gate.store(true, SeqCst);
        let removed = pair.observer.ask(DemonitorIt);
        pair.crash().await;
        pair.gate.store(false, SeqCst);
        assert_eq!(removed.await, Ok(true));
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(pair.log.take(), [""; 0]);
        assert!(pair.tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_monitor_of_an_actor_that_is_down_tells_at_once() {
    run(async {
        let pair = Pair::start(|child| child.restart(Restart::Temporary)).await;
        assert!(pair.target.stop());
        let state = || {
            let root = pair.tree.handle().snapshot();
            root.find("root/target").unwrap().state
        };
        until(|| state() == State::Stopped).await;
        assert!(!pair.target.stop(), "it is down");
        pair.observer.ask(MonitorIt).await.unwrap();
        until(|| pair.log.take() == ["root/target 1: shutdown"]).await;
        assert!(pair.tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_monitor_ends_with_the_generation_that_has_it() {
    run(async {
        let pair = Pair::start(|child| child).await;
        pair.observer.ask(MonitorIt).await.unwrap();
        pair.observer.tell(Panic).unwrap();
        until(|| pair.observer.generation() == 2 && pair.observer.is_available()).await;
        pair.crash().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(pair.log.take(), [""; 0]);
        assert_eq!(pair.observer.ask(DemonitorIt).await, Ok(false));
        assert!(pair.tree.shutdown().await.is_clean());
    });
}

#[test]
fn an_actor_is_stopped_by_its_reference() {
    let (log, me) = (Log::default(), ActorRef::new("a"));
    let spec = quick("root", Strategy::OneForOne).child(TestActor::child(&me, &log));
    run(async {
        assert!(!me.stop(), "it has not started");
        let tree = Tree::start(spec).await.unwrap();
        assert!(me.stop());
        until(|| me.generation() == 2 && me.is_available()).await;
        assert_eq!(log.take(), ["a up", "a down: shutdown", "a up"]);
        assert!(tree.shutdown().await.is_clean());
    });
}

/// Starts a tree with a dynamic supervisor that allows `restarts`.
async fn lobby(restarts: u32) -> (Tree, DynamicRef) {
    let lobby = DynamicRef::new("lobby");
    let dynamic = SupervisorSpec::dynamic(&lobby)
        .intensity(restarts, Duration::from_secs(60))
        .backoff(Backoff {
            first: Duration::from_millis(1),
            ..Backoff::default()
        });
    let spec = quick("root", Strategy::OneForOne).child(dynamic);
    (Tree::start(spec).await.unwrap(), lobby)
}

#[test]
fn dynamic_children_restart_by_their_policies() {
    let log = Log::default();
    let refs = ["permanent", "transient", "temporary"].map(ActorRef::new);
    let policies = [Some(Restart::Permanent), Some(Restart::Transient), None];
    run(async {
        let (tree, lobby) = lobby(10).await;
        for (me, policy) in refs.iter().zip(policies) {
            let mut child = TestActor::child(me, &log);
            if let Some(policy) = policy {
                child = child.restart(policy);
            }
            lobby.start(child).await.unwrap();
        }
        for me in &refs {
            me.tell(Panic).unwrap();
        }
        let is_back = |me: &ActorRef<TestActor>, generation| {
            me.generation() == generation && me.is_available()
        };
        until(|| is_back(&refs[0], 2) && is_back(&refs[1], 2)).await;
        until(|| lobby.children() == 2).await;
        let permanent = || {
            let root = tree.handle().snapshot();
            root.find("root/lobby/permanent").unwrap().clone()
        };
        until(|| permanent().restarts == 1).await;
        assert_eq!(permanent().incidents.len(), 1);

        refs[0].tell(Quit).unwrap();
        refs[1].tell(Quit).unwrap();
        until(|| is_back(&refs[0], 3) && lobby.children() == 1).await;
        assert!(lobby.stop_actor(&refs[0]));
        until(|| lobby.children() == 0).await;
        assert!(!refs[0].is_available(), "a stop is for good");
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_dynamic_child_that_waits_for_its_restart_is_stopped() {
    let (log, me) = (Log::default(), ActorRef::new("a"));
    run(async {
        let lobby = DynamicRef::new("lobby");
        let hour = Duration::from_secs(3600);
        let dynamic = SupervisorSpec::dynamic(&lobby).backoff(Backoff {
            first: hour,
            max: hour,
            healthy_after: hour,
        });
        let spec = quick("root", Strategy::OneForOne).child(dynamic);
        let tree = Tree::start(spec).await.unwrap();
        let child = TestActor::child(&me, &log).restart(Restart::Permanent);
        lobby.start(child).await.unwrap();
        me.tell(Panic).unwrap();
        let root = || tree.handle().snapshot();
        let state = || root().find("root/lobby/a").map(|node| node.state);
        until(|| state() == Some(State::BackingOff)).await;
        assert_eq!(lobby.children(), 1);
        assert!(lobby.stop(me.path()));
        until(|| lobby.children() == 0).await;
        assert_eq!(state(), None);
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_dynamic_supervisor_gives_up_at_its_intensity() {
    let (log, me) = (Log::default(), ActorRef::new("a"));
    run(async {
        let (tree, lobby) = lobby(1).await;
        let child = TestActor::child(&me, &log).restart(Restart::Transient);
        lobby.start(child).await.unwrap();
        me.tell(Panic).unwrap();
        until(|| me.generation() == 2 && me.is_available()).await;
        me.tell(Panic).unwrap();
        let root = || tree.handle().snapshot();
        until(|| root().find("root/lobby").unwrap().generation == 2).await;
        assert_eq!(
            root()
                .find("root/lobby")
                .unwrap()
                .incidents
                .last()
                .unwrap()
                .reason,
            "gave up after too many restarts of root/lobby/a: panicked in Panic: requested"
        );
        assert_eq!(lobby.children(), 0);
        assert!(tree.shutdown().await.is_clean());
    });
}
