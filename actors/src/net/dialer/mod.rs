//! DialerActor: connects to static nodes, and to as many others as are wanted.
//!
//! | message | what happens |
//! |---|---|
//! | [`AddStatic`], [`RemoveStatic`] | the list of static nodes |
//! | [`PeersChanged`], `Tick` | the rules of [`state`] say what to do; dials and lookups begin |
//!
//! A dial is a future of this actor: the TCP connection, then the wait for the connection's own
//! actor to say how its handshakes ended, which it does after ServerActor has added the peer or
//! refused it. So a node is at any time being dialled, a peer, in the history, or neither of
//! them, and never on its way unseen.

pub mod state;

use std::collections::VecDeque;
use std::sync::Arc;

use actoreum_messages::dialer::{AddStatic, PeersChanged, RemoveStatic};
use actoreum_messages::discovery::Lookup;
use actoreum_wire::discv4::Node;
use actoreum_wire::nodes::{Enode, NodeId};
use futures_util::FutureExt;
use rand::Rng;
use rand::seq::IndexedRandom;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tracing::{debug, trace};

use self::state::{DialState, Surroundings, Task};
use super::Shared;
use super::limits::{
    ACTIVE_DIALS, DIAL_JITTER, DIAL_TICK, DIAL_TIMEOUT, LOOKUP_TIMEOUT, WAITING_DIALS,
};
use super::peer::{self, Beginning, Direction, End};
use crate::supervision::{Actor, Ctx, Failure, Handles, Message, WhenFull};

/// Look around. From: the actor's own timer.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Tick;

/// See the module.
pub struct DialerActor {
    shared: Arc<Shared>,
    state: DialState,
    waiting: VecDeque<Task>,
    running: usize,
}

/// How a dial ended.
enum Dialled {
    /// The connection stood; how its handshakes ended.
    SetUp(Result<(), End>),
    /// It did not come to stand.
    Unreachable(String),
    /// The actor that was to end the dial has gone.
    Gone,
}

impl DialerActor {
    /// An actor that begins with the static nodes of the roster.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let settings = &shared.settings;
        let mut state = DialState::new(
            shared.local.info().id,
            settings.max_dialled(),
            &settings.bootnodes,
            Instant::now(),
        );
        for node in shared.roster.statics() {
            state.add_static(node);
        }
        Self {
            shared,
            state,
            waiting: VecDeque::new(),
            running: 0,
        }
    }

    /// Begins what the rules ask for, as far as there are places.
    fn schedule(&mut self, ctx: &mut Ctx<Self>) {
        self.begin_waiting(ctx);
        if self.running >= ACTIVE_DIALS {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let peers = shared.peers.load();
        let dynamic = peers.iter().filter(|it| it.direction == Direction::Dynamic);
        let mut around = Surroundings {
            is_connected: &|id| peers.binary_search_by_key(id, |peer| peer.id).is_ok(),
            is_kept_away: &|id| shared.dropped.is_kept_away(id) && !shared.roster.is_trusted(id),
            allows: &|address| shared.settings.allows(address),
            random: &mut |count| random_nodes(&shared, count),
            dynamic: dynamic.count(),
            peers: peers.len(),
        };
        let tasks = self.state.next(&mut around, Instant::now());
        for task in tasks {
            match task {
                Task::Dial { node, .. } if self.waiting.len() >= WAITING_DIALS => {
                    self.state.not_dialled(&node.id());
                }
                task => self.waiting.push_back(task),
            }
        }
        self.begin_waiting(ctx);
    }

    fn begin_waiting(&mut self, ctx: &mut Ctx<Self>) {
        while self.running < ACTIVE_DIALS
            && let Some(task) = self.waiting.pop_front()
        {
            self.running += 1;
            match task {
                Task::Dial { node, direction } => self.begin_dial(node, direction, ctx),
                Task::Lookup => self.begin_lookup(ctx),
            }
        }
    }

    fn ended(&mut self, ctx: &mut Ctx<Self>) {
        self.running = self.running.saturating_sub(1);
        self.schedule(ctx);
    }

    fn begin_lookup(&mut self, ctx: &mut Ctx<Self>) {
        let looking = look_up(Arc::clone(&self.shared), None);
        ctx.spawn_then(looking, |actor, nodes, ctx| {
            trace!(found = nodes.len(), "lookup ended");
            actor.state.looked_up(nodes);
            actor.ended(ctx);
        });
    }

    fn begin_dial(&mut self, node: Enode, direction: Direction, ctx: &mut Ctx<Self>) {
        if node.endpoint.is_none_or(|at| at.tcp == 0) {
            self.begin_resolve(node, direction, ctx);
            return;
        }
        let dialling = dial(Arc::clone(&self.shared), node, direction);
        ctx.spawn_then(dialling, move |actor, dialled, ctx| {
            debug!(peer = ?node.id(), ?direction, outcome = %dialled, "dial ended");
            let is_lost = matches!(dialled, Dialled::Unreachable(_));
            if is_lost && direction == Direction::Static {
                actor.begin_resolve(node, direction, ctx);
                return;
            }
            actor.dialled(node.id(), ctx);
        });
    }

    /// Looks a static node up that cannot be reached, and dials it once more where it is now.
    fn begin_resolve(&mut self, node: Enode, direction: Direction, ctx: &mut Ctx<Self>) {
        let id = node.id();
        let may_resolve =
            self.shared.settings.is_discovering && self.state.may_resolve(&id, Instant::now());
        if !may_resolve {
            self.dialled(id, ctx);
            return;
        }
        let looking = look_up(Arc::clone(&self.shared), Some(node));
        ctx.spawn_then(looking, move |actor, nodes, ctx| {
            let found = nodes
                .into_iter()
                .find(|it| it.id == id && it.endpoint.tcp != 0);
            let found = found.map(|it| it.to_enode());
            actor.state.resolved(&id, found);
            let Some(found) = found.filter(|found| *found != node) else {
                actor.dialled(id, ctx);
                return;
            };
            debug!(peer = ?id, at = %found, "static node found elsewhere");
            let dialling = dial(Arc::clone(&actor.shared), found, direction);
            ctx.spawn_then(dialling, move |actor, dialled, ctx| {
                debug!(peer = ?id, ?direction, outcome = %dialled, "dial ended");
                actor.dialled(id, ctx);
            });
        });
    }

    fn dialled(&mut self, id: NodeId, ctx: &mut Ctx<Self>) {
        let jitter = self.shared.settings.chance.choose(|random| random.random());
        let jitter = DIAL_JITTER.mul_f64(jitter);
        self.state.dialled(id, Instant::now(), jitter);
        self.ended(ctx);
    }
}

impl std::fmt::Display for Dialled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SetUp(Ok(())) => f.write_str("connected"),
            Self::SetUp(Err(end)) => write!(f, "{end}"),
            Self::Unreachable(error) => f.write_str(error),
            Self::Gone => f.write_str("connection lost"),
        }
    }
}

fn random_nodes(shared: &Shared, count: usize) -> Vec<Node> {
    let table = shared.table.load();
    let nodes: Vec<Node> = table.nodes().collect();
    let chance = &shared.settings.chance;
    chance.choose(|random| nodes.choose_multiple(random, count).copied().collect())
}

/// A lookup by discovery: for a node, or for anybody.
async fn look_up(shared: Arc<Shared>, node: Option<Enode>) -> Vec<Node> {
    let target = node.map(|node| node.public_key);
    let discovery = shared.discovery.within(LOOKUP_TIMEOUT);
    // Without discovery, and where it is down for long, nobody is found.
    discovery.ask(Lookup { target }).await.unwrap_or_default()
}

async fn dial(shared: Arc<Shared>, node: Enode, direction: Direction) -> Dialled {
    let Some(endpoint) = node.endpoint else {
        return Dialled::Unreachable("no address".to_owned());
    };
    let connecting = shared.transport.connect(endpoint.tcp_address());
    let wire = match timeout(DIAL_TIMEOUT, connecting).await {
        Ok(Ok(wire)) => wire,
        Ok(Err(error)) => return Dialled::Unreachable(error.to_string()),
        Err(_) => return Dialled::Unreachable("i/o timeout".to_owned()),
    };
    let (set_up, outcome) = oneshot::channel();
    let beginning = Beginning {
        wire,
        direction,
        expected: Some(node.public_key),
        place: None,
        set_up: Some(set_up),
    };
    let started = shared.connections.start(peer::child(&shared, beginning));
    if started.await.is_err() {
        return Dialled::Gone;
    }
    outcome
        .map(|it| it.map_or(Dialled::Gone, Dialled::SetUp))
        .await
}

impl Actor for DialerActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify_every(DIAL_TICK, || Tick);
        ctx.notify(Tick);
        Ok(())
    }
}

impl Handles<Tick> for DialerActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, Tick: Tick, ctx: &mut Ctx<Self>) {
        self.schedule(ctx);
    }
}

impl Handles<PeersChanged> for DialerActor {
    type Answer = ();
    // The next tick does the same.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, PeersChanged: PeersChanged, ctx: &mut Ctx<Self>) {
        self.schedule(ctx);
    }
}

impl Handles<AddStatic> for DialerActor {
    type Answer = ();

    fn handle(&mut self, AddStatic(node): AddStatic, ctx: &mut Ctx<Self>) {
        self.state.add_static(node);
        self.schedule(ctx);
    }
}

impl Handles<RemoveStatic> for DialerActor {
    type Answer = ();

    fn handle(&mut self, RemoveStatic(id): RemoveStatic, _: &mut Ctx<Self>) {
        self.state.remove_static(&id);
    }
}
