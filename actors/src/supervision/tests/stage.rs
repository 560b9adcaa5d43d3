//! An actor to send to, with a gate to hold it at.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use super::snapshot::MessageSnapshot;
use super::*;

message!(pub(super) Gossip(u32) -> ());
message!(pub(super) Body(u32) -> ());
message!(pub(super) Query -> u32);
message!(pub(super) Tick -> ());
message!(
    /// Answered when the actor is told `Open`.
    pub(super) Wait -> u32
);
message!(pub(super) Open -> ());
message!(
    /// Fails by its result.
    pub(super) Refuse -> Result<(), String>
);
message!(
    /// Answered by a future that never ends.
    pub(super) Endless -> ()
);

/// An actor that keeps what it gets, and waits at a gate in between.
pub(super) struct Keeper {
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

/// A tree with a keeper in it.
pub(super) struct Stage {
    pub(super) me: ActorRef<Keeper>,
    pub(super) tree: Tree,
    pub(super) got: Log,
    pub(super) gate: Arc<AtomicBool>,
    pub(super) ticks: Arc<AtomicUsize>,
}

impl Stage {
    pub(super) const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

    /// A keeper with room for `capacity` messages, on a thread of its own.
    pub(super) async fn new(capacity: usize, spin: Duration) -> Self {
        Self::with_pause(capacity, spin, Duration::from_secs(2)).await
    }

    /// As [`Stage::new`], with a pause of `pause` at most before the first restart.
    pub(super) async fn with_pause(capacity: usize, spin: Duration, pause: Duration) -> Self {
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
        let options = TreeOptions::default().probe(Duration::from_millis(5), Self::PROBE_TIMEOUT);
        let tree = options.start(spec).await.unwrap();
        Self {
            me,
            tree,
            got,
            gate,
            ticks,
        }
    }

    /// Has the actor hold its thread at the gate, its mailbox empty.
    pub(super) async fn shut_gate(&self) {
        self.gate.store(true, SeqCst);
        self.me.tell(Add).unwrap();
        let path = self.me.path().to_owned();
        let is_at_gate = || {
            let root = self.tree.handle().snapshot();
            root.find(&path).unwrap().doing.as_deref() == Some("Add")
        };
        until(is_at_gate).await;
    }

    pub(super) fn open_gate(&self) {
        self.gate.store(false, SeqCst);
    }

    pub(super) fn message(&self, name: &str) -> MessageSnapshot {
        let root = self.tree.handle().snapshot();
        root.find(self.me.path())
            .unwrap()
            .message(name)
            .cloned()
            .unwrap_or_default()
    }
}
