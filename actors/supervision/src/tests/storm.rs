//! Tests of trees under crashes: they recover or stop in order, and leak nothing.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

use super::*;

/// Decrements a counter when the thread of this thread-local value ends.
struct OnThreadEnd(Arc<AtomicUsize>);

impl Drop for OnThreadEnd {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

thread_local! {
    static ON_THREAD_END: RefCell<Option<OnThreadEnd>> = const { RefCell::new(None) };
}

/// An actor that marks each thread that it runs on.
struct Resident {
    _token: Arc<()>,
}

impl Actor for Resident {}

impl Handles<Panic> for Resident {
    type Answer = ();

    fn handle(&mut self, _: Panic, _: &mut Ctx<Self>) {
        panic!("requested");
    }
}

fn resident(me: &ActorRef<Resident>, token: &Arc<()>, threads: &Arc<AtomicUsize>) -> ChildSpec {
    let (token, threads) = (Arc::clone(token), Arc::clone(threads));
    ChildSpec::new(me, move || {
        ON_THREAD_END.with_borrow_mut(|mark| {
            mark.get_or_insert_with(|| {
                threads.fetch_add(1, SeqCst);
                OnThreadEnd(Arc::clone(&threads))
            });
        });
        Resident {
            _token: Arc::clone(&token),
        }
    })
}

#[test]
fn a_restart_storm_ends_in_an_ordered_shutdown() {
    let log = Log::default();
    let (token, threads) = (Arc::new(()), Arc::new(AtomicUsize::new(0)));
    let store = ActorRef::new("store");
    let residents = ["x", "y", "z"].map(ActorRef::new);
    let mut inner = SupervisorSpec::new("inner", Strategy::OneForAll)
        .intensity(2, Duration::from_secs(60))
        .backoff(Backoff {
            first: Duration::from_millis(1),
            ..Backoff::default()
        });
    for me in &residents {
        inner = inner.child(resident(me, &token, &threads).arbiter(me.path()));
    }
    let spec = SupervisorSpec::new("root", Strategy::RestForOne)
        .intensity(2, Duration::from_secs(60))
        .backoff(Backoff {
            first: Duration::from_millis(1),
            ..Backoff::default()
        })
        .child(TestActor::child(&store, &log).arbiter("store"))
        .child(inner);
    let outcome = run(async {
        let tree = Tree::start(spec).await.unwrap();
        assert_eq!(threads.load(SeqCst), 3);
        let is_over = Arc::new(AtomicBool::new(false));
        let storm = {
            let (residents, is_over) = (residents.clone(), Arc::clone(&is_over));
            std::thread::spawn(move || {
                while !is_over.load(SeqCst) {
                    for me in &residents {
                        let _ = me.tell(Panic);
                    }
                    std::thread::sleep(Duration::from_micros(100));
                }
            })
        };
        let outcome = tree.wait().await;
        is_over.store(true, SeqCst);
        storm.join().unwrap();
        outcome
    });
    assert!(matches!(outcome.exit, Exit::GaveUp { .. }), "{outcome}");
    assert!(
        outcome.killed.is_empty() && outcome.unjoined.is_empty(),
        "{outcome}"
    );
    assert_eq!(outcome.exit_code(), 1);
    assert_eq!(
        log.take(),
        ["store up", "store down: shutdown"],
        "once, and in order"
    );
    assert_eq!(threads.load(SeqCst), 0, "every thread has ended");
    assert_eq!(
        Arc::strong_count(&token),
        1,
        "no actor and no factory is left"
    );
    drop(residents);
}

message!(Deposit(u64) -> u64);

/// An actor that adds to a total that survives its restarts.
struct Ledger {
    disk: Arc<AtomicU64>,
}

impl Actor for Ledger {}

impl Handles<Deposit> for Ledger {
    type Answer = u64;

    fn handle(&mut self, Deposit(amount): Deposit, _: &mut Ctx<Self>) -> u64 {
        self.disk.fetch_add(amount, SeqCst) + amount
    }
}

impl Handles<Panic> for Ledger {
    type Answer = ();

    fn handle(&mut self, _: Panic, _: &mut Ctx<Self>) {
        panic!("requested");
    }
}

#[test]
fn under_crashes_every_caller_gets_a_correct_answer() {
    const CALLERS: usize = 4;
    const EACH: usize = 300;
    let disk = Arc::new(AtomicU64::new(0));
    let ledger = ActorRef::new("ledger");
    let to_ledger = Arc::clone(&disk);
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .intensity(1_000_000, Duration::from_secs(60))
        .backoff(Backoff {
            first: Duration::from_millis(1),
            max: Duration::from_millis(1),
            ..Backoff::default()
        })
        .child(
            ChildSpec::new(&ledger, move || Ledger {
                disk: Arc::clone(&to_ledger),
            })
            .mailbox(8),
        );
    run(async {
        let tree = Tree::start(spec).await.unwrap();
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let ledger = ledger.clone();
                actix::spawn(async move {
                    let (mut certain, mut doubtful) = (0, 0);
                    for _ in 0..EACH {
                        loop {
                            match ledger.within(Duration::from_secs(30)).ask(Deposit(1)).await {
                                Ok(_) => certain += 1,
                                Err(error) if error.was_never_handled() => continue,
                                Err(_) => doubtful += 1,
                            }
                            break;
                        }
                    }
                    (certain, doubtful)
                })
            })
            .collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let chaos = {
            let (ledger, is_over) = (ledger.clone(), Arc::clone(&is_over));
            let handle = tree.handle().clone();
            std::thread::spawn(move || {
                while !is_over.load(SeqCst) {
                    let _ = handle.crash("root/ledger");
                    std::thread::sleep(Duration::from_millis(1));
                    let _ = ledger.tell(Panic);
                    let _ = handle.crash_at("root/ledger", "Deposit");
                    std::thread::sleep(Duration::from_millis(1));
                }
            })
        };
        let (mut certain, mut doubtful) = (0, 0);
        for caller in callers {
            let (sure, unsure) = caller.await.unwrap();
            certain += sure;
            doubtful += unsure;
        }
        is_over.store(true, SeqCst);
        chaos.join().unwrap();
        assert_eq!(
            certain + doubtful,
            (CALLERS * EACH) as u64,
            "every caller was answered"
        );
        let deposited = disk.load(SeqCst);
        assert!(deposited >= certain, "what was confirmed is there");
        assert!(
            deposited <= certain + doubtful,
            "what was said not to be handled is not"
        );
        assert!(ledger.generation() > 1);
        tree.shutdown().await;
    });
}
