//! Tests of mailboxes that are kept over a restart, and of quarantined message types.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::*;
use crate::observe::snapshot::State;

message!(
    /// Holds the thread until the gate opens, then panics.
    HoldAndPanic -> ()
);
message!(Note(u32) -> u32);
message!(Poison -> ());

/// An actor that logs its messages.
struct Keeper {
    gate: Arc<AtomicBool>,
    log: Log,
}

impl Actor for Keeper {}

impl Handles<HoldAndPanic> for Keeper {
    type Answer = ();

    fn handle(&mut self, _: HoldAndPanic, _: &mut Ctx<Self>) {
        while self.gate.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("requested");
    }
}

impl Handles<Note> for Keeper {
    type Answer = u32;
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, Note(number): Note, ctx: &mut Ctx<Self>) -> u32 {
        self.log.add(format!("{number} in {}", ctx.generation()));
        number
    }
}

impl Handles<Add> for Keeper {
    type Answer = u64;

    fn handle(&mut self, _: Add, ctx: &mut Ctx<Self>) -> u64 {
        self.log.add(format!("add in {}", ctx.generation()));
        0
    }
}

impl Handles<Poison> for Keeper {
    type Answer = ();

    fn handle(&mut self, _: Poison, _: &mut Ctx<Self>) {
        panic!("poisoned");
    }
}

/// A keeper in a tree.
struct Kept {
    me: ActorRef<Keeper>,
    gate: Arc<AtomicBool>,
    log: Log,
    tree: Tree,
}

impl Kept {
    async fn start(policy: Mailbox, set: impl FnOnce(ChildSpec) -> ChildSpec) -> Self {
        let me = ActorRef::new("a");
        let (gate, log) = (Arc::new(AtomicBool::new(true)), Log::default());
        let parts = (Arc::clone(&gate), log.clone());
        let child = ChildSpec::new(&me, move || Keeper {
            gate: Arc::clone(&parts.0),
            log: parts.1.clone(),
        });
        let spec = SupervisorSpec::new("root", Strategy::OneForOne)
            .intensity(10, Duration::from_secs(60))
            .backoff(Backoff {
                first: Duration::from_millis(1),
                max: Duration::from_millis(2),
                ..Backoff::default()
            })
            .child(set(child.on_restart(policy)));
        let tree = Tree::start(spec).await.unwrap();
        Self {
            me,
            gate,
            log,
            tree,
        }
    }

    async fn hold(&self) {
        self.me.tell(HoldAndPanic).unwrap();
        let handle = self.tree.handle();
        until(|| handle.snapshot().find("root/a").unwrap().doing.is_some()).await;
    }

    fn is_back(&self, generation: u64) -> bool {
        self.me.generation() == generation && self.me.is_available()
    }
}

#[test]
fn a_kept_mailbox_goes_to_the_next_generation_in_order() {
    run(async {
        let kept = Kept::start(Mailbox::Keep, |child| child).await;
        kept.hold().await;
        let first = kept.me.ask(Note(1));
        kept.me.tell(Add).unwrap();
        kept.me.tell(Note(2)).unwrap();
        let last = kept.me.ask(Add);
        kept.gate.store(false, SeqCst);
        assert_eq!((first.await, last.await), (Ok(1), Ok(0)));
        assert_eq!(
            kept.log.take(),
            ["1 in 2", "add in 2", "2 in 2", "add in 2"]
        );
        let root = kept.tree.handle().snapshot();
        let node = root.find("root/a").unwrap();
        assert_eq!(node.mailbox.unwrap().depth, 0);
        assert_eq!(node.message("Add").unwrap().lost, 0);
        assert!(kept.tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_mailbox_is_lost_at_a_restart_by_default() {
    assert_eq!(Mailbox::default(), Mailbox::Lose);
    run(async {
        let kept = Kept::start(Mailbox::default(), |child| child).await;
        kept.hold().await;
        let queued = kept.me.ask(Add);
        kept.gate.store(false, SeqCst);
        assert_eq!(queued.await, Err(AskError::Unavailable));
        until(|| kept.is_back(2)).await;
        assert_eq!(kept.log.take(), [""; 0]);
        kept.tree.shutdown().await;
    });
}

#[test]
fn kept_messages_are_refused_when_no_generation_comes() {
    run(async {
        let temporary = |child: ChildSpec| child.restart(Restart::Temporary);
        let kept = Kept::start(Mailbox::Keep, temporary).await;
        kept.hold().await;
        let queued = kept.me.ask(Add);
        kept.gate.store(false, SeqCst);
        assert_eq!(queued.await, Err(AskError::Unavailable));
        kept.tree.shutdown().await;

        let kept = Kept::start(Mailbox::Keep, |child| child).await;
        kept.hold().await;
        let queued = kept.me.ask(Add);
        kept.tree.handle().stop();
        until(|| !kept.me.is_available()).await;
        kept.gate.store(false, SeqCst);
        let outcome = kept.tree.wait().await;
        assert_eq!(queued.await, Err(AskError::Unavailable));
        assert_eq!(outcome.unhandled, [("root/a".to_owned(), 1)]);
    });
}

#[test]
fn a_kept_mailbox_survives_a_group_restart() {
    let (log, b) = (Log::default(), ActorRef::new("b"));
    run(async {
        let me = ActorRef::new("a");
        let (gate, got) = (Arc::new(AtomicBool::new(true)), Log::default());
        message!(Hold -> ());
        impl Handles<Hold> for Keeper {
            type Answer = ();
            fn handle(&mut self, _: Hold, _: &mut Ctx<Self>) {
                while self.gate.load(SeqCst) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        let parts = (Arc::clone(&gate), got.clone());
        let keeper = ChildSpec::new(&me, move || Keeper {
            gate: Arc::clone(&parts.0),
            log: parts.1.clone(),
        });
        let spec = SupervisorSpec::new("root", Strategy::OneForAll)
            .child(TestActor::child(&b, &log).arbiter("other"))
            .child(keeper.on_restart(Mailbox::Keep));
        let tree = Tree::start(spec).await.unwrap();
        me.tell(Hold).unwrap();
        let node = || tree.handle().snapshot().find("root/a").unwrap().clone();
        until(|| node().doing.is_some()).await;
        let queued = me.ask(Note(1));
        b.tell(Panic).unwrap();
        until(|| node().state == State::Stopping).await;
        gate.store(false, SeqCst);
        assert_eq!(queued.await, Ok(1));
        assert_eq!(got.take(), ["1 in 2"]);
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_message_type_that_keeps_crashing_is_quarantined() {
    run(async {
        let kept = Kept::start(Mailbox::Keep, |child| child).await;
        kept.hold().await;
        let poison: Vec<_> = (0..5).map(|_| kept.me.ask(Poison)).collect();
        let after = kept.me.ask(Note(1));
        kept.gate.store(false, SeqCst);
        let mut answers = Vec::new();
        for answer in poison {
            answers.push(answer.await);
        }
        let interrupted = Err(AskError::Interrupted);
        let refused = Err(AskError::Quarantined);
        assert_eq!(
            answers,
            [interrupted, interrupted, interrupted, refused, refused]
        );
        assert_eq!(after.await, Ok(1));
        assert_eq!(kept.me.ask(Poison).await, refused);
        assert!(matches!(
            kept.me.tell(Poison),
            Err(TellError::Quarantined(Poison))
        ));
        let waited = kept.me.within(Duration::from_secs(30)).ask(Poison).await;
        assert_eq!(waited, refused);
        let root = kept.tree.handle().snapshot();
        let node = root.find("root/a").unwrap();
        let incidents: Vec<_> = node.incidents.iter().map(|of| &*of.reason).collect();
        assert!(
            incidents.contains(&"Poison quarantined after 3 crashes"),
            "{incidents:?}"
        );
        let poison = node.message("Poison").unwrap();
        assert_eq!((poison.failed, poison.quarantined), (3, 5));
        assert_eq!(node.generation, 5, "one crash by HoldAndPanic");
        assert!(kept.tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_quarantine_is_asked_for_where_the_mailbox_is_lost() {
    run(async {
        let kept = Kept::start(Mailbox::Lose, |child| child.quarantine_after(1)).await;
        kept.me.tell(Poison).unwrap();
        until(|| kept.is_back(2)).await;
        assert_eq!(kept.me.ask(Poison).await, Err(AskError::Quarantined));
        assert!(kept.tree.shutdown().await.is_clean());

        let kept = Kept::start(Mailbox::Lose, |child| child).await;
        for generation in 2..7 {
            kept.me.tell(Poison).unwrap();
            until(|| kept.is_back(generation)).await;
        }
        kept.tree.shutdown().await;
    });
}
