//! Tests of what a stop does with messages that were accepted before it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use super::*;

message!(
    /// Holds the thread until the gate opens.
    Hold -> ()
);
message!(
    /// Answered after a duration.
    AnswerAfter(Duration) -> u64
);
message!(Farewell -> ());

/// An actor that counts its messages.
struct Counter {
    gate: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    pause: Duration,
    log: Log,
}

impl Actor for Counter {
    async fn stopped(self, exit: &Exit) {
        self.log.add(format!("stopped: {exit}"));
    }
}

impl Handles<Hold> for Counter {
    type Answer = ();

    fn handle(&mut self, _: Hold, _: &mut Ctx<Self>) {
        while self.gate.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Handles<Add> for Counter {
    type Answer = u64;

    fn handle(&mut self, _: Add, _: &mut Ctx<Self>) -> u64 {
        std::thread::sleep(self.pause);
        self.count.fetch_add(1, SeqCst) + 1
    }
}

impl Handles<AnswerAfter> for Counter {
    type Answer = Later<u64>;

    fn handle(&mut self, AnswerAfter(time): AnswerAfter, _: &mut Ctx<Self>) -> Later<u64> {
        Later::new(async move {
            tokio::time::sleep(time).await;
            7
        })
    }
}

impl Handles<Farewell> for Counter {
    type Answer = ();

    fn handle(&mut self, _: Farewell, _: &mut Ctx<Self>) {
        self.log.add("farewell");
    }
}

/// A counter held in `Hold`, in a tree with it.
struct Held {
    me: ActorRef<Counter>,
    tree: Tree,
    gate: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    log: Log,
}

impl Held {
    async fn new(
        pause: Duration,
        set: impl FnOnce(ChildSpec) -> ChildSpec,
        later: impl FnOnce(&ActorRef<Counter>) -> Option<ChildSpec>,
    ) -> Self {
        let me = ActorRef::new("a");
        let (gate, count) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        let log = Log::default();
        let parts = (Arc::clone(&gate), Arc::clone(&count), log.clone());
        let child = ChildSpec::new(&me, move || Counter {
            gate: Arc::clone(&parts.0),
            count: Arc::clone(&parts.1),
            pause,
            log: parts.2.clone(),
        });
        let mut spec = SupervisorSpec::new("root", Strategy::OneForOne).child(set(child));
        if let Some(later) = later(&me) {
            spec = spec.child(later.arbiter("later"));
        }
        let tree = Tree::start(spec).await.unwrap();
        me.tell(Hold).unwrap();
        let held = Self {
            me,
            tree,
            gate,
            count,
            log,
        };
        let handle = held.tree.handle().clone();
        until(|| handle.snapshot().find("root/a").unwrap().doing.is_some()).await;
        held
    }

    /// Requests a stop, and opens the gate once the actor refuses messages.
    async fn stop(self) -> (Outcome, u64, Vec<String>) {
        self.tree.handle().stop();
        until(|| !self.me.is_available()).await;
        assert!(matches!(self.me.tell(Add), Err(TellError::Unavailable(_))));
        self.gate.store(false, SeqCst);
        let outcome = self.tree.wait().await;
        (outcome, self.count.load(SeqCst), self.log.take())
    }
}

#[test]
fn a_drain_handles_what_was_accepted_before_the_stop() {
    run(async {
        let drain = |child: ChildSpec| child.drain(Duration::from_secs(30));
        let held = Held::new(Duration::ZERO, drain, |_| None).await;
        for _ in 0..100 {
            held.me.tell(Add).unwrap();
        }
        let answer = held.me.ask(AnswerAfter(Duration::from_millis(50)));
        let (outcome, count, log) = held.stop().await;
        assert!(outcome.is_clean(), "{outcome}");
        assert_eq!((count, outcome.unhandled.len()), (100, 0));
        assert_eq!(answer.await, Ok(7), "an owed answer is given");
        assert_eq!(log, ["stopped: shutdown"]);
    });
}

#[test]
fn a_drain_ends_at_its_limit_and_the_rest_is_counted() {
    run(async {
        let drain = |child: ChildSpec| child.drain(Duration::from_millis(100));
        let held = Held::new(Duration::from_millis(20), drain, |_| None).await;
        for _ in 0..1000 {
            held.me.tell(Add).unwrap();
        }
        let (outcome, count, log) = held.stop().await;
        assert!(count > 0 && count < 1000, "{count}");
        assert_eq!(outcome.unhandled, [("root/a".to_owned(), 1000 - count)]);
        assert_eq!(outcome.undrained, ["root/a"]);
        assert!(!outcome.is_clean());
        assert_eq!(log, ["stopped: shutdown"]);
    });
}

#[test]
fn a_stop_without_a_drain_counts_what_it_refuses() {
    run(async {
        let held = Held::new(Duration::ZERO, |child| child, |_| None).await;
        for _ in 0..100 {
            held.me.tell(Add).unwrap();
        }
        let (outcome, count, _) = held.stop().await;
        assert_eq!(count, 0);
        assert_eq!(
            outcome.to_string(),
            "shutdown; 100 messages not handled: root/a 100"
        );
        assert!(outcome.is_clean(), "nothing was promised");
    });
}

#[test]
fn a_stop_does_not_overtake_messages_of_a_stopped_hook() {
    struct Leaver(ActorRef<Counter>);
    impl Actor for Leaver {
        async fn stopped(self, _: &Exit) {
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.0.tell(Farewell).unwrap();
        }
    }
    run(async {
        let later = |me: &ActorRef<Counter>| {
            let me = me.clone();
            let leaver = ActorRef::new("leaver");
            Some(ChildSpec::new(&leaver, move || Leaver(me.clone())))
        };
        let held = Held::new(Duration::ZERO, |child| child, later).await;
        held.me.tell(Add).unwrap();
        let (outcome, count, log) = held.stop().await;
        assert_eq!(log, ["farewell", "stopped: shutdown"]);
        assert_eq!(count, 0);
        assert_eq!(outcome.unhandled, [("root/a".to_owned(), 1)]);
    });
}

#[test]
fn a_message_whose_destructor_panics_does_not_disturb_a_stop() {
    #[derive(Debug)]
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    message!(Carry(Option<Bomb>) -> ());
    impl Handles<Carry> for Counter {
        type Answer = ();
        fn handle(&mut self, Carry(bomb): Carry, _: &mut Ctx<Self>) {
            std::mem::forget(bomb);
        }
    }
    run(async {
        let held = Held::new(Duration::ZERO, |child| child, |_| None).await;
        held.me.tell(Carry(Some(Bomb))).unwrap();
        held.me.tell(Add).unwrap();
        let (outcome, _, log) = held.stop().await;
        assert_eq!(outcome.unhandled, [("root/a".to_owned(), 2)]);
        assert_eq!(log, ["stopped: shutdown"]);
    });
}
