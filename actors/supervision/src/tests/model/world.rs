//! The real tree of a plan, with actors that do what their messages say.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::plan::*;
use super::results::{ask_result, crash_result, start_result, tell_result};
use super::traffic::Results;
use crate::observe::node::Node;
use crate::*;

/// Declares a message with its number, what its handler does, and its weight.
macro_rules! posted {
    ($($name:ident)*) => {$(
        #[derive(Debug, Message)]
        #[answer(u32)]
        #[message(weight = self.2)]
        struct $name(u32, Act, usize);
    )*};
}

posted!(Command Gossip Body Query Urgent Alarm);

/// The record that the actors and the hooks of a run write and read.
#[derive(Default)]
pub(super) struct Record {
    pub(super) log: Vec<String>,
    pub(super) got: Vec<Vec<u32>>,
    pub(super) results: Results,
    start_faults: Vec<VecDeque<StartFault>>,
    stop_faults: Vec<VecDeque<StopFault>>,
    /// The time by which the tree's clock is ahead of the timers.
    held: Duration,
}

pub(super) type Shared = Arc<Mutex<Record>>;

/// The actor of all plans.
pub(super) struct Subject {
    id: Id,
    fault: Option<StartFault>,
    record: Shared,
}

/// Panics without a report on the standard error.
fn panic_quietly() -> ! {
    resume_unwind(Box::new("as planned"))
}

async fn make(id: Id, fault: Option<StartFault>, record: Shared) -> Result<Subject, Failure> {
    match fault {
        Some(StartFault::FactoryFails) => Err("as planned".into()),
        Some(StartFault::FactoryPanics) => panic_quietly(),
        Some(StartFault::FactoryHangs) => pending().await,
        _ => Ok(Subject { id, fault, record }),
    }
}

impl Actor for Subject {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        match self.fault {
            Some(StartFault::StartedFails) => return Err("as planned".into()),
            Some(StartFault::StartedPanics) => panic_quietly(),
            Some(StartFault::StartedStops) => ctx.stop(),
            _ => {}
        }
        let line = format!("up n{} {}", self.id, ctx.generation());
        self.record.lock().log.push(line);
        Ok(())
    }

    async fn stopped(self, exit: &Exit) {
        let fault = {
            let mut record = self.record.lock();
            record
                .log
                .push(format!("down n{} {}", self.id, describe(exit)));
            record.stop_faults[self.id].pop_front()
        };
        match fault {
            Some(StopFault::Slow) => tokio::time::sleep(SLOW_STOP).await,
            Some(StopFault::Hangs) => pending().await,
            None => {}
        }
    }
}

impl Subject {
    fn act(&mut self, number: u32, act: Act, ctx: &mut Ctx<Self>) {
        self.record.lock().got[self.id].push(number);
        match act {
            Act::Panic => panic_quietly(),
            Act::Fail => ctx.fail("as planned"),
            Act::Stop => ctx.stop(),
            Act::Hold(time) => self.record.lock().held += time,
            Act::Work | Act::Later(_) | Act::Never => {}
        }
    }
}

macro_rules! handles {
    ($message:ident, $when_full:ident, $priority:ident) => {
        impl Handles<$message> for Subject {
            type Answer = u32;
            const WHEN_FULL: WhenFull = WhenFull::$when_full;
            const PRIORITY: Priority = Priority::$priority;

            fn handle(&mut self, $message(number, act, _): $message, ctx: &mut Ctx<Self>) -> u32 {
                self.act(number, act, ctx);
                number
            }
        }
    };
}

handles!(Command, Reject, Normal);
handles!(Gossip, DropOldest, Normal);
handles!(Body, Wait, Normal);
handles!(Urgent, Reject, High);
handles!(Alarm, DropOldest, High);

impl Handles<Query> for Subject {
    type Answer = Later<u32>;
    const WHEN_ABANDONED: WhenAbandoned = WhenAbandoned::Skip;
    const DEADLINE: Option<Duration> = Some(QUERY_DEADLINE);

    fn handle(&mut self, Query(number, act, _): Query, ctx: &mut Ctx<Self>) -> Later<u32> {
        self.act(number, act, ctx);
        Later::new(async move {
            match act {
                Act::Later(delay) => tokio::time::sleep(delay).await,
                Act::Never => pending().await,
                _ => {}
            }
            number
        })
    }
}

/// Describes an exit as the model's `End` does.
pub(super) fn describe(exit: &Exit) -> String {
    match exit {
        Exit::Normal => "normal".to_owned(),
        Exit::Shutdown => "shutdown".to_owned(),
        Exit::Failed(_) => "failed".to_owned(),
        Exit::Panicked { .. } => "panicked".to_owned(),
        Exit::StartFailed(_) => "did not start".to_owned(),
        Exit::Killed { .. } => "killed".to_owned(),
        Exit::GaveUp { child, cause } => {
            let name = child.rsplit('/').next().unwrap_or_default();
            format!("gave up {name}: {}", describe(cause))
        }
        // No plan hangs, and all actors share the thread of the test.
        Exit::Hung { .. } | Exit::ArbiterLost(_) | Exit::Escalated { .. } => exit.to_string(),
    }
}

/// The tree of a plan, with references to all of its nodes.
pub(super) struct World {
    plan: Rc<Plan>,
    pub(super) nodes: Vec<Arc<Node>>,
    actors: Vec<Option<ActorRef<Subject>>>,
    dynamics: Vec<Option<DynamicRef>>,
    specs: Vec<ChildSpec>,
    pub(super) record: Shared,
    pub(super) handle: Option<TreeHandle>,
    begin: Instant,
}

impl World {
    /// Builds the specifications of a plan. Returns that of the root as well.
    pub(super) fn new(plan: &Rc<Plan>) -> (Self, SupervisorSpec) {
        let count = plan.nodes.len();
        let mut record = Record {
            got: vec![Vec::new(); count],
            start_faults: vec![VecDeque::new(); count],
            stop_faults: vec![VecDeque::new(); count],
            ..Record::default()
        };
        for (id, fault) in &plan.faults {
            record.start_faults[*id].push_back(*fault);
        }
        let mut world = Self {
            plan: Rc::clone(plan),
            nodes: Vec::new(),
            actors: vec![None; count],
            dynamics: vec![None; count],
            specs: Vec::new(),
            record: Arc::new(Mutex::new(record)),
            handle: None,
            begin: Instant::now(),
        };
        let mut specs: Vec<Option<ChildSpec>> = vec![None; count];
        let mut root = None;
        for id in (0..count).rev() {
            let spec = match plan.nodes[id].role {
                Role::Supervisor {
                    strategy,
                    intensity,
                    backoff,
                } => {
                    let mut spec = SupervisorSpec::new(&format!("n{id}"), strategy)
                        .intensity(intensity.restarts, intensity.period)
                        .backoff(backoff);
                    for child in plan.children(id) {
                        spec = spec.child(specs[child].clone().unwrap());
                    }
                    root = Some(spec.clone());
                    spec.into()
                }
                Role::Dynamic { limit } => {
                    let dynamic = DynamicRef::with_limit(&format!("n{id}"), limit);
                    world.dynamics[id] = Some(dynamic.clone());
                    SupervisorSpec::dynamic(&dynamic).into()
                }
                Role::Actor { .. } => world.actor(id, plan.nodes[id].role),
            };
            // The model's dynamic children are temporary, as they are by default.
            let restart = if plan.is_dynamic_child(id) {
                Restart::Temporary
            } else {
                plan.nodes[id].restart
            };
            specs[id] = Some(world.watched(id, spec.restart(restart)));
        }
        world.specs = specs.into_iter().flatten().collect();
        world.nodes = world
            .specs
            .iter()
            .map(|spec| Arc::clone(&spec.node))
            .collect();
        (world, root.unwrap())
    }

    fn actor(&mut self, id: Id, role: Role) -> ChildSpec {
        let me = ActorRef::new(&format!("n{id}"));
        self.actors[id] = Some(me.clone());
        let record = Arc::clone(&self.record);
        let spec = ChildSpec::new_async(&me, move || {
            let mut locked = record.lock();
            locked.log.push(format!("make n{id}"));
            let fault = locked.start_faults[id].pop_front();
            make(id, fault, Arc::clone(&record))
        });
        let mut spec = spec.start_timeout(START_TIMEOUT).stop_timeout(STOP_TIMEOUT);
        if let Role::Actor {
            capacity,
            bytes,
            ask_deadline,
            intensity,
        } = role
        {
            spec = spec.mailbox(capacity);
            if let Some(bytes) = bytes {
                spec = spec.mailbox_bytes(bytes);
            }
            if let Some(deadline) = ask_deadline {
                spec = spec.ask_deadline(deadline);
            }
            if let Some(Intensity { restarts, period }) = intensity {
                spec = spec.max_restarts(restarts, period);
            }
        }
        spec
    }

    /// Returns the clock of the tree: the runtime's, ahead by the time that handlers held the thread.
    pub(super) fn clock(&self) -> Clock {
        let (begin, record) = (self.begin, Arc::clone(&self.record));
        let elapsed = move || begin.elapsed() + record.lock().held;
        Clock::custom(std::time::UNIX_EPOCH, elapsed)
    }

    /// Lets the supervisor of a child log each of its ends.
    fn watched(&self, id: Id, mut spec: ChildSpec) -> ChildSpec {
        let record = Arc::clone(&self.record);
        spec.on_exit = Some(Arc::new(move |exit| {
            record
                .lock()
                .log
                .push(format!("exit n{id} {}", describe(exit)));
        }));
        spec
    }

    /// Lets all that is ready run, without letting time pass.
    pub(super) async fn settle(&self) {
        // Each round runs sixty tasks; the longest cascade takes a few hundred.
        for _ in 0..24 {
            tokio::task::yield_now().await;
        }
    }

    /// Lets time pass until `now`, counted from the begin of the run.
    pub(super) async fn advance_to(&self, now: Duration) {
        self.settle().await;
        let until = self.begin + now;
        if until > Instant::now() {
            tokio::time::sleep_until(until).await;
            self.settle().await;
        }
    }

    /// Acts on the real tree, before the actors run.
    pub(super) fn stimulate(&self, stimuli: &[Stimulus]) {
        for Stimulus { number, to, what } in stimuli {
            match *what {
                What::Send(post) => self.post(*number, *to, post),
                What::Crash => {
                    let crashed = self.handle.as_ref().unwrap().crash(&self.plan.path(*to));
                    self.note(*number, crash_result(crashed));
                }
                What::CrashAt(kind) => {
                    let path = self.plan.path(*to);
                    let set = self.handle.as_ref().unwrap().crash_at(&path, kind.name());
                    self.note(*number, crash_result(set));
                }
                What::SpoilStart(fault) => {
                    self.record.lock().start_faults[*to].push_back(fault);
                }
                What::SpoilStop(fault) => self.record.lock().stop_faults[*to].push_back(fault),
                What::StartDynamic => {
                    let parent = self.plan.nodes[*to].parent.unwrap();
                    let dynamic = self.dynamics[parent].as_ref().unwrap();
                    let start = dynamic.start(self.specs[*to].clone()).map(start_result);
                    self.await_result(*number, Box::pin(start));
                }
                What::StopDynamic => {
                    let parent = self.plan.nodes[*to].parent.unwrap();
                    let is_sent = self.dynamics[parent]
                        .as_ref()
                        .unwrap()
                        .stop(&self.plan.path(*to));
                    self.note(*number, if is_sent { "Ok" } else { "Unavailable" });
                }
            }
        }
    }

    fn note(&self, number: u32, result: &'static str) {
        self.record.lock().results.insert(number, result);
    }

    /// Polls a caller's future once, in the order of the stimuli, and then to its end.
    fn await_result(&self, number: u32, mut result: Pin<Box<dyn Future<Output = &'static str>>>) {
        match result.as_mut().now_or_never() {
            Some(result) => self.note(number, result),
            None => {
                let record = Arc::clone(&self.record);
                actix::spawn(async move {
                    let result = result.await;
                    record.lock().results.insert(number, result);
                });
            }
        }
    }

    fn post(&self, number: u32, to: Id, post: Post) {
        let Post { act, weight, .. } = post;
        match post.kind {
            Kind::Command => self.send(number, to, post, Command(number, act, weight)),
            Kind::Gossip => self.send(number, to, post, Gossip(number, act, weight)),
            Kind::Body => self.send(number, to, post, Body(number, act, weight)),
            Kind::Query => self.send(number, to, post, Query(number, act, weight)),
            Kind::Urgent => self.send(number, to, post, Urgent(number, act, weight)),
            Kind::Alarm => self.send(number, to, post, Alarm(number, act, weight)),
        }
    }

    fn send<M>(&self, number: u32, to: Id, post: Post, message: M)
    where
        M: Message<Result = u32> + std::fmt::Debug,
        Subject: Handles<M>,
    {
        let me = self.actors[to].clone().unwrap();
        match (post.sending, post.deadline) {
            (Sending::Tell, Some(deadline)) => {
                self.note(
                    number,
                    tell_result(me.with_deadline(deadline).tell(message)),
                );
            }
            (Sending::Tell, None) => self.note(number, tell_result(me.tell(message))),
            (Sending::TellWhenRoom, _) => self.await_result(
                number,
                Box::pin(async move { tell_result(me.tell_when_room(message).await) }),
            ),
            (Sending::Ask, Some(deadline)) => {
                let answer = me.with_deadline(deadline).ask(message);
                self.await_result(number, Box::pin(answer.map(ask_result)));
            }
            (Sending::Ask, None) => {
                self.await_result(number, Box::pin(me.ask(message).map(ask_result)));
            }
            (Sending::AskAndLeave, Some(deadline)) => {
                drop(me.with_deadline(deadline).ask(message));
            }
            (Sending::AskAndLeave, None) => drop(me.ask(message)),
            (Sending::AskWithin(timeout), deadline) => self.await_result(
                number,
                Box::pin(async move {
                    let within = me.within(timeout);
                    let within = match deadline {
                        Some(_) => within.expiring(),
                        None => within,
                    };
                    ask_result(within.ask(message).await)
                }),
            ),
        }
    }
}
