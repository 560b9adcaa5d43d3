//! Tests of panics in code that is given to a supervisor: destructors, error texts, closures.

use std::thread::ThreadId;

use super::*;

/// A value whose destructor panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a destructor failed");
    }
}

/// An error whose text cannot be made.
#[derive(Debug)]
struct Unspeakable;

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("no text")
    }
}

impl std::error::Error for Unspeakable {}

message!(FailUnspeakably -> ());
message!(PanicWithBomb -> ());

/// An actor that ends in a way that is hard to report.
struct Failing;

impl Actor for Failing {}

impl Handles<FailUnspeakably> for Failing {
    type Answer = ();

    fn handle(&mut self, _: FailUnspeakably, ctx: &mut Ctx<Self>) {
        ctx.fail(Unspeakable);
    }
}

impl Handles<PanicWithBomb> for Failing {
    type Answer = ();

    fn handle(&mut self, _: PanicWithBomb, _: &mut Ctx<Self>) {
        std::panic::panic_any(Bomb);
    }
}

#[test]
fn a_panic_in_a_dropped_factory_orphans_no_sibling() {
    let log = Log::default();
    let lobby = DynamicRef::new("lobby");
    let spec =
        SupervisorSpec::new("root", Strategy::OneForOne).child(SupervisorSpec::dynamic(&lobby));
    run(async {
        let tree = Tree::start(spec).await.unwrap();
        let (one, two) = (ActorRef::new("one"), ActorRef::new("two"));
        let bomb = Bomb;
        let factory = move || {
            let _ = &bomb;
            TestActor::new("one", &Log::default())
        };
        lobby.start(ChildSpec::new(&one, factory)).await.unwrap();
        lobby.start(TestActor::child(&two, &log)).await.unwrap();
        one.tell(Quit).unwrap();
        until(|| lobby.children() == 1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let root = tree.handle().snapshot();
        assert!(root.find("root/lobby/two").is_some());
        assert_eq!(root.find("root/lobby").unwrap().generation, 1);
        assert!(tree.shutdown().await.is_clean());
        assert!(!two.is_available());
        assert_eq!(log.take(), ["two up", "two down: shutdown"]);
    });
}

/// Checks that a child's end by `message`, whose report runs foreign code that panics, restarts
/// the child and leaves its sibling alone.
fn check_report<M: Message>(message: M)
where
    Failing: Handles<M>,
{
    let log = Log::default();
    let (a, b) = (ActorRef::new("a"), ActorRef::new("b"));
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .child(ChildSpec::new(&a, || Failing))
        .child(TestActor::child(&b, &log));
    run_paused(async {
        let tree = start_single(spec).await;
        a.tell(message).unwrap();
        until(|| a.generation() == 2 && a.is_available()).await;
        assert_eq!(b.generation(), 1);
        assert!(tree.shutdown().await.is_clean());
        assert_eq!(log.take(), ["b up", "b down: shutdown"]);
    });
}

#[test]
fn an_error_whose_text_panics_is_an_ordinary_failure() {
    check_report(FailUnspeakably);
}

#[test]
fn a_panic_whose_payload_panics_is_an_ordinary_failure() {
    check_report(PanicWithBomb);
}

#[test]
fn the_message_about_an_end_is_made_on_the_watchers_thread() {
    message!(Made(ThreadId) -> ());
    struct Watcher(Arc<Mutex<Vec<(ThreadId, ThreadId)>>>);
    impl Actor for Watcher {}
    impl Handles<Made> for Watcher {
        type Answer = ();
        fn handle(&mut self, Made(maker): Made, _: &mut Ctx<Self>) {
            self.0.lock().push((maker, std::thread::current().id()));
        }
    }
    let made = Arc::new(Mutex::new(Vec::new()));
    let to_watcher = Arc::clone(&made);
    let (watcher, a) = (ActorRef::new("watcher"), ActorRef::new("a"));
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .child(ChildSpec::new(&watcher, move || {
            Watcher(Arc::clone(&to_watcher))
        }))
        .child(
            TestActor::child(&a, &Log::default())
                .monitored_by(&watcher, |_| Made(std::thread::current().id())),
        );
    run(async {
        let tree = Tree::start(spec).await.unwrap();
        a.tell(Panic).unwrap();
        until(|| made.lock().len() == 1).await;
        let (maker, handler) = made.lock()[0];
        assert_ne!(
            maker,
            std::thread::current().id(),
            "the supervisor's thread"
        );
        assert_eq!(maker, handler);
        tree.shutdown().await;
    });
}

#[test]
fn a_killed_supervisor_takes_its_children_with_it() {
    let log = Log::default();
    let lingerer = ActorRef::new("lingerer");
    let served = ActorRef::new("served");
    struct Lingerer;
    impl Actor for Lingerer {
        async fn stopped(self, _: &Exit) {
            std::future::pending().await
        }
    }
    let inner = SupervisorSpec::new("inner", Strategy::OneForOne)
        .child(TestActor::child(&served, &log))
        .child(ChildSpec::new(&lingerer, || Lingerer).stop_timeout(Duration::from_secs(3600)));
    let inner = ChildSpec::from(inner).stop_timeout(Duration::from_secs(1));
    let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(inner);
    run_paused(async {
        let tree = start_single(spec).await;
        let outcome = tree.shutdown().await;
        assert_eq!(outcome.killed, ["root/inner"]);
        until(|| !served.is_available()).await;
        until(|| log.lines.lock().len() == 2).await;
    });
    assert_eq!(log.take(), ["served up", "served down: shutdown"]);
}
