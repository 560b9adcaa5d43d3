//! Tests of thread pools.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use super::*;
use crate::observe::snapshot::MessageSnapshot;

message!(Done(Result<u64, JobError>) -> ());

#[derive(Default)]
struct Collector {
    log: Log,
}

impl Actor for Collector {}

impl Handles<Done> for Collector {
    type Answer = ();

    fn handle(&mut self, Done(result): Done, _: &mut Ctx<Self>) {
        self.log.add(match result {
            Ok(value) => format!("value {value}"),
            Err(error) => error.to_string(),
        });
    }
}

impl Handles<Panic> for Collector {
    type Answer = ();

    fn handle(&mut self, _: Panic, _: &mut Ctx<Self>) {
        panic!("requested");
    }
}

/// Returns the statistics of the jobs called `name`.
fn jobs(tree: &TreeHandle, name: &str) -> MessageSnapshot {
    let root = tree.snapshot();
    let pool = root.find("root/pool").unwrap();
    pool.message(name).unwrap().clone()
}

async fn start_pool(pool: &Pool) -> (Tree, ActorRef<Collector>, Log) {
    let (collector, log) = (ActorRef::new("collector"), Log::default());
    let to_collector = log.clone();
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .backoff(Backoff {
            first: Duration::from_millis(1),
            ..Backoff::default()
        })
        .child(pool.child())
        .child(
            ChildSpec::new(&collector, move || Collector {
                log: to_collector.clone(),
            })
            .mailbox(1),
        );
    (Tree::start(spec).await.unwrap(), collector, log)
}

#[test]
fn results_and_panics_come_back_as_messages() {
    run(async {
        let pool = Pool::new("pool", 2);
        let early = pool.job("Task").run(|| 1).await;
        assert_eq!(early, Err(JobError::NotRun(PoolError::Closed)));
        let (tree, collector, log) = start_pool(&pool).await;
        pool.job("Product")
            .submit(&collector, || 6 * 7, Done)
            .unwrap();
        until(|| log.take() == ["value 42"]).await;
        pool.job("Number")
            .submit(&collector, || panic!("dropped a {}", "plate"), Done)
            .unwrap();
        until(|| log.take() == ["the job panicked: dropped a plate"]).await;
        assert_eq!(
            pool.job("Task").run(|| "a future's").await,
            Ok("a future's")
        );
        assert!(matches!(
            pool.job("Task").run(|| panic!("again")).await,
            Err::<(), _>(JobError::Panicked(_))
        ));

        let row = jobs(tree.handle(), "Number");
        assert_eq!((row.handled, row.failed), (1, 1));
        until(|| pool.busy() == 0).await;
        assert!(tree.shutdown().await.is_clean());
        assert_eq!(
            pool.job("Number").submit(&collector, || 1, Done),
            Err(PoolError::Closed)
        );
    });
}

#[test]
fn results_bypass_a_full_mailbox_but_not_a_restart() {
    run(async {
        let pool = Pool::new("pool", 2);
        let (tree, collector, log) = start_pool(&pool).await;
        for number in 0..100 {
            pool.job("Number")
                .submit(&collector, move || number, Done)
                .unwrap();
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
        pool.job("Number").submit(&collector, wait, Done).unwrap();
        collector.tell(Panic).unwrap();
        until(|| collector.generation() == 2 && collector.is_available()).await;
        log.take();
        gate.store(true, SeqCst);
        let stale = || {
            let root = tree.handle().snapshot();
            root.find("root/collector")
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
fn a_stop_waits_for_running_jobs_and_drops_queued_ones() {
    run(async {
        let pool = Pool::with_queue("pool", 1, 2);
        let (tree, collector, log) = start_pool(&pool).await;
        let finished = Arc::new(AtomicUsize::new(0));
        let job = || {
            let finished = Arc::clone(&finished);
            move || {
                std::thread::sleep(Duration::from_millis(50));
                finished.fetch_add(1, SeqCst) as u64
            }
        };
        pool.job("Number").submit(&collector, job(), Done).unwrap();
        until(|| pool.busy() == 1).await;
        pool.job("Number").submit(&collector, job(), Done).unwrap();
        let future = pool.job("Task").run(job());
        assert_eq!(
            pool.job("Number").submit(&collector, job(), Done),
            Err(PoolError::Full)
        );
        let handle = tree.handle().clone();
        assert!(tree.shutdown().await.is_clean());
        let run_to_end = finished.load(SeqCst);
        assert!(
            (1..=2).contains(&run_to_end),
            "one ran, and perhaps a second one after it"
        );
        assert_eq!(future.await, Err(JobError::NotRun(PoolError::Closed)));
        let row = jobs(&handle, "Number");
        assert_eq!(row.rejected, 1);
        let task = jobs(&handle, "Task");
        assert_eq!(row.handled + row.lost + task.handled + task.lost, 3);
        drop(log);
    });
}

#[test]
fn a_crashed_pool_works_again() {
    run(async {
        let pool = Pool::new("pool", 2);
        let (tree, _, _) = start_pool(&pool).await;
        assert_eq!(pool.job("Task").run(|| 1).await, Ok(1));
        tree.handle().crash("root/pool").unwrap();
        let is_back = || {
            let root = tree.handle().snapshot();
            let node = root.find("root/pool").unwrap();
            node.generation == 2 && node.state == snapshot::State::Running
        };
        until(is_back).await;
        assert_eq!(pool.job("Task").run(|| 2).await, Ok(2));
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_new_opening_waits_for_the_jobs_of_the_old_one() {
    run(async {
        let pool = Pool::new("pool", 1);
        let (tree, _, _) = start_pool(&pool).await;
        let gate = Arc::new(AtomicBool::new(true));
        let at_gate = Arc::clone(&gate);
        let old = pool.job("Task").run(move || {
            while at_gate.load(SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        until(|| pool.busy() == 1).await;
        tree.handle().crash("root/pool").unwrap();
        let is_back = || {
            let root = tree.handle().snapshot();
            let node = root.find("root/pool").unwrap();
            node.generation == 2 && node.state == snapshot::State::Running
        };
        until(is_back).await;
        let is_shut = Arc::clone(&gate);
        let new = pool.job("Task").run(move || is_shut.load(SeqCst));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(pool.busy(), 1, "a pool of one thread runs one job");
        gate.store(false, SeqCst);
        assert_eq!(old.await, Ok(()));
        assert_eq!(new.await, Ok(false), "it ran after the old job");
        assert!(tree.shutdown().await.is_clean());
    });
}
