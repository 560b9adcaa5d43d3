//! The facts of actix 0.13.5 that this layer is built on, row by row. When an upgrade of
//! actix changes one, its test fails here and the decision that rests on it is looked at
//! again (`docs/adr/0001-own-supervision-on-actix.md`).
#![expect(
    clippy::disallowed_methods,
    reason = "what do_send does is one of the facts"
)]

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use actix::dev::SendError;
use actix::dev::channel::channel;
use actix::{
    Actor, ActorContext, Addr, Arbiter, ArbiterService, AsyncContext, Context, Handler,
    MailboxError, Running, Supervised, Supervisor, SyncArbiter, SyncContext, System,
};

use super::*;

type Counter = Arc<AtomicUsize>;

message!(Count -> usize);
message!(Boom -> ());
message!(End -> ());
message!(Spin(Duration) -> ());

/// A bare actix actor.
#[derive(Default)]
struct Bare {
    handled: Counter,
    ticks: Counter,
    handled_at_first_tick: Counter,
}

impl Actor for Bare {
    type Context = Context<Self>;
}

impl Handler<Count> for Bare {
    type Result = usize;

    fn handle(&mut self, _: Count, _: &mut Context<Self>) -> usize {
        self.handled.fetch_add(1, SeqCst) + 1
    }
}

impl Handler<Boom> for Bare {
    type Result = ();

    fn handle(&mut self, _: Boom, _: &mut Context<Self>) {
        panic!("boom");
    }
}

impl Handler<Spin> for Bare {
    type Result = ();

    fn handle(&mut self, Spin(time): Spin, _: &mut Context<Self>) {
        self.handled.fetch_add(1, SeqCst);
        std::thread::sleep(time);
    }
}

async fn yield_often() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Row 1: a panic ends the actor silently; its arbiter and its neighbours live on.
#[test]
fn a_panic_ends_the_actor_and_nobody_is_told() {
    run(async {
        let neighbour = Bare::default().start();
        let bare = Bare::default();
        let handled = Arc::clone(&bare.handled);
        let actor = bare.start();
        actor.do_send(Boom);
        assert_eq!(actor.send(Count).await, Err(MailboxError::Closed));
        assert!(!actor.connected());
        actor.do_send(Count);
        yield_often().await;
        assert_eq!(handled.load(SeqCst), 0);
        assert_eq!(neighbour.send(Count).await, Ok(1));
    });
}

/// Row 2: actix's own supervisor does nothing after a panic.
#[test]
fn actix_does_not_restart_after_a_panic() {
    struct Fragile(Counter);
    impl Actor for Fragile {
        type Context = Context<Self>;
    }
    impl Supervised for Fragile {
        fn restarting(&mut self, _: &mut Context<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    impl Handler<Boom> for Fragile {
        type Result = ();
        fn handle(&mut self, _: Boom, _: &mut Context<Self>) {
            panic!("boom");
        }
    }
    run(async {
        let restarts = Counter::default();
        let to_actor = Arc::clone(&restarts);
        let actor = Supervisor::start(move |_| Fragile(to_actor));
        assert_eq!(actor.send(Boom).await, Err(MailboxError::Closed));
        yield_often().await;
        assert_eq!(restarts.load(SeqCst), 0);
        assert!(!actor.connected());
    });
}

/// Row 2: after a stop it goes on with the same struct.
#[test]
fn actix_restarts_a_stopped_actor_with_its_old_state() {
    struct Tired(usize);
    impl Actor for Tired {
        type Context = Context<Self>;
    }
    impl Supervised for Tired {}
    impl Handler<Count> for Tired {
        type Result = usize;
        fn handle(&mut self, _: Count, ctx: &mut Context<Self>) -> usize {
            self.0 += 1;
            ctx.stop();
            self.0
        }
    }
    run(async {
        let actor = Supervisor::start(|_| Tired(0));
        assert_eq!(actor.send(Count).await, Ok(1));
        assert_eq!(actor.send(Count).await, Ok(2));
    });
}

/// Row 2: it has no backoff: an actor that stops inside `started` holds the thread.
#[test]
fn actix_restarts_without_a_pause() {
    const STARTS: usize = 1000;
    struct Brief {
        starts: usize,
        turns_of_others: Counter,
        turns_at_end: Counter,
    }
    impl Actor for Brief {
        type Context = Context<Self>;
        fn started(&mut self, ctx: &mut Context<Self>) {
            self.starts += 1;
            if self.starts < STARTS {
                ctx.stop();
            } else {
                self.turns_at_end
                    .store(self.turns_of_others.load(SeqCst) + 1, SeqCst);
            }
        }
    }
    impl Supervised for Brief {}
    run(async {
        let turns_of_others = Counter::default();
        let turns_at_end = Counter::default();
        let brief = Brief {
            starts: 0,
            turns_of_others: Arc::clone(&turns_of_others),
            turns_at_end: Arc::clone(&turns_at_end),
        };
        let _actor = Supervisor::start(move |_| brief);
        let turns = Arc::clone(&turns_of_others);
        actix::spawn(async move {
            loop {
                turns.fetch_add(1, SeqCst);
                tokio::task::yield_now().await;
            }
        });
        yield_often().await;
        assert_eq!(
            turns_at_end.load(SeqCst),
            1,
            "others had no turn during all the starts"
        );
    });
}

/// What a panicked actor's hooks saw.
#[derive(Clone, Default)]
struct Seen {
    stopping: Arc<AtomicBool>,
    stopped: Arc<AtomicBool>,
    handled: Arc<AtomicBool>,
}

struct Unwinding {
    seen: Seen,
    goes_on: bool,
}

impl Actor for Unwinding {
    type Context = Context<Self>;

    fn stopping(&mut self, _: &mut Context<Self>) -> Running {
        let is_first = !self.seen.stopping.swap(std::thread::panicking(), SeqCst);
        if self.goes_on && is_first {
            Running::Continue
        } else {
            Running::Stop
        }
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.seen.stopped.store(std::thread::panicking(), SeqCst);
        if std::env::var_os(ABORT_SWITCH).is_some() {
            panic!("again");
        }
    }
}

impl Handler<Boom> for Unwinding {
    type Result = ();

    fn handle(&mut self, _: Boom, _: &mut Context<Self>) {
        panic!("boom");
    }
}

impl Handler<Count> for Unwinding {
    type Result = usize;

    fn handle(&mut self, _: Count, _: &mut Context<Self>) -> usize {
        self.seen.handled.store(std::thread::panicking(), SeqCst);
        0
    }
}

fn unwind(goes_on: bool) -> Seen {
    let seen = Seen::default();
    run(async {
        let actor = Unwinding {
            seen: seen.clone(),
            goes_on,
        }
        .start();
        actor.do_send(Boom);
        actor.do_send(Count);
        yield_often().await;
        drop(actor);
    });
    seen
}

/// Row 3: the hooks of a panicked actor run while the panic unwinds.
#[test]
fn actix_calls_hooks_while_a_panic_unwinds() {
    let seen = unwind(false);
    assert!(seen.stopping.load(SeqCst));
    assert!(seen.stopped.load(SeqCst));
    assert!(!seen.handled.load(SeqCst));
}

/// Row 3: `Running::Continue` there handles further messages in the middle of it.
#[test]
fn actix_may_handle_messages_while_a_panic_unwinds() {
    assert!(unwind(true).handled.load(SeqCst));
}

const ABORT_SWITCH: &str = "ACTIX_FACTS_PANIC_AGAIN";

/// Row 3: a second panic there ends the process. (Run in a process of its own.)
#[test]
fn a_second_panic_in_a_hook_aborts_the_process() {
    if std::env::var_os(ABORT_SWITCH).is_some() {
        unwind(false);
        return;
    }
    let test = "supervision::tests::actix_facts::a_second_panic_in_a_hook_aborts_the_process";
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(ABORT_SWITCH, "1")
        .output()
        .unwrap()
        .status;
    assert!(!status.success());
    #[cfg(unix)]
    assert!(
        std::os::unix::process::ExitStatusExt::signal(&status).is_some(),
        "{status}"
    );
}

/// Row 4: `do_send` ignores the bound, and so does a `send` through an address of its own.
#[test]
fn the_bound_of_an_actix_mailbox_holds_for_few() {
    run(async {
        let bare = Bare::default();
        let handled = Arc::clone(&bare.handled);
        let actor = Bare::create(|ctx| {
            ctx.set_mailbox_capacity(1);
            bare
        });
        for _ in 0..100 {
            actor.do_send(Count);
        }
        let clones: Vec<_> = (0..100).map(|_| actor.clone()).collect();
        assert!(clones.iter().all(|clone| clone.try_send(Count).is_ok()));
        yield_often().await;
        assert_eq!(handled.load(SeqCst), 200);
    });
}

/// Row 4: only `try_send` on one long-lived address is refused.
#[test]
fn try_send_is_bounded_on_one_address_alone() {
    run(async {
        let actor = Bare::create(|ctx| {
            ctx.set_mailbox_capacity(4);
            Bare::default()
        });
        let accepted = (0..100).filter(|_| actor.try_send(Count).is_ok()).count();
        assert!((4..=5).contains(&accepted), "{accepted}");
        assert!(matches!(actor.try_send(Count), Err(SendError::Full(Count))));
        assert!(actor.clone().try_send(Count).is_ok());
    });
}

/// Row 4: awaiting a `send` waits for the reply, not for room: the message is queued by
/// the call.
#[test]
fn send_queues_before_it_is_awaited() {
    run(async {
        let bare = Bare::default();
        let handled = Arc::clone(&bare.handled);
        let actor = bare.start();
        let request = actor.send(Count);
        yield_often().await;
        assert_eq!(handled.load(SeqCst), 1);
        assert_eq!(request.await, Ok(1));
    });
}

/// Row 5: dropping the future of a `send` takes the message back.
#[test]
fn dropping_a_send_cancels_the_message() {
    run(async {
        let bare = Bare::default();
        let handled = Arc::clone(&bare.handled);
        let actor = bare.start();
        drop(actor.send(Count));
        yield_often().await;
        assert_eq!(handled.load(SeqCst), 0);
    });
}

/// Row 6: the mailbox is drained whole before the actor's timers, or anybody else, has a turn.
#[test]
fn a_flood_starves_timers_and_neighbours() {
    const FLOOD: usize = 200;
    struct Ticking(Bare);
    impl Actor for Ticking {
        type Context = Context<Self>;
        fn started(&mut self, ctx: &mut Context<Self>) {
            ctx.run_interval(Duration::from_millis(1), |this, _| {
                if this.0.ticks.fetch_add(1, SeqCst) == 0 {
                    let handled = this.0.handled.load(SeqCst);
                    this.0.handled_at_first_tick.store(handled, SeqCst);
                }
            });
        }
    }
    impl Handler<Spin> for Ticking {
        type Result = ();
        fn handle(&mut self, Spin(time): Spin, _: &mut Context<Self>) {
            self.0.handled.fetch_add(1, SeqCst);
            std::thread::sleep(time);
        }
    }
    run(async {
        let bare = Bare::default();
        let ticks = Arc::clone(&bare.ticks);
        let handled_at_first_tick = Arc::clone(&bare.handled_at_first_tick);
        let handled = Arc::clone(&bare.handled);
        let actor = Ticking(bare).start();
        let handled_at_turn = actix::spawn(async move { handled.load(SeqCst) });
        for _ in 0..FLOOD {
            actor.do_send(Spin(Duration::from_micros(100)));
        }
        assert_eq!(
            handled_at_turn.await.unwrap(),
            FLOOD,
            "the neighbour waited for all"
        );
        until(|| ticks.load(SeqCst) > 0).await;
        assert_eq!(handled_at_first_tick.load(SeqCst), FLOOD, "so did the tick");
    });
}

message!(
    /// Answered with whether another worker was at the same message within the time.
    Meet(Duration) -> bool
);

struct Worker {
    present: Counter,
}

impl Actor for Worker {
    type Context = SyncContext<Self>;
}

impl Handler<Meet> for Worker {
    type Result = bool;

    fn handle(&mut self, Meet(time): Meet, _: &mut SyncContext<Self>) -> bool {
        self.present.fetch_add(1, SeqCst);
        let begin = Instant::now();
        while begin.elapsed() < time && self.present.load(SeqCst) < 2 {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.present.load(SeqCst) >= 2
    }
}

impl Handler<Boom> for Worker {
    type Result = ();

    fn handle(&mut self, _: Boom, _: &mut SyncContext<Self>) {
        panic!("boom");
    }
}

/// Row 7: a panic costs a `SyncArbiter` a worker for ever, and its queue has no bound.
#[test]
fn a_sync_arbiter_loses_workers_and_has_no_bound() {
    run(async {
        let present = Counter::default();
        let to_workers = Arc::clone(&present);
        let workers = SyncArbiter::start(2, move || Worker {
            present: Arc::clone(&to_workers),
        });
        let long = Duration::from_secs(30);
        let (one, two) = (workers.send(Meet(long)), workers.send(Meet(long)));
        assert_eq!((one.await, two.await), (Ok(true), Ok(true)));

        assert_eq!(workers.send(Boom).await, Err(MailboxError::Closed));
        present.store(0, SeqCst);
        let brief = Duration::from_millis(20);
        let (one, two) = (workers.send(Meet(brief)), workers.send(Meet(brief)));
        assert_eq!(one.await, Ok(false), "it was alone");
        two.await.unwrap();
        assert!((0..10_000).all(|_| workers.try_send(Meet(Duration::ZERO)).is_ok()));
    });
}

#[derive(Default)]
struct Service;

impl Actor for Service {
    type Context = Context<Self>;
}

impl Supervised for Service {}

impl ArbiterService for Service {}

impl Handler<End> for Service {
    type Result = ();

    fn handle(&mut self, _: End, _: &mut Context<Self>) {
        panic!("the end");
    }
}

/// Row 7: a registry hands out the address of an actor that is dead.
#[test]
fn a_registry_hands_out_dead_addresses() {
    run(async {
        let service = Service::from_registry();
        assert_eq!(service.send(End).await, Err(MailboxError::Closed));
        assert!(!Service::from_registry().connected());
    });
}

/// Row 8: `System::stop` joins nobody.
#[test]
fn a_system_stops_while_its_arbiters_still_run() {
    let is_released = Arc::new(AtomicBool::new(false));
    let is_done = Arc::new(AtomicBool::new(false));
    let is_busy = Arc::new(AtomicBool::new(false));
    let system = System::new();
    let arbiter = Arbiter::new();
    let (release, done) = (Arc::clone(&is_released), Arc::clone(&is_done));
    let busy = Arc::clone(&is_busy);
    arbiter.spawn_fn(move || {
        busy.store(true, SeqCst);
        while !release.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        done.store(true, SeqCst);
    });
    while !is_busy.load(SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
    system.block_on(async { System::current().stop() });
    system.run().unwrap();
    assert!(
        !is_done.load(SeqCst),
        "the system was gone, the arbiter was not"
    );
    is_released.store(true, SeqCst);
    arbiter.join().unwrap();
    assert!(is_done.load(SeqCst), "joining it is what waits");
}

/// Row 9: panics unwind in this build; without that there is no supervision.
#[test]
fn panics_unwind() {
    assert!(std::panic::catch_unwind(|| panic!("caught")).is_err());
}

/// What the layer does instead: the context's future, spawned by hand, tells of a panic
/// with its payload, and a fresh one starts beside the old.
#[test]
fn a_context_spawned_by_hand_tells_how_it_ended() {
    fn begin() -> (Addr<Bare>, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = channel::<Bare>(4);
        let context = Context::with_receiver(receiver);
        (
            Addr::new(sender),
            actix::spawn(context.into_future(Bare::default())),
        )
    }
    run(async {
        let (first, task) = begin();
        assert_eq!(first.send(Count).await, Ok(1));
        first.do_send(Boom);
        let error = task.await.unwrap_err();
        assert!(error.is_panic());
        let payload = error.into_panic();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"boom"));

        let (second, task) = begin();
        assert_eq!(second.send(Count).await, Ok(1), "a fresh state");
        drop(second);
        task.await.unwrap();
    });
}

/// A question across two arbiters and its answer: the price of a mailbox, for the record.
#[test]
fn a_question_to_another_thread_is_answered() {
    run(async {
        let arbiter = Arbiter::new();
        let actor = Bare::start_in_arbiter(&arbiter.handle(), |_| Bare::default());
        let begin = Instant::now();
        for _ in 0..1000 {
            actor.send(Count).await.unwrap();
        }
        println!("{:?} for a question and its answer", begin.elapsed() / 1000);
        arbiter.stop();
        arbiter.join().unwrap();
    });
}
