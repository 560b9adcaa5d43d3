//! Tests of the results that callers get.

use super::fixture::*;
use super::*;

#[test]
fn a_send_to_a_down_actor_fails_at_once_or_waits_bounded() {
    run(async {
        let fixture = Fixture::new(10, Duration::ZERO).await;
        let me = &fixture.me;
        fixture.shut_gate().await;
        let queued = me.ask(Query);
        let panicking = me.ask(Panic);
        let behind = me.ask(Query);
        let waiting = me.ask(Wait);
        fixture.open_gate();
        assert_eq!(
            panicking.await,
            Err(AskError::Interrupted),
            "its outcome is not known"
        );
        assert_eq!(queued.await, Ok(7));
        assert_eq!(
            behind.await,
            Err(AskError::Unavailable),
            "it was certainly not handled"
        );
        assert_eq!(waiting.await, Err(AskError::Unavailable));
        assert!(matches!(me.tell(Add), Err(TellError::Unavailable(Add))));
        assert_eq!(me.ask(Query).await, Err(AskError::Unavailable));
        let waiting_briefly = me.within(Duration::from_micros(10));
        assert_eq!(
            waiting_briefly.available().await,
            Err(AskError::Unavailable)
        );
        assert_eq!(me.within(Duration::from_secs(30)).ask(Query).await, Ok(7));
        assert_eq!(me.generation(), 2);
        assert_eq!(fixture.message("Query").lost, 1);
        assert_eq!(fixture.message("Query").unavailable, 1);
        assert_eq!(fixture.message("Add").unavailable, 1);
        assert_eq!(fixture.message("Panic").failed, 1);
        fixture.tree.shutdown().await;
        assert!(matches!(me.tell(Add), Err(TellError::Unavailable(Add))));
    });
}

#[test]
fn a_bounded_wait_ends() {
    run(async {
        let fixture = Fixture::new(1, Duration::ZERO).await;
        fixture.shut_gate().await;
        let brief = Duration::from_millis(5);
        assert_eq!(
            fixture.me.within(brief).ask(Query).await,
            Err(AskError::TimedOut)
        );
        let refused = fixture.me.within(brief).tell(Body(1)).await;
        assert!(matches!(refused, Err(TellError::Full(Body(1)))));
        assert_eq!(fixture.message("Body").rejected, 1);
        fixture.open_gate();
        fixture.tree.shutdown().await;
    });
}

#[test]
fn an_abandoned_query_is_skipped_and_a_command_is_not() {
    run(async {
        let fixture = Fixture::new(10, Duration::ZERO).await;
        fixture.shut_gate().await;
        drop(fixture.me.ask(Query));
        drop(fixture.me.ask(Body(1)));
        fixture.open_gate();
        until(|| fixture.message("Body").handled == 1).await;
        assert_eq!(fixture.got.take(), ["add", "body 1"]);
        assert_eq!(fixture.message("Query").abandoned, 1);

        let endless = fixture.me.ask(Endless);
        until(|| fixture.message("Endless").owed == 1).await;
        drop(endless);
        until(|| fixture.message("Endless").owed == 0).await;
        assert_eq!(fixture.message("Endless").abandoned, 1);
        fixture.tree.shutdown().await;
    });
}

#[test]
fn answers_may_come_later_and_failures_are_counted() {
    run(async {
        let fixture = Fixture::new(10, Duration::ZERO).await;
        let (one, two) = (fixture.me.ask(Wait), fixture.me.ask(Wait));
        until(|| fixture.me.is_available() && fixture.message("Wait").owed == 2).await;
        assert_eq!(
            fixture.me.ask(Query).await,
            Ok(7),
            "others are handled meanwhile"
        );
        fixture.me.tell(Open).unwrap();
        assert_eq!((one.await, two.await), (Ok(9), Ok(9)));
        assert_eq!(fixture.message("Wait").answering.count, 2);
        assert_eq!(fixture.me.ask(Refuse).await, Ok(Err("no".to_owned())));
        assert_eq!(fixture.message("Refuse").failed, 1);

        let owed = fixture.me.ask(Wait);
        until(|| fixture.message("Wait").owed == 1).await;
        fixture.me.tell(Panic).unwrap();
        assert_eq!(owed.await, Err(AskError::Interrupted));
        until(|| fixture.message("Wait").owed == 0).await;
        fixture.tree.shutdown().await;
    });
}

#[test]
fn a_recipient_hides_the_actor_type() {
    run(async {
        let fixture = Fixture::new(10, Duration::ZERO).await;
        let recipient: Recipient<Body> = fixture.me.recipient();
        recipient.clone().tell(Body(5)).unwrap();
        assert_eq!(recipient.path(), "root/keeper");
        until(|| fixture.got.take() == ["body 5"]).await;
        fixture.tree.shutdown().await;
    });
}
