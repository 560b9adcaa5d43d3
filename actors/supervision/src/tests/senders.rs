//! Tests of the senders of messages in snapshots.

use super::*;

message!(
    /// Sends [`Add`] to the target, once in the handler and once in a future.
    Relay -> ()
);

/// An actor that sends to another one from its hooks, its handler and its futures.
struct Relayer {
    target: ActorRef<TestActor>,
}

impl Actor for Relayer {
    fn started(&mut self, _: &mut Ctx<Self>) -> Result<(), Failure> {
        self.target.tell(Add)?;
        Ok(())
    }

    async fn stopped(self, _: &Exit) {
        tokio::task::yield_now().await;
        self.target.tell(Add).unwrap();
    }
}

impl Handles<Relay> for Relayer {
    type Answer = Later<()>;

    fn handle(&mut self, _: Relay, _: &mut Ctx<Self>) -> Later<()> {
        self.target.tell(Add).unwrap();
        let target = self.target.clone();
        Later::new(async move {
            tokio::task::yield_now().await;
            target.ask(Add).await.unwrap();
        })
    }
}

fn relayer(name: &str, target: &ActorRef<TestActor>) -> (ActorRef<Relayer>, ChildSpec) {
    let (me, target) = (ActorRef::new(name), target.clone());
    let factory = move || Relayer {
        target: target.clone(),
    };
    let spec = ChildSpec::new(&me, factory);
    (me, spec)
}

fn senders_of_add(tree: &TreeHandle) -> Vec<(String, u64)> {
    let root = tree.snapshot();
    let target = root.find("root/target").unwrap();
    let senders = target.message("Add").unwrap().senders.iter();
    let mut senders: Vec<_> = senders.map(|it| (it.path.clone(), it.sent)).collect();
    senders.sort();
    senders
}

#[test]
fn a_message_is_counted_for_the_actor_or_pool_that_sent_it() {
    run(async {
        let (target, log) = (ActorRef::new("target"), Log::default());
        let (fixed, fixed_spec) = relayer("fixed", &target);
        let (dynamic, pool) = (DynamicRef::new("dynamic"), Pool::new("pool", 1));
        let spec = SupervisorSpec::new("root", Strategy::OneForOne)
            .child(TestActor::child(&target, &log))
            .child(fixed_spec)
            .child(SupervisorSpec::dynamic(&dynamic))
            .child(pool.child());
        let tree = TreeOptions::default().start(spec).await.unwrap();
        for name in ["one", "two"] {
            let (child, spec) = relayer(name, &target);
            dynamic.start(spec).await.unwrap();
            child.ask(Relay).await.unwrap();
        }
        fixed.ask(Relay).await.unwrap();
        let from_pool = target.clone();
        let job = pool.job("Tell").run(move || from_pool.tell(Add).is_ok());
        assert_eq!(job.await, Ok(true));
        target.ask(Add).await.unwrap();
        let expected = [
            ("outside", 1),
            ("root/dynamic/*", 6),
            ("root/fixed", 3),
            ("root/pool", 1),
        ];
        let expected = expected.map(|(path, sent)| (path.to_owned(), sent));
        assert_eq!(senders_of_add(tree.handle()), expected);
        let root = tree.handle().snapshot();
        let child = root.find("root/dynamic/one").unwrap();
        assert_eq!(child.group, "root/dynamic/*");

        // The `stopped` hooks send, too.
        let handle = tree.handle().clone();
        tree.shutdown().await;
        let after = senders_of_add(&handle);
        assert!(after.contains(&("root/fixed".to_owned(), 4)), "{after:?}");
        assert!(
            after.contains(&("root/dynamic/*".to_owned(), 8)),
            "{after:?}"
        );
    });
}
