//! Rows 7 to 9, and the mechanisms that this layer uses instead.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Instant;

use actix::dev::channel::channel;
use actix::{
    Actor, Addr, Arbiter, ArbiterService, Context, Handler, MailboxError, Supervised, SyncArbiter,
    SyncContext, System,
};

use super::*;

message!(
    /// Answered with whether another worker handled the same message within the duration.
    Meet(Duration) -> bool
);
actix_message!(Meet -> bool);

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

/// Row 7: a `SyncArbiter` loses a worker for ever at a panic, and its queue has no bound.
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

/// Row 8: `System::stop` joins no arbiter thread.
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

/// The mechanism of this layer: the context's future, spawned by hand, reports a panic
/// with its payload, and a new context can start afterwards.
#[test]
fn a_context_spawned_by_hand_reports_its_end() {
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

/// Prints the time of a request to another arbiter and its answer.
#[test]
fn a_request_to_another_thread_is_answered() {
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
