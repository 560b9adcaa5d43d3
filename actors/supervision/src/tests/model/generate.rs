//! Random plans: the same plan for a seed each time.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::plan::*;
use crate::{Backoff, Intensity, Restart, Strategy};

const MAX_DEPTH: usize = 3;
const MAX_NODES: usize = 14;

const DEADLINES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_micros(10_500),
    Duration::from_micros(40_500),
    Duration::from_micros(100_500),
];

/// Generates the plan of a seed.
pub(super) fn plan(seed: u64) -> Plan {
    let mut generator = Generator {
        rng: StdRng::seed_from_u64(seed),
        plan: Plan {
            seed,
            nodes: Vec::new(),
            faults: Vec::new(),
            steps: Vec::new(),
        },
        next_number: 0,
    };
    generator.supervisor(None, 1);
    generator.dynamic_children();
    generator.first_faults();
    for _ in 0..generator.rng.random_range(4..28) {
        let step = generator.step();
        generator.plan.steps.push(step);
    }
    generator.plan
}

struct Generator {
    rng: StdRng,
    plan: Plan,
    next_number: u32,
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Generator {
    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        *choices.choose(&mut self.rng).unwrap()
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn restart(&mut self) -> Restart {
        self.one_of(&[
            Restart::Permanent,
            Restart::Permanent,
            Restart::Permanent,
            Restart::Transient,
            Restart::Transient,
            Restart::Temporary,
        ])
    }

    fn intensity(&mut self) -> Intensity {
        Intensity {
            restarts: self.one_of(&[0, 1, 2, 2, 3, 5]),
            period: millis(self.one_of(&[150, 500, 2_000, 10_000])),
        }
    }

    fn backoff(&mut self) -> Backoff {
        Backoff {
            first: millis(self.one_of(&[0, 1, 20, 100])),
            max: millis(self.one_of(&[100, 1_000])),
            healthy_after: millis(self.one_of(&[100, 1_000])),
        }
    }

    fn add(&mut self, parent: Option<Id>, role: Role) -> Id {
        let restart = self.restart();
        self.plan.nodes.push(NodePlan {
            parent,
            restart,
            role,
        });
        self.plan.nodes.len() - 1
    }

    fn actor(&mut self, parent: Id) {
        let intensity = self.chance(20).then(|| self.intensity());
        let capacity = self.one_of(&[1, 2, 3, 5, 8, 24]);
        let bytes = self.chance(35).then(|| self.one_of(&[8, 20, 50]));
        let ask_deadline = self.chance(20).then(|| self.one_of(&DEADLINES));
        self.add(
            Some(parent),
            Role::Actor {
                capacity,
                bytes,
                ask_deadline,
                intensity,
            },
        );
    }

    fn supervisor(&mut self, parent: Option<Id>, depth: usize) {
        let strategy = self.one_of(&[
            Strategy::OneForOne,
            Strategy::OneForAll,
            Strategy::RestForOne,
        ]);
        let role = Role::Supervisor {
            strategy,
            intensity: self.intensity(),
            backoff: self.backoff(),
        };
        let me = self.add(parent, role);
        let children = self.rng.random_range(1..=4);
        for _ in 0..children {
            if self.plan.nodes.len() >= MAX_NODES {
                break;
            }
            if depth < MAX_DEPTH && self.chance(30) {
                self.supervisor(Some(me), depth + 1);
            } else if self.chance(12) {
                let limit = self.one_of(&[1, 2, 3]);
                self.add(Some(me), Role::Dynamic { limit });
            } else {
                self.actor(me);
            }
        }
    }

    /// Adds the children that steps start at the dynamic supervisors.
    fn dynamic_children(&mut self) {
        for id in 0..self.plan.nodes.len() {
            if self.plan.is_dynamic(id) {
                for _ in 0..5 {
                    self.actor(id);
                }
            }
        }
    }

    /// Lets the first start of an actor go wrong in a part of the plans.
    fn first_faults(&mut self) {
        if !self.chance(12) {
            return;
        }
        let Some(actor) = self.some_actor(|plan, id| !plan.is_dynamic_child(id)) else {
            return;
        };
        let fault = self.start_fault();
        self.plan.faults.push((actor, fault));
    }

    fn some_actor(&mut self, is_wanted: impl Fn(&Plan, Id) -> bool) -> Option<Id> {
        let actors: Vec<Id> = (0..self.plan.nodes.len())
            .filter(|id| self.plan.is_actor(*id) && is_wanted(&self.plan, *id))
            .collect();
        actors.choose(&mut self.rng).copied()
    }

    fn start_fault(&mut self) -> StartFault {
        self.one_of(&[
            StartFault::FactoryFails,
            StartFault::FactoryPanics,
            StartFault::FactoryHangs,
            StartFault::StartedFails,
            StartFault::StartedPanics,
            StartFault::StartedStops,
        ])
    }

    fn step(&mut self) -> Step {
        let chosen = self.rng.random_range(0..100);
        match chosen {
            0..28 => Step::Advance(millis(self.one_of(&[1, 7, 60, 130, 400, 1_500]))),
            28..44 => self.dynamic_step(),
            44..57 => self.spoilt_crash(),
            57..67 => self.flood(),
            67..75 => self.slow_work(),
            75..81 => self.urgent_flood(),
            _ => self.batch(),
        }
    }

    fn stimulus(&mut self, to: Id, what: What) -> Stimulus {
        self.next_number += 1;
        Stimulus {
            number: self.next_number,
            to,
            what,
        }
    }

    fn batch_of(&mut self, to: Id, what: What) -> Step {
        Step::Batch(vec![self.stimulus(to, what)])
    }

    fn dynamic_step(&mut self) -> Step {
        let Some(child) = self.some_actor(Plan::is_dynamic_child) else {
            return self.batch();
        };
        let what = if self.chance(70) {
            What::StartDynamic
        } else {
            What::StopDynamic
        };
        self.batch_of(child, what)
    }

    /// Crashes an actor whose next start or stop, or a sibling's, goes wrong.
    fn spoilt_crash(&mut self) -> Step {
        let Some(actor) = self.some_actor(|_, _| true) else {
            return Step::Advance(millis(1));
        };
        let mut stimuli = Vec::new();
        for _ in 0..self.rng.random_range(1..=2) {
            let other = self.sibling_of(actor);
            let spoilt = if self.chance(65) {
                What::SpoilStart(self.start_fault())
            } else {
                What::SpoilStop(self.one_of(&[StopFault::Slow, StopFault::Hangs]))
            };
            stimuli.push(self.stimulus(other, spoilt));
        }
        if self.chance(80) {
            let crash = self.one_of(&[
                What::Crash,
                What::Send(Post::command(Act::Panic)),
                What::Send(Post::command(Act::Fail)),
            ]);
            stimuli.push(self.stimulus(actor, crash));
        }
        Step::Batch(stimuli)
    }

    /// Returns an actor with the same parent, possibly the same actor.
    fn sibling_of(&mut self, actor: Id) -> Id {
        let parent = self.plan.nodes[actor].parent;
        self.some_actor(|plan, id| plan.nodes[id].parent == parent)
            .unwrap_or(actor)
    }

    /// Sends more messages to one actor than its mailbox holds.
    fn flood(&mut self) -> Step {
        let Some(actor) = self.some_actor(|_, _| true) else {
            return Step::Advance(millis(1));
        };
        let count = self.rng.random_range(4..20);
        let stimuli = (0..count)
            .map(|_| {
                let post = self.post(3);
                self.stimulus(actor, What::Send(post))
            })
            .collect();
        Step::Batch(stimuli)
    }

    /// Sends messages to one actor, of which some hold the thread while others wait.
    fn slow_work(&mut self) -> Step {
        let Some(actor) = self.some_actor(|_, _| true) else {
            return Step::Advance(millis(1));
        };
        let mut stimuli = Vec::new();
        for _ in 0..self.rng.random_range(2..12) {
            let mut post = self.post(8);
            if self.chance(40) {
                post.act = Act::Hold(millis(self.one_of(&[1, 20, 60])));
            }
            stimuli.push(self.stimulus(actor, What::Send(post)));
        }
        Step::Batch(stimuli)
    }

    /// Sends messages to one actor, most of them of high priority.
    fn urgent_flood(&mut self) -> Step {
        let Some(actor) = self.some_actor(|_, _| true) else {
            return Step::Advance(millis(1));
        };
        let mut stimuli = Vec::new();
        for _ in 0..self.rng.random_range(8..30) {
            let mut post = self.post(2);
            if self.chance(70) {
                post.kind = self.one_of(&[Kind::Urgent, Kind::Urgent, Kind::Alarm]);
            }
            stimuli.push(self.stimulus(actor, What::Send(post)));
        }
        Step::Batch(stimuli)
    }

    /// Acts on actors, of which those with one parent may end.
    fn batch(&mut self) -> Step {
        let Some(focus) = self.some_actor(|_, _| true) else {
            return Step::Advance(millis(1));
        };
        let count = self.rng.random_range(1..8);
        let mut stimuli = Vec::new();
        for _ in 0..count {
            let (to, what) = if self.chance(75) {
                let to = self.sibling_of(focus);
                let what = match self.rng.random_range(0..100) {
                    0..6 => What::Crash,
                    6..12 => {
                        let kind = self.one_of(&Kind::ALL);
                        What::CrashAt(kind)
                    }
                    _ => What::Send(self.post(22)),
                };
                (to, what)
            } else {
                let Some(to) = self.some_actor(|_, _| true) else {
                    continue;
                };
                (to, What::Send(self.post(0)))
            };
            stimuli.push(self.stimulus(to, what));
        }
        Step::Batch(stimuli)
    }

    /// Returns a message that ends its actor with the given probability.
    fn post(&mut self, percent_of_ends: u32) -> Post {
        let kind = self.one_of(&Kind::ALL);
        let sending = match self.rng.random_range(0..100) {
            0..35 => Sending::Tell,
            35..50 => Sending::TellWhenRoom,
            50..75 => Sending::Ask,
            75..82 => Sending::AskAndLeave,
            _ => Sending::AskWithin(millis(self.one_of(&[5, 45, 150, 700]))),
        };
        let act = if self.chance(percent_of_ends) {
            self.one_of(&[Act::Panic, Act::Panic, Act::Fail, Act::Stop])
        } else if self.chance(25) {
            let later = Act::Later(millis(self.one_of(&[3, 30, 90, 350])));
            self.one_of(&[later, later, Act::Never])
        } else {
            Act::Work
        };
        let deadline = match sending {
            Sending::TellWhenRoom => None,
            _ if !self.chance(15) => None,
            Sending::AskWithin(timeout) => Some(timeout),
            _ => Some(self.one_of(&DEADLINES)),
        };
        Post {
            sending,
            kind,
            act,
            weight: self.one_of(&[0, 1, 5, 9, 30]),
            deadline,
        }
    }
}
