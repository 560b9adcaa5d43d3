//! Tests of asks that wait for each other.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use futures_util::FutureExt;

use super::*;
use crate::kernel::clock;
use crate::observe::snapshot::WaitPlace;
use crate::observe::wait_graph::Deadlocks;

message!(
    /// Asks the next actor the same and answers with its answer. The last one never answers.
    Pass -> ()
);
message!(
    /// As `Pass`, with the thread held until the answer.
    Hold -> ()
);
message!(
    /// Asks the next actor to `Defer` beside the handlers.
    AskBeside -> ()
);
message!(
    /// Answered when the actor ends.
    Defer -> ()
);

/// An actor that asks the next one.
struct Link {
    links: Arc<Mutex<Vec<ActorRef<Link>>>>,
    next: usize,
    gate: Arc<AtomicBool>,
    deferred: Vec<Replier<()>>,
}

impl Link {
    fn next(&self) -> Option<ActorRef<Link>> {
        self.links.lock().get(self.next).cloned()
    }
}

impl Actor for Link {}

impl Handles<Pass> for Link {
    type Answer = Later<()>;

    fn handle(&mut self, _: Pass, ctx: &mut Ctx<Self>) -> Later<()> {
        match self.next() {
            Some(next) => Later::new(async move {
                tokio::task::yield_now().await;
                let _ = next.ask(Pass).await;
            }),
            None => self.handle(Defer, ctx),
        }
    }
}

impl Handles<Hold> for Link {
    type Answer = ();

    fn handle(&mut self, _: Hold, _: &mut Ctx<Self>) {
        let Some(next) = self.next() else {
            return;
        };
        let mut answer = pin!(next.ask(Hold));
        while self.gate.load(SeqCst) && answer.as_mut().now_or_never().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Handles<AskBeside> for Link {
    type Answer = ();

    fn handle(&mut self, _: AskBeside, ctx: &mut Ctx<Self>) {
        let next = self.next().unwrap();
        ctx.spawn(async move {
            let _ = next.ask(Defer).await;
        });
    }
}

impl Handles<Defer> for Link {
    type Answer = Later<()>;

    fn handle(&mut self, _: Defer, _: &mut Ctx<Self>) -> Later<()> {
        let (replier, later) = Later::channel();
        self.deferred.push(replier);
        later
    }
}

impl Handles<Quit> for Link {
    type Answer = ();

    fn handle(&mut self, _: Quit, ctx: &mut Ctx<Self>) {
        ctx.stop();
    }
}

/// Actors that each ask the one after them.
struct Chain {
    tree: Tree,
    links: Vec<ActorRef<Link>>,
    gate: Arc<AtomicBool>,
}

impl Drop for Chain {
    fn drop(&mut self) {
        self.gate.store(false, SeqCst);
    }
}

impl Chain {
    /// Starts `links` with mailboxes for `mailbox` messages, each on the arbiter that `arbiter` names.
    /// In a ring the last one asks the first one.
    async fn start(links: usize, is_ring: bool, mailbox: usize, arbiter: fn(&str) -> &str) -> Self {
        let names = ["a", "b", "c", "d", "e"];
        let links: Vec<_> = names[..links]
            .iter()
            .map(|name| ActorRef::new(name))
            .collect();
        let all = Arc::new(Mutex::new(links.clone()));
        let gate = Arc::new(AtomicBool::new(true));
        let mut spec = SupervisorSpec::new("root", Strategy::OneForOne);
        for (index, me) in links.iter().enumerate() {
            let (all, gate, count) = (Arc::clone(&all), Arc::clone(&gate), links.len());
            let make = move || Link {
                links: Arc::clone(&all),
                next: if is_ring {
                    (index + 1) % count
                } else {
                    index + 1
                },
                gate: Arc::clone(&gate),
                deferred: Vec::new(),
            };
            let child = ChildSpec::new(me, make).mailbox(mailbox);
            spec = spec.child(child.arbiter(arbiter(names[index])));
        }
        let options = TreeOptions::default().probe(Duration::from_millis(20), Duration::MAX);
        let tree = options.start(spec).await.unwrap();
        Self { tree, links, gate }
    }

    /// Returns the cycles that two rounds of the health monitor would report, had every ask waited
    /// for an hour.
    fn cycles(&self) -> Vec<String> {
        let nodes: Vec<_> = self
            .links
            .iter()
            .map(|link| Arc::clone(link.node()))
            .collect();
        let in_an_hour = self.links[0].node().now() + clock::nanos(Duration::from_secs(3600));
        let mut deadlocks = Deadlocks::default();
        deadlocks.look(&nodes, in_an_hour);
        deadlocks.look(&nodes, in_an_hour);
        deadlocks.reported()
    }

    fn node(&self, actor: &str) -> NodeSnapshot {
        let root = self.tree.handle().snapshot();
        root.find(&format!("root/{actor}")).unwrap().clone()
    }

    fn owed(&self, actor: &str, name: &str) -> u64 {
        let node = self.node(actor);
        node.message(name).map_or(0, |message| message.owed)
    }

    /// Returns whether each actor owes this number of answers to `Pass`.
    fn owe(&self, answers: u64) -> bool {
        let mut names = self.links.iter().map(ActorRef::path);
        names.all(|path| self.owed(path.trim_start_matches("root/"), "Pass") == answers)
    }

    fn depth(&self, actor: &str) -> u64 {
        self.node(actor).mailbox.unwrap().depth
    }

    fn stop(self) {
        self.gate.store(false, SeqCst);
        self.tree.handle().stop();
    }
}

/// Each actor on a thread of its own.
fn own(name: &str) -> &str {
    name
}

#[test]
fn two_actors_that_ask_each_other_are_reported() {
    run(async {
        let chain = Chain::start(2, true, 1, own).await;
        let asked = chain.links[0].ask(Pass);
        let log = chain.tree.handle().incidents().clone();
        until(|| log.since(0).0 > 0).await;
        let incident = log.since(0).1.remove(0);
        let cycle = "root/a asks root/b (Pass), root/b asks root/a (Pass)";
        assert_eq!(
            (incident.kind, &*incident.reason),
            (IncidentKind::Deadlock, cycle)
        );
        let root = chain.tree.handle().snapshot();
        for path in ["root/a", "root/b"] {
            let node = root.find(path).unwrap();
            assert_eq!(node.deadlock.as_deref(), Some(cycle), "{path}");
            assert_eq!(node.deadlocks, 1, "{path}");
        }
        let waits = &root.find("root/a").unwrap().waits;
        let mut places: Vec<_> = waits.iter().map(|it| (&*it.from, it.place)).collect();
        places.sort_by_key(|(from, _)| *from);
        assert_eq!(
            places,
            [("outside", WaitPlace::Owed), ("root/b", WaitPlace::Queued)]
        );
        assert!(
            waits
                .iter()
                .all(|it| it.for_ms >= 1_000 && it.message.as_deref() == Some("Pass"))
        );

        // The end of one actor ends the wait of all, and the mark.
        chain.tree.handle().crash("root/b").unwrap();
        assert_eq!(asked.await, Ok(()));
        let is_marked = |path: &str| {
            let root = chain.tree.handle().snapshot();
            root.find(path).unwrap().deadlock.is_some()
        };
        until(|| !is_marked("root/a") && !is_marked("root/b")).await;
        chain.stop();
    });
}

#[test]
fn a_ring_of_three_is_reported_once() {
    run(async {
        let chain = Chain::start(3, true, 1, own).await;
        let _asked = chain.links[1].ask(Pass);
        // The depth last: the first request was queued, too.
        until(|| chain.owe(1) && chain.depth("b") == 1).await;
        let ring =
            "root/a asks root/b (Pass), root/b asks root/c (Pass), root/c asks root/a (Pass)";
        assert_eq!(chain.cycles(), [ring]);
        chain.stop();
    });
}

#[test]
fn a_ring_that_uses_up_its_owed_answers_is_reported() {
    run(async {
        let chain = Chain::start(2, true, 3, own).await;
        let _asked = chain.links[0].ask(Pass);
        until(|| chain.owe(3) && chain.depth("a") == 1).await;
        let cycle = "root/a asks root/b (Pass), root/b asks root/a (Pass)";
        assert_eq!(chain.cycles(), [cycle]);
        chain.stop();
    });
}

#[test]
fn handlers_that_hold_their_threads_for_each_other_are_reported() {
    run(async {
        let chain = Chain::start(2, true, 8, own).await;
        let _asked = chain.links[0].ask(Hold);
        let holds = |actor| chain.node(actor).doing.as_deref() == Some("Hold");
        until(|| holds("a") && holds("b") && chain.depth("a") == 1).await;
        let cycle = "root/a asks root/b (Hold), root/b asks root/a (Hold)";
        assert_eq!(chain.cycles(), [cycle]);
        chain.stop();
    });
}

#[test]
fn a_handler_that_waits_for_an_actor_of_its_thread_is_reported() {
    run(async {
        let chain = Chain::start(2, false, 8, |_| "shared").await;
        let _asked = chain.links[0].ask(Hold);
        until(|| chain.depth("b") == 1).await;
        let cycle = "root/a asks root/b (Hold), whose thread root/a holds";
        assert_eq!(chain.cycles(), [cycle]);
        chain.stop();
    });
}

#[test]
fn a_long_chain_of_asks_is_no_cycle() {
    run(async {
        let chain = Chain::start(5, false, 1, own).await;
        let asked = chain.links[0].ask(Pass);
        until(|| chain.owed("e", "Pass") == 1).await;
        assert_eq!(chain.cycles(), [""; 0]);
        chain.links[4].tell(Quit).unwrap();
        assert_eq!(asked.await, Ok(()));
        chain.stop();
    });
}

#[test]
fn deferred_answers_to_each_other_are_no_cycle() {
    run(async {
        let chain = Chain::start(2, true, 8, own).await;
        for link in &chain.links {
            link.tell(AskBeside).unwrap();
        }
        until(|| chain.owed("a", "Defer") == 1 && chain.owed("b", "Defer") == 1).await;
        assert_eq!(chain.cycles(), [""; 0]);
        chain.stop();
    });
}

#[test]
fn an_ask_whose_caller_has_left_is_no_wait() {
    run(async {
        let chain = Chain::start(1, false, 8, own).await;
        let me = &chain.links[0];
        let asked = me.ask(Defer);
        until(|| chain.owed("a", "Defer") == 1).await;
        let waits = || me.node().waits_since(me.node().now()).len();
        assert_eq!(waits(), 1);
        drop(asked);
        until(|| waits() == 0).await;
        assert_eq!(chain.owed("a", "Defer"), 1, "the answer is still computed");
        chain.stop();
    });
}

#[test]
fn a_factory_that_waits_for_its_own_actor_is_reported() {
    run(async {
        let helper = ActorRef::new("helper");
        let starter = ActorRef::<TestActor>::new("starter");
        let (to_starter, log) = (starter.clone(), Log::default());
        let helper_spec = ChildSpec::new(&helper, move || Asker(to_starter.clone()));
        let to_helper = helper.clone();
        let make = move || {
            let (helper, log) = (to_helper.clone(), log.clone());
            async move {
                let _ = helper.ask(Pass).await;
                TestActor::new("starter", &log)
            }
        };
        let starter_spec = ChildSpec::new_async(&starter, make).arbiter("other");
        let spec = SupervisorSpec::new("root", Strategy::OneForOne)
            .child(helper_spec)
            .child(starter_spec);
        let starting = actix::spawn(TreeOptions::default().start(spec));
        let nodes = [Arc::clone(helper.node()), Arc::clone(starter.node())];
        let in_an_hour = || starter.node().now() + clock::nanos(Duration::from_secs(3600));
        until(|| !starter.node().waits_since(in_an_hour()).is_empty()).await;
        let mut deadlocks = Deadlocks::default();
        deadlocks.look(&nodes, in_an_hour());
        deadlocks.look(&nodes, in_an_hour());
        let cycle =
            "root/helper asks root/starter (to be sent), root/starter asks root/helper (Pass)";
        assert_eq!(deadlocks.reported(), [cycle]);
        helper.stop();
        let tree = starting.await.unwrap().unwrap();
        assert!(tree.shutdown().await.is_clean());
    });
}

/// An actor that answers once another one is up.
struct Asker(ActorRef<TestActor>);

impl Actor for Asker {}

impl Handles<Pass> for Asker {
    type Answer = Later<()>;

    fn handle(&mut self, _: Pass, _: &mut Ctx<Self>) -> Later<()> {
        let starter = self.0.clone();
        Later::new(async move {
            let _ = starter.within(Duration::from_secs(60)).ask(Add).await;
        })
    }
}
