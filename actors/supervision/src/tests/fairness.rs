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

#[test]
fn a_flooded_actor_with_slow_handlers_gets_its_share_of_the_time() {
    run(async {
        let slow = Worker::new(Duration::from_millis(5));
        let quick = Worker::new(Duration::from_micros(100));
        let (tree, to_slow, to_quick) = start(&slow, &quick).await;
        for _ in 0..2_000 {
            to_slow.tell(Work).unwrap();
        }
        until(|| slow.done() > 2).await;
        let before = slow.done();
        for _ in 0..400 {
            to_quick.tell(Work).unwrap();
        }
        until(|| quick.done() == 400).await;
        // 40 ms of work beside 40 ms of the other's: 8 messages. Turn by turn it would be 80.
        let beside = slow.done() - before;
        assert!(beside < 30, "{beside} slow messages beside 400 quick ones");
        drop(tree);
    });
}

#[test]
fn woken_futures_that_hold_the_thread_leave_it_to_others_in_between() {
    run(async {
        let holder = Worker::new(Duration::from_millis(5));
        let other = Worker::new(Duration::ZERO);
        let (tree, to_holder, to_other) = start(&holder, &other).await;
        to_holder.ask(SpawnAll(100)).await.unwrap();
        until(|| holder.waiting.load(SeqCst) == 100).await;
        holder.wake.notify_waiters();
        until(|| holder.done() > 0).await;
        let before = holder.done();
        to_other.ask(Count).await.unwrap();
        let beside = holder.done() - before;
        assert!(beside < 50, "{beside} futures beside a request");
        until(|| holder.done() == 100).await;
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
