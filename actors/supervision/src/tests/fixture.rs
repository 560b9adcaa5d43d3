//! A test actor that can be held at a gate, and a tree with it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use super::*;
use crate::observe::snapshot::MessageSnapshot;

message!(pub(crate) Gossip(u32) -> ());
message!(pub(crate) Body(u32) -> ());
message!(pub(crate) Query -> u32);
message!(pub(crate) Tick -> ());
message!(
    /// Answered when the actor gets `Open`.
    pub(crate) Wait -> u32
);
message!(pub(crate) Open -> ());
message!(
    /// Drops the answers to `Wait` and `Hold`.
    pub(crate) Forget -> ()
);
message!(
    /// As `Wait`, and logged.
    pub(crate) Hold(u32) -> u32
);
message!(
    /// Answered with an error.
    pub(crate) Refuse -> Result<(), String>
);
message!(
    /// Answered by a future that never ends.
    pub(crate) Endless -> ()
);

/// An actor that logs its messages, and blocks at a gate while that is shut.
pub(crate) struct GatedActor {
    got: Log,
    gate: Arc<AtomicBool>,
    ticks: Arc<AtomicUsize>,
    spin: Duration,
    waiting: Vec<Replier<u32>>,
}

impl GatedActor {
    /// Holds the thread until the gate opens.
    fn pass_gate(&self) {
        while self.gate.load(SeqCst) {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

impl Actor for GatedActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify_every(Duration::from_millis(1), || Tick);
        Ok(())
    }
}

impl Handles<Tick> for GatedActor {
    type Answer = ();

    fn handle(&mut self, _: Tick, _: &mut Ctx<Self>) {
        self.ticks.fetch_add(1, SeqCst);
    }
}

impl Handles<Add> for GatedActor {
    type Answer = u64;

    fn handle(&mut self, _: Add, _: &mut Ctx<Self>) -> u64 {
        self.pass_gate();
        let begin = Instant::now();
        while begin.elapsed() < self.spin {}
        self.got.add("add");
        0
    }
}

impl Handles<Gossip> for GatedActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, Gossip(number): Gossip, _: &mut Ctx<Self>) {
        self.got.add(format!("gossip {number}"));
    }
}

impl Handles<Body> for GatedActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::Wait;

    fn handle(&mut self, Body(number): Body, _: &mut Ctx<Self>) {
        self.got.add(format!("body {number}"));
    }
}

impl Handles<Query> for GatedActor {
    type Answer = u32;
    const WHEN_ABANDONED: WhenAbandoned = WhenAbandoned::Skip;

    fn handle(&mut self, _: Query, _: &mut Ctx<Self>) -> u32 {
        self.got.add("query");
        7
    }
}

impl Handles<Wait> for GatedActor {
    type Answer = Later<u32>;

    fn handle(&mut self, _: Wait, _: &mut Ctx<Self>) -> Later<u32> {
        let (replier, later) = Later::channel();
        self.waiting.push(replier);
        later
    }
}

impl Handles<Open> for GatedActor {
    type Answer = ();

    fn handle(&mut self, _: Open, _: &mut Ctx<Self>) {
        for replier in self.waiting.drain(..) {
            replier.reply(9);
        }
    }
}

impl Handles<Hold> for GatedActor {
    type Answer = Later<u32>;

    fn handle(&mut self, Hold(number): Hold, _: &mut Ctx<Self>) -> Later<u32> {
        self.got.add(format!("hold {number}"));
        let (replier, later) = Later::channel();
        self.waiting.push(replier);
        later
    }
}

impl Handles<Forget> for GatedActor {
    type Answer = ();

    fn handle(&mut self, _: Forget, _: &mut Ctx<Self>) {
        self.waiting.clear();
    }
}

impl Handles<Refuse> for GatedActor {
    type Answer = Result<(), String>;

    fn handle(&mut self, _: Refuse, _: &mut Ctx<Self>) -> Self::Answer {
        Err("no".to_owned())
    }
}

impl Handles<Endless> for GatedActor {
    type Answer = Later<()>;
    const WHEN_ABANDONED: WhenAbandoned = WhenAbandoned::Skip;

    fn handle(&mut self, _: Endless, _: &mut Ctx<Self>) -> Later<()> {
        Later::new(std::future::pending())
    }
}

impl Handles<Panic> for GatedActor {
    type Answer = ();

    fn handle(&mut self, _: Panic, _: &mut Ctx<Self>) {
        panic!("requested");
    }
}

/// A tree with a gated actor in it.
pub(crate) struct Fixture {
    pub(crate) me: ActorRef<GatedActor>,
    pub(crate) tree: Tree,
    pub(crate) got: Log,
    pub(crate) gate: Arc<AtomicBool>,
    pub(crate) ticks: Arc<AtomicUsize>,
}

impl Fixture {
    pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

    /// Starts a tree with a gated actor whose mailbox holds `capacity` messages.
    pub(crate) async fn new(capacity: usize, spin: Duration) -> Self {
        Self::with_pause(capacity, spin, Duration::from_secs(2)).await
    }

    /// Starts a tree as [`Fixture::new`] does, with a pause of at most `pause` before the first
    /// restart.
    pub(crate) async fn with_pause(capacity: usize, spin: Duration, pause: Duration) -> Self {
        let me = ActorRef::new("keeper");
        let (got, gate) = (Log::default(), Arc::new(AtomicBool::new(false)));
        let ticks = Arc::new(AtomicUsize::new(0));
        let parts = (got.clone(), Arc::clone(&gate), Arc::clone(&ticks));
        let child = ChildSpec::new(&me, move || GatedActor {
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

    /// Makes the actor block its thread at the gate, with an empty mailbox.
    pub(crate) async fn shut_gate(&self) {
        self.gate.store(true, SeqCst);
        self.me.tell(Add).unwrap();
        let path = self.me.path().to_owned();
        let is_at_gate = || {
            let root = self.tree.handle().snapshot();
            root.find(&path).unwrap().doing.as_deref() == Some("Add")
        };
        until(is_at_gate).await;
    }

    pub(crate) fn open_gate(&self) {
        self.gate.store(false, SeqCst);
    }

    pub(crate) fn message(&self, name: &str) -> MessageSnapshot {
        let root = self.tree.handle().snapshot();
        root.find(self.me.path())
            .unwrap()
            .message(name)
            .cloned()
            .unwrap_or_default()
    }
}
