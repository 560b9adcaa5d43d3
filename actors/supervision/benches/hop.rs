//! The cost of a message through the supervision layer, compared with the same message through
//! plain actix. The difference is the cost of bounds, policies, restarts and metrics.
//!
//! - `ask`: a request and its answer, one at a time, both ends on one thread.
//! - `tell`: a message of a burst of 64, both ends on one thread.
//! - `ask far`: a request and its answer between two threads.
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

const BURST: u64 = 64;

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

async fn ask_bare(actor: Addr<Bare>, times: u64) -> Duration {
    let begin = Instant::now();
    for number in 0..times {
        black_box(actor.send(Number(number)).await.unwrap());
    }
    begin.elapsed()
}

async fn ask_metered(actor: ActorRef<Metered>, times: u64) -> Duration {
    let begin = Instant::now();
    for number in 0..times {
        black_box(actor.ask(Number(number)).await.unwrap());
    }
    begin.elapsed()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the cheapest bare send is what we compare with"
)]
async fn tell_bare(actor: Addr<Bare>, times: u64) -> Duration {
    let begin = Instant::now();
    for _ in 0..times.div_ceil(BURST) {
        for number in 1..BURST {
            actor.do_send(Note(number));
        }
        black_box(actor.send(Number(0)).await.unwrap());
    }
    begin.elapsed()
}

async fn tell_metered(actor: ActorRef<Metered>, times: u64) -> Duration {
    let begin = Instant::now();
    for _ in 0..times.div_ceil(BURST) {
        for number in 1..BURST {
            actor.tell(Note(number)).unwrap();
        }
        black_box(actor.ask(Number(0)).await.unwrap());
    }
    begin.elapsed()
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

fn near(criterion: &mut Criterion, name: &str, kind: Kind) {
    let mut group = criterion.benchmark_group(name);
    group.bench_function("actix", |bencher| {
        bencher.iter_custom(|times| {
            System::new().block_on(async {
                idle_timer();
                let actor = Bare { sum: 0 }.start();
                match kind {
                    Kind::Ask => ask_bare(actor, times).await,
                    Kind::Tell => tell_bare(actor, times).await,
                }
            })
        });
    });
    group.bench_function("supervised", |bencher| {
        bencher.iter_custom(|times| {
            System::new().block_on(async {
                let (tree, actor) = start_metered(false).await;
                let time = match kind {
                    Kind::Ask => ask_metered(actor, times).await,
                    Kind::Tell => tell_metered(actor, times).await,
                };
                tree.shutdown().await;
                time
            })
        });
    });
    group.finish();
}

#[derive(Clone, Copy)]
enum Kind {
    Ask,
    Tell,
}

fn far(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ask far");
    group.bench_function("actix", |bencher| {
        bencher.iter_custom(|times| {
            System::new().block_on(async {
                idle_timer();
                let arbiter = Arbiter::new();
                let actor = Bare::start_in_arbiter(&arbiter.handle(), |_| Bare { sum: 0 });
                let time = ask_bare(actor, times).await;
                arbiter.stop();
                arbiter.join().unwrap();
                time
            })
        });
    });
    group.bench_function("supervised", |bencher| {
        bencher.iter_custom(|times| {
            System::new().block_on(async {
                let (tree, actor) = start_metered(true).await;
                let time = ask_metered(actor, times).await;
                tree.shutdown().await;
                time
            })
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    near(&mut criterion, "ask", Kind::Ask);
    near(&mut criterion, "tell", Kind::Tell);
    far(&mut criterion);
    criterion.final_summary();
}
