//! What a caller is told, what a full mailbox does, and what comes first.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use futures_util::FutureExt;

use super::snapshot::MessageSnapshot;
use super::*;

message!(Gossip(u32) -> ());
message!(Body(u32) -> ());
message!(Query -> u32);
message!(Tick -> ());
message!(
    /// Answered when the actor is told `Open`.
    Wait -> u32
);
message!(Open -> ());
message!(
    /// Fails by its result.
    Refuse -> Result<(), String>
);
message!(
    /// Answered by a future that never ends.
    Endless -> ()
);

/// An actor that keeps what it gets, and waits at a gate in between.
#[derive(Default)]
struct Keeper {
    got: Log,
    gate: Arc<AtomicBool>,
    ticks: Arc<AtomicUsize>,
    spin: Duration,
    waiting: Vec<Replier<u32>>,
}

impl Keeper {
    /// Holds the thread until the gate opens.
    fn pass_gate(&self) {
        while self.gate.load(SeqCst) {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

impl Actor for Keeper {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify_every(Duration::from_millis(1), || Tick);
        Ok(())
    }
}

impl Handles<Tick> for Keeper {
    type Answer = ();

    fn handle(&mut self, _: Tick, _: &mut Ctx<Self>) {
        self.ticks.fetch_add(1, SeqCst);
    }
}

impl Handles<Add> for Keeper {
    type Answer = u64;

    fn handle(&mut self, _: Add, _: &mut Ctx<Self>) -> u64 {
        self.pass_gate();
        let begin = Instant::now();
        while begin.elapsed() < self.spin {}
        self.got.add("add");
        0
    }
}

impl Handles<Gossip> for Keeper {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, Gossip(number): Gossip, _: &mut Ctx<Self>) {
        self.got.add(format!("gossip {number}"));
    }
}

impl Handles<Body> for Keeper {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::Wait;

    fn handle(&mut self, Body(number): Body, _: &mut Ctx<Self>) {
        self.got.add(format!("body {number}"));
    }
}

impl Handles<Query> for Keeper {
    type Answer = u32;
    const WHEN_ABANDONED: WhenAbandoned = WhenAbandoned::Skip;

    fn handle(&mut self, _: Query, _: &mut Ctx<Self>) -> u32 {
        self.got.add("query");
        7
    }
}

impl Handles<Wait> for Keeper {
    type Answer = Later<u32>;

    fn handle(&mut self, _: Wait, _: &mut Ctx<Self>) -> Later<u32> {
        let (replier, later) = Later::channel();
        self.waiting.push(replier);
        later
    }
}

impl Handles<Open> for Keeper {
    type Answer = ();

    fn handle(&mut self, _: Open, _: &mut Ctx<Self>) {
        for replier in self.waiting.drain(..) {
            replier.reply(9);
        }
    }
}

impl Handles<Refuse> for Keeper {
    type Answer = Result<(), String>;

    fn handle(&mut self, _: Refuse, _: &mut Ctx<Self>) -> Self::Answer {
        Err("no".to_owned())
    }
}

impl Handles<Endless> for Keeper {
    type Answer = Later<()>;
    const WHEN_ABANDONED: WhenAbandoned = WhenAbandoned::Skip;

    fn handle(&mut self, _: Endless, _: &mut Ctx<Self>) -> Later<()> {
        Later::new(std::future::pending())
    }
}

impl Handles<Panic> for Keeper {
    type Answer = ();

    fn handle(&mut self, _: Panic, _: &mut Ctx<Self>) {
        panic!("told to");
    }
}

struct Stage {
    me: ActorRef<Keeper>,
    tree: Tree,
    got: Log,
    gate: Arc<AtomicBool>,
    ticks: Arc<AtomicUsize>,
}

impl Stage {
    /// A keeper with room for `capacity` messages, on a thread of its own.
    async fn new(capacity: usize, spin: Duration) -> Self {
        Self::with_pause(capacity, spin, Duration::from_secs(2)).await
    }

    /// As [`Stage::new`], with a pause of `pause` at most before the first restart.
    async fn with_pause(capacity: usize, spin: Duration, pause: Duration) -> Self {
        let me = ActorRef::new("keeper");
        let (got, gate) = (Log::default(), Arc::new(AtomicBool::new(false)));
        let ticks = Arc::new(AtomicUsize::new(0));
        let parts = (got.clone(), Arc::clone(&gate), Arc::clone(&ticks));
        let child = ChildSpec::new(&me, move || Keeper {
            got: parts.0.clone(),
            gate: Arc::clone(&parts.1),
            ticks: Arc::clone(&parts.2),
            spin,
            waiting: Vec::new(),
        });
        let spec = SupervisorSpec::new("root", Strategy::OneForOne)
            .backoff(Backoff {
                first: pause,
                ..Backoff::default()
            })
            .child(child.mailbox(capacity));
        let tree = Tree::start(spec).await.unwrap();
        Self {
            me,
            tree,
            got,
            gate,
            ticks,
        }
    }

    /// Has the actor hold its thread at the gate, its mailbox empty.
    async fn shut_gate(&self) {
        self.gate.store(true, SeqCst);
        self.me.tell(Add).unwrap();
        let path = self.me.path().to_owned();
        let is_at_gate = || {
            let root = self.tree.handle().snapshot();
            root.find(&path).unwrap().doing.as_deref() == Some("Add")
        };
        until(is_at_gate).await;
    }

    fn open_gate(&self) {
        self.gate.store(false, SeqCst);
    }

    fn message(&self, name: &str) -> MessageSnapshot {
        let root = self.tree.handle().snapshot();
        root.find(self.me.path())
            .unwrap()
            .message(name)
            .cloned()
            .unwrap_or_default()
    }
}

#[test]
fn a_full_mailbox_refuses_and_the_message_comes_back() {
    run(async {
        let stage = Stage::new(2, Duration::ZERO).await;
        stage.shut_gate().await;
        stage.me.tell(Add).unwrap();
        stage.me.tell(Add).unwrap();
        assert!(matches!(stage.me.tell(Add), Err(TellError::Full(Add))));
        assert_eq!(stage.me.ask(Query).await, Err(AskError::Full));
        assert!(AskError::Full.was_never_handled());
        stage.open_gate();
        assert_eq!(
            stage.me.within(Duration::from_secs(30)).ask(Query).await,
            Ok(7)
        );
        assert_eq!(stage.message("Add").rejected, 1);
        assert_eq!(stage.message("Query").rejected, 1);
        assert_eq!(stage.message("Add").handled, 3);
        stage.tree.shutdown().await;
    });
}

#[test]
fn the_oldest_droppable_message_gives_way_and_is_counted() {
    run(async {
        let stage = Stage::new(3, Duration::ZERO).await;
        stage.shut_gate().await;
        stage.me.tell(Gossip(0)).unwrap();
        let asked = stage.me.ask(Gossip(1));
        stage.me.tell(Add).unwrap();
        for number in 2..10 {
            stage.me.tell(Gossip(number)).unwrap();
        }
        assert_eq!(asked.await, Err(AskError::Dropped));
        // A command takes the place of gossip too; only where none is left is it refused.
        stage.me.tell(Add).unwrap();
        stage.me.tell(Add).unwrap();
        assert!(matches!(stage.me.tell(Add), Err(TellError::Full(Add))));
        assert!(matches!(
            stage.me.tell(Gossip(11)),
            Err(TellError::Full(Gossip(11)))
        ));
        assert_eq!(stage.message("Gossip").dropped, 10);
        assert_eq!(stage.message("Gossip").rejected, 1);
        stage.open_gate();
        until(|| stage.message("Add").handled == 4).await;
        stage
            .me
            .within(Duration::from_secs(30))
            .tell(Gossip(12))
            .await
            .unwrap();
        until(|| stage.message("Gossip").handled == 1).await;
        stage.tree.shutdown().await;
        assert_eq!(stage.got.take(), ["add", "add", "add", "add", "gossip 12"]);
    });
}

#[test]
fn both_kinds_of_message_keep_one_order() {
    run(async {
        let stage = Stage::new(100, Duration::ZERO).await;
        stage.shut_gate().await;
        for number in 0..10 {
            stage.me.tell(Gossip(number)).unwrap();
            stage.me.tell(Body(number)).unwrap();
        }
        stage.open_gate();
        until(|| stage.message("Body").handled == 10).await;
        let mut expected = vec!["add".to_owned()];
        for number in 0..10 {
            expected.extend([format!("gossip {number}"), format!("body {number}")]);
        }
        assert_eq!(stage.got.take(), expected);
        stage.tree.shutdown().await;
    });
}

#[test]
fn those_who_wait_for_room_get_it_in_their_order_ahead_of_others() {
    run(async {
        let stage = Stage::new(1, Duration::ZERO).await;
        stage.shut_gate().await;
        stage.me.tell(Body(0)).unwrap();
        assert!(
            matches!(stage.me.tell(Body(1)), Err(TellError::Full(_))),
            "it cannot wait"
        );
        let mut waiting = Vec::new();
        for number in 1..20 {
            let me = stage.me.clone();
            waiting.push(actix::spawn(async move {
                match number % 3 {
                    0 => me.ask(Body(number)).await.unwrap(),
                    1 => me.tell_when_room(Body(number)).await.unwrap(),
                    _ => me
                        .within(Duration::from_secs(30))
                        .tell(Body(number))
                        .await
                        .unwrap(),
                }
            }));
            tokio::task::yield_now().await;
        }
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        stage.open_gate();
        for waiting in waiting {
            waiting.await.unwrap();
        }
        until(|| stage.message("Body").handled == 20).await;
        let expected: Vec<_> = (0..20).map(|number| format!("body {number}")).collect();
        assert_eq!(stage.got.take()[1..], expected);
        stage.tree.shutdown().await;
    });
}

#[test]
fn one_who_stops_waiting_leaves_his_place_to_the_next() {
    run(async {
        let stage = Stage::new(1, Duration::ZERO).await;
        stage.shut_gate().await;
        stage.me.tell(Body(0)).unwrap();
        let mut gone = Box::pin(stage.me.tell_when_room(Body(1)));
        assert!(gone.as_mut().now_or_never().is_none());
        let mut patient = Box::pin(stage.me.tell_when_room(Body(2)));
        assert!(patient.as_mut().now_or_never().is_none());
        // The first in line is promised the place that comes free, and never looks.
        stage.open_gate();
        until(|| stage.message("Body").handled == 1).await;
        drop(gone);
        patient.await.unwrap();
        until(|| stage.message("Body").handled == 2).await;
        stage.me.tell(Body(3)).unwrap();
        until(|| stage.message("Body").handled == 3).await;
        assert_eq!(stage.got.take(), ["add", "body 0", "body 2", "body 3"]);
        stage.tree.shutdown().await;
    });
}

#[test]
fn while_an_actor_is_down_a_send_fails_at_once_or_waits_bounded() {
    run(async {
        let stage = Stage::new(10, Duration::ZERO).await;
        let me = &stage.me;
        stage.shut_gate().await;
        let queued = me.ask(Query);
        let panicking = me.ask(Panic);
        let behind = me.ask(Query);
        let waiting = me.ask(Wait);
        stage.open_gate();
        assert_eq!(
            panicking.await,
            Err(AskError::Interrupted),
            "its outcome is not known"
        );
        assert_eq!(queued.await, Ok(7));
        assert_eq!(
            behind.await,
            Err(AskError::Unavailable),
            "it was certainly not handled"
        );
        assert_eq!(waiting.await, Err(AskError::Unavailable));
        assert!(matches!(me.tell(Add), Err(TellError::Unavailable(Add))));
        assert_eq!(me.ask(Query).await, Err(AskError::Unavailable));
        let impatient = me.within(Duration::from_micros(10));
        assert_eq!(impatient.available().await, Err(AskError::Unavailable));
        assert_eq!(me.within(Duration::from_secs(30)).ask(Query).await, Ok(7));
        assert_eq!(me.generation(), 2);
        assert_eq!(stage.message("Query").lost, 1);
        assert_eq!(stage.message("Query").unavailable, 1);
        assert_eq!(stage.message("Add").unavailable, 1);
        assert_eq!(stage.message("Panic").failed, 1);
        stage.tree.shutdown().await;
        assert!(matches!(me.tell(Add), Err(TellError::Unavailable(Add))));
    });
}

#[test]
fn patience_ends() {
    run(async {
        let stage = Stage::new(1, Duration::ZERO).await;
        stage.shut_gate().await;
        let brief = Duration::from_millis(5);
        assert_eq!(
            stage.me.within(brief).ask(Query).await,
            Err(AskError::TimedOut)
        );
        let refused = stage.me.within(brief).tell(Body(1)).await;
        assert!(matches!(refused, Err(TellError::Full(Body(1)))));
        assert_eq!(stage.message("Body").rejected, 1);
        stage.open_gate();
        stage.tree.shutdown().await;
    });
}

#[test]
fn an_abandoned_query_is_skipped_and_an_abandoned_command_is_not() {
    run(async {
        let stage = Stage::new(10, Duration::ZERO).await;
        stage.shut_gate().await;
        drop(stage.me.ask(Query));
        drop(stage.me.ask(Body(1)));
        stage.open_gate();
        until(|| stage.message("Body").handled == 1).await;
        assert_eq!(stage.got.take(), ["add", "body 1"]);
        assert_eq!(stage.message("Query").abandoned, 1);

        let endless = stage.me.ask(Endless);
        until(|| stage.message("Endless").owed == 1).await;
        drop(endless);
        until(|| stage.message("Endless").owed == 0).await;
        assert_eq!(stage.message("Endless").abandoned, 1);
        stage.tree.shutdown().await;
    });
}

#[test]
fn answers_may_come_later_and_failures_are_counted() {
    run(async {
        let stage = Stage::new(10, Duration::ZERO).await;
        let (one, two) = (stage.me.ask(Wait), stage.me.ask(Wait));
        until(|| stage.me.is_available() && stage.message("Wait").owed == 2).await;
        assert_eq!(
            stage.me.ask(Query).await,
            Ok(7),
            "others are handled meanwhile"
        );
        stage.me.tell(Open).unwrap();
        assert_eq!((one.await, two.await), (Ok(9), Ok(9)));
        assert_eq!(stage.message("Wait").answering.count, 2);
        assert_eq!(stage.me.ask(Refuse).await, Ok(Err("no".to_owned())));
        assert_eq!(stage.message("Refuse").failed, 1);

        let owed = stage.me.ask(Wait);
        until(|| stage.message("Wait").owed == 1).await;
        stage.me.tell(Panic).unwrap();
        assert_eq!(owed.await, Err(AskError::Interrupted));
        until(|| stage.message("Wait").owed == 0).await;
        stage.tree.shutdown().await;
    });
}

#[test]
fn a_recipient_hides_who_it_is() {
    run(async {
        let stage = Stage::new(10, Duration::ZERO).await;
        let recipient: Recipient<Body> = stage.me.recipient();
        recipient.clone().tell(Body(5)).unwrap();
        assert_eq!(recipient.path(), "root/keeper");
        until(|| stage.got.take() == ["body 5"]).await;
        stage.tree.shutdown().await;
    });
}

/// Keeps the mailbox full from other threads until it is dropped.
struct Flood {
    is_over: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<u64>>,
}

impl Flood {
    fn of(me: &ActorRef<Keeper>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let threads = (0..2)
            .map(|_| {
                let (me, is_over) = (me.clone(), Arc::clone(&is_over));
                std::thread::spawn(move || {
                    let mut refused = 0;
                    while !is_over.load(SeqCst) {
                        if me.tell(Add).is_err() {
                            refused += 1;
                            std::thread::yield_now();
                        }
                    }
                    refused
                })
            })
            .collect();
        Self { is_over, threads }
    }

    fn end(self) -> u64 {
        self.is_over.store(true, SeqCst);
        self.threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    }
}

#[test]
fn a_flooded_actor_keeps_its_ticks_its_probes_and_its_stop() {
    const CAPACITY: usize = 10_000;
    run(async {
        // Ten thousand messages of 200 microseconds: two seconds of work, never less.
        let stage = Stage::new(CAPACITY, Duration::from_micros(200)).await;
        let flood = Flood::of(&stage.me);
        let depth = || {
            let root = stage.tree.handle().snapshot();
            root.find("root/keeper").unwrap().mailbox.unwrap().depth
        };
        until(|| depth() as usize > CAPACITY / 2).await;

        let ticks = stage.ticks.load(SeqCst);
        until(|| stage.ticks.load(SeqCst) >= ticks + 20).await;
        assert!(depth() > 1000, "the ticks did not wait for the mailbox");

        let me = stage.me.clone();
        let handle = stage.tree.handle().clone();
        assert!(stage.tree.shutdown().await.is_clean());
        let refused = flood.end();
        let root = handle.snapshot();
        let add = root
            .find(me.path())
            .unwrap()
            .message("Add")
            .unwrap()
            .clone();
        assert!(add.lost > 1000, "the stop did not wait either");
        assert_eq!(
            add.rejected + add.unavailable,
            refused,
            "nothing is lost without a count"
        );
    });
}

#[test]
fn every_message_of_a_storm_is_accounted_for() {
    const SENDERS: u64 = 4;
    const EACH: u64 = 2000;
    run(async {
        let pause = Duration::from_millis(1);
        let stage = Stage::with_pause(64, Duration::ZERO, pause).await;
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                let me = stage.me.clone();
                std::thread::spawn(move || {
                    for number in 0..EACH {
                        match number % 4 {
                            0 => drop(me.tell(Gossip(0))),
                            _ => drop(me.tell(Body(0))),
                        }
                    }
                })
            })
            .collect();
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let _ = stage.me.tell(Panic);
        }
        for sender in senders {
            sender.join().unwrap();
        }
        let handle = stage.tree.handle().clone();
        stage.tree.shutdown().await;
        let root = handle.snapshot();
        let keeper = root.find("root/keeper").unwrap();
        let all = |name: &str| {
            let row = keeper.message(name).unwrap();
            let refused = row.rejected + row.unavailable;
            row.handled + row.dropped + row.lost + refused
        };
        assert_eq!(all("Gossip"), SENDERS * EACH / 4);
        assert_eq!(all("Body"), SENDERS * EACH * 3 / 4);
        assert_eq!(keeper.mailbox.unwrap().depth, 0);
    });
}
