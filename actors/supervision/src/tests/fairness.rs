//! Tests of the share of each actor in the time of a common arbiter.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Instant;

use futures_util::stream;

use super::*;

message!(
    /// Holds the thread for the actor's time.
    Work -> ()
);
message!(
    /// Spawns futures that each hold the thread when they are woken.
    SpawnAll(usize) -> ()
);
message!(
    /// Attaches a stream that is always ready.
    AttachReady -> ()
);
message!(
    /// Answered with the number of pieces of work.
    Count -> u64
);

/// The work of an actor: the number of pieces, each of which takes `takes`.
#[derive(Clone)]
struct Worker {
    done: Arc<AtomicU64>,
    takes: Duration,
    wake: Arc<tokio::sync::Notify>,
    /// The number of futures that wait to be woken, or were.
    waiting: Arc<AtomicU64>,
}

impl Worker {
    fn new(takes: Duration) -> Self {
        Self {
            done: Arc::default(),
            takes,
            wake: Arc::default(),
            waiting: Arc::default(),
        }
    }

    fn work(&self) {
        let begun = Instant::now();
        while begun.elapsed() < self.takes {}
        self.done.fetch_add(1, SeqCst);
    }

    fn done(&self) -> u64 {
        self.done.load(SeqCst)
    }

    fn child(&self, me: &ActorRef<Worker>) -> ChildSpec {
        let worker = self.clone();
        let child = ChildSpec::new(me, move || worker.clone());
        child.arbiter("shared").mailbox(100_000)
    }
}

impl Actor for Worker {}

impl Handles<Work> for Worker {
    type Answer = ();

    fn handle(&mut self, _: Work, _: &mut Ctx<Self>) {
        self.work();
    }
}

impl Handles<SpawnAll> for Worker {
    type Answer = ();

    fn handle(&mut self, SpawnAll(futures): SpawnAll, ctx: &mut Ctx<Self>) {
        for _ in 0..futures {
            let worker = self.clone();
            ctx.spawn(async move {
                let woken = worker.wake.notified();
                worker.waiting.fetch_add(1, SeqCst);
                woken.await;
                worker.work();
                // Still pending afterwards: no completion ends the turn.
                std::future::pending::<()>().await;
            });
        }
    }
}

impl Handles<AttachReady> for Worker {
    type Answer = ();

    fn handle(&mut self, _: AttachReady, ctx: &mut Ctx<Self>) {
        ctx.attach(stream::repeat_with(|| Work));
    }
}

impl Handles<Count> for Worker {
    type Answer = u64;

    fn handle(&mut self, _: Count, _: &mut Ctx<Self>) -> u64 {
        self.done()
    }
}

/// Starts two actors on one arbiter.
async fn start(one: &Worker, other: &Worker) -> (Tree, ActorRef<Worker>, ActorRef<Worker>) {
    let (me, you) = (ActorRef::new("one"), ActorRef::new("other"));
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .child(one.child(&me))
        .child(other.child(&you));
    (Tree::start(spec).await.unwrap(), me, you)
}

/// An actor whose handlers take time on the clock of the tree alone.
struct Timed {
    clock: Arc<AtomicU64>,
    takes: Duration,
    log: Log,
}

message!(
    /// Holds the thread until the other end of the channel is dropped.
    HoldUntil(std::sync::mpsc::Receiver<()>) -> ()
);

impl Actor for Timed {}

impl Handles<Work> for Timed {
    type Answer = ();

    fn handle(&mut self, _: Work, ctx: &mut Ctx<Self>) {
        self.clock.fetch_add(self.takes.as_micros() as u64, SeqCst);
        self.log.add(ctx.path());
    }
}

impl Handles<HoldUntil> for Timed {
    type Answer = ();

    fn handle(&mut self, HoldUntil(released): HoldUntil, _: &mut Ctx<Self>) {
        let _ = released.recv();
    }
}

message!(
    /// Sends work to another actor from a thread that runs no actors.
    SendFromOutside(ActorRef<Timed>) -> ()
);

impl Handles<SendFromOutside> for Timed {
    type Answer = ();

    fn handle(&mut self, SendFromOutside(to): SendFromOutside, _: &mut Ctx<Self>) {
        let sender = std::thread::spawn(move || to.tell(Work).unwrap());
        sender.join().unwrap();
        self.log.add("sent");
    }
}

/// A tree of two actors on one arbiter whose handlers take time on the clock of the tree.
struct TimedPair {
    tree: Tree,
    log: Log,
    actors: [ActorRef<Timed>; 2],
}

impl TimedPair {
    /// Starts two actors with these names, whose handlers take these times in microseconds.
    async fn start(named: [(&str, u64); 2]) -> Self {
        let (clock, log) = (Arc::new(AtomicU64::new(0)), Log::default());
        let read = Arc::clone(&clock);
        let elapsed = move || Duration::from_micros(read.load(SeqCst));
        let options = TreeOptions::default().clock(Clock::custom(std::time::UNIX_EPOCH, elapsed));
        let mut spec = SupervisorSpec::new("root", Strategy::OneForOne);
        let actors = named.map(|(name, _)| ActorRef::new(name));
        for (me, (_, micros)) in actors.iter().zip(named) {
            let (clock, log) = (Arc::clone(&clock), log.clone());
            let make = move || Timed {
                clock: Arc::clone(&clock),
                takes: Duration::from_micros(micros),
                log: log.clone(),
            };
            spec = spec.child(ChildSpec::new(me, make).arbiter("shared").mailbox(10_000));
        }
        let tree = options.start(spec).await.unwrap();
        Self { tree, log, actors }
    }
}

#[test]
fn an_actor_woken_from_outside_waits_for_one_turn_of_a_busy_one() {
    run(async {
        let pair = TimedPair::start([("busy", 100), ("other", 100)]).await;
        let [busy, other] = &pair.actors;
        let (release, released) = std::sync::mpsc::channel();
        busy.tell(HoldUntil(released)).unwrap();
        for _ in 0..10 {
            busy.tell(SendFromOutside(other.clone())).unwrap();
            for _ in 0..200 {
                busy.tell(Work).unwrap();
            }
        }
        drop(release);
        until(|| pair.log.lines.lock().len() == 10 + 2_010).await;
        let order = pair.log.take();
        // A turn is five messages: the one that sends, and one more.
        let mut sent_at = None;
        let mut most = 0;
        for (at, line) in order.iter().enumerate() {
            match line.as_str() {
                "sent" => sent_at = Some(at),
                "root/other" => most = most.max(at - sent_at.take().unwrap()),
                _ => {}
            }
        }
        assert!(most <= 15, "{most} messages of a busy actor went before");
        assert!(pair.tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_flooded_actor_with_slow_handlers_gets_its_share() {
    run(async {
        let pair = TimedPair::start([("slow", 5_000), ("quick", 100)]).await;
        let [slow, quick] = &pair.actors;
        // Both are flooded before either works.
        let (release, released) = std::sync::mpsc::channel();
        slow.tell(HoldUntil(released)).unwrap();
        for _ in 0..400 {
            slow.tell(Work).unwrap();
            quick.tell(Work).unwrap();
        }
        drop(release);
        until(|| pair.log.lines.lock().len() == 800).await;
        let order = pair.log.take();
        let last = order.iter().rposition(|path| path == "root/quick").unwrap();
        // 40 ms of work beside 40 ms of the other: 8 messages, and some more at the begin and the end.
        // Turn by turn it would be 80.
        let beside = last + 1 - 400;
        assert!(
            (7..=12).contains(&beside),
            "{beside} slow messages beside 400 quick ones"
        );
        assert!(pair.tree.shutdown().await.is_clean());
    });
}

#[test]
fn futures_that_hold_the_thread_leave_it_to_others() {
    run(async {
        let holder = Worker::new(Duration::from_millis(1));
        let other = Worker::new(Duration::ZERO);
        let (tree, to_holder, to_other) = start(&holder, &other).await;
        to_holder.ask(SpawnAll(1_000)).await.unwrap();
        until(|| holder.waiting.load(SeqCst) == 1_000).await;
        holder.wake.notify_waiters();
        until(|| holder.done() > 0).await;
        let before = holder.done();
        to_other.ask(Count).await.unwrap();
        let beside = holder.done() - before;
        assert!(beside < 800, "{beside} futures beside a request");
        until(|| holder.done() == 1_000).await;
        drop(tree);
    });
}

/// Counts the most work that `busy` does between two turns of another actor.
struct Observer {
    busy: Worker,
    last: u64,
    most: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl Actor for Observer {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify(Work);
        Ok(())
    }
}

impl Handles<Work> for Observer {
    type Answer = ();

    fn handle(&mut self, _: Work, ctx: &mut Ctx<Self>) {
        let done = self.busy.done();
        self.most.fetch_max(done - self.last, SeqCst);
        self.last = done;
        if !self.is_over.load(SeqCst) {
            ctx.notify(Work);
        }
    }
}

#[test]
fn messages_and_streams_share_the_budget_of_a_turn() {
    run_paused(async {
        let busy = Worker::new(Duration::ZERO);
        let (me, observer) = (ActorRef::new("busy"), ActorRef::new("observer"));
        let (most, is_over) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let parts = (busy.clone(), Arc::clone(&most), Arc::clone(&is_over));
        let watching = ChildSpec::new(&observer, move || Observer {
            busy: parts.0.clone(),
            last: parts.0.done(),
            most: Arc::clone(&parts.1),
            is_over: Arc::clone(&parts.2),
        });
        let spec = SupervisorSpec::new("root", Strategy::OneForOne)
            .child(busy.child(&me))
            .child(watching);
        let tree = start_single(spec).await;
        me.tell(AttachReady).unwrap();
        for _ in 0..1_000 {
            me.tell(Work).unwrap();
        }
        let answered = me.ask(Count).await.unwrap();
        // The messages were handled, and the stream beside them.
        assert!(answered > 1_500, "{answered}");
        is_over.store(true, SeqCst);
        let most = most.load(SeqCst);
        let budget = limits::TURN_MESSAGES as u64;
        assert!((budget - 1..=budget).contains(&most), "{most}");
        tree.shutdown().await;
    });
}
