//! The cost of a message through the supervision layer, compared with the same message through
//! plain actix. The difference is the cost of bounds, policies, restarts and metrics.
//!
//! - `ask`: a request and its answer, one at a time, both ends on one thread.
//! - `tell`: a message of a burst of 64, both ends on one thread.
//! - `ask far`: a request and its answer between two threads.
//!
//! Before the figures of criterion, which are wall time, the processor time of each is printed: other
//! programs on the machine change it less.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that fails has nothing to report"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use actix::{Actor as _, Addr, Arbiter, Context, Handler, System};
use actoreum_supervision::{
    Actor, ActorRef, ChildSpec, Ctx, Handles, Message, Strategy, SupervisorSpec, Tree, TreeOptions,
};
use criterion::Criterion;
use rustix::time::{ClockId, clock_gettime};

const BURST: u64 = 64;

/// Messages of one run of the measurement of processor time.
const MESSAGES: u64 = 500_000;

/// Runs of that measurement for each kind, of which the one with the least processor time counts.
const ROUNDS: usize = 15;

#[derive(Message)]
#[answer(u64)]
struct Number(u64);

#[derive(Message)]
struct Note(u64);

struct Bare {
    sum: u64,
}

impl actix::Message for Number {
    type Result = u64;
}

impl actix::Message for Note {
    type Result = ();
}

impl actix::Actor for Bare {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(1024);
    }
}

impl Handler<Number> for Bare {
    type Result = u64;

    fn handle(&mut self, Number(number): Number, _: &mut Context<Self>) -> u64 {
        self.sum = self.sum.wrapping_add(number);
        self.sum
    }
}

impl Handler<Note> for Bare {
    type Result = ();

    fn handle(&mut self, Note(number): Note, _: &mut Context<Self>) {
        self.sum = self.sum.wrapping_add(number);
    }
}

struct Metered {
    sum: u64,
}

impl Actor for Metered {}

impl Handles<Number> for Metered {
    type Answer = u64;

    fn handle(&mut self, Number(number): Number, _: &mut Ctx<Self>) -> u64 {
        self.sum = self.sum.wrapping_add(number);
        self.sum
    }
}

impl Handles<Note> for Metered {
    type Answer = ();

    fn handle(&mut self, Note(number): Note, _: &mut Ctx<Self>) {
        self.sum = self.sum.wrapping_add(number);
    }
}

/// The time that a run took.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    /// The processor time of this thread and, where the actor has one of its own, of that as well.
    processor: Duration,
}

impl Cost {
    fn least(self, other: Self) -> Self {
        Self {
            wall: self.wall.min(other.wall),
            processor: self.processor.min(other.processor),
        }
    }
}

struct Stopwatch {
    wall: Instant,
    processor: Duration,
}

impl Stopwatch {
    fn start() -> Self {
        let processor = processor_time();
        Self {
            wall: Instant::now(),
            processor,
        }
    }

    fn stop(self) -> Cost {
        Cost {
            wall: self.wall.elapsed(),
            processor: processor_time() - self.processor,
        }
    }
}

/// Returns the processor time of this process.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = Duration::from_secs(time.tv_sec.cast_unsigned());
    seconds + Duration::from_nanos(time.tv_nsec.cast_unsigned())
}

async fn ask_bare(actor: Addr<Bare>, times: u64) -> Cost {
    let begin = Stopwatch::start();
    for number in 0..times {
        black_box(actor.send(Number(number)).await.unwrap());
    }
    begin.stop()
}

async fn ask_metered(actor: ActorRef<Metered>, times: u64) -> Cost {
    let begin = Stopwatch::start();
    for number in 0..times {
        black_box(actor.ask(Number(number)).await.unwrap());
    }
    begin.stop()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the cheapest bare send is what we compare with"
)]
async fn tell_bare(actor: Addr<Bare>, times: u64) -> Cost {
    let begin = Stopwatch::start();
    for _ in 0..times.div_ceil(BURST) {
        for number in 1..BURST {
            actor.do_send(Note(number));
        }
        black_box(actor.send(Number(0)).await.unwrap());
    }
    begin.stop()
}

async fn tell_metered(actor: ActorRef<Metered>, times: u64) -> Cost {
    let begin = Stopwatch::start();
    for _ in 0..times.div_ceil(BURST) {
        for number in 1..BURST {
            actor.tell(Note(number)).unwrap();
        }
        black_box(actor.ask(Number(0)).await.unwrap());
    }
    begin.stop()
}

/// Starts a timer that never fires: with one, as in every real program, the runtime reads its clock
/// each time it is idle. The tree has timers of its own.
fn idle_timer() {
    actix::spawn(tokio::time::sleep(Duration::from_secs(3600)));
}

/// Starts a tree of one actor, on this thread or on another one.
async fn start_metered(is_far: bool) -> (Tree, ActorRef<Metered>) {
    let me = ActorRef::new("metered");
    let spec = SupervisorSpec::new("bench", Strategy::OneForOne)
        .child(ChildSpec::new(&me, || Metered { sum: 0 }));
    let options = TreeOptions::default();
    let options = if is_far {
        options
    } else {
        options.single_thread()
    };
    (options.start(spec).await.unwrap(), me)
}

#[derive(Clone, Copy)]
enum Kind {
    Ask,
    Tell,
    AskFar,
}

const KINDS: [(Kind, &str); 3] = [
    (Kind::Ask, "ask"),
    (Kind::Tell, "tell"),
    (Kind::AskFar, "ask far"),
];

/// Sends messages to an actor of actix.
fn run_bare(kind: Kind, times: u64) -> Cost {
    System::new().block_on(async {
        idle_timer();
        match kind {
            Kind::Ask => ask_bare(Bare { sum: 0 }.start(), times).await,
            Kind::Tell => tell_bare(Bare { sum: 0 }.start(), times).await,
            Kind::AskFar => {
                let arbiter = Arbiter::new();
                let actor = Bare::start_in_arbiter(&arbiter.handle(), |_| Bare { sum: 0 });
                let cost = ask_bare(actor, times).await;
                arbiter.stop();
                arbiter.join().unwrap();
                cost
            }
        }
    })
}

/// Sends messages to a supervised actor.
fn run_metered(kind: Kind, times: u64) -> Cost {
    System::new().block_on(async {
        let (tree, actor) = start_metered(matches!(kind, Kind::AskFar)).await;
        let cost = match kind {
            Kind::Ask | Kind::AskFar => ask_metered(actor, times).await,
            Kind::Tell => tell_metered(actor, times).await,
        };
        tree.shutdown().await;
        cost
    })
}

/// Prints the processor time and the wall time of each kind, measured in turns.
fn print_processor_time() {
    println!("ns a message: processor time (wall time), the least of {ROUNDS} runs");
    for (kind, name) in KINDS {
        let times = match kind {
            Kind::AskFar => MESSAGES / 10,
            Kind::Ask | Kind::Tell => MESSAGES,
        };
        let (mut bare, mut metered) = (run_bare(kind, times), run_metered(kind, times));
        for _ in 1..ROUNDS {
            bare = bare.least(run_bare(kind, times));
            metered = metered.least(run_metered(kind, times));
        }
        let nanos = |time: Duration| time.as_nanos() as f64 / times as f64;
        let [base, ours] = [bare, metered].map(|cost| nanos(cost.processor));
        let [base_wall, our_wall] = [bare, metered].map(|cost| nanos(cost.wall));
        println!(
            "{name}: actix {base:.0} ({base_wall:.0}), supervised {ours:.0} ({our_wall:.0}), \
             difference {:.0} ({:.0}), ratio {:.2} ({:.2})",
            ours - base,
            our_wall - base_wall,
            ours / base,
            our_wall / base_wall,
        );
    }
}

fn compare(criterion: &mut Criterion, name: &str, kind: Kind) {
    let mut group = criterion.benchmark_group(name);
    group.bench_function("actix", |bencher| {
        bencher.iter_custom(|times| run_bare(kind, times).wall);
    });
    group.bench_function("supervised", |bencher| {
        bencher.iter_custom(|times| run_metered(kind, times).wall);
    });
    group.finish();
}

fn main() {
    // Without this argument, as in a run of all tests, each is only tried once.
    if std::env::args().any(|argument| argument == "--bench") {
        print_processor_time();
    }
    let mut criterion = Criterion::default().configure_from_args();
    for (kind, name) in KINDS {
        compare(&mut criterion, name, kind);
    }
    criterion.final_summary();
}
