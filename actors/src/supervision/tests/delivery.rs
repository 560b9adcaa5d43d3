//! What a caller is told.

use super::stage::*;
use super::*;

#[test]
fn while_an_actor_is_down_a_send_fails_at_once_or_waits_bounded() {
    run(async {
        let stage = Stage::new(10, Duration::ZERO).await;
        let me = &stage.me;
        stage.shut_gate().await;
        let queued = me.ask(Query);
        let panicking = me.ask(Panic);
        let behind = me.ask(Query);
        let waiting = me.ask(Wait);
        stage.open_gate();
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
        let impatient = me.within(Duration::from_micros(10));
        assert_eq!(impatient.available().await, Err(AskError::Unavailable));
        assert_eq!(me.within(Duration::from_secs(30)).ask(Query).await, Ok(7));
        assert_eq!(me.generation(), 2);
        assert_eq!(stage.message("Query").lost, 1);
        assert_eq!(stage.message("Query").unavailable, 1);
        assert_eq!(stage.message("Add").unavailable, 1);
        assert_eq!(stage.message("Panic").failed, 1);
        stage.tree.shutdown().await;
        assert!(matches!(me.tell(Add), Err(TellError::Unavailable(Add))));
    });
}

#[test]
fn patience_ends() {
    run(async {
        let stage = Stage::new(1, Duration::ZERO).await;
        stage.shut_gate().await;
        let brief = Duration::from_millis(5);
        assert_eq!(
            stage.me.within(brief).ask(Query).await,
            Err(AskError::TimedOut)
        );
        let refused = stage.me.within(brief).tell(Body(1)).await;
        assert!(matches!(refused, Err(TellError::Full(Body(1)))));
        assert_eq!(stage.message("Body").rejected, 1);
        stage.open_gate();
        stage.tree.shutdown().await;
    });
}

#[test]
fn an_abandoned_query_is_skipped_and_an_abandoned_command_is_not() {
    run(async {
        let stage = Stage::new(10, Duration::ZERO).await;
        stage.shut_gate().await;
        drop(stage.me.ask(Query));
        drop(stage.me.ask(Body(1)));
        stage.open_gate();
        until(|| stage.message("Body").handled == 1).await;
        assert_eq!(stage.got.take(), ["add", "body 1"]);
        assert_eq!(stage.message("Query").abandoned, 1);

        let endless = stage.me.ask(Endless);
        until(|| stage.message("Endless").owed == 1).await;
        drop(endless);
        until(|| stage.message("Endless").owed == 0).await;
        assert_eq!(stage.message("Endless").abandoned, 1);
        stage.tree.shutdown().await;
    });
}

#[test]
fn answers_may_come_later_and_failures_are_counted() {
    run(async {
        let stage = Stage::new(10, Duration::ZERO).await;
        let (one, two) = (stage.me.ask(Wait), stage.me.ask(Wait));
        until(|| stage.me.is_available() && stage.message("Wait").owed == 2).await;
        assert_eq!(
            stage.me.ask(Query).await,
            Ok(7),
            "others are handled meanwhile"
        );
        stage.me.tell(Open).unwrap();
        assert_eq!((one.await, two.await), (Ok(9), Ok(9)));
        assert_eq!(stage.message("Wait").answering.count, 2);
        assert_eq!(stage.me.ask(Refuse).await, Ok(Err("no".to_owned())));
        assert_eq!(stage.message("Refuse").failed, 1);

        let owed = stage.me.ask(Wait);
        until(|| stage.message("Wait").owed == 1).await;
        stage.me.tell(Panic).unwrap();
        assert_eq!(owed.await, Err(AskError::Interrupted));
        until(|| stage.message("Wait").owed == 0).await;
        stage.tree.shutdown().await;
    });
}

#[test]
fn a_recipient_hides_who_it_is() {
    run(async {
        let stage = Stage::new(10, Duration::ZERO).await;
        let recipient: Recipient<Body> = stage.me.recipient();
        recipient.clone().tell(Body(5)).unwrap();
        assert_eq!(recipient.path(), "root/keeper");
        until(|| stage.got.take() == ["body 5"]).await;
        stage.tree.shutdown().await;
    });
}
