//! The figures of the open connections over WebSocket and IPC.
//!
//! A connection counts its own messages and bytes. The actor of its server holds the list of open
//! connections and publishes it, so that a reader waits for no mailbox.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use actoreum_supervision::{Message, Recipient};
use arc_swap::ArcSwap;

/// The figures of one connection, which counts on while others read.
#[derive(Debug)]
pub(crate) struct Figures {
    id: u64,
    client: Option<SocketAddr>,
    since: Instant,
    is_closed: AtomicBool,
    received: Count,
    sent: Count,
}

/// A count of messages and of their bytes.
#[derive(Debug, Default)]
struct Count {
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl Count {
    fn add(&self, bytes: usize) {
        self.messages.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }
}

impl Figures {
    /// Creates the figures of a connection that is open from now on. A client of the IPC socket has
    /// no address.
    pub(crate) fn new(id: u64, client: Option<SocketAddr>) -> Arc<Self> {
        Arc::new(Self {
            id,
            client,
            since: Instant::now(),
            is_closed: AtomicBool::new(false),
            received: Count::default(),
            sent: Count::default(),
        })
    }

    /// Counts a message of the client.
    pub(super) fn on_received(&self, bytes: usize) {
        self.received.add(bytes);
    }

    /// Counts an answer or a notification that was written.
    pub(super) fn on_sent(&self, bytes: usize) {
        self.sent.add(bytes);
    }

    pub(super) fn read(&self) -> ConnectionFigures {
        ConnectionFigures {
            id: self.id,
            client: self.client,
            age: self.since.elapsed(),
            messages_in: self.received.messages.load(Relaxed),
            bytes_in: self.received.bytes.load(Relaxed),
            messages_out: self.sent.messages.load(Relaxed),
            bytes_out: self.sent.bytes.load(Relaxed),
        }
    }
}

/// A reading of the figures of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionFigures {
    /// The number of the connection, unique at its server.
    pub id: u64,
    /// The client's address; `None` on the IPC socket.
    pub client: Option<SocketAddr>,
    /// Time since the connection was opened.
    pub age: Duration,
    /// Messages of the client: requests and batches.
    pub messages_in: u64,
    /// Bytes of these messages.
    pub bytes_in: u64,
    /// Answers and notifications that were written.
    pub messages_out: u64,
    /// Bytes of these messages.
    pub bytes_out: u64,
}

/// The open connections of one server, as its actor has published them. Clones share the list.
#[derive(Debug, Clone, Default)]
pub struct OpenConnections(Arc<Published>);

#[derive(Debug, Default)]
struct Published {
    open: ArcSwap<Vec<Arc<Figures>>>,
    last_id: AtomicU64,
}

impl OpenConnections {
    /// Returns the number of a new connection, which no other connection of the server has had.
    pub(crate) fn next_id(&self) -> u64 {
        self.0.last_id.fetch_add(1, Relaxed) + 1
    }

    /// Returns the figures of each connection, oldest first.
    pub fn read(&self) -> Vec<ConnectionFigures> {
        let open = self.0.open.load();
        let open = open.iter().filter(|it| !it.is_closed.load(Relaxed));
        open.map(|it| it.read()).collect()
    }
}

/// The list of open connections that a server's actor holds.
#[derive(Debug)]
pub(crate) struct ConnectionList {
    open: BTreeMap<u64, Arc<Figures>>,
    published: OpenConnections,
}

impl ConnectionList {
    /// Creates the list of a server's actor. Connections that have outlived an earlier generation of
    /// the actor are on it.
    pub(crate) fn new(published: &OpenConnections) -> Self {
        let earlier = published.0.open.load();
        let open = earlier.iter().filter(|it| !it.is_closed.load(Relaxed));
        Self {
            open: open.map(|it| (it.id, Arc::clone(it))).collect(),
            published: published.clone(),
        }
    }

    /// Adds a connection. Connections that have closed without a message, because the mailbox was
    /// full, leave the list.
    pub(crate) fn add(&mut self, opened: Arc<Figures>) {
        self.open.retain(|_, it| !it.is_closed.load(Relaxed));
        if !opened.is_closed.load(Relaxed) {
            self.open.insert(opened.id, opened);
        }
        self.publish();
    }

    /// Removes a connection, if it is listed.
    pub(crate) fn remove(&mut self, id: u64) {
        if self.open.remove(&id).is_some() {
            self.publish();
        }
    }

    /// Returns the number of listed connections.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    fn publish(&self) {
        let open = self.open.values().map(Arc::clone).collect();
        self.published.0.open.store(Arc::new(open));
    }
}

/// A connection was opened.
#[derive(Message)]
pub struct ConnectionOpened(pub(crate) Arc<Figures>);

/// A connection has ended.
#[derive(Message)]
pub struct ConnectionClosed {
    /// The number of the connection.
    pub(crate) id: u64,
}

/// The actor of a server, as its connections report to it.
#[derive(Clone)]
pub(crate) struct Reporter {
    pub(crate) opened: Recipient<ConnectionOpened>,
    pub(crate) closed: Recipient<ConnectionClosed>,
}

/// An open connection that reports its end when it is dropped.
pub(crate) struct Reported {
    pub(crate) figures: Arc<Figures>,
    reporter: Option<Reporter>,
}

impl Reported {
    /// Reports that a connection was opened, if there is an actor to report to.
    pub(crate) fn open(figures: Arc<Figures>, reporter: Option<Reporter>) -> Self {
        if let Some(reporter) = &reporter {
            // An actor that is down or flooded lists the connection no more.
            let _ = reporter.opened.tell(ConnectionOpened(Arc::clone(&figures)));
        }
        Self { figures, reporter }
    }
}

impl Drop for Reported {
    fn drop(&mut self) {
        self.figures.is_closed.store(true, Relaxed);
        if let Some(reporter) = &self.reporter {
            // A connection whose end is not reported leaves the list with the next one.
            let _ = reporter.closed.tell(ConnectionClosed {
                id: self.figures.id,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_holds_the_open_connections() {
        let published = OpenConnections::default();
        let mut list = ConnectionList::new(&published);
        let (first, second) = (Figures::new(1, None), Figures::new(2, None));
        list.add(Arc::clone(&first));
        list.add(Arc::clone(&second));
        first.on_received(10);
        first.on_sent(20);
        first.on_sent(30);
        let read = published.read();
        assert_eq!(read.iter().map(|it| it.id).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((read[0].messages_in, read[0].bytes_in), (1, 10));
        assert_eq!((read[0].messages_out, read[0].bytes_out), (2, 50));
        list.remove(1);
        assert_eq!(published.read().len(), 1);
        drop(list);
        let next = ConnectionList::new(&published);
        assert_eq!(next.len(), 1, "a restart of the actor keeps the list");
    }

    #[test]
    fn a_connection_whose_end_was_not_reported_is_not_shown() {
        let published = OpenConnections::default();
        let mut list = ConnectionList::new(&published);
        let first = Reported::open(Figures::new(1, None), None);
        list.add(Arc::clone(&first.figures));
        drop(first);
        assert!(published.read().is_empty());
        assert_eq!(list.len(), 1);
        list.add(Figures::new(2, None));
        assert_eq!(list.len(), 1, "it has left with the next one");
    }
}
