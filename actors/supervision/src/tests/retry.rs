//! Tests of callers that wait for the next generation of an actor.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::fixture::*;
use super::*;

const LONG: Duration = Duration::from_secs(30);

/// A short pause before a restart.
const PAUSE: Duration = Duration::from_millis(20);

#[test]
fn a_resend_after_an_interruption_waits_for_the_restart() {
    run(async {
        for _ in 0..20 {
            let fixture = Fixture::with_pause(10, Duration::ZERO, PAUSE).await;
            let me = fixture.me.clone();
            assert_eq!(me.ask(Panic).await, Err(AskError::Interrupted));
            assert_eq!(me.within(LONG).ask(Query).await, Ok(7));
            fixture.tree.shutdown().await;
        }
    });
}

#[test]
fn a_lane_is_closed_before_an_interruption_is_seen() {
    run(async {
        for owed in [false, true] {
            let fixture = Fixture::new(10, Duration::ZERO).await;
            let me = fixture.me.clone();
            let interrupted = if owed {
                let asked = me.ask(Endless);
                until(|| fixture.message("Endless").owed == 1).await;
                me.tell(Panic).unwrap();
                actix::spawn(asked)
            } else {
                actix::spawn(me.ask(Panic))
            };
            // Polled on another thread than the actor's, at the moment of the interruption.
            let is_open = Arc::new(AtomicBool::new(false));
            let (seen, other) = (Arc::clone(&is_open), me.clone());
            assert_eq!(interrupted.await.unwrap(), Err(AskError::Interrupted));
            seen.store(other.is_available(), SeqCst);
            assert!(!is_open.load(SeqCst), "owed: {owed}");
            fixture.tree.shutdown().await;
        }
    });
}

#[test]
fn a_waiting_request_outlives_the_generation_it_was_queued_in() {
    run(async {
        let fixture = Fixture::with_pause(10, Duration::ZERO, PAUSE).await;
        let me = fixture.me.clone();
        fixture.shut_gate().await;
        let panicking = me.ask(Panic);
        let waiting = {
            let me = me.clone();
            actix::spawn(async move { me.within(LONG).ask(Query).await })
        };
        let depth = || {
            let root = fixture.tree.handle().snapshot();
            root.find("root/keeper").unwrap().mailbox.unwrap().depth
        };
        until(|| depth() == 2).await;
        fixture.open_gate();
        assert_eq!(panicking.await, Err(AskError::Interrupted));
        assert_eq!(waiting.await.unwrap(), Ok(7));
        assert_eq!(me.generation(), 2);
        assert_eq!(fixture.message("Query").lost, 0, "it came back");
        assert_eq!(fixture.message("Query").handled, 1);
        fixture.tree.shutdown().await;
    });
}

#[test]
fn a_waiting_request_ends_at_its_deadline_without_an_actor() {
    run(async {
        let fixture = Fixture::with_pause(10, Duration::ZERO, LONG).await;
        let me = fixture.me.clone();
        fixture.shut_gate().await;
        me.tell(Panic).unwrap();
        let waiting = {
            let me = me.clone();
            actix::spawn(async move { me.within(Duration::from_millis(300)).ask(Query).await })
        };
        tokio::time::sleep(Duration::from_millis(50)).await;
        fixture.open_gate();
        assert_eq!(waiting.await.unwrap(), Err(AskError::Unavailable));
        assert_eq!(fixture.message("Query").unavailable, 1);
        fixture.tree.shutdown().await;
    });
}
