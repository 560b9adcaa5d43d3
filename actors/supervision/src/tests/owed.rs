//! Tests of the bound on owed answers.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::fixture::*;
use super::*;

/// Messages that the mailbox of these tests holds: also the bound on owed answers.
const CAPACITY: usize = 4;

/// Asks for as many answers as the actor may owe. Each is owed when this returns.
async fn owe_all(fixture: &Fixture) -> Vec<BoxFuture<'static, Result<u32, AskError>>> {
    let mut asked = Vec::new();
    while asked.len() < CAPACITY {
        asked.push(fixture.me.ask(Wait).boxed());
        until(|| fixture.message("Wait").owed as usize == asked.len()).await;
    }
    asked
}

fn depth(fixture: &Fixture) -> u64 {
    let root = fixture.tree.handle().snapshot();
    root.find("root/keeper").unwrap().mailbox.unwrap().depth
}

/// Waits until the actor has had a turn.
async fn turn(fixture: &Fixture) {
    assert_eq!(fixture.me.ask(Query).await, Ok(7));
    fixture.got.take();
}

#[test]
fn owed_answers_are_bounded_and_messages_stay_queued() {
    run(async {
        let fixture = Fixture::new(CAPACITY, Duration::ZERO).await;
        let asked = owe_all(&fixture).await;
        let queued: Vec<_> = (0..CAPACITY).map(|_| fixture.me.ask(Wait)).collect();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(fixture.message("Wait").owed as usize, CAPACITY);
        assert_eq!(depth(&fixture) as usize, CAPACITY);
        assert_eq!(fixture.me.ask(Wait).await, Err(AskError::Full));
        assert_eq!(fixture.me.ask(Query).await, Err(AskError::Full));
        drop((asked, queued));
        assert!(fixture.tree.shutdown().await.is_clean());
    });
}

#[test]
fn messages_that_owe_nothing_pass_those_that_wait_to_owe() {
    run(async {
        let fixture = Fixture::new(CAPACITY, Duration::ZERO).await;
        let mut asked = owe_all(&fixture).await;
        asked.extend((0..2).map(|_| fixture.me.ask(Wait).boxed()));
        assert_eq!(fixture.me.ask(Query).await, Ok(7));
        let ticks = fixture.ticks.load(std::sync::atomic::Ordering::SeqCst);
        until(|| fixture.ticks.load(std::sync::atomic::Ordering::SeqCst) > ticks + 5).await;
        assert_eq!(fixture.message("Wait").handled as usize, CAPACITY);
        fixture.me.tell(Open).unwrap();
        until(|| fixture.message("Wait").owed == 2).await;
        fixture.me.tell(Open).unwrap();
        for ask in asked {
            assert_eq!(ask.await, Ok(9));
        }
        assert_eq!(depth(&fixture), 0);
        fixture.tree.shutdown().await;
    });
}

#[test]
fn an_answer_that_is_dropped_lets_the_next_one_be_owed() {
    run(async {
        let fixture = Fixture::new(CAPACITY, Duration::ZERO).await;
        let asked = owe_all(&fixture).await;
        let queued = fixture.me.ask(Wait);
        turn(&fixture).await;
        assert_eq!(fixture.message("Wait").handled as usize, CAPACITY);
        fixture.me.tell(Forget).unwrap();
        until(|| fixture.message("Wait").handled as usize == CAPACITY + 1).await;
        for ask in asked {
            assert_eq!(ask.await, Err(AskError::Interrupted));
        }
        fixture.me.tell(Open).unwrap();
        assert_eq!(queued.await, Ok(9));
        fixture.tree.shutdown().await;
    });
}

#[test]
fn a_query_whose_caller_has_left_is_owed_no_longer() {
    run(async {
        let fixture = Fixture::new(CAPACITY, Duration::ZERO).await;
        let asked: Vec<_> = (0..CAPACITY).map(|_| fixture.me.ask(Endless)).collect();
        until(|| fixture.message("Endless").owed as usize == CAPACITY).await;
        let queued = fixture.me.ask(Wait);
        turn(&fixture).await;
        drop(asked);
        until(|| fixture.message("Wait").handled == 1).await;
        fixture.me.tell(Open).unwrap();
        assert_eq!(queued.await, Ok(9));
        fixture.tree.shutdown().await;
    });
}

#[test]
fn messages_that_waited_to_owe_keep_their_order() {
    run(async {
        let fixture = Fixture::new(CAPACITY, Duration::ZERO).await;
        let asked = owe_all(&fixture).await;
        let held = fixture.me.ask(Hold(0));
        fixture.me.tell(Hold(1)).unwrap();
        fixture.me.tell(Body(2)).unwrap();
        fixture.me.tell(Hold(3)).unwrap();
        until(|| fixture.message("Body").handled == 1).await;
        fixture.me.tell(Open).unwrap();
        until(|| fixture.message("Hold").handled == 3).await;
        let got = fixture.got.take();
        assert_eq!(got, ["body 2", "hold 0", "hold 1", "hold 3"]);
        drop((asked, held));
        fixture.tree.shutdown().await;
    });
}

#[test]
fn a_crash_drops_messages_that_waited_to_owe() {
    run(async {
        let pause = Duration::from_millis(1);
        let fixture = Fixture::with_pause(CAPACITY, Duration::ZERO, pause).await;
        let asked = owe_all(&fixture).await;
        let queued: Vec<_> = (0..2).map(|_| fixture.me.ask(Wait)).collect();
        fixture.me.tell(Panic).unwrap();
        for ask in asked {
            assert_eq!(ask.await, Err(AskError::Interrupted));
        }
        for ask in queued {
            assert_eq!(ask.await, Err(AskError::Unavailable));
        }
        assert_eq!(fixture.message("Wait").lost, 2);
        until(|| fixture.me.is_available()).await;
        assert_eq!((depth(&fixture), fixture.message("Wait").owed), (0, 0));
        let again = owe_all(&fixture).await;
        fixture.me.tell(Open).unwrap();
        for ask in again {
            assert_eq!(ask.await, Ok(9));
        }
        fixture.tree.shutdown().await;
    });
}

#[test]
fn a_stop_does_not_wait_for_messages_that_wait_to_owe() {
    run(async {
        let fixture = Fixture::new(CAPACITY, Duration::ZERO).await;
        let asked = owe_all(&fixture).await;
        let queued: Vec<_> = (0..2).map(|_| fixture.me.ask(Wait)).collect();
        let handle = fixture.tree.handle().clone();
        assert!(fixture.tree.shutdown().await.is_clean());
        for ask in asked {
            assert_eq!(ask.await, Err(AskError::Interrupted));
        }
        for ask in queued {
            assert_eq!(ask.await, Err(AskError::Unavailable));
        }
        let root = handle.snapshot();
        let keeper = root.find("root/keeper").unwrap();
        assert_eq!(keeper.message("Wait").unwrap().lost, 2);
        assert_eq!(keeper.mailbox.unwrap().depth, 0);
    });
}
