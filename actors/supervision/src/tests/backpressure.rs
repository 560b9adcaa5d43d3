//! Tests of full mailboxes, and of control messages and timers under a flood.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use futures_util::FutureExt;

use super::fixture::*;
use super::*;

#[test]
fn a_full_mailbox_refuses_and_returns_the_message() {
    run(async {
        let fixture = Fixture::new(2, Duration::ZERO).await;
        fixture.shut_gate().await;
        fixture.me.tell(Add).unwrap();
        fixture.me.tell(Add).unwrap();
        assert!(matches!(fixture.me.tell(Add), Err(TellError::Full(Add))));
        assert_eq!(fixture.me.ask(Query).await, Err(AskError::Full));
        assert!(AskError::Full.was_never_handled());
        fixture.open_gate();
        assert_eq!(
            fixture.me.within(Duration::from_secs(30)).ask(Query).await,
            Ok(7)
        );
        assert_eq!(fixture.message("Add").rejected, 1);
        assert_eq!(fixture.message("Query").rejected, 1);
        assert_eq!(fixture.message("Add").handled, 3);
        fixture.tree.shutdown().await;
    });
}

#[test]
fn the_oldest_droppable_message_is_dropped_and_counted() {
    run(async {
        let fixture = Fixture::new(3, Duration::ZERO).await;
        fixture.shut_gate().await;
        fixture.me.tell(Gossip(0)).unwrap();
        let asked = fixture.me.ask(Gossip(1));
        fixture.me.tell(Add).unwrap();
        for number in 2..10 {
            fixture.me.tell(Gossip(number)).unwrap();
        }
        assert_eq!(asked.await, Err(AskError::Dropped));
        // A command replaces gossip, too; it is refused only when no gossip is queued.
        fixture.me.tell(Add).unwrap();
        fixture.me.tell(Add).unwrap();
        assert!(matches!(fixture.me.tell(Add), Err(TellError::Full(Add))));
        assert!(matches!(
            fixture.me.tell(Gossip(11)),
            Err(TellError::Full(Gossip(11)))
        ));
        assert_eq!(fixture.message("Gossip").dropped, 10);
        assert_eq!(fixture.message("Gossip").rejected, 1);
        fixture.open_gate();
        until(|| fixture.message("Add").handled == 4).await;
        fixture
            .me
            .within(Duration::from_secs(30))
            .tell(Gossip(12))
            .await
            .unwrap();
        until(|| fixture.message("Gossip").handled == 1).await;
        fixture.tree.shutdown().await;
        assert_eq!(
            fixture.got.take(),
            ["add", "add", "add", "add", "gossip 12"]
        );
    });
}

#[test]
fn droppable_and_other_messages_keep_one_order() {
    run(async {
        let fixture = Fixture::new(100, Duration::ZERO).await;
        fixture.shut_gate().await;
        for number in 0..10 {
            fixture.me.tell(Gossip(number)).unwrap();
            fixture.me.tell(Body(number)).unwrap();
        }
        fixture.open_gate();
        until(|| fixture.message("Body").handled == 10).await;
        let mut expected = vec!["add".to_owned()];
        for number in 0..10 {
            expected.extend([format!("gossip {number}"), format!("body {number}")]);
        }
        assert_eq!(fixture.got.take(), expected);
        fixture.tree.shutdown().await;
    });
}

#[test]
fn waiting_senders_get_slots_in_order_ahead_of_others() {
    run(async {
        let fixture = Fixture::new(1, Duration::ZERO).await;
        fixture.shut_gate().await;
        fixture.me.tell(Body(0)).unwrap();
        assert!(
            matches!(fixture.me.tell(Body(1)), Err(TellError::Full(_))),
            "it cannot wait"
        );
        let mut waiting = Vec::new();
        for number in 1..20 {
            let me = fixture.me.clone();
            waiting.push(actix::spawn(async move {
                match number % 3 {
                    0 => me.ask(Body(number)).await.unwrap(),
                    1 => me.tell_when_room(Body(number)).await.unwrap(),
                    _ => me
                        .within(Duration::from_secs(30))
                        .tell(Body(number))
                        .await
                        .unwrap(),
                }
            }));
            tokio::task::yield_now().await;
        }
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        fixture.open_gate();
        for waiting in waiting {
            waiting.await.unwrap();
        }
        until(|| fixture.message("Body").handled == 20).await;
        let expected: Vec<_> = (0..20).map(|number| format!("body {number}")).collect();
        assert_eq!(fixture.got.take()[1..], expected);
        fixture.tree.shutdown().await;
    });
}

#[test]
fn a_sender_that_stops_waiting_passes_on_its_slot() {
    run(async {
        let fixture = Fixture::new(1, Duration::ZERO).await;
        fixture.shut_gate().await;
        fixture.me.tell(Body(0)).unwrap();
        let mut gone = Box::pin(fixture.me.tell_when_room(Body(1)));
        assert!(gone.as_mut().now_or_never().is_none());
        let mut second = Box::pin(fixture.me.tell_when_room(Body(2)));
        assert!(second.as_mut().now_or_never().is_none());
        // The freed slot is reserved for the first sender, which is not polled again.
        fixture.open_gate();
        until(|| fixture.message("Body").handled == 1).await;
        drop(gone);
        second.await.unwrap();
        until(|| fixture.message("Body").handled == 2).await;
        fixture.me.tell(Body(3)).unwrap();
        until(|| fixture.message("Body").handled == 3).await;
        assert_eq!(fixture.got.take(), ["add", "body 0", "body 2", "body 3"]);
        fixture.tree.shutdown().await;
    });
}

/// Threads that keep the mailbox full until [`Flood::end`].
struct Flood {
    is_over: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<u64>>,
}

impl Flood {
    fn of(me: &ActorRef<GatedActor>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let threads = (0..2)
            .map(|_| {
                let (me, is_over) = (me.clone(), Arc::clone(&is_over));
                std::thread::spawn(move || {
                    let mut refused = 0;
                    while !is_over.load(SeqCst) {
                        if me.tell(Add).is_err() {
                            refused += 1;
                            std::thread::yield_now();
                        }
                    }
                    refused
                })
            })
            .collect();
        Self { is_over, threads }
    }

    fn end(self) -> u64 {
        self.is_over.store(true, SeqCst);
        self.threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    }
}

#[test]
fn a_flooded_actor_keeps_its_ticks_probes_and_stop() {
    const CAPACITY: usize = 10_000;
    run(async {
        // Ten thousand messages of 200 microseconds: two seconds of work, never less.
        let fixture = Fixture::new(CAPACITY, Duration::from_micros(200)).await;
        let flood = Flood::of(&fixture.me);
        let depth = || {
            let root = fixture.tree.handle().snapshot();
            root.find("root/keeper").unwrap().mailbox.unwrap().depth
        };
        until(|| depth() as usize > CAPACITY / 2).await;

        let ticks = fixture.ticks.load(SeqCst);
        until(|| fixture.ticks.load(SeqCst) >= ticks + 20).await;
        assert!(depth() > 1000, "the ticks did not wait for the mailbox");

        // Probes are sent all the time; one that waited for the mailbox would take two seconds.
        tokio::time::sleep(Fixture::PROBE_TIMEOUT + Duration::from_millis(500)).await;
        let root = fixture.tree.handle().snapshot();
        assert_eq!(root.find("root/keeper").unwrap().stuck, None);

        let me = fixture.me.clone();
        let handle = fixture.tree.handle().clone();
        assert!(fixture.tree.shutdown().await.is_clean());
        let refused = flood.end();
        let root = handle.snapshot();
        let add = root
            .find(me.path())
            .unwrap()
            .message("Add")
            .unwrap()
            .clone();
        assert!(add.lost > 1000, "the stop did not wait either");
        assert_eq!(
            add.rejected + add.unavailable,
            refused,
            "nothing is lost without a count"
        );
    });
}

#[test]
fn every_message_of_a_storm_is_accounted_for() {
    const SENDERS: u64 = 4;
    const EACH: u64 = 2000;
    run(async {
        let pause = Duration::from_millis(1);
        let fixture = Fixture::with_pause(64, Duration::ZERO, pause).await;
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                let me = fixture.me.clone();
                std::thread::spawn(move || {
                    for number in 0..EACH {
                        match number % 4 {
                            0 => drop(me.tell(Gossip(0))),
                            _ => drop(me.tell(Body(0))),
                        }
                    }
                })
            })
            .collect();
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let _ = fixture.me.tell(Panic);
        }
        for sender in senders {
            sender.join().unwrap();
        }
        let handle = fixture.tree.handle().clone();
        fixture.tree.shutdown().await;
        let root = handle.snapshot();
        let keeper = root.find("root/keeper").unwrap();
        let all = |name: &str| {
            let row = keeper.message(name).unwrap();
            let refused = row.rejected + row.unavailable;
            row.handled + row.dropped + row.lost + refused
        };
        assert_eq!(all("Gossip"), SENDERS * EACH / 4);
        assert_eq!(all("Body"), SENDERS * EACH * 3 / 4);
        assert_eq!(keeper.mailbox.unwrap().depth, 0);
    });
}
