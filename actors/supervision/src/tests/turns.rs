//! Tests of the bounds of a turn: ready streams, and a stop in `started`.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures_util::stream;

use super::*;

message!(Slow -> ());

/// An actor with a stream that is always ready and whose handler takes a while.
struct Streaming {
    handled: Arc<AtomicUsize>,
}

impl Actor for Streaming {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.attach(stream::repeat_with(|| Slow));
        Ok(())
    }
}

impl Handles<Slow> for Streaming {
    type Answer = ();

    fn handle(&mut self, _: Slow, _: &mut Ctx<Self>) {
        self.handled.fetch_add(1, SeqCst);
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Handles<Add> for Streaming {
    type Answer = u64;

    fn handle(&mut self, _: Add, _: &mut Ctx<Self>) -> u64 {
        self.handled.load(SeqCst) as u64
    }
}

#[test]
fn a_ready_stream_delays_a_stop_and_messages_by_one_handler() {
    let handled = Arc::new(AtomicUsize::new(0));
    let me = ActorRef::new("streaming");
    let to_actor = Arc::clone(&handled);
    let spec =
        SupervisorSpec::new("root", Strategy::OneForOne).child(ChildSpec::new(&me, move || {
            Streaming {
                handled: Arc::clone(&to_actor),
            }
        }));
    run(async {
        let tree = Tree::start(spec).await.unwrap();
        until(|| handled.load(SeqCst) > 3).await;
        for _ in 0..5 {
            let before = handled.load(SeqCst) as u64;
            let after = me.ask(Add).await.unwrap();
            assert!(after - before <= 3, "{} handlers", after - before);
        }
        let before = handled.load(SeqCst);
        assert!(tree.shutdown().await.is_clean());
        let after = handled.load(SeqCst);
        assert!(after - before <= 2, "{} handlers", after - before);
    });
}

#[test]
fn no_message_is_handled_after_a_stop_in_started() {
    struct Brief(Log);
    impl Actor for Brief {
        fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
            ctx.me().tell(Add)?;
            ctx.notify(Add);
            ctx.stop();
            Ok(())
        }
        async fn stopped(self, exit: &Exit) {
            self.0.add(exit.to_string());
        }
    }
    impl Handles<Add> for Brief {
        type Answer = u64;
        fn handle(&mut self, _: Add, _: &mut Ctx<Self>) -> u64 {
            self.0.add("add");
            0
        }
    }
    let log = Log::default();
    let (me, to_actor) = (ActorRef::new("brief"), log.clone());
    let child = ChildSpec::new(&me, move || Brief(to_actor.clone())).restart(Restart::Transient);
    let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(child);
    run(async {
        let tree = Tree::start(spec).await.unwrap();
        until(|| !log.lines.lock().is_empty()).await;
        let root = tree.handle().snapshot();
        assert_eq!(
            root.find("root/brief")
                .unwrap()
                .message("Add")
                .unwrap()
                .lost,
            1
        );
        assert!(tree.shutdown().await.is_clean());
    });
    assert_eq!(log.take(), ["normal"]);
}
