//! UdpDiscoveryActor: runs the node discovery protocol (discv4) on a UDP socket.
//!
//! | message | effect |
//! |---|---|
//! | `Arrived` | datagrams are passed to `actoreum_wire::discv4`, which limits, matches and answers them |
//! | `Due` | the protocol's timers: request timeouts, revalidation, refresh |
//! | [`Lookup`] | a lookup is started, and answered when it ends |
//! | [`LocalNodeChanged`] | the protocol uses the node's new endpoint and record |
//! | `Bootnodes` | the protocol uses the present addresses of bootnodes with host names |
//! | `Publish`, `Copy`, `Save`, `Expire` | the table's view and the node database |
//!
//! All rules are in `actoreum_wire::discv4`, a sans-IO state machine. The actor owns the socket and
//! one timer, set to the state machine's next timeout. Nothing is spawned for a datagram, and none
//! is queued here: datagrams that arrive while the actor is busy wait in the kernel's buffer, or are
//! dropped there.

pub(super) mod store;
pub(super) mod view;

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use actoreum_messages::discovery::{LocalNodeChanged, Lookup};
use actoreum_wire::discv4::{Discovery, DiscoveryConfig, LookupId, Node, Now, Output};
use actoreum_wire::limits::{MAX_DISCV4_PACKET, SEED_COUNT};
use actoreum_wire::nodes::{NodeDatabase, NodeEntry, StoreError};
use futures_util::stream;
use rand::Rng;
use tokio::time::{self, sleep};
use tracing::{debug, info, trace, warn};

use self::store::FileStore;
pub use self::view::{BucketView, TableView};
use super::limits::{
    ACCEPT_PAUSE, CLOCK_WARNING_PERIOD, CLOCK_WARNING_TIMEOUTS, COPY_PERIOD, DATAGRAM_BATCH,
    EXPIRE_PERIOD, MAX_DATABASE_NODES, SAVE_PERIOD, SETTLED_AFTER, TABLE_PERIOD,
};
use super::names::{Bootnodes, Names};
use super::shared::Shared;
use super::transport::{DatagramSocket, ListenAddress};
use actoreum_supervision::{
    Actor, Ctx, Exit, Failure, Handles, Later, Message, Pool, Replier, SeededRng, TaskHandle,
    WhenAbandoned, WhenFull,
};

/// Received datagrams with their senders. Sent by the socket's stream.
#[derive(Debug, Message)]
struct Arrived(Vec<(SocketAddr, Box<[u8]>)>);

/// Reports that a timer of the discovery protocol is due.
#[derive(Debug, Message)]
struct Due;

/// Publishes the table's view. Sent by the actor's own timer, as the next three.
#[derive(Debug, Message)]
struct Publish;

/// Copies settled nodes into the database.
#[derive(Debug, Message)]
struct Copy;

/// Writes the database to its file.
#[derive(Debug, Message)]
struct Save;

/// Removes expired nodes from the database.
#[derive(Debug, Message)]
struct Expire;

/// The actor of node discovery; see the module.
pub struct UdpDiscoveryActor {
    shared: Arc<Shared>,
    /// Writes the file of nodes.
    threads: Pool,
    names: Names,
    engine: Discovery,
    socket: Arc<dyn DatagramSocket>,
    /// The protocol's timer, and when it is due.
    timer: Option<(Instant, TaskHandle)>,
    lookups: HashMap<LookupId, Replier<Vec<Node>>>,
    database: NodeDatabase<FileStore>,
    is_changed: bool,
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

/// Returns random nodes of the database, the first nodes of an empty table.
fn random_seeds(
    database: &NodeDatabase<FileStore>,
    rng: &SeededRng,
    now: Now,
) -> Result<Vec<Node>, StoreError> {
    let seeds = rng.with(|random| database.seeds(now.unix, SEED_COUNT, random))?;
    let nodes = seeds.iter();
    Ok(nodes
        .map(|entry| Node::new(entry.public_key, entry.endpoint))
        .collect())
}

impl UdpDiscoveryActor {
    /// Creates an actor with a socket at the configured address, and the nodes of the last run.
    ///
    /// # Errors
    /// Where the port is in use.
    pub(super) fn open(shared: Arc<Shared>, threads: Pool, names: Names) -> Result<Self, Failure> {
        // After a restart the actor keeps its port, which other nodes know.
        let port = match shared.local.info().endpoint.udp {
            0 => shared.settings.udp_port(),
            port => port,
        };
        let at = ListenAddress {
            port,
            ..shared.settings.listen
        };
        let socket: Arc<dyn DatagramSocket> = Arc::from(shared.transport.bind(at)?);
        shared.local.set_udp(socket.address().port());
        if shared.settings.udp_port() == 0 {
            let enode = shared.local.info().enode;
            info!(address = %socket.address(), %enode, "listening for nodes");
        }

        let store = shared.settings.nodes_file.as_deref().map(FileStore::read);
        let database = NodeDatabase::open(store.unwrap_or_default())?;
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
        let seeds = random_seeds(&database, rng, now)?;
        debug!(seeds = seeds.len(), address = %socket.address(), "discovery begins");
        engine.add_seeds(&seeds, now);
        Ok(Self {
            shared,
            threads,
            names,
            engine,
            socket,
            timer: None,
            lookups: HashMap::new(),
            database,
            is_changed: false,
            handled: 0,
            refused: 0,
            warned_at: None,
        })
    }

    /// Adds the nodes of the database to the table after all nodes have left it. The engine adds
    /// the bootnodes.
    fn add_seeds(&mut self) {
        let now = now();
        match random_seeds(&self.database, &self.shared.settings.rng, now) {
            Ok(seeds) => self.engine.add_seeds(&seeds, now),
            Err(error) => warn!(%error, "remembered nodes not read"),
        }
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

    /// Copies nodes that have been in the table for [`SETTLED_AFTER`] into the database.
    fn remember(&mut self, now: Now) -> Result<(), Failure> {
        let settled = self.engine.table().settled(SETTLED_AFTER, now.instant);
        let entries: Vec<NodeEntry> = settled
            .map(|entry| NodeEntry {
                public_key: entry.node.public_key,
                endpoint: entry.node.endpoint,
                last_pong: now.unix,
                failures: entry.failures,
            })
            .collect();
        let mut room = MAX_DATABASE_NODES.saturating_sub(self.database.len()?);
        for entry in &entries {
            let is_known = self.database.node(&entry.id())?.is_some();
            if is_known || room > 0 {
                room = room.saturating_sub(usize::from(!is_known));
                self.database.put_node(entry)?;
                self.is_changed = true;
            }
        }
        Ok(())
    }

    /// Returns the file and the database's bytes, where there are unsaved changes.
    fn unsaved(&mut self) -> Option<(PathBuf, Vec<u8>)> {
        let path = self.shared.settings.nodes_file.clone()?;
        std::mem::take(&mut self.is_changed).then(|| (path, self.database.store().to_bytes()))
    }
}

async fn save(threads: Pool, (path, bytes): (PathBuf, Vec<u8>)) {
    let file = path.clone();
    let write = move || store::write(&file, &bytes);
    match threads.job("SaveNodes").detached().run(write).await {
        Ok(Ok(())) => debug!(path = %path.display(), "nodes saved"),
        Ok(Err(error)) => warn!(path = %path.display(), %error, "nodes not saved"),
        Err(error) => warn!(%error, "nodes not saved"),
    }
}

/// Waits for datagrams and returns a batch of them.
async fn next_batch(socket: &dyn DatagramSocket, buffer: &mut [u8]) -> io::Result<Arrived> {
    let mut batch = Vec::new();
    poll_fn(|cx| {
        while batch.len() < DATAGRAM_BATCH {
            match socket.poll_receive(cx, buffer) {
                std::task::Poll::Ready(Ok((length, from))) => {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    batch.push((from, datagram.into()));
                }
                std::task::Poll::Ready(Err(error)) if batch.is_empty() => {
                    return std::task::Poll::Ready(Err(error));
                }
                std::task::Poll::Pending if batch.is_empty() => return std::task::Poll::Pending,
                std::task::Poll::Ready(Err(_)) | std::task::Poll::Pending => break,
            }
        }
        std::task::Poll::Ready(Ok(()))
    })
    .await?;
    Ok(Arrived(batch))
}

impl Actor for UdpDiscoveryActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        // One byte more than the longest packet, so that longer ones are recognised.
        let buffer = vec![0; MAX_DISCV4_PACKET + 1];
        let batches = stream::unfold(
            (Arc::clone(&self.socket), buffer),
            |(socket, mut buffer)| async move {
                loop {
                    match next_batch(socket.as_ref(), &mut buffer).await {
                        Ok(batch) => return Some((batch, (socket, buffer))),
                        Err(error) => {
                            debug!(%error, "datagram not received");
                            sleep(ACCEPT_PAUSE).await;
                        }
                    }
                }
            },
        );
        ctx.attach(batches);
        ctx.attach(self.names.bootnodes());
        ctx.notify_every(TABLE_PERIOD, || Publish);
        ctx.notify_every(COPY_PERIOD, || Copy);
        ctx.notify_every(SAVE_PERIOD, || Save);
        ctx.notify_every(EXPIRE_PERIOD, || Expire);
        self.engine.start(now());
        self.drain(ctx);
        Ok(())
    }

    async fn stopped(mut self, _: &Exit) {
        // The table may hold nodes that settled after the last copy.
        if let Err(error) = self.remember(now()) {
            warn!(%error, "nodes not remembered");
        }
        if let Some(unsaved) = self.unsaved() {
            save(self.threads, unsaved).await;
        }
        self.shared.table.store(Arc::default());
    }
}

impl Handles<Arrived> for UdpDiscoveryActor {
    type Answer = ();

    fn handle(&mut self, Arrived(batch): Arrived, ctx: &mut Ctx<Self>) {
        let now = now();
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

impl Handles<Copy> for UdpDiscoveryActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, Copy: Copy, _: &mut Ctx<Self>) {
        if let Err(error) = self.remember(now()) {
            warn!(%error, "nodes not remembered");
        }
    }
}

impl Handles<Save> for UdpDiscoveryActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, Save: Save, ctx: &mut Ctx<Self>) {
        if let Some(unsaved) = self.unsaved() {
            ctx.spawn(save(self.threads.clone(), unsaved));
        }
    }
}

impl Handles<Expire> for UdpDiscoveryActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, Expire: Expire, _: &mut Ctx<Self>) {
        match self.database.expire(now().unix) {
            Ok(0) => {}
            Ok(expired) => {
                self.is_changed = true;
                debug!(expired, "nodes forgotten");
            }
            Err(error) => warn!(%error, "nodes not expired"),
        }
    }
}
