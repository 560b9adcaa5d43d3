//! A run: the steps of a plan on the real tree and on the model, compared after each.

use std::fmt::{Debug, Display};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::plan::*;
use super::state::{End, Model};
use super::world::{World, describe};
use crate::observe::metrics::MessageMetrics;
use crate::observe::node::Node;
use crate::snapshot::State;
use crate::{Outcome, SeededRng, StartError, Tree, TreeOptions};

/// A difference between the kernel and the model.
#[derive(Debug, Clone)]
pub(super) struct Mismatch {
    /// The number of steps that were taken.
    pub(super) after: usize,
    pub(super) text: String,
}

/// The coverage of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Coverage {
    pub(super) steps: u64,
    pub(super) left_out: u64,
    pub(super) restarts: u64,
    pub(super) messages: u64,
    /// Messages whose deadline passed.
    pub(super) expired: u64,
    /// Messages that one of high priority passed.
    pub(super) overtaken: u64,
    /// Messages that found a free slot without room for their weight.
    pub(super) too_heavy: u64,
    pub(super) failed_starts: u64,
    pub(super) gave_up: u64,
    /// The log of the real tree.
    pub(super) log: Vec<String>,
}

/// Runs a plan in its own runtime, on a paused clock that begins at zero.
pub(super) fn run(plan: &Plan) -> Result<Coverage, Mismatch> {
    let system = actix::System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    });
    system.block_on(Run::begin(Rc::new(plan.clone())))
}

struct Run {
    plan: Rc<Plan>,
    model: Model,
    world: World,
    coverage: Coverage,
}

impl Run {
    async fn steps(mut self, tree: Tree) -> Result<Coverage, Mismatch> {
        let mut tree = Some(tree);
        let steps = self.plan.steps.clone();
        for (index, step) in steps.iter().enumerate() {
            let after = index + 1;
            let mut next = self.model.clone();
            match step {
                Step::Advance(time) => next.advance(*time),
                Step::Batch(stimuli) => {
                    let ready = next.stimulate(stimuli);
                    let queued: Vec<(usize, usize)> = next
                        .nodes
                        .iter()
                        .map(|node| (node.traffic.depth(), node.traffic.bytes()))
                        .collect();
                    next.settle(stimuli, &ready);
                    if !next.is_ambiguous {
                        self.world.stimulate(stimuli);
                        let real = self.queued();
                        same(&"the queued messages and bytes", &queued, &real)
                            .map_err(|text| Mismatch { after, text })?;
                    }
                }
            }
            if next.is_ambiguous {
                self.coverage.left_out += 1;
                // The time cannot pass the events that have no order.
                if matches!(step, Step::Advance(_)) {
                    break;
                }
                continue;
            }
            self.coverage.steps += 1;
            self.model = next;
            self.world.advance_to(self.model.now).await;
            self.compare().map_err(|text| Mismatch { after, text })?;
            if self.model.ended.is_some()
                && let Some(tree) = tree.take()
            {
                let outcome = tree.wait().await;
                self.compare_outcome(&outcome)
                    .map_err(|text| Mismatch { after, text })?;
            }
        }
        let after = steps.len();
        let text = self.finish(tree).await;
        text.map_err(|text| Mismatch { after, text })?;
        self.coverage.log = self.world.record.lock().log.clone();
        Ok(self.coverage)
    }

    /// Stops the tree and waits until every caller has a result.
    async fn finish(&mut self, tree: Option<Tree>) -> Result<(), String> {
        if let Some(tree) = tree {
            self.model.stop_tree();
            let outcome = tree.shutdown().await;
            if !self.model.is_ambiguous {
                self.world.advance_to(self.model.now).await;
                self.compare()?;
                self.compare_outcome(&outcome)?;
            }
        }
        self.model.await_callers();
        self.world
            .advance_to(self.model.now + Duration::from_secs(3))
            .await;
        if !self.model.is_ambiguous {
            self.compare()?;
        }
        let real = self.world.record.lock().results.clone();
        let missing: Vec<_> = self
            .model
            .results
            .keys()
            .filter(|number| !real.contains_key(number))
            .collect();
        if !missing.is_empty() {
            return Err(format!("callers without a result: {missing:?}"));
        }
        self.check_sums()?;
        self.coverage.restarts = self.model.nodes.iter().map(|node| node.restarts).sum();
        self.coverage.gave_up += u64::from(matches!(self.model.ended, Some(End::GaveUp(..))));
        Ok(())
    }

    fn queued(&self) -> Vec<(usize, usize)> {
        let nodes = self.world.nodes.iter();
        nodes
            .map(|node| (depth(node) as usize, bytes(node) as usize))
            .collect()
    }

    /// Compares the whole state of the tree.
    fn compare(&self) -> Result<(), String> {
        let record = self.world.record.lock();
        same(&"the log", &self.model.log, &record.log)?;
        same(&"the results", &self.model.results, &record.results)?;
        for (id, node) in self.model.nodes.iter().enumerate() {
            same(
                &format_args!("the messages handled by n{id}"),
                &node.traffic.got,
                &record.got[id],
            )?;
        }
        drop(record);
        for id in 0..self.model.nodes.len() {
            self.compare_node(id)?;
        }
        Ok(())
    }

    fn compare_node(&self, id: Id) -> Result<(), String> {
        let (expected, node) = (&self.model.nodes[id], &self.world.nodes[id]);
        // The root's state is final once its end was awaited.
        if id != 0 || self.model.ended.is_none() {
            let state = node.state();
            same(&format_args!("the state of n{id}"), &expected.state, &state)?;
        }
        let generation = node.generation();
        same(
            &format_args!("the generation of n{id}"),
            &expected.generation,
            &generation,
        )?;
        if self.plan.is_dynamic(id) {
            let name = |id: &Id| format!("{}/n{id}", node.path());
            let members: Vec<_> = expected.members.iter().map(name).collect();
            let children = node.children();
            let real: Vec<_> = children
                .iter()
                .map(|child| child.path().to_owned())
                .collect();
            same(&format_args!("the children of n{id}"), &members, &real)?;
        }
        if !self.plan.is_actor(id) {
            return Ok(());
        }
        let queued = (depth(node), bytes(node));
        same(&format_args!("the queue of n{id}"), &(0, 0), &queued)?;
        for kind in Kind::ALL {
            let counts = expected.traffic.counts(kind);
            let expected = [
                ("handled", counts.handled),
                ("failed", counts.failed),
                ("rejected", counts.rejected),
                ("unavailable", counts.unavailable),
                ("dropped", counts.dropped),
                ("lost", counts.lost),
                ("abandoned", counts.skipped + counts.given_up),
                ("owed", counts.owed),
                ("expired", counts.expired),
            ];
            let name = kind.name();
            same(
                &format_args!("the counts of {name} at n{id}"),
                &expected,
                &counters(node, kind),
            )?;
        }
        Ok(())
    }

    /// Checks that every message that was sent was handled or counted as something else.
    fn check_sums(&mut self) -> Result<(), String> {
        for id in 0..self.model.nodes.len() {
            let node = self.world.nodes[id].snapshot();
            if !self.model.is_ambiguous {
                let restarts = self.model.nodes[id].restarts;
                same(
                    &format_args!("the restarts of n{id}"),
                    &restarts,
                    &node.restarts,
                )?;
            }
            let traffic = &self.model.nodes[id].traffic;
            for kind in Kind::ALL {
                let expected = traffic.counts(kind);
                let real = node.message(kind.name()).cloned().unwrap_or_default();
                let refused = real.rejected + real.unavailable + real.dropped + real.lost;
                // A request that was given up after it had been handled is in both counts.
                let sum = real.handled + real.failed + refused + real.abandoned + real.expired;
                let sent = expected.sent - traffic.undecided(kind) + expected.given_up;
                if !self.model.is_ambiguous {
                    same(
                        &format_args!("the sum of {} at n{id}", kind.name()),
                        &sent,
                        &sum,
                    )?;
                }
                self.coverage.messages += expected.sent;
                self.coverage.expired += expected.expired;
            }
            self.coverage.overtaken += traffic.overtaken;
            self.coverage.too_heavy += traffic.too_heavy;
        }
        Ok(())
    }

    fn compare_outcome(&self, outcome: &Outcome) -> Result<(), String> {
        let expected = self.model.ended.as_ref().map(ToString::to_string);
        same(
            &"the exit of the tree",
            &expected,
            &Some(describe(&outcome.exit)),
        )?;
        let killed: Vec<_> = self
            .model
            .killed
            .iter()
            .map(|id| self.plan.path(*id))
            .collect();
        same(&"the killed children", &killed, &outcome.killed)?;
        same(&"the wedged children", &Vec::new(), &outcome.wedged)
    }
}

impl Run {
    /// Starts the tree of a plan, and takes the steps where it has started.
    async fn begin(plan: Rc<Plan>) -> Result<Coverage, Mismatch> {
        let mut model = Model::new(&plan);
        model.start_tree();
        let (mut world, spec) = World::new(&plan);
        if model.is_ambiguous {
            return Ok(Coverage {
                left_out: 1,
                ..Coverage::default()
            });
        }
        let started = TreeOptions::default()
            .single_thread()
            .rng(SeededRng::seeded(plan.seed))
            .clock(world.clock())
            .probe(Duration::from_secs(1 << 20), Duration::from_secs(1 << 20))
            .start(spec)
            .await;
        world.handle = started.as_ref().ok().map(|tree| tree.handle().clone());
        world.advance_to(model.now).await;
        let run = Run {
            plan,
            model,
            world,
            coverage: Coverage::default(),
        };
        let compared = run.compare().and_then(|()| run.compare_start(&started));
        compared.map_err(|text| Mismatch { after: 0, text })?;
        match started {
            Ok(tree) => run.steps(tree).await,
            Err(_) => Ok(Coverage {
                failed_starts: 1,
                ..run.coverage
            }),
        }
    }

    fn compare_start(&self, started: &Result<Tree, StartError>) -> Result<(), String> {
        let expected = self.model.first_failed.map(|id| self.plan.path(id));
        let real = match started {
            Ok(_) => None,
            Err(StartError::Failed { path, .. } | StartError::TimedOut { path }) => {
                Some(path.clone())
            }
            Err(error) => return Err(format!("the tree did not start: {error}")),
        };
        let expected = expected.filter(|_| self.model.nodes[0].state == State::Failed);
        same(&"the child that did not start", &expected, &real)
    }
}

/// Returns the number of messages queued at a node.
fn depth(node: &Arc<Node>) -> u64 {
    node.gauges.depth.load(Relaxed)
}

/// Returns the weight of the messages queued at a node.
fn bytes(node: &Arc<Node>) -> u64 {
    node.gauges.bytes.read().map_or(0, |bytes| bytes.queued)
}

/// Returns the counters of a kind of message at a node.
fn counters(node: &Arc<Node>, kind: Kind) -> [(&'static str, u64); 9] {
    let metrics = node.messages.iter().find(|row| &*row.name == kind.name());
    let of = |read: fn(&MessageMetrics) -> u64| metrics.map_or(0, |metrics| read(metrics));
    [
        ("handled", of(|row| row.handling.count())),
        ("failed", of(|row| row.failed.load(Relaxed))),
        ("rejected", of(|row| row.rejected.load(Relaxed))),
        ("unavailable", of(|row| row.unavailable.load(Relaxed))),
        ("dropped", of(|row| row.dropped.load(Relaxed))),
        ("lost", of(|row| row.lost.load(Relaxed))),
        ("abandoned", of(|row| row.abandoned.load(Relaxed))),
        ("owed", of(|row| row.owed.load(Relaxed))),
        ("expired", of(|row| row.expired.load(Relaxed))),
    ]
}

/// Returns the difference of two values.
fn same<T: PartialEq + Debug>(what: &dyn Display, expected: &T, real: &T) -> Result<(), String> {
    if expected == real {
        Ok(())
    } else {
        Err(format!(
            "{what}\n  model:  {expected:?}\n  kernel: {real:?}"
        ))
    }
}
