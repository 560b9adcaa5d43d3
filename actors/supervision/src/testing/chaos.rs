//! Crashes of random actors at random times.

use std::ops::RangeInclusive;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use rand::Rng;
use rand::seq::IndexedRandom;
use tokio::time::sleep;

use crate::observe::snapshot::{Kind, NodeSnapshot, State};
use crate::tree::handle::TreeHandle;
use crate::tree::rng::SeededRng;

/// A source of crashes: it picks an actor of a tree at random and makes it panic in a handler.
///
/// The choices and the pauses are determined by a seed. On a tree of one thread with a paused clock
/// (and a seeded [`TreeOptions::rng`](crate::TreeOptions::rng)) the same seed gives the same run.
#[derive(Debug, Clone)]
pub struct Chaos {
    rng: SeededRng,
    pauses: RangeInclusive<Duration>,
    under: Option<String>,
    spared: Vec<String>,
}

impl Chaos {
    /// Creates a source that crashes any actor of a tree, one every 1 to 20 milliseconds.
    pub fn seeded(seed: u64) -> Self {
        Self {
            rng: SeededRng::seeded(seed),
            pauses: Duration::from_millis(1)..=Duration::from_millis(20),
            under: None,
            spared: Vec::new(),
        }
    }

    /// Sets the shortest and the longest pause before a crash.
    pub fn pauses(mut self, pauses: RangeInclusive<Duration>) -> Self {
        self.pauses = pauses;
        self
    }

    /// Crashes only the actor or the actors below `path`.
    pub fn under(mut self, path: &str) -> Self {
        self.under = Some(path.to_owned());
        self
    }

    /// Spares the actor or the actors below `path`.
    pub fn spare(mut self, path: &str) -> Self {
        self.spared.push(path.to_owned());
        self
    }

    /// Crashes one actor now. Returns its path, or `None` where no actor is running that may be
    /// crashed.
    pub fn crash_one(&self, tree: &TreeHandle) -> Option<String> {
        let root = tree.snapshot();
        let nodes = root.walk();
        let victims: Vec<_> = nodes
            .into_iter()
            .filter(|node| self.may_crash(node))
            .collect();
        let victim = self.rng.with(|random| victims.choose(random).copied())?;
        tree.crash(&victim.path).ok()?;
        Some(victim.path.clone())
    }

    /// Crashes actors, each after a pause, until there were `crashes` of them or the tree has ended.
    /// Returns the paths in order.
    pub async fn run(&self, tree: &TreeHandle, crashes: usize) -> Vec<String> {
        let mut crashed = Vec::new();
        while crashed.len() < crashes && !has_ended(tree) {
            self.pause().await;
            crashed.extend(self.crash_one(tree));
        }
        crashed
    }

    /// Crashes actors, each after a pause, for as long as `work` runs. Returns its output and the
    /// paths in order.
    pub async fn during<F: Future>(&self, tree: &TreeHandle, work: F) -> (F::Output, Vec<String>) {
        let mut crashed = Vec::new();
        let mut work = pin!(work);
        loop {
            match select(work, pin!(self.pause())).await {
                Either::Left((output, _)) => return (output, crashed),
                Either::Right(((), rest)) => work = rest,
            }
            crashed.extend(self.crash_one(tree));
        }
    }

    async fn pause(&self) {
        let pause = self
            .rng
            .with(|random| random.random_range(self.pauses.clone()));
        sleep(pause).await;
    }

    fn may_crash(&self, node: &NodeSnapshot) -> bool {
        node.kind == Kind::Actor
            && node.state == State::Running
            && self
                .under
                .as_ref()
                .is_none_or(|top| is_below(&node.path, top))
            && !self.spared.iter().any(|top| is_below(&node.path, top))
    }
}

/// Returns true where `path` is `top` or lies below it.
fn is_below(path: &str, top: &str) -> bool {
    let below = path.strip_prefix(top);
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn has_ended(tree: &TreeHandle) -> bool {
    matches!(tree.snapshot().state, State::Stopped | State::Failed)
}

#[cfg(test)]
mod tests {
    use super::super::{run_paused, until};
    use super::*;
    use crate::{ActorRef, Backoff, ChildSpec, Strategy, SupervisorSpec, TreeOptions, actor};

    struct Idle;

    #[actor]
    impl Idle {
        #[message]
        fn ping(&self) -> u64 {
            1
        }
    }

    /// A tree of three actors, one of them alone under a supervisor of its own.
    fn spec(actors: &[ActorRef<Idle>; 3]) -> SupervisorSpec {
        let group = |name| {
            SupervisorSpec::new(name, Strategy::OneForOne)
                .intensity(10_000, Duration::from_secs(60))
                .backoff(Backoff {
                    first: Duration::from_millis(1),
                    max: Duration::from_millis(1),
                    ..Backoff::default()
                })
        };
        let [a, b, c] = actors;
        group("root")
            .child(ChildSpec::new(a, || Idle))
            .child(ChildSpec::new(b, || Idle))
            .child(group("inner").child(ChildSpec::new(c, || Idle)))
    }

    fn crashes(chaos: &Chaos, count: usize) -> Vec<String> {
        run_paused(async {
            let actors = ["a", "b", "c"].map(ActorRef::new);
            let options = TreeOptions::default().single_thread();
            let tree = options.rng(SeededRng::seeded(1)).start(spec(&actors)).await;
            let tree = tree.unwrap();
            let crashed = chaos.run(tree.handle(), count).await;
            until(|| actors.iter().all(ActorRef::is_available)).await;
            assert!(tree.shutdown().await.is_clean());
            crashed
        })
    }

    #[test]
    fn a_seed_gives_the_same_crashes() {
        let first = crashes(&Chaos::seeded(7), 50);
        assert_eq!(first, crashes(&Chaos::seeded(7), 50));
        assert_ne!(first, crashes(&Chaos::seeded(8), 50));
        for path in ["root/a", "root/b", "root/inner/c"] {
            assert!(first.iter().any(|crashed| crashed == path), "{path}");
        }
    }

    #[test]
    fn chaos_keeps_to_its_part_of_the_tree() {
        let inner = crashes(&Chaos::seeded(7).under("root/inner"), 9);
        assert_eq!(inner, vec!["root/inner/c"; 9]);
        let others = crashes(&Chaos::seeded(7).spare("root/inner").spare("root/a"), 9);
        assert_eq!(others, vec!["root/b"; 9]);
    }

    #[test]
    fn chaos_ends_with_the_work_beside_it() {
        run_paused(async {
            let actors = ["a", "b", "c"].map(ActorRef::new);
            let tree = super::super::start_single(spec(&actors)).await;
            let work = async {
                let mut answered = 0;
                for _ in 0..100 {
                    let actor = actors[0].within(Duration::from_secs(5));
                    answered += actor.ask(Ping).await.unwrap_or(0);
                    sleep(Duration::from_millis(2)).await;
                }
                answered
            };
            let (answered, crashed) = Chaos::seeded(3).during(tree.handle(), work).await;
            assert_eq!(answered, 100, "a crash between two asks interrupts none");
            assert!(crashed.len() > 5, "{crashed:?}");
            tree.shutdown().await;
        });
    }

    #[test]
    fn a_prefix_of_a_name_is_another_path() {
        assert!(is_below("root/a", "root/a") && is_below("root/a/b", "root/a"));
        assert!(!is_below("root/ab", "root/a") && !is_below("root", "root/a"));
    }
}
