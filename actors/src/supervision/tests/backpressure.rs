//! What a full mailbox does, and what comes first all the same.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use futures_util::FutureExt;

use super::stage::*;
use super::*;

#[test]
fn a_full_mailbox_refuses_and_the_message_comes_back() {
    run(async {
        let stage = Stage::new(2, Duration::ZERO).await;
        stage.shut_gate().await;
        stage.me.tell(Add).unwrap();
        stage.me.tell(Add).unwrap();
        assert!(matches!(stage.me.tell(Add), Err(TellError::Full(Add))));
        assert_eq!(stage.me.ask(Query).await, Err(AskError::Full));
        assert!(AskError::Full.was_never_handled());
        stage.open_gate();
        assert_eq!(
            stage.me.within(Duration::from_secs(30)).ask(Query).await,
            Ok(7)
        );
        assert_eq!(stage.message("Add").rejected, 1);
        assert_eq!(stage.message("Query").rejected, 1);
        assert_eq!(stage.message("Add").handled, 3);
        stage.tree.shutdown().await;
    });
}

#[test]
fn the_oldest_droppable_message_gives_way_and_is_counted() {
    run(async {
        let stage = Stage::new(3, Duration::ZERO).await;
        stage.shut_gate().await;
        stage.me.tell(Gossip(0)).unwrap();
        let asked = stage.me.ask(Gossip(1));
        stage.me.tell(Add).unwrap();
        for number in 2..10 {
            stage.me.tell(Gossip(number)).unwrap();
        }
        assert_eq!(asked.await, Err(AskError::Dropped));
        // A command takes the place of gossip too; only where none is left is it refused.
        stage.me.tell(Add).unwrap();
        stage.me.tell(Add).unwrap();
        assert!(matches!(stage.me.tell(Add), Err(TellError::Full(Add))));
        assert!(matches!(
            stage.me.tell(Gossip(11)),
            Err(TellError::Full(Gossip(11)))
        ));
        assert_eq!(stage.message("Gossip").dropped, 10);
        assert_eq!(stage.message("Gossip").rejected, 1);
        stage.open_gate();
        until(|| stage.message("Add").handled == 4).await;
        stage
            .me
            .within(Duration::from_secs(30))
            .tell(Gossip(12))
            .await
            .unwrap();
        until(|| stage.message("Gossip").handled == 1).await;
        stage.tree.shutdown().await;
        assert_eq!(stage.got.take(), ["add", "add", "add", "add", "gossip 12"]);
    });
}

#[test]
fn both_kinds_of_message_keep_one_order() {
    run(async {
        let stage = Stage::new(100, Duration::ZERO).await;
        stage.shut_gate().await;
        for number in 0..10 {
            stage.me.tell(Gossip(number)).unwrap();
            stage.me.tell(Body(number)).unwrap();
        }
        stage.open_gate();
        until(|| stage.message("Body").handled == 10).await;
        let mut expected = vec!["add".to_owned()];
        for number in 0..10 {
            expected.extend([format!("gossip {number}"), format!("body {number}")]);
        }
        assert_eq!(stage.got.take(), expected);
        stage.tree.shutdown().await;
    });
}

#[test]
fn those_who_wait_for_room_get_it_in_their_order_ahead_of_others() {
    run(async {
        let stage = Stage::new(1, Duration::ZERO).await;
        stage.shut_gate().await;
        stage.me.tell(Body(0)).unwrap();
        assert!(
            matches!(stage.me.tell(Body(1)), Err(TellError::Full(_))),
            "it cannot wait"
        );
        let mut waiting = Vec::new();
        for number in 1..20 {
            let me = stage.me.clone();
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
        stage.open_gate();
        for waiting in waiting {
            waiting.await.unwrap();
        }
        until(|| stage.message("Body").handled == 20).await;
        let expected: Vec<_> = (0..20).map(|number| format!("body {number}")).collect();
        assert_eq!(stage.got.take()[1..], expected);
        stage.tree.shutdown().await;
    });
}

#[test]
fn one_who_stops_waiting_leaves_his_place_to_the_next() {
    run(async {
        let stage = Stage::new(1, Duration::ZERO).await;
        stage.shut_gate().await;
        stage.me.tell(Body(0)).unwrap();
        let mut gone = Box::pin(stage.me.tell_when_room(Body(1)));
        assert!(gone.as_mut().now_or_never().is_none());
        let mut patient = Box::pin(stage.me.tell_when_room(Body(2)));
        assert!(patient.as_mut().now_or_never().is_none());
        // The first in line is promised the place that comes free, and never looks.
        stage.open_gate();
        until(|| stage.message("Body").handled == 1).await;
        drop(gone);
        patient.await.unwrap();
        until(|| stage.message("Body").handled == 2).await;
        stage.me.tell(Body(3)).unwrap();
        until(|| stage.message("Body").handled == 3).await;
        assert_eq!(stage.got.take(), ["add", "body 0", "body 2", "body 3"]);
        stage.tree.shutdown().await;
    });
}

/// Keeps the mailbox full from other threads until it is dropped.
struct Flood {
    is_over: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<u64>>,
}

impl Flood {
    fn of(me: &ActorRef<Keeper>) -> Self {
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
fn a_flooded_actor_keeps_its_ticks_its_probes_and_its_stop() {
    const CAPACITY: usize = 10_000;
    run(async {
        // Ten thousand messages of 200 microseconds: two seconds of work, never less.
        let stage = Stage::new(CAPACITY, Duration::from_micros(200)).await;
        let flood = Flood::of(&stage.me);
        let depth = || {
            let root = stage.tree.handle().snapshot();
            root.find("root/keeper").unwrap().mailbox.unwrap().depth
        };
        until(|| depth() as usize > CAPACITY / 2).await;

        let ticks = stage.ticks.load(SeqCst);
        until(|| stage.ticks.load(SeqCst) >= ticks + 20).await;
        assert!(depth() > 1000, "the ticks did not wait for the mailbox");

        // Probes are sent all the time; one that waited for the mailbox would take two seconds.
        tokio::time::sleep(Stage::PROBE_TIMEOUT + Duration::from_millis(500)).await;
        let root = stage.tree.handle().snapshot();
        assert_eq!(root.find("root/keeper").unwrap().stuck, None);

        let me = stage.me.clone();
        let handle = stage.tree.handle().clone();
        assert!(stage.tree.shutdown().await.is_clean());
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
        let stage = Stage::with_pause(64, Duration::ZERO, pause).await;
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                let me = stage.me.clone();
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
            let _ = stage.me.tell(Panic);
        }
        for sender in senders {
            sender.join().unwrap();
        }
        let handle = stage.tree.handle().clone();
        stage.tree.shutdown().await;
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
