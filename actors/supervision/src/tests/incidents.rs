//! Tests of the log of a tree's incidents and of the samples of messages that were not handled.

use super::fixture::{Fixture, Gossip, Query};
use super::*;
use crate::snapshot::{DeadLetter, DeadLetterReason};

/// Returns the kind, the actor and the reason of each incident.
fn lines(log: &IncidentLog) -> Vec<String> {
    let line = |it: IncidentRecord| format!("{:?} {} {}", it.kind, it.actor, it.reason);
    log.since(0).1.into_iter().map(line).collect()
}

#[test]
fn the_log_has_failures_groups_and_escalations_in_order() {
    run(async {
        let (a, b) = (ActorRef::new("a"), ActorRef::new("b"));
        let log = Log::default();
        let inner = SupervisorSpec::new("inner", Strategy::OneForAll)
            .intensity(1, Duration::from_secs(60))
            .child(TestActor::child(&a, &log))
            .child(TestActor::child(&b, &log));
        let root = SupervisorSpec::new("root", Strategy::OneForOne).child(inner);
        let sunk = Log::default();
        let to_sunk = sunk.clone();
        let earlier = IncidentRecord {
            unix_ms: 7,
            kind: IncidentKind::Stuck,
            actor: "root/old".to_owned(),
            generation: 3,
            reason: "before".to_owned(),
        };
        let incidents = IncidentLog::with_sink([earlier], move |it| to_sunk.add(&it.reason));
        let options = TreeOptions::default().single_thread();
        let tree = options.incidents(incidents).start(root).await.unwrap();
        let incidents = tree.handle().incidents().clone();
        a.tell(Fail).unwrap();
        until(|| a.generation() == 2 && a.is_available()).await;
        b.tell(Panic).unwrap();
        until(|| a.generation() == 3 && a.is_available()).await;
        let expected = [
            "Stuck root/old before",
            "Failure root/inner/a failed: requested",
            "Group root/inner/b restarted with root/inner/a",
            "Failure root/inner/b panicked in Panic: requested",
            "Escalation root/inner gave up after too many restarts of root/inner/b: \
             panicked in Panic: requested",
        ];
        let lines = lines(&incidents);
        assert_eq!(lines[..4], expected[..4]);
        assert!(lines.contains(&expected[4].to_owned()), "{lines:#?}");
        tree.shutdown().await;
        let sunk = sunk.take();
        assert_eq!(sunk.len() as u64, incidents.since(0).0 - 1);
        assert_eq!(sunk[0], "failed: requested");
    });
}

#[test]
fn a_hang_is_an_incident_of_the_log() {
    run(async {
        let (a, log) = (ActorRef::new("a"), Log::default());
        let spec =
            SupervisorSpec::new("root", Strategy::OneForOne).child(TestActor::child(&a, &log));
        let probe = Duration::from_millis(5);
        let options = TreeOptions::default().probe(probe, probe * 10);
        let tree = options.start(spec).await.unwrap();
        a.tell(Block(Duration::from_millis(400))).unwrap();
        let incidents = tree.handle().incidents();
        until(|| incidents.since(0).0 > 0).await;
        assert_eq!(lines(incidents)[0], "Stuck root/a does not answer: Block");
        tree.shutdown().await;
    });
}

/// Returns the samples of the gated actor.
fn samples(fixture: &Fixture) -> Vec<DeadLetter> {
    let root = fixture.tree.handle().snapshot();
    root.find(fixture.me.path()).unwrap().dead_letters.clone()
}

fn shown(samples: &[DeadLetter]) -> Vec<(&str, DeadLetterReason, &str)> {
    let shown = samples
        .iter()
        .map(|it| (it.message.as_str(), it.reason, it.sender.as_str()));
    shown.collect()
}

#[test]
fn refused_dropped_and_lost_messages_are_sampled() {
    run(async {
        let fixture = Fixture::new(2, Duration::ZERO).await;
        fixture.shut_gate().await;
        fixture.me.tell(Gossip(1)).unwrap();
        fixture.me.tell(Query).unwrap();
        fixture.me.tell(Gossip(2)).unwrap();
        fixture.me.tell(Query).unwrap();
        assert!(fixture.me.tell(Add).is_err());
        let expected = [
            ("Gossip", DeadLetterReason::Dropped, "outside"),
            ("Add", DeadLetterReason::Rejected, "outside"),
        ];
        assert_eq!(shown(&samples(&fixture)), expected);

        let handle = fixture.tree.handle().clone();
        handle.crash("root/keeper").unwrap();
        // A turn that has lasted as long as this is over: the request to crash comes before the queue.
        std::thread::sleep(10 * limits::TURN_TIME);
        fixture.open_gate();
        until(|| samples(&fixture).len() > 2).await;
        let all = samples(&fixture);
        assert_eq!(shown(&all)[2], ("Query", DeadLetterReason::Lost, "outside"));
        assert!(all[2].unix_ms > 1_600_000_000_000);
        fixture.tree.shutdown().await;
    });
}

#[test]
fn samples_are_few_however_many_messages_are_refused() {
    run(async {
        let fixture = Fixture::new(1, Duration::ZERO).await;
        fixture.shut_gate().await;
        fixture.me.tell(Query).unwrap();
        let begun = std::time::Instant::now();
        for _ in 0..10_000 {
            assert!(fixture.me.tell(Query).is_err());
        }
        let periods = begun.elapsed().as_nanos() / limits::DEAD_LETTER_PERIOD.as_nanos();
        let count = samples(&fixture).len() as u128;
        assert!((1..=periods + 1).contains(&count), "{count}");
        assert_eq!(fixture.message("Query").rejected, 10_000);
        fixture.open_gate();
        fixture.tree.shutdown().await;
    });
}

#[test]
fn a_pool_shows_its_threads_and_those_that_work() {
    run(async {
        let pool = Pool::new("pool", 2);
        let early = pool.job("Test").run(|| ()).await;
        assert_eq!(early, Err(JobError::NotRun(PoolError::Closed)));
        let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(pool.child());
        let tree = Tree::start(spec).await.unwrap();
        let figures = || {
            let root = tree.handle().snapshot();
            let pool = root.find("root/pool").unwrap().pool.unwrap();
            (pool.threads, pool.busy)
        };
        assert_eq!(figures(), (2, 0));
        let root = tree.handle().snapshot();
        let early = &root.find("root/pool").unwrap().dead_letters[0];
        assert_eq!(early.reason, DeadLetterReason::Unavailable);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let job = pool.job("Test").run(move || held.recv());
        until(|| figures() == (2, 1)).await;
        drop(release);
        job.await.unwrap().unwrap_err();
        assert_eq!(tree.handle().snapshot().pool, None);
        tree.shutdown().await;
    });
}
