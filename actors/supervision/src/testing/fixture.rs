//! A tree of one actor.

use std::time::Duration;

use super::{start_single, until};
use crate::kernel::actor::Actor;
use crate::kernel::actor_ref::ActorRef;
use crate::observe::snapshot::{MessageSnapshot, NodeSnapshot};
use crate::tree::root::Tree;
use crate::tree::spec::{ChildSpec, IntoActor, SupervisorSpec};
use crate::tree::strategy::{Backoff, Strategy};

/// The pause before the restart of a fixture's actor.
const PAUSE: Duration = Duration::from_millis(1);

/// The restarts that a fixture allows within a minute: more than a test crashes its actor.
const RESTARTS: u32 = 100_000;

/// A tree called `test` with one actor, on the test's thread.
#[derive(Debug)]
pub struct ActorFixture<A: Actor> {
    /// The actor.
    pub me: ActorRef<A>,
    /// The tree.
    pub tree: Tree,
}

impl<A: Actor> ActorFixture<A> {
    /// Starts an actor called `name`.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn start<M: IntoActor<A>>(
        name: &str,
        factory: impl Fn() -> M + Send + Sync + 'static,
    ) -> Self {
        let me = ActorRef::new(name);
        let child = ChildSpec::new(&me, factory);
        Self::start_child(me, child).await
    }

    /// Starts an actor by its specification, whose reference is `me`.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn start_child(me: ActorRef<A>, child: ChildSpec) -> Self {
        let pause = Backoff {
            first: PAUSE,
            max: PAUSE,
            ..Backoff::default()
        };
        let spec = SupervisorSpec::new("test", Strategy::OneForOne)
            .intensity(RESTARTS, Duration::from_secs(60))
            .backoff(pause)
            .child(child);
        let tree = start_single(spec).await;
        Self { me, tree }
    }

    /// Returns the actor's node in a snapshot of the tree.
    pub fn node(&self) -> NodeSnapshot {
        let root = self.tree.handle().snapshot();
        let node = root.find(self.me.path()).cloned();
        node.expect("because the fixture's tree contains its actor")
    }

    /// Returns the metrics of the message type called `name`, zero where none was sent.
    pub fn message(&self, name: &str) -> MessageSnapshot {
        self.node().message(name).cloned().unwrap_or_default()
    }

    /// Makes the actor panic in a handler, and waits for its next generation.
    ///
    /// # Panics
    /// Where the actor is down, or does not start again.
    pub async fn crash(&self) {
        let before = self.me.generation();
        let crashed = self.tree.handle().crash(self.me.path());
        crashed.unwrap_or_else(|error| panic!("{} cannot be crashed: {error}", self.me.path()));
        until(|| self.me.generation() > before && self.me.is_available()).await;
    }

    /// Stops the tree.
    ///
    /// # Panics
    /// Where it does not stop in order.
    pub async fn stop(self) {
        let outcome = self.tree.shutdown().await;
        assert!(outcome.is_clean(), "{outcome}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::run_paused;
    use super::*;
    use crate::{actor, handlers};

    struct Counter(u64);

    #[actor]
    impl Counter {
        /// Adds a number. Answered with the sum.
        #[message]
        fn add(&mut self, number: u64) -> u64 {
            self.0 += number;
            self.0
        }
    }

    #[handlers]
    impl Counter {
        #[message]
        fn halve(&mut self) -> Result<u64, String> {
            self.0 = if self.0.is_multiple_of(2) {
                self.0 / 2
            } else {
                return Err("odd".to_owned());
            };
            Ok(self.0)
        }
    }

    #[test]
    fn a_fixture_crashes_and_counts() {
        run_paused(async {
            let counter = ActorFixture::start("counter", || Counter(1)).await;
            assert_eq!(counter.me.ask(Add { number: 2 }).await, Ok(3));
            assert_eq!(counter.me.ask(Halve).await, Ok(Err("odd".to_owned())));
            counter.crash().await;
            assert_eq!(counter.me.ask(Add { number: 1 }).await, Ok(2));
            assert_eq!(counter.me.ask(Halve).await, Ok(Ok(1)));
            assert_eq!(
                (counter.node().restarts, counter.message("Add").handled),
                (1, 2)
            );
            assert_eq!(counter.message("Halve").failed, 1);
            counter.stop().await;
        });
    }
}
