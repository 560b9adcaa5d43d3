//! DialerActor: dials static nodes, and other nodes up to the wanted number.
//!
//! | message | effect |
//! |---|---|
//! | [`AddStatic`], [`RemoveStatic`] | the list of static nodes |
//! | `Bootnodes` | the present addresses of bootnodes with host names |
//! | [`PeerSetChanged`], `Tick` | the rules of [`state`] say what to do; dials and lookups begin |
//!
//! A dial is a future of this actor: it establishes the TCP connection, then waits for the result
//! of the handshakes from the connection's actor, which comes after ServerActor has added or
//! refused the peer. So a node that is being connected is always known as being dialled or as a
//! peer. The host name of a static node is resolved before each of its dials.
//!
//! When nodes are wanted, each version of discovery looks up random ones, and DNS is asked for some.

pub mod state;

use actoreum_primitives::{PeerId, PublicKey};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use actoreum_messages::dialer::{AddStatic, PeerSetChanged, RemoveStatic};
use actoreum_messages::discovery::Lookup;
use actoreum_messages::dns_discovery::FindNodes;
use actoreum_messages::peer::{Direction, DisconnectCause};
use actoreum_wire::discv4::Node;
use actoreum_wire::nodes::{Enode, NodeUrl};
use futures_util::FutureExt;
use rand::Rng;
use rand::seq::IndexedRandom;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tracing::{debug, trace};

use self::state::{DialContext, DialState, Task};
use super::discovery::UdpDiscoveryActor;
use super::discovery::v5::DiscoveryV5Actor;
use super::dns::DnsDiscoveryActor;
use super::limits::{
    DIAL_JITTER, DIAL_TICK, DIAL_TIMEOUT, DNS_NODES_TIMEOUT, LOOKUP_TIMEOUT, MAX_ACTIVE_DIALS,
    MAX_WAITING_DIALS,
};
use super::names::{Bootnodes, Names};
use super::peer::{ConnectionArgs, Connections};
use super::shared::Shared;
use actoreum_supervision::{Actor, ActorRef, Ctx, Failure, Handles, Message, WhenFull};

/// Starts due dials. Sent by the actor's own timer.
#[derive(Debug, Message)]
struct Tick;

/// The actors that find nodes. One that is not configured is not running.
#[derive(Clone)]
pub(super) struct NodeSources {
    pub(super) discovery: ActorRef<UdpDiscoveryActor>,
    pub(super) discovery_v5: ActorRef<DiscoveryV5Actor>,
    pub(super) dns: ActorRef<DnsDiscoveryActor>,
}

/// The actor that dials nodes; see the module.
pub struct DialerActor {
    shared: Arc<Shared>,
    connections: Connections,
    sources: NodeSources,
    names: Names,
    state: DialState,
    /// Whether DNS has a question of this actor.
    is_asking_dns: bool,
    /// The static nodes with a host name in place of an address.
    named: BTreeMap<PeerId, NodeUrl>,
    waiting: VecDeque<Task>,
    running: usize,
}

/// The outcome of a dial.
enum Dialled {
    /// The connection was established; the result of its handshakes.
    SetUp(Result<(), DisconnectCause>),
    /// No connection was established.
    Unreachable(String),
    /// The connection's actor ended without a result.
    Gone,
}

impl DialerActor {
    /// Creates an actor that starts with the configured static nodes.
    pub(super) fn new(connections: Connections, sources: NodeSources, names: Names) -> Self {
        let shared = Arc::clone(&connections.shared);
        let settings = &shared.settings;
        let bootnodes: Vec<Enode> = settings.bootnodes.iter().map(NodeUrl::enode).collect();
        let state = DialState::new(
            shared.local.info().id,
            settings.max_dialled(),
            &bootnodes,
            Instant::now(),
        );
        let statics = shared.static_and_trusted.statics();
        let mut actor = Self {
            shared,
            connections,
            sources,
            names,
            state,
            is_asking_dns: false,
            named: BTreeMap::new(),
            waiting: VecDeque::new(),
            running: 0,
        };
        for node in statics {
            actor.add_static(node);
        }
        actor
    }

    fn add_static(&mut self, node: NodeUrl) {
        self.state.add_static(node.enode());
        match node.host_name() {
            Some(_) => self.named.insert(node.id(), node),
            None => self.named.remove(&node.id()),
        };
    }

    /// Starts the dials and lookups that the rules of [`state`] return, up to [`MAX_ACTIVE_DIALS`].
    fn schedule(&mut self, ctx: &mut Ctx<Self>) {
        self.begin_waiting(ctx);
        if self.running >= MAX_ACTIVE_DIALS {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let peers = shared.peers.load();
        let dynamic = peers.iter().filter(|it| it.direction == Direction::Dynamic);
        let mut context = DialContext {
            is_connected: &|id| peers.binary_search_by_key(id, |peer| peer.id).is_ok(),
            is_banned: &|id| shared.bans.is_banned(id) && !shared.static_and_trusted.is_trusted(id),
            allows: &|address| shared.settings.allows(address),
            random: &mut |count| random_nodes(&shared, count),
            dynamic: dynamic.count(),
            peers: peers.len(),
        };
        let tasks = self.state.next(&mut context, Instant::now());
        for task in tasks {
            match task {
                Task::Dial { node, .. } if self.waiting.len() >= MAX_WAITING_DIALS => {
                    self.state.not_dialled(&node.id());
                }
                task => self.waiting.push_back(task),
            }
        }
        self.begin_waiting(ctx);
    }

    fn begin_waiting(&mut self, ctx: &mut Ctx<Self>) {
        while self.running < MAX_ACTIVE_DIALS
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
        if !self.is_asking_dns && !self.shared.settings.dns_trees.is_empty() {
            self.ask_dns(ctx);
        }
        ctx.spawn_then(self.look_up(None), |actor, nodes, ctx| {
            trace!(found = nodes.len(), "lookup ended");
            actor.state.looked_up(nodes);
            actor.ended(ctx);
        });
    }

    /// Asks DNS for nodes. The answer may take long, and no lookup waits for it.
    fn ask_dns(&mut self, ctx: &mut Ctx<Self>) {
        self.is_asking_dns = true;
        let dns = self.sources.dns.clone();
        let asking = async move {
            let dns = dns.within(DNS_NODES_TIMEOUT);
            dns.ask(FindNodes).await.unwrap_or_default()
        };
        ctx.spawn_then(asking, |actor, nodes: Vec<Enode>, ctx| {
            trace!(found = nodes.len(), "nodes of DNS received");
            actor.is_asking_dns = false;
            actor.state.found(nodes.iter().filter_map(Node::from_enode));
            actor.schedule(ctx);
        });
    }

    fn begin_dial(&mut self, node: Enode, direction: Direction, ctx: &mut Ctx<Self>) {
        let id = node.id();
        let Some(named) = self.named.get(&id).cloned() else {
            self.dial_at(node, direction, ctx);
            return;
        };
        let names = self.names.clone();
        let resolving = async move { names.resolve(&named).await };
        ctx.spawn_then(resolving, move |actor, resolved, ctx| {
            let now = resolved.unwrap_or_else(|error| {
                debug!(peer = ?id, %error, "host name not resolved");
                node
            });
            if now != node {
                actor.state.resolved(&id, Some(now));
            }
            actor.dial_at(now, direction, ctx);
        });
    }

    fn dial_at(&mut self, node: Enode, direction: Direction, ctx: &mut Ctx<Self>) {
        if node.endpoint.is_none_or(|at| at.tcp == 0) {
            self.begin_resolve(node, direction, ctx);
            return;
        }
        let dialling = dial(self.connections.clone(), node, direction);
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

    /// Looks up an unreachable static node, and dials it once more at its new address.
    fn begin_resolve(&mut self, node: Enode, direction: Direction, ctx: &mut Ctx<Self>) {
        let id = node.id();
        let may_resolve =
            self.shared.settings.is_discovering() && self.state.may_resolve(&id, Instant::now());
        if !may_resolve {
            self.dialled(id, ctx);
            return;
        }
        ctx.spawn_then(self.look_up(Some(node)), move |actor, nodes, ctx| {
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
            let dialling = dial(actor.connections.clone(), found, direction);
            ctx.spawn_then(dialling, move |actor, dialled, ctx| {
                debug!(peer = ?id, ?direction, outcome = %dialled, "dial ended");
                actor.dialled(id, ctx);
            });
        });
    }

    /// Looks up a node, or random nodes for `None`, by all versions of discovery that are on.
    fn look_up(&self, node: Option<Enode>) -> impl Future<Output = Vec<Node>> + use<> {
        let settings = &self.shared.settings;
        let v4 = settings
            .discovery_v4
            .then(|| self.sources.discovery.clone());
        let v5 = settings
            .discovery_v5
            .then(|| self.sources.discovery_v5.clone());
        let target = node.map(|node| node.public_key);
        async move {
            let (mut nodes, more) = tokio::join!(ask(v4, target), ask(v5, target));
            nodes.extend(more);
            nodes
        }
    }

    fn dialled(&mut self, id: PeerId, ctx: &mut Ctx<Self>) {
        let jitter = self.shared.settings.rng.with(|random| random.random());
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
    let rng = &shared.settings.rng;
    rng.with(|random| nodes.choose_multiple(random, count).copied().collect())
}

/// Asks an actor of discovery for a node, or for random nodes. Where there is none, or it stays down,
/// no node is found.
async fn ask<A>(discovery: Option<ActorRef<A>>, target: Option<PublicKey>) -> Vec<Node>
where
    A: Handles<Lookup>,
{
    match discovery {
        Some(discovery) => {
            let discovery = discovery.within(LOOKUP_TIMEOUT);
            discovery.ask(Lookup { target }).await.unwrap_or_default()
        }
        None => Vec::new(),
    }
}

async fn dial(connections: Connections, node: Enode, direction: Direction) -> Dialled {
    let Some(endpoint) = node.endpoint else {
        return Dialled::Unreachable("no address".to_owned());
    };
    let connecting = connections.shared.transport.connect(endpoint.tcp_address());
    let wire = match timeout(DIAL_TIMEOUT, connecting).await {
        Ok(Ok(wire)) => wire,
        Ok(Err(error)) => return Dialled::Unreachable(error.to_string()),
        Err(_) => return Dialled::Unreachable("i/o timeout".to_owned()),
    };
    let (set_up, outcome) = oneshot::channel();
    let args = ConnectionArgs {
        wire,
        direction,
        expected: Some(node.public_key),
        slot: None,
        set_up: Some(set_up),
    };
    if connections.start(args).await.is_err() {
        return Dialled::Gone;
    }
    outcome
        .map(|it| it.map_or(Dialled::Gone, Dialled::SetUp))
        .await
}

impl Actor for DialerActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify_every(DIAL_TICK, || Tick);
        ctx.attach(self.names.bootnodes(&self.shared.settings.bootnodes));
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

impl Handles<Bootnodes> for DialerActor {
    type Answer = ();

    fn handle(&mut self, Bootnodes(nodes): Bootnodes, ctx: &mut Ctx<Self>) {
        self.state.set_bootnodes(nodes);
        self.schedule(ctx);
    }
}

impl Handles<PeerSetChanged> for DialerActor {
    type Answer = ();
    // A dropped message does no harm: the next tick has the same effect.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, PeerSetChanged: PeerSetChanged, ctx: &mut Ctx<Self>) {
        self.schedule(ctx);
    }
}

impl Handles<AddStatic> for DialerActor {
    type Answer = ();

    fn handle(&mut self, AddStatic(node): AddStatic, ctx: &mut Ctx<Self>) {
        self.add_static(node);
        self.schedule(ctx);
    }
}

impl Handles<RemoveStatic> for DialerActor {
    type Answer = ();

    fn handle(&mut self, RemoveStatic(id): RemoveStatic, _: &mut Ctx<Self>) {
        self.state.remove_static(&id);
        self.named.remove(&id);
    }
}
