//! Tests of mailboxes with a bound in bytes.

use futures_util::FutureExt;
use futures_util::future::join;

use super::*;
use crate::observe::snapshot::BytesSnapshot;

/// A message of a given weight, which is refused by a full mailbox.
#[derive(Debug, Message)]
#[message(weight = self.0)]
struct Load(usize);

/// A message of a given weight that gives way to newer ones.
#[derive(Debug, Message)]
#[message(weight = self.0)]
struct Gossip(usize);

/// A message of a given weight that waits for room.
#[derive(Debug, Message)]
#[answer(usize)]
#[message(weight = self.0)]
struct Body(usize);

/// A message that must not be weighed.
#[derive(Debug, Message)]
#[message(weight = panic!("it was weighed"))]
struct Unweighed;

struct Store(Log);

#[handlers]
impl Store {
    #[handler]
    fn load(&mut self, Load(weight): Load) {
        self.0.add(format!("load {weight}"));
    }

    #[handler(when_full = DropOldest)]
    fn gossip(&mut self, Gossip(weight): Gossip) {
        self.0.add(format!("gossip {weight}"));
    }

    #[handler(when_full = Wait)]
    fn body(&mut self, Body(weight): Body) -> usize {
        self.0.add(format!("body {weight}"));
        weight
    }

    #[handler]
    fn unweighed(&mut self, _: Unweighed) {}

    #[handler]
    fn panic(&mut self, _: Panic) {
        panic!("requested");
    }

    /// Weighs the length of its text.
    #[message(weight = self.text.len())]
    fn put(&mut self, text: String) {
        self.0.add(text);
    }
}

impl Actor for Store {}

/// Starts a store on the thread of the test: what the test sends waits until the test waits.
async fn start(change: impl Fn(ChildSpec) -> ChildSpec) -> (Tree, ActorRef<Store>, Log) {
    let (me, log) = (ActorRef::new("store"), Log::default());
    let made = log.clone();
    let child = change(ChildSpec::new(&me, move || Store(made.clone())));
    let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(child);
    (start_single(spec).await, me, log)
}

fn bytes(tree: &Tree) -> Option<BytesSnapshot> {
    let root = tree.handle().snapshot();
    root.find("root/store").unwrap().mailbox.unwrap().bytes
}

fn queued(tree: &Tree) -> u64 {
    bytes(tree).unwrap().queued
}

#[test]
fn a_message_beyond_the_bound_in_bytes_is_refused() {
    run(async {
        let (tree, me, log) = start(|child| child.mailbox_bytes(100)).await;
        me.tell(Load(60)).unwrap();
        me.tell(Load(40)).unwrap();
        assert!(matches!(me.tell(Load(1)), Err(TellError::Full(Load(1)))));
        me.tell(Load(0)).unwrap();
        let full = BytesSnapshot {
            queued: 100,
            peak: 100,
            bound: 100,
        };
        assert_eq!(bytes(&tree), Some(full));
        until(|| queued(&tree) == 0).await;
        assert_eq!(bytes(&tree).unwrap().peak, 100);
        me.tell(Load(100)).unwrap();
        let heavy = me.tell(Put {
            text: "x".repeat(101),
        });
        assert!(matches!(heavy, Err(TellError::Full(_))), "heavier than all");
        until(|| queued(&tree) == 0).await;
        me.tell(Put {
            text: "y".repeat(3),
        })
        .unwrap();
        assert_eq!(queued(&tree), 3);
        until(|| queued(&tree) == 0).await;
        assert_eq!(
            log.take(),
            ["load 60", "load 40", "load 0", "load 100", "yyy"]
        );
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_heavy_message_replaces_as_much_gossip_as_it_needs() {
    run(async {
        let (tree, me, log) = start(|child| child.mailbox_bytes(100)).await;
        me.tell(Load(50)).unwrap();
        for weight in [10, 11, 12, 13] {
            me.tell(Gossip(weight)).unwrap();
        }
        assert!(
            me.tell(Load(51)).is_err(),
            "all of the gossip is not enough"
        );
        assert_eq!(queued(&tree), 96, "none was dropped");
        me.tell(Load(25)).unwrap();
        assert_eq!(queued(&tree), 100);
        until(|| queued(&tree) == 0).await;
        assert_eq!(log.take(), ["load 50", "gossip 12", "gossip 13", "load 25"]);
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_waiting_message_gets_room_for_its_weight_in_turn() {
    run(async {
        let (tree, me, log) = start(|child| child.mailbox_bytes(100)).await;
        me.tell(Load(30)).unwrap();
        me.tell(Load(60)).unwrap();
        let left = me.ask(Body(100)).now_or_never();
        assert_eq!(left, None, "it waited until it was dropped");
        let (heavy, light) = join(me.ask(Body(80)), me.ask(Body(11))).await;
        assert_eq!((heavy, light), (Ok(80), Ok(11)));
        assert_eq!(log.take(), ["load 30", "load 60", "body 80", "body 11"]);
        assert_eq!(me.ask(Body(100)).await, Ok(100), "no room is left reserved");
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn light_messages_do_not_pass_a_heavy_one_that_waits() {
    run(async {
        let (tree, me, log) = start(|child| child.mailbox_bytes(100)).await;
        me.tell(Load(50)).unwrap();
        me.tell(Gossip(10)).unwrap();
        let heavy = me.tell_when_room(Body(80));
        let others = async {
            assert!(matches!(me.tell(Load(11)), Err(TellError::Full(_))));
            assert!(matches!(me.tell(Gossip(11)), Err(TellError::Full(_))));
            me.tell(Gossip(9)).unwrap();
            assert_eq!(queued(&tree), 59, "gossip takes the place of gossip");
            me.ask(Body(10)).await.unwrap();
        };
        let (sent, ()) = join(heavy, others).await;
        sent.unwrap();
        let order = ["load 50", "gossip 9", "body 80", "body 10"];
        assert_eq!(log.take(), order);
        // Nobody waits any more.
        me.tell(Load(50)).unwrap();
        assert_eq!(me.ask(Body(60)).now_or_never(), None);
        me.tell(Load(5)).unwrap();
        until(|| queued(&tree) == 0).await;
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_heavy_message_that_is_taken_back_lets_others_in() {
    run(async {
        let (tree, me, log) = start(|child| child.mailbox_bytes(100)).await;
        me.tell(Load(50)).unwrap();
        let mut heavy = Box::pin(me.tell_when_room(Body(80)));
        let mut light = Box::pin(me.tell_when_room(Body(5)));
        assert!(heavy.as_mut().now_or_never().is_none());
        assert!(light.as_mut().now_or_never().is_none());
        drop(heavy);
        assert!(matches!(light.as_mut().now_or_never(), Some(Ok(()))));
        until(|| queued(&tree) == 0).await;
        assert_eq!(log.take(), ["load 50", "body 5"]);
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_message_heavier_than_the_mailbox_does_not_wait() {
    run(async {
        let (tree, me, _) = start(|child| child.mailbox_bytes(100)).await;
        assert_eq!(me.ask(Body(101)).await, Err(AskError::Full));
        assert!(matches!(
            me.tell_when_room(Body(101)).await,
            Err(TellError::Full(Body(101)))
        ));
        let within = me.within(Duration::from_secs(600));
        assert_eq!(within.ask(Body(101)).await, Err(AskError::Full));
        assert!(matches!(
            within.tell(Body(101)).await,
            Err(TellError::Full(_))
        ));
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn lost_messages_give_their_bytes_back() {
    run(async {
        let (tree, me, _) = start(|child| child.mailbox_bytes(100)).await;
        me.tell(Panic).unwrap();
        me.tell(Load(50)).unwrap();
        me.tell(Gossip(50)).unwrap();
        let waiting = me.tell_when_room(Body(90));
        assert!(matches!(waiting.await, Err(TellError::Unavailable(_))));
        until(|| me.generation() == 2 && me.is_available()).await;
        assert_eq!(queued(&tree), 0);
        me.tell(Load(100)).unwrap();
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn kept_messages_keep_their_bytes() {
    run(async {
        let change = |child: ChildSpec| child.mailbox_bytes(1000).on_restart(Mailbox::Keep);
        let (tree, me, log) = start(change).await;
        me.tell(Panic).unwrap();
        me.tell(Load(500)).unwrap();
        me.tell(Gossip(400)).unwrap();
        until(|| me.generation() == 2).await;
        until(|| queued(&tree) == 0).await;
        assert_eq!(log.take(), ["load 500", "gossip 400"]);
        me.tell(Load(1000)).unwrap();
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn without_a_bound_no_message_is_weighed() {
    run(async {
        let (tree, me, _) = start(|child| child).await;
        assert_eq!(me.ask(Unweighed).await, Ok(()));
        assert_eq!(bytes(&tree), None);
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_message_weighs_its_size_unless_it_says_otherwise() {
    assert_eq!(Add.weight(), 0);
    #[derive(Message)]
    struct Pair(#[expect(dead_code, reason = "it has a size")] [u64; 2]);
    assert_eq!(Pair([1, 2]).weight(), 16);
    assert_eq!(Load(7).weight(), 7);
}
