//! The behaviour of actix 0.13.5 that this layer is built around, one test for each row of the
//! table in `docs/adr/0001-own-supervision-on-actix.md`. When an upgrade of actix changes a
//! behaviour, its test fails and the decision based on it has to be reviewed.
#![expect(
    clippy::disallowed_methods,
    reason = "what do_send does is one of the facts"
)]

/// Makes a message of this crate one of actix, too.
macro_rules! actix_message {
    ($name:ident -> $result:ty) => {
        impl actix::Message for $name {
            type Result = $result;
        }
    };
}

mod mailbox;
mod system;

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use actix::{Actor, ActorContext, Context, Handler, MailboxError, Running, Supervised, Supervisor};

use super::*;

type Counter = Arc<AtomicUsize>;

message!(Count -> usize);
message!(Boom -> ());
message!(End -> ());
message!(Spin(Duration) -> ());

actix_message!(Count -> usize);
actix_message!(Boom -> ());
actix_message!(End -> ());
actix_message!(Spin -> ());

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

/// Row 1: a panic ends the actor silently; its arbiter and other actors continue.
#[test]
fn a_panic_ends_the_actor_silently() {
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

/// Row 2: after a stop, actix's supervisor continues with the same struct.
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

/// Row 2: actix's supervisor has no backoff: an actor that stops inside `started` holds the thread.
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

/// The observations of a panicked actor's hooks.
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

/// Row 3: `Running::Continue` in a hook handles further messages during the unwinding.
#[test]
fn actix_may_handle_messages_while_a_panic_unwinds() {
    assert!(unwind(true).handled.load(SeqCst));
}

const ABORT_SWITCH: &str = "ACTIX_FACTS_PANIC_AGAIN";

/// Row 3: a second panic in a hook aborts the process. (Run in a separate process.)
#[test]
fn a_second_panic_in_a_hook_aborts_the_process() {
    if std::env::var_os(ABORT_SWITCH).is_some() {
        unwind(false);
        return;
    }
    let test = "tests::actix_facts::a_second_panic_in_a_hook_aborts_the_process";
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
