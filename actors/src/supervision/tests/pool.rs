//! Work that goes elsewhere and comes back.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use super::*;

message!(Done(Result<u64, JobError>) -> ());

#[derive(Default)]
struct Boss {
    log: Log,
}

impl Actor for Boss {}

impl Handles<Done> for Boss {
    type Answer = ();

    fn handle(&mut self, Done(result): Done, _: &mut Ctx<Self>) {
        self.log.add(match result {
            Ok(value) => format!("value {value}"),
            Err(error) => error.to_string(),
        });
    }
}

impl Handles<Panic> for Boss {
    type Answer = ();

    fn handle(&mut self, _: Panic, _: &mut Ctx<Self>) {
        panic!("told to");
    }
}

async fn office(pool: &Pool) -> (Tree, ActorRef<Boss>, Log) {
    let (boss, log) = (ActorRef::new("boss"), Log::default());
    let to_boss = log.clone();
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .backoff(Backoff {
            first: Duration::from_millis(1),
            ..Backoff::default()
        })
        .child(pool.child())
        .child(
            ChildSpec::new(&boss, move || Boss {
                log: to_boss.clone(),
            })
            .mailbox(1),
        );
    (Tree::start(spec).await.unwrap(), boss, log)
}

#[test]
fn results_and_panics_come_back_as_messages() {
    run(async {
        let pool = Pool::new("pool", 2);
        let early = pool.run(|| 1).await;
        assert_eq!(early, Err(JobError::NotRun(PoolError::Closed)));
        let (tree, boss, log) = office(&pool).await;
        pool.submit(&boss, || 6 * 7, Done).unwrap();
        until(|| log.take() == ["value 42"]).await;
        pool.submit(&boss, || panic!("dropped a {}", "plate"), Done)
            .unwrap();
        until(|| log.take() == ["the job panicked: dropped a plate"]).await;
        assert_eq!(pool.run(|| "a future's").await, Ok("a future's"));
        assert!(matches!(
            pool.run(|| panic!("again")).await,
            Err::<(), _>(JobError::Panicked(_))
        ));

        let root = tree.handle().snapshot();
        let row = root
            .find("root/pool")
            .unwrap()
            .message("Done")
            .unwrap()
            .clone();
        assert_eq!((row.handled, row.failed), (2, 1));
        until(|| pool.busy() == 0).await;
        assert!(tree.shutdown().await.is_clean());
        assert_eq!(pool.submit(&boss, || 1, Done), Err(PoolError::Closed));
    });
}

#[test]
fn results_arrive_beyond_a_full_mailbox_but_only_where_they_were_asked_for() {
    run(async {
        let pool = Pool::new("pool", 2);
        let (tree, boss, log) = office(&pool).await;
        for number in 0..100 {
            pool.submit(&boss, move || number, Done).unwrap();
        }
        until(|| log.lines.lock().len() == 100).await;

        let gate = Arc::new(AtomicBool::new(false));
        let at_gate = Arc::clone(&gate);
        let wait = move || {
            while !at_gate.load(SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            1000
        };
        pool.submit(&boss, wait, Done).unwrap();
        boss.tell(Panic).unwrap();
        until(|| boss.generation() == 2 && boss.is_available()).await;
        log.take();
        gate.store(true, SeqCst);
        let stale = || {
            let root = tree.handle().snapshot();
            root.find("root/boss")
                .unwrap()
                .message("Done")
                .unwrap()
                .unavailable
        };
        until(|| stale() == 1).await;
        assert!(log.take().is_empty(), "the new generation has not asked");
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn the_queue_is_bounded_and_a_stop_waits_for_what_runs_and_drops_what_waits() {
    run(async {
        let pool = Pool::with_queue("pool", 1, 2);
        let (tree, boss, log) = office(&pool).await;
        let finished = Arc::new(AtomicUsize::new(0));
        let job = || {
            let finished = Arc::clone(&finished);
            move || {
                std::thread::sleep(Duration::from_millis(50));
                finished.fetch_add(1, SeqCst) as u64
            }
        };
        pool.submit(&boss, job(), Done).unwrap();
        until(|| pool.busy() == 1).await;
        pool.submit(&boss, job(), Done).unwrap();
        let future = pool.run(job());
        assert_eq!(pool.submit(&boss, job(), Done), Err(PoolError::Full));
        let handle = tree.handle().clone();
        assert!(tree.shutdown().await.is_clean());
        let run_to_end = finished.load(SeqCst);
        assert!(
            (1..=2).contains(&run_to_end),
            "one ran, and perhaps a second one after it"
        );
        assert_eq!(future.await, Err(JobError::NotRun(PoolError::Closed)));
        let root = handle.snapshot();
        let row = root
            .find("root/pool")
            .unwrap()
            .message("Done")
            .unwrap()
            .clone();
        assert_eq!(row.rejected, 1);
        assert_eq!(row.handled + row.lost, 2);
        drop(log);
    });
}

#[test]
fn a_crashed_pool_works_again() {
    run(async {
        let pool = Pool::new("pool", 2);
        let (tree, _, _) = office(&pool).await;
        assert_eq!(pool.run(|| 1).await, Ok(1));
        tree.handle().crash("root/pool").unwrap();
        let is_back = || {
            let root = tree.handle().snapshot();
            let node = root.find("root/pool").unwrap();
            node.generation == 2 && node.state == snapshot::State::Running
        };
        until(is_back).await;
        assert_eq!(pool.run(|| 2).await, Ok(2));
        assert!(tree.shutdown().await.is_clean());
    });
}
