//! Tests of trees with clocks of their own.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::FutureExt as _;

use super::*;

/// A clock that a test sets, in milliseconds since its start at `start` seconds after the epoch.
fn manual(start: u64) -> (Clock, Arc<AtomicU64>) {
    let millis = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&millis);
    let start = UNIX_EPOCH + Duration::from_secs(start);
    let clock = Clock::custom(start, move || Duration::from_millis(read.load(SeqCst)));
    (clock, millis)
}

message!(
    /// Holds the thread until the other end of the channel is dropped.
    HoldUntil(std::sync::mpsc::Receiver<()>) -> ()
);

impl Handles<HoldUntil> for TestActor {
    type Answer = ();

    fn handle(&mut self, HoldUntil(released): HoldUntil, _: &mut Ctx<Self>) {
        let _ = released.recv();
    }
}

/// Starts a tree whose actor is probed once in each `period`.
async fn start(name: &str, clock: Clock, period: Duration) -> (Tree, ActorRef<TestActor>) {
    let (me, log) = (ActorRef::new("a"), Log::default());
    let spec = SupervisorSpec::new(name, Strategy::OneForOne).child(TestActor::child(&me, &log));
    let options = TreeOptions::default().probe(period, Duration::from_secs(3600));
    (options.clock(clock).start(spec).await.unwrap(), me)
}

fn node(tree: &Tree) -> NodeSnapshot {
    tree.handle().snapshot().children.remove(0)
}

#[test]
fn two_trees_of_one_process_have_their_own_clocks() {
    run(async {
        let (clock, millis) = manual(1_000_000);
        let never = Duration::from_secs(3600);
        let (shifted, me) = start("shifted", clock, never).await;
        let (real, other) = start("real", Clock::system(), never).await;
        millis.store(7_200_000, SeqCst);
        assert_eq!(node(&shifted).uptime_ms, Some(7_200_000));
        assert!(node(&real).uptime_ms.unwrap() < 3_600_000);

        // An hour in the queue, as the receiver's clock says.
        let (release, released) = std::sync::mpsc::channel();
        me.tell(HoldUntil(released)).unwrap();
        let asked = me.ask(Add);
        millis.store(10_800_000, SeqCst);
        drop(release);
        asked.await.unwrap();
        other.ask(Add).await.unwrap();
        let an_hour = 3_600_000_000_000.0;
        let waited = node(&shifted).message("Add").unwrap().queue.max_ns as f64;
        assert!((waited / an_hour - 1.0).abs() < 0.1, "{waited}");
        assert!((node(&real).message("Add").unwrap().queue.max_ns as f64) < an_hour);

        for (actor, tree) in [(&me, &shifted), (&other, &real)] {
            actor.tell(Fail).unwrap();
            until(|| tree.handle().incidents().since(0).0 > 0).await;
        }
        let dated = |tree: &Tree| tree.handle().incidents().since(0).1[0].unix_ms;
        assert_eq!(dated(&shifted), 1_010_800_000);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(now.as_millis() as u64 - dated(&real) < 3_600_000);
        for tree in [shifted, real] {
            assert!(tree.shutdown().await.is_clean());
        }
    });
}

#[test]
fn the_health_monitor_follows_the_clock_of_its_tree() {
    run(async {
        let (clock, millis) = manual(0);
        let (tree, me) = start("shifted", clock, Duration::from_millis(5)).await;
        let (release, released) = std::sync::mpsc::channel();
        me.tell(HoldUntil(released)).unwrap();
        until(|| {
            millis.fetch_add(3_600_000, SeqCst);
            node(&tree).stuck.is_some()
        })
        .await;
        assert!(node(&tree).stuck.unwrap().for_ms >= 3_600_000);
        drop(release);
        tree.shutdown().await;
    });
}

#[test]
fn a_paused_runtime_measures_its_own_time() {
    run_paused(async {
        let (me, log) = (ActorRef::new("a"), Log::default());
        let spec = SupervisorSpec::new("root", Strategy::OneForOne);
        let tree = start_single(spec.child(TestActor::child(&me, &log))).await;
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        let uptime = node(&tree).uptime_ms.unwrap();
        assert!((86_400_000..86_400_100).contains(&uptime), "{uptime}");
        tree.shutdown().await;
    });
}

#[test]
fn a_jobs_deadline_follows_the_clock_of_the_tree() {
    run(async {
        let (clock, millis) = manual(0);
        let pool = Pool::new("pool", 1);
        let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(pool.child());
        let options = TreeOptions::default().clock(clock);
        let tree = options.start(spec).await.unwrap();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let first = pool.job("First").run(move || held.recv());
        until(|| pool.busy() == 1).await;
        let late = pool
            .job("Late")
            .deadline(Duration::from_secs(60))
            .run(|| ());
        millis.store(60_000, SeqCst);
        drop(release);
        first.await.unwrap().unwrap_err();
        assert_eq!(late.await, Err(JobError::NotRun(PoolError::Expired)));
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_deadline_before_the_start_is_one_of_the_trees_clock() {
    run(async {
        let (me, log) = (ActorRef::new("a"), Log::default());
        let patient = me.within(Duration::from_secs(60)).expiring();
        let mut asked = std::pin::pin!(patient.ask(Add));
        assert!(asked.as_mut().now_or_never().is_none());
        let (clock, millis) = manual(1_000_000);
        millis.store(7_200_000, SeqCst);
        let spec =
            SupervisorSpec::new("root", Strategy::OneForOne).child(TestActor::child(&me, &log));
        let tree = TreeOptions::default()
            .clock(clock)
            .start(spec)
            .await
            .unwrap();
        assert_eq!(asked.await, Ok(1));
        assert!(tree.shutdown().await.is_clean());
    });
}
