//! DiscoveryV5Actor: runs discovery v5.1 on the UDP socket of discovery.
//!
//! | message | effect |
//! |---|---|
//! | [`V5Datagrams`] | datagrams are passed to `actoreum_wire::discv5`, which limits, decrypts and answers them |
//! | `Due` | the protocol's timers: request timeouts, revalidation, refresh |
//! | [`Lookup`] | a lookup is started, and answered when it ends with the nodes that may be on the same chain |
//! | `Bootnodes` | the protocol uses the present addresses of bootnodes with host names |
//! | `Publish` | the table's view, and the local record |
//! | `Upkeep` | the database of nodes is filled, saved, or cleared of old nodes |
//!
//! [`UdpDiscoveryActor`](super::UdpDiscoveryActor) reads the socket and sends the datagrams of v5 here. Where v4
//! is off, this actor opens and reads it. All rules are in `actoreum_wire::discv5`, a sans-IO state machine.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use actoreum_messages::discovery::{Lookup, V5Datagrams};
use actoreum_primitives::PeerId;
use actoreum_wire::discv4::Node;
use actoreum_wire::discv5::{Discovery, DiscoveryConfig, LookupId, Output};
use futures_util::StreamExt;
use rand::Rng;
use tracing::{debug, info, trace};

use super::known_nodes::{KnownNodes, Upkeep};
use super::view::TableView;
use super::{Due, Publish, datagrams, now};
use crate::net::limits::TABLE_PERIOD;
use crate::net::names::{Bootnodes, Names};
use crate::net::shared::Shared;
use actoreum_supervision::{
    Actor, Ctx, Exit, Failure, Handles, Later, Pool, Replier, TaskHandle, WhenAbandoned, WhenFull,
};

/// The actor of discovery v5; see the module.
pub struct DiscoveryV5Actor {
    shared: Arc<Shared>,
    names: Names,
    engine: Discovery,
    /// The sequence number of the record that the protocol has.
    record_seq: u64,
    /// The protocol's timer, and when it is due.
    timer: Option<(Instant, TaskHandle)>,
    lookups: HashMap<LookupId, Replier<Vec<Node>>>,
    known: KnownNodes,
    handled: u64,
    refused: u64,
}

impl DiscoveryV5Actor {
    /// Creates an actor with the nodes of the last run.
    ///
    /// # Errors
    /// Where the database of nodes cannot be opened.
    pub(in crate::net) fn new(
        shared: Arc<Shared>,
        threads: Pool,
        names: Names,
    ) -> Result<Self, Failure> {
        let known = KnownNodes::open(shared.settings.nodes_file_v5(), threads)?;
        let now = now();
        let bootnodes = shared.settings.bootnodes_v5();
        let bootnodes = bootnodes
            .iter()
            .filter_map(|url| Node::from_enode(&url.enode()));
        let record = shared.local.info().record.clone();
        let (settings, rng) = (shared.settings.clone(), &shared.settings.rng);
        let record_seq = record.seq();
        let config = DiscoveryConfig {
            key: shared.local.key().clone(),
            record,
            bootnodes: bootnodes.collect(),
            allows: Box::new(move |address| settings.allows(address)),
            entropy: rng.with(|random| random.random()),
        };
        let mut engine = Discovery::new(config, now.instant);
        let seeds = known.seeds(rng, now.unix);
        debug!(seeds = seeds.len(), "discovery v5 begins");
        engine.add_seeds(&seeds, now.instant);
        Ok(Self {
            shared,
            names,
            engine,
            record_seq,
            timer: None,
            lookups: HashMap::new(),
            known,
            handled: 0,
            refused: 0,
        })
    }

    /// Executes the protocol's outputs, and sets its timer.
    fn drain(&mut self, ctx: &mut Ctx<Self>) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send { to, datagram } => {
                    if let Err(error) = self.shared.send_datagram(to, &datagram) {
                        // Treated as lost in the network: the protocol times out and retries.
                        trace!(%to, %error, "datagram not sent");
                    }
                }
                Output::LookupFinished { id, nodes, queries } => {
                    trace!(found = nodes.len(), queries, "lookup finished");
                    if let Some(replier) = self.lookups.remove(&id) {
                        replier.reply(self.reachable(nodes));
                    }
                }
                Output::Initialised => {
                    debug!(nodes = self.engine.table().len(), "table filled");
                }
            }
        }
        self.set_timer(ctx);
    }

    /// Returns the nodes that take connections and may be on the same chain, with the endpoints of
    /// their records. The protocol is shared with nodes of all kinds, such as consensus clients.
    fn reachable(&self, nodes: Vec<Node>) -> Vec<Node> {
        let has_connections = |node: &Node| {
            node.endpoint.tcp != 0
                && self
                    .engine
                    .record(&node.id)
                    .is_some_and(|record| self.shared.handler.accepts_record(record))
        };
        nodes.into_iter().filter(has_connections).collect()
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

    /// Passes the node's current record to the protocol. Where v4 is off, the address that other nodes
    /// see becomes part of the record.
    fn update_record(&mut self) {
        let predicted = self.engine.predicted_endpoint(now().instant);
        if let Some(predicted) = predicted.filter(|_| !self.shared.settings.discovery_v4)
            && self.shared.local.set_predicted(Some(predicted.ip()))
        {
            info!(enode = %self.shared.local.info().enode, "peers see us at a new address");
        }
        let local = self.shared.local.info();
        if local.record.seq() != self.record_seq {
            self.record_seq = local.record.seq();
            self.engine.set_record(local.record.clone());
        }
    }
}

impl Actor for DiscoveryV5Actor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        if !self.shared.settings.discovery_v4 {
            let socket = datagrams::open(&self.shared)?;
            ctx.attach(datagrams::batches(socket).map(V5Datagrams));
        }
        self.update_record();
        ctx.attach(self.names.bootnodes(&self.shared.settings.bootnodes_v5()));
        ctx.notify_every(TABLE_PERIOD, || Publish);
        Upkeep::schedule(ctx);
        self.engine.start(now().instant);
        self.drain(ctx);
        Ok(())
    }

    async fn stopped(mut self, _: &Exit) {
        self.known.remember(self.engine.table(), now());
        self.known.save().await;
        self.shared.table_v5.store(Arc::default());
    }
}

impl Handles<V5Datagrams> for DiscoveryV5Actor {
    type Answer = ();

    fn handle(&mut self, V5Datagrams(batch): V5Datagrams, ctx: &mut Ctx<Self>) {
        let now = now().instant;
        for (from, datagram) in batch {
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

impl Handles<Due> for DiscoveryV5Actor {
    type Answer = ();

    fn handle(&mut self, Due: Due, ctx: &mut Ctx<Self>) {
        self.timer = None;
        self.engine.handle_timeout(now().instant);
        self.drain(ctx);
    }
}

impl Handles<Lookup> for DiscoveryV5Actor {
    type Answer = Later<Vec<Node>>;
    const WHEN_ABANDONED: WhenAbandoned = WhenAbandoned::Skip;

    fn handle(&mut self, Lookup { target }: Lookup, ctx: &mut Ctx<Self>) -> Later<Vec<Node>> {
        let (replier, later) = Later::channel();
        let now = now();
        if self.engine.table().is_empty() {
            let seeds = self.known.seeds(&self.shared.settings.rng, now.unix);
            self.engine.add_seeds(&seeds, now.instant);
        }
        let target = match target {
            Some(key) => PeerId::of(&key),
            None => self.engine.random_target(),
        };
        match self.engine.start_lookup(target, now.instant) {
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

impl Handles<Bootnodes> for DiscoveryV5Actor {
    type Answer = ();

    fn handle(&mut self, Bootnodes(nodes): Bootnodes, ctx: &mut Ctx<Self>) {
        let nodes = nodes.iter().filter_map(Node::from_enode).collect();
        self.engine.set_bootnodes(nodes, now().instant);
        self.drain(ctx);
    }
}

impl Handles<Publish> for DiscoveryV5Actor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, Publish: Publish, _: &mut Ctx<Self>) {
        self.shared.table_v5.store(Arc::new(TableView {
            buckets: TableView::of(self.engine.table()),
            pending: self.engine.pending_requests(),
            handled: self.handled,
            refused: self.refused,
        }));
        self.update_record();
    }
}

impl Handles<Upkeep> for DiscoveryV5Actor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, upkeep: Upkeep, ctx: &mut Ctx<Self>) {
        self.known.keep(upkeep, self.engine.table(), ctx);
    }
}
