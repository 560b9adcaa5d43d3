//! UdpDiscoveryActor: finds nodes, and answers those that look for some.
//!
//! | message | what happens |
//! |---|---|
//! | `Arrived` | datagrams go through the engine of `actoreum_wire::discv4`, which limits, matches and answers them |
//! | `Due` | the engine's timers: replies that did not come, revalidation, refresh |
//! | [`Lookup`] | a search begins; its end is the answer |
//! | [`LocalNodeChanged`] | the engine says from now on what we know of ourselves |
//! | `Publish`, `Copy`, `Save`, `Expire` | the table's view and the node database |
//!
//! All rules are the engine's. The actor owns the socket and one timer, set to what the engine
//! names. Nothing is spawned for a datagram, and none waits here: what comes while the actor is
//! busy waits in the kernel's buffer, or is dropped there.

mod store;
mod view;

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use actoreum_messages::discovery::{LocalNodeChanged, Lookup};
use actoreum_wire::discv4::{Discovery, DiscoveryConfig, LookupId, Node, Now, Output};
use actoreum_wire::limits::{MAX_DISCV4_PACKET, SEED_COUNT};
use actoreum_wire::nodes::{NodeDatabase, NodeEntry};
use futures_util::stream;
use rand::Rng;
use tokio::time::{self, sleep};
use tracing::{debug, info, trace, warn};

use self::store::FileStore;
pub use self::view::{BucketView, TableView};
use super::Shared;
use super::limits::{
    ACCEPT_PAUSE, CLOCK_SUSPICION, CLOCK_WARNING_PERIOD, COPY_PERIOD, DATAGRAM_BATCH,
    EXPIRE_PERIOD, REMEMBERED_NODES, SAVE_PERIOD, SETTLED_AFTER, TABLE_PERIOD,
};
use super::transport::{Datagrams, ListenAddress};
use crate::supervision::{
    Actor, Ctx, Exit, Failure, Handles, Later, Message, Replier, TaskHandle, WhenAbandoned,
    WhenFull,
};

/// Whether a file of remembered nodes holds any.
pub(super) fn remembers_nodes(file: &Path) -> bool {
    let database = NodeDatabase::open(FileStore::read(file));
    database.is_ok_and(|database| database.len().is_ok_and(|count| count > 0))
}

/// Datagrams with their senders. From: the socket.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Arrived(Vec<(SocketAddr, Box<[u8]>)>);

/// A timer of the engine is due.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Due;

/// Publish the table. From: the actor's own timer, as the next three.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Publish;

/// Copy settled nodes into the database.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Copy;

/// Write the database to its file.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Save;

/// Drop expired nodes from the database.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Expire;

/// See the module.
pub struct UdpDiscoveryActor {
    shared: Arc<Shared>,
    engine: Discovery,
    socket: Arc<dyn Datagrams>,
    /// The engine's timer that is set, and when it is due.
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

impl UdpDiscoveryActor {
    /// An actor with a socket where the settings say, and the nodes of the last run.
    ///
    /// # Errors
    /// Where the port is taken.
    pub(super) fn open(shared: Arc<Shared>) -> Result<Self, Failure> {
        // A generation behind the first keeps the port that others know.
        let port = match shared.local.info().endpoint.udp {
            0 => shared.settings.udp_port(),
            port => port,
        };
        let at = ListenAddress {
            port,
            ..shared.settings.listen
        };
        let socket: Arc<dyn Datagrams> = Arc::from(shared.transport.bind(at)?);
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
            .filter_map(Node::from_enode);
        let local = shared.local.info();
        let (settings, chance) = (shared.settings.clone(), &shared.settings.chance);
        let mut engine = Discovery::new(
            DiscoveryConfig {
                key: shared.local.key().clone(),
                endpoint: local.endpoint,
                record: Some(local.record.clone()),
                bootnodes: bootnodes.collect(),
                allows: Box::new(move |address| settings.allows(address)),
                entropy: chance.choose(|random| random.random()),
            },
            now,
        );
        let seeds = chance.choose(|random| database.seeds(now.unix, SEED_COUNT, random))?;
        let seeds: Vec<Node> = seeds
            .iter()
            .map(|entry| Node::new(entry.public_key, entry.endpoint))
            .collect();
        debug!(seeds = seeds.len(), address = %socket.address(), "discovery begins");
        engine.add_seeds(&seeds, now);
        Ok(Self {
            shared,
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

    /// Adds nodes that were known before: all others have left the table. The engine adds the
    /// bootnodes.
    fn add_seeds(&mut self) {
        let (now, chance) = (now(), &self.shared.settings.chance);
        match chance.choose(|random| self.database.seeds(now.unix, SEED_COUNT, random)) {
            Ok(seeds) => {
                let seeds: Vec<Node> = seeds
                    .iter()
                    .map(|entry| Node::new(entry.public_key, entry.endpoint))
                    .collect();
                self.engine.add_seeds(&seeds, now);
            }
            Err(error) => warn!(%error, "remembered nodes not read"),
        }
    }

    /// Does what the engine wants done, and sets its timer.
    fn drain(&mut self, ctx: &mut Ctx<Self>) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send { to, datagram } => {
                    if let Err(error) = self.socket.try_send(to, &datagram) {
                        // As good as lost on the way: whoever waits asks again.
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

    /// Says from now on what is known of the own address.
    fn tell_engine(&mut self) {
        let info = self.shared.local.info();
        self.engine.set_endpoint(info.endpoint);
        self.engine.set_record(info.record.clone());
    }

    fn warn_of_clock(&mut self, now: Now) {
        let is_quiet = self
            .warned_at
            .is_none_or(|at| now.instant.saturating_duration_since(at) >= CLOCK_WARNING_PERIOD);
        if self.engine.consecutive_timeouts() >= CLOCK_SUSPICION && is_quiet {
            self.warned_at = Some(now.instant);
            warn!(
                unanswered = self.engine.consecutive_timeouts(),
                "nobody answers discovery; check the network, and that the system's clock is right"
            );
        }
    }

    /// Copies nodes that have been alive for a while into the database.
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
        let mut room = REMEMBERED_NODES.saturating_sub(self.database.len()?);
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

    /// The database's bytes, where they are to be written.
    fn unsaved(&mut self) -> Option<(std::path::PathBuf, Vec<u8>)> {
        let path = self.shared.settings.nodes_file.clone()?;
        std::mem::take(&mut self.is_changed).then(|| (path, self.database.store().to_bytes()))
    }
}

async fn save((path, bytes): (std::path::PathBuf, Vec<u8>)) {
    let written = tokio::task::spawn_blocking({
        let path = path.clone();
        move || store::write(&path, &bytes)
    });
    match written.await {
        Ok(Ok(())) => debug!(path = %path.display(), "nodes saved"),
        Ok(Err(error)) => warn!(path = %path.display(), %error, "nodes not saved"),
        Err(error) => warn!(%error, "nodes not saved"),
    }
}

/// Datagrams as they come, a batch at a time.
async fn next_batch(socket: &dyn Datagrams, buffer: &mut [u8]) -> io::Result<Arrived> {
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
        // One byte more than the longest packet: what is longer is seen to be.
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
        ctx.notify_every(TABLE_PERIOD, || Publish);
        ctx.notify_every(COPY_PERIOD, || Copy);
        ctx.notify_every(SAVE_PERIOD, || Save);
        ctx.notify_every(EXPIRE_PERIOD, || Expire);
        self.engine.start(now());
        self.drain(ctx);
        Ok(())
    }

    async fn stopped(mut self, _: &Exit) {
        // The table outlives what was copied last.
        if let Err(error) = self.remember(now()) {
            warn!(%error, "nodes not remembered");
        }
        if let Some(unsaved) = self.unsaved() {
            save(unsaved).await;
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
            // As many run as may.
            None => replier.reply(Vec::new()),
        }
        self.drain(ctx);
        later
    }
}

impl Handles<LocalNodeChanged> for UdpDiscoveryActor {
    type Answer = ();

    fn handle(&mut self, LocalNodeChanged: LocalNodeChanged, _: &mut Ctx<Self>) {
        self.tell_engine();
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
            self.tell_engine();
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
            ctx.spawn(save(unsaved));
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
