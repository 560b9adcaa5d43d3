//! UdpDiscoveryActor: runs the node discovery protocol (discv4) on a UDP socket.
//!
//! | message | effect |
//! |---|---|
//! | `Arrived` | datagrams are passed to `actoreum_wire::discv4`, which limits, matches and answers them; those of discovery v5 go to [`DiscoveryV5Actor`](v5::DiscoveryV5Actor) |
//! | `Due` | the protocol's timers: request timeouts, revalidation, refresh |
//! | [`Lookup`] | a lookup is started, and answered when it ends |
//! | [`LocalNodeChanged`] | the protocol uses the node's new endpoint and record |
//! | `Bootnodes` | the protocol uses the present addresses of bootnodes with host names |
//! | `Publish` | the table's view |
//! | `Upkeep` | the database of nodes is filled, saved, or cleared of old nodes |
//!
//! All rules are in `actoreum_wire::discv4`, a sans-IO state machine. The actor owns the socket and
//! one timer, set to the state machine's next timeout. Nothing is spawned for a datagram, and none
//! is queued here: datagrams that arrive while the actor is busy wait in the kernel's buffer, or are
//! dropped there.

mod datagrams;
mod known_nodes;
pub(super) mod store;
pub mod v5;
pub(super) mod view;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use actoreum_messages::discovery::{Datagram, LocalNodeChanged, Lookup, V5Datagrams};
use actoreum_wire::discv4::{Discovery, DiscoveryConfig, LookupId, Node, Now, Output};
use actoreum_wire::discv5::is_discv5;
use futures_util::StreamExt;
use rand::Rng;
use tokio::time;
use tracing::{debug, info, trace, warn};

use self::datagrams::Socket;
use self::known_nodes::{KnownNodes, Upkeep};
pub use self::view::{BucketView, TableView};
use super::limits::{CLOCK_WARNING_PERIOD, CLOCK_WARNING_TIMEOUTS, TABLE_PERIOD};
use super::names::{Bootnodes, Names};
use super::shared::Shared;
use actoreum_supervision::{
    Actor, Ctx, Exit, Failure, Handles, Later, Message, Pool, Recipient, Replier, TaskHandle,
    WhenAbandoned, WhenFull,
};

/// Received datagrams with their senders. Sent by the socket's stream.
#[derive(Debug, Message)]
struct Arrived(Vec<Datagram>);

/// Reports that a timer of the discovery protocol is due.
#[derive(Debug, Message)]
struct Due;

/// Publishes the table's view. Sent by the actor's own timer.
#[derive(Debug, Message)]
struct Publish;

/// The actor of node discovery; see the module.
pub struct UdpDiscoveryActor {
    shared: Arc<Shared>,
    names: Names,
    /// The actor of discovery v5, where that is on.
    v5: Option<Recipient<V5Datagrams>>,
    engine: Discovery,
    socket: Socket,
    /// The protocol's timer, and when it is due.
    timer: Option<(Instant, TaskHandle)>,
    lookups: HashMap<LookupId, Replier<Vec<Node>>>,
    known: KnownNodes,
    handled: u64,
    refused: u64,
    warned_at: Option<Instant>,
}

fn now() -> Now {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Now {
        instant: time::Instant::now().into_std(),
        unix: since.unwrap_or_default().as_secs(),
    }
}

impl UdpDiscoveryActor {
    /// Creates an actor with a socket at the configured address, and the nodes of the last run.
    /// Datagrams of discovery v5 go to `v5`.
    ///
    /// # Errors
    /// Where the port is in use.
    pub(super) fn open(
        shared: Arc<Shared>,
        threads: Pool,
        names: Names,
        v5: Option<Recipient<V5Datagrams>>,
    ) -> Result<Self, Failure> {
        let socket = datagrams::open(&shared)?;
        let known = KnownNodes::open(shared.settings.nodes_file.clone(), threads)?;
        let now = now();
        let bootnodes = shared
            .settings
            .bootnodes
            .iter()
            .filter_map(|url| Node::from_enode(&url.enode()));
        let local = shared.local.info();
        let (settings, rng) = (shared.settings.clone(), &shared.settings.rng);
        let mut engine = Discovery::new(
            DiscoveryConfig {
                key: shared.local.key().clone(),
                endpoint: local.endpoint,
                record: Some(local.record.clone()),
                bootnodes: bootnodes.collect(),
                allows: Box::new(move |address| settings.allows(address)),
                entropy: rng.with(|random| random.random()),
            },
            now,
        );
        let seeds = known.seeds(rng, now.unix);
        debug!(seeds = seeds.len(), address = %socket.address(), "discovery begins");
        engine.add_seeds(&seeds, now);
        Ok(Self {
            shared,
            names,
            v5,
            engine,
            socket,
            timer: None,
            lookups: HashMap::new(),
            known,
            handled: 0,
            refused: 0,
            warned_at: None,
        })
    }

    /// Adds the nodes of the database to the table after all nodes have left it. The engine adds
    /// the bootnodes.
    fn add_seeds(&mut self) {
        let now = now();
        let seeds = self.known.seeds(&self.shared.settings.rng, now.unix);
        self.engine.add_seeds(&seeds, now);
    }

    /// Passes the datagrams of discovery v5 to its actor, and returns the others. geth's v4 reads
    /// first and passes on what it does not know; here the header decides, so that the datagrams of
    /// one protocol do not use up the rate limits of the other.
    fn without_v5(&self, batch: Vec<Datagram>) -> Vec<Datagram> {
        let Some(v5) = &self.v5 else {
            return batch;
        };
        let own_id = self.shared.local.info().id;
        let is_v5 = |(_, datagram): &Datagram| is_discv5(&own_id, datagram);
        let (of_v5, others): (Vec<_>, Vec<_>) = batch.into_iter().partition(is_v5);
        if !of_v5.is_empty() {
            // A full mailbox loses them, as a full buffer of the socket does.
            let _ = v5.tell(V5Datagrams(of_v5));
        }
        others
    }

    /// Executes the protocol's outputs, and sets its timer.
    fn drain(&mut self, ctx: &mut Ctx<Self>) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send { to, datagram } => {
                    if let Err(error) = self.socket.try_send(to, &datagram) {
                        // Treated as lost in the network: the protocol times out and retries.
                        trace!(%to, %error, "datagram not sent");
                    }
                }
                Output::LookupFinished { id, nodes, queries } => {
                    trace!(found = nodes.len(), queries, "lookup finished");
                    if let Some(replier) = self.lookups.remove(&id) {
                        replier.reply(nodes);
                    }
                }
                Output::Initialised => {
                    debug!(nodes = self.engine.table().len(), "table filled");
                }
                Output::NodeVerified(node) => trace!(node = ?node.id, "node is alive"),
                Output::RecordReceived { node, .. } => trace!(node = ?node.id, "record received"),
            }
        }
        self.set_timer(ctx);
    }

    fn set_timer(&mut self, ctx: &mut Ctx<Self>) {
        let due = self.engine.next_timeout();
        if let Some((set, timer)) = &self.timer {
            if *set <= due {
                return;
            }
            timer.cancel();
        }
        let pause = due.saturating_duration_since(now().instant);
        self.timer = Some((due, ctx.notify_after(pause, Due)));
    }

    fn publish(&self) {
        self.shared.table.store(Arc::new(TableView {
            buckets: TableView::of(self.engine.table()),
            pending: self.engine.pending_requests(),
            handled: self.handled,
            refused: self.refused,
        }));
    }

    /// Passes the node's current endpoint and record to the protocol.
    fn update_engine(&mut self) {
        let info = self.shared.local.info();
        self.engine.set_endpoint(info.endpoint);
        self.engine.set_record(info.record.clone());
    }

    fn warn_of_clock(&mut self, now: Now) {
        let is_quiet = self
            .warned_at
            .is_none_or(|at| now.instant.saturating_duration_since(at) >= CLOCK_WARNING_PERIOD);
        if self.engine.consecutive_timeouts() >= CLOCK_WARNING_TIMEOUTS && is_quiet {
            self.warned_at = Some(now.instant);
            warn!(
                unanswered = self.engine.consecutive_timeouts(),
                "no discovery request is answered; check the network and the system clock"
            );
        }
    }
}

impl Actor for UdpDiscoveryActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.attach(datagrams::batches(Arc::clone(&self.socket)).map(Arrived));
        ctx.attach(self.names.bootnodes(&self.shared.settings.bootnodes));
        ctx.notify_every(TABLE_PERIOD, || Publish);
        Upkeep::schedule(ctx);
        self.engine.start(now());
        self.drain(ctx);
        Ok(())
    }

    async fn stopped(mut self, _: &Exit) {
        // The table may hold nodes that settled after the last copy.
        self.known.remember(self.engine.table(), now());
        self.known.save().await;
        self.shared.table.store(Arc::default());
    }
}

impl Handles<Arrived> for UdpDiscoveryActor {
    type Answer = ();

    fn handle(&mut self, Arrived(batch): Arrived, ctx: &mut Ctx<Self>) {
        let now = now();
        for (from, datagram) in self.without_v5(batch) {
            match self.engine.handle_datagram(from, &datagram, now) {
                Ok(()) => self.handled += 1,
                Err(reason) => {
                    self.refused += 1;
                    trace!(%from, %reason, "datagram refused");
                }
            }
        }
        self.drain(ctx);
    }
}

impl Handles<Due> for UdpDiscoveryActor {
    type Answer = ();

    fn handle(&mut self, Due: Due, ctx: &mut Ctx<Self>) {
        self.timer = None;
        let now = now();
        self.engine.handle_timeout(now);
        self.warn_of_clock(now);
        self.drain(ctx);
    }
}

impl Handles<Lookup> for UdpDiscoveryActor {
    type Answer = Later<Vec<Node>>;
    const WHEN_ABANDONED: WhenAbandoned = WhenAbandoned::Skip;

    fn handle(&mut self, Lookup { target }: Lookup, ctx: &mut Ctx<Self>) -> Later<Vec<Node>> {
        let (replier, later) = Later::channel();
        if self.engine.table().is_empty() {
            self.add_seeds();
        }
        let begun = match target {
            Some(key) => self.engine.resolve(&key, now()),
            None => {
                let target = self.engine.random_target();
                self.engine.start_lookup(target, now())
            }
        };
        match begun {
            Some(id) => {
                self.lookups.insert(id, replier);
            }
            // The maximum number of lookups is running.
            None => replier.reply(Vec::new()),
        }
        self.drain(ctx);
        later
    }
}

impl Handles<Bootnodes> for UdpDiscoveryActor {
    type Answer = ();

    fn handle(&mut self, Bootnodes(nodes): Bootnodes, ctx: &mut Ctx<Self>) {
        let nodes = nodes.iter().filter_map(Node::from_enode).collect();
        self.engine.set_bootnodes(nodes, now());
        self.drain(ctx);
    }
}

impl Handles<LocalNodeChanged> for UdpDiscoveryActor {
    type Answer = ();

    fn handle(&mut self, LocalNodeChanged: LocalNodeChanged, _: &mut Ctx<Self>) {
        self.update_engine();
    }
}

impl Handles<Publish> for UdpDiscoveryActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, Publish: Publish, _: &mut Ctx<Self>) {
        self.publish();
        let predicted = self.engine.predicted_endpoint(now()).map(|it| it.ip());
        if predicted.is_some() && self.shared.local.set_predicted(predicted) {
            info!(enode = %self.shared.local.info().enode, "peers see us at a new address");
            self.update_engine();
        }
    }
}

impl Handles<Upkeep> for UdpDiscoveryActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, upkeep: Upkeep, ctx: &mut Ctx<Self>) {
        self.known.keep(upkeep, self.engine.table(), ctx);
    }
}
