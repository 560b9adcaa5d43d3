//! The nodes that a discovery protocol remembers over restarts.

use std::path::PathBuf;

use actoreum_wire::discv4::{Node, Now, Table};
use actoreum_wire::limits::SEED_COUNT;
use actoreum_wire::nodes::{NodeDatabase, NodeEntry, StoreError};
use tracing::{debug, warn};

use super::now;
use super::store::{self, FileStore};
use crate::net::limits::{
    COPY_PERIOD, EXPIRE_PERIOD, MAX_DATABASE_NODES, SAVE_PERIOD, SETTLED_AFTER,
};
use actoreum_supervision::{Actor, Ctx, Handles, Message, Pool, SeededRng};

/// The upkeep of the database of nodes. Sent by the timers of an actor of discovery.
#[derive(Debug, Clone, Copy, Message)]
pub(super) enum Upkeep {
    /// Copies settled nodes into the database.
    Copy,
    /// Writes the database to its file.
    Save,
    /// Removes expired nodes from the database.
    Expire,
}

impl Upkeep {
    /// Starts the timers of an actor.
    pub(super) fn schedule<A: Handles<Self>>(ctx: &mut Ctx<A>) {
        ctx.notify_every(COPY_PERIOD, || Self::Copy);
        ctx.notify_every(SAVE_PERIOD, || Self::Save);
        ctx.notify_every(EXPIRE_PERIOD, || Self::Expire);
    }
}

/// A node database in memory, and the file that it is written to.
pub(super) struct KnownNodes {
    /// The file; `None`: nodes are remembered until the actor ends.
    path: Option<PathBuf>,
    /// Writes the file.
    threads: Pool,
    database: NodeDatabase<FileStore>,
    /// Whether the database has changes that the file has not.
    is_changed: bool,
}

impl KnownNodes {
    /// Reads the nodes of the last run.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) fn open(path: Option<PathBuf>, threads: Pool) -> Result<Self, StoreError> {
        let store = path.as_deref().map(FileStore::read);
        Ok(Self {
            path,
            threads,
            database: NodeDatabase::open(store.unwrap_or_default())?,
            is_changed: false,
        })
    }

    /// Returns random nodes, the first ones of an empty table. `unix` is the time of day in seconds.
    pub(super) fn seeds(&self, rng: &SeededRng, unix: u64) -> Vec<Node> {
        let seeds = rng.with(|random| self.database.seeds(unix, SEED_COUNT, random));
        let node_of = |entry: &NodeEntry| Node::new(entry.public_key, entry.endpoint);
        match seeds {
            Ok(seeds) => seeds.iter().map(node_of).collect(),
            Err(error) => {
                warn!(%error, "remembered nodes not read");
                Vec::new()
            }
        }
    }

    /// Does what is due. `table` is the table of the protocol.
    pub(super) fn keep<A: Actor>(&mut self, upkeep: Upkeep, table: &Table, ctx: &mut Ctx<A>) {
        let now = now();
        match upkeep {
            Upkeep::Copy => self.remember(table, now),
            Upkeep::Save => {
                ctx.spawn(self.save());
            }
            Upkeep::Expire => self.expire(now.unix),
        }
    }

    /// Copies the nodes that have been in a table for [`SETTLED_AFTER`] into the database.
    pub(super) fn remember(&mut self, table: &Table, now: Now) {
        if let Err(error) = self.copy_settled(table, now) {
            warn!(%error, "nodes not remembered");
        }
    }

    fn copy_settled(&mut self, table: &Table, now: Now) -> Result<(), StoreError> {
        let entries = table
            .settled(SETTLED_AFTER, now.instant)
            .map(|entry| NodeEntry {
                public_key: entry.node.public_key,
                endpoint: entry.node.endpoint,
                last_pong: now.unix,
                failures: entry.failures,
            });
        let mut room = MAX_DATABASE_NODES.saturating_sub(self.database.len()?);
        for entry in entries {
            let is_known = self.database.node(&entry.id())?.is_some();
            if is_known || room > 0 {
                room = room.saturating_sub(usize::from(!is_known));
                self.database.put_node(&entry)?;
                self.is_changed = true;
            }
        }
        Ok(())
    }

    /// Removes the nodes that have not answered for days.
    fn expire(&mut self, unix: u64) {
        match self.database.expire(unix) {
            Ok(0) => {}
            Ok(expired) => {
                self.is_changed = true;
                debug!(expired, "nodes forgotten");
            }
            Err(error) => warn!(%error, "nodes not expired"),
        }
    }

    /// Writes the database to its file, on the thread pool, if it has changed.
    pub(super) fn save(&mut self) -> impl Future<Output = ()> + use<> {
        let unsaved = self.is_changed.then(|| self.path.clone()).flatten();
        self.is_changed = false;
        let content = unsaved.map(|path| (path, self.database.store().to_bytes()));
        let threads = self.threads.clone();
        async move {
            let Some((path, bytes)) = content else {
                return;
            };
            let file = path.clone();
            let write = move || store::write(&file, &bytes);
            match threads.job("SaveNodes").detached().run(write).await {
                Ok(Ok(())) => debug!(path = %path.display(), "nodes saved"),
                Ok(Err(error)) => warn!(path = %path.display(), %error, "nodes not saved"),
                Err(error) => warn!(%error, "nodes not saved"),
            }
        }
    }
}
