//! Tests of what a pool shows of its jobs, and of jobs that need not run any more.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;

use super::*;
use crate::observe::snapshot::{MessageSnapshot, NodeSnapshot};

message!(Done(Result<(), JobError>) -> ());

/// An actor that logs the results of jobs.
struct Collector(Log);

impl Actor for Collector {}

impl Handles<Done> for Collector {
    type Answer = ();

    fn handle(&mut self, Done(result): Done, _: &mut Ctx<Self>) {
        self.0.add(format!("{result:?}"));
    }
}

/// A tree with a pool of one thread and a queue of two jobs.
struct Fixture {
    tree: Tree,
    pool: Pool,
    collector: ActorRef<Collector>,
    log: Log,
}

impl Fixture {
    async fn new() -> Self {
        let (collector, log) = (ActorRef::new("collector"), Log::default());
        let pool = Pool::with_queue("pool", 1, 2);
        let to_collector = log.clone();
        let spec = SupervisorSpec::new("root", Strategy::OneForOne)
            .child(pool.child())
            .child(ChildSpec::new(&collector, move || {
                Collector(to_collector.clone())
            }));
        let options =
            TreeOptions::default().probe(Duration::from_millis(5), Duration::from_secs(60));
        Self {
            tree: options.start(spec).await.unwrap(),
            pool,
            collector,
            log,
        }
    }

    fn node(&self) -> NodeSnapshot {
        let root = self.tree.handle().snapshot();
        root.find("root/pool").unwrap().clone()
    }

    fn jobs(&self, name: &str) -> MessageSnapshot {
        self.node().message(name).unwrap().clone()
    }

    /// Holds the thread with a job that may take `time`, until the sender is dropped.
    async fn hold(&self, time: Duration) -> mpsc::Sender<()> {
        let (release, held) = mpsc::channel::<()>();
        let wait = move || {
            // An error means that the sender was dropped.
            let _ = held.recv();
        };
        drop(self.pool.job("Hold").may_take(time).detached().run(wait));
        until(|| self.pool.busy() == 1).await;
        release
    }
}

const LONG: Duration = Duration::from_secs(60);

/// Returns a job that counts its runs.
fn counting(runs: &Arc<AtomicUsize>) -> impl FnOnce() + Send + use<> {
    let runs = Arc::clone(runs);
    move || {
        runs.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_thread_shows_its_job_and_the_row_has_its_name() {
    run(async {
        let fixture = Fixture::new().await;
        until(|| fixture.node().threads.len() == 1).await;
        assert_eq!(fixture.node().doing, None);
        let release = fixture.hold(LONG).await;
        until(|| fixture.node().doing.is_some()).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let node = fixture.node();
        assert_eq!(node.doing.as_deref(), Some("Hold"));
        assert_eq!(node.stuck, None);
        let thread = &node.threads[0];
        assert_eq!(thread.name, "root-pool-0");
        assert_eq!(
            (thread.doing.as_deref(), thread.is_late),
            (Some("Hold"), false)
        );
        assert!(thread.for_ms >= 10);
        let json = serde_json::to_value(&node).unwrap();
        assert_eq!(json["threads"][0]["doing"], "Hold");
        drop(release);
        until(|| fixture.node().threads[0].doing.is_none()).await;
        assert_eq!(fixture.jobs("Hold").handled, 1);
        assert!(fixture.tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_job_that_hangs_is_reported_until_it_ends() {
    run(async {
        let fixture = Fixture::new().await;
        let release = fixture.hold(Duration::from_millis(10)).await;
        until(|| fixture.node().stuck.is_some()).await;
        let stuck = fixture.node().stuck.unwrap();
        assert_eq!(stuck.doing.as_deref(), Some("Hold on root-pool-0"));
        assert!(stuck.for_ms >= 10 && stuck.blocked_by.is_none());
        assert!(fixture.node().threads[0].is_late);
        drop(release);
        until(|| fixture.node().stuck.is_none()).await;
        let release = fixture.hold(LONG).await;
        assert_eq!(fixture.node().stuck, None);
        drop(release);
        fixture.tree.shutdown().await;
    });
}

#[test]
fn a_running_job_past_its_deadline_is_reported() {
    run(async {
        let fixture = Fixture::new().await;
        let (release, held) = mpsc::channel::<()>();
        let late = fixture
            .pool
            .job("Late")
            .deadline(Duration::from_millis(200));
        let late = late.run(move || held.recv().is_err());
        until(|| fixture.node().stuck.is_some()).await;
        drop(release);
        assert_eq!(late.await, Ok(true));
        until(|| fixture.node().stuck.is_none()).await;
        fixture.tree.shutdown().await;
    });
}

#[test]
fn a_job_queued_past_its_deadline_is_not_run() {
    run(async {
        let fixture = Fixture::new().await;
        let release = fixture.hold(LONG).await;
        let runs = Arc::default();
        let job = || fixture.pool.job("Late").deadline(Duration::from_millis(5));
        let asked = job().run(counting(&runs));
        job()
            .submit(&fixture.collector, counting(&runs), Done)
            .unwrap();
        // Both are answered while the only thread is busy.
        assert_eq!(asked.await, Err(JobError::NotRun(PoolError::Expired)));
        until(|| fixture.log.take() == ["Err(NotRun(Expired))"]).await;
        assert_eq!(fixture.node().mailbox.unwrap().depth, 0);
        drop(release);
        let in_time = fixture.pool.job("Late").deadline(LONG);
        assert_eq!(in_time.run(counting(&runs)).await, Ok(()));
        assert_eq!(runs.load(SeqCst), 1);
        let row = fixture.jobs("Late");
        assert_eq!((row.handled, row.expired, row.abandoned), (1, 2, 0));
        fixture.tree.shutdown().await;
    });
}

#[test]
fn a_queued_job_whose_caller_has_left_is_skipped() {
    run(async {
        let fixture = Fixture::new().await;
        let release = fixture.hold(LONG).await;
        let (skipped, ran) = (Arc::default(), Arc::default());
        drop(fixture.pool.job("Skipped").run(counting(&skipped)));
        drop(fixture.pool.job("Detached").detached().run(counting(&ran)));
        drop(release);
        until(|| ran.load(SeqCst) == 1).await;
        assert_eq!(skipped.load(SeqCst), 0);
        let row = fixture.jobs("Skipped");
        assert_eq!((row.handled, row.abandoned), (0, 1));
        assert_eq!(fixture.jobs("Detached").abandoned, 0);
        fixture.tree.shutdown().await;
    });
}

#[test]
fn abandoned_jobs_do_not_fill_the_queue() {
    run(async {
        let fixture = Fixture::new().await;
        let release = fixture.hold(LONG).await;
        let runs = Arc::default();
        for _ in 0..10 {
            drop(fixture.pool.job("Skipped").run(counting(&runs)));
        }
        let kept = fixture.pool.job("Kept").run(counting(&runs));
        let second = fixture.pool.job("Kept").run(counting(&runs));
        let refused = fixture.pool.job("Kept").run(counting(&runs)).await;
        assert_eq!(refused, Err(JobError::NotRun(PoolError::Full)));
        drop(release);
        assert_eq!((kept.await, second.await), (Ok(()), Ok(())));
        assert_eq!(runs.load(SeqCst), 2);
        assert_eq!(fixture.jobs("Skipped").abandoned, 10);
        fixture.tree.shutdown().await;
    });
}

#[test]
fn an_unwanted_job_may_panic_when_it_is_dropped() {
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("when dropped");
        }
    }

    run(async {
        let fixture = Fixture::new().await;
        let release = fixture.hold(LONG).await;
        let bomb = Bomb;
        drop(fixture.pool.job("Bomb").run(move || std::mem::forget(bomb)));
        drop(release);
        assert_eq!(fixture.pool.job("Next").run(|| 1).await, Ok(1));
        assert_eq!(fixture.jobs("Bomb").abandoned, 1);
        assert!(fixture.tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_pool_alone_runs_jobs_until_it_is_dropped() {
    run(async {
        let pool = Pool::with_queue("pool", 1, 2);
        let running = pool.run_alone().unwrap();
        assert_eq!(pool.job("Sum").run(|| 2 + 2).await, Ok(4));
        drop(running);
        let late = pool.job("Sum").run(|| 2 + 2).await;
        assert_eq!(late, Err(JobError::NotRun(PoolError::Closed)));
    });
}

#[test]
fn a_full_queue_is_searched_after_each_departure() {
    run(async {
        let fixture = Fixture::new().await;
        let release = fixture.hold(LONG).await;
        let runs = Arc::new(AtomicUsize::new(0));
        let queue = |name| fixture.pool.job(name).run(counting(&runs));
        for round in 1..=3 {
            let (first, second) = (queue("First"), queue("Second"));
            let refused = queue("Refused").await;
            assert_eq!(refused, Err(JobError::NotRun(PoolError::Full)));
            drop(first);
            let third = queue("Third");
            let refused = queue("Refused").await;
            assert_eq!(refused, Err(JobError::NotRun(PoolError::Full)));
            assert_eq!(fixture.pool.waiting(), 2);
            assert_eq!(fixture.jobs("First").abandoned, round);
            drop((second, third));
        }
        drop(release);
        until(|| fixture.pool.is_idle()).await;
        assert_eq!(runs.load(SeqCst), 0, "each caller has left");
        assert!(fixture.tree.shutdown().await.is_clean());
    });
}
