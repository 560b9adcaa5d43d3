//! A connection that carries many requests, and notifications beside their answers.
//!
//! ```text
//! messages -> requests, so many at a time -> answers --.
//!                                                      v
//! FilterActor -> events --(refused where it is full)-> queue -> writer -> socket
//! ```
//!
//! One queue, bounded in bytes, holds answers and notifications in the order in which they go out. A
//! subscription begins when the answer that names it stands in the queue, so no notification
//! comes before it. Requests wait for room; an event that finds none ends the connection: its
//! client learns that it missed something, and costs nobody memory.

mod backlog;
mod queue;

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use actoreum_messages::events::SyncChanged;
use actoreum_messages::filter::{Change, Event, FilterId, Subscriber};
use actoreum_messages::server::PeerEvent;
use futures_util::stream::{FuturesUnordered, Stream, StreamExt as _};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::dispatch::Dispatcher;
use crate::error::{LIMIT_EXCEEDED, RpcError};
use crate::json::{JsonOut, WriteJson};
use crate::limits::{
    CLOSED_CLIENT_TIMEOUT, MAX_CONNECTION_REQUESTS, MAX_NOTIFICATION_BYTES, MAX_SUBSCRIPTIONS,
    WRITE_TIMEOUT,
};
use crate::quota::ClientQuota;
use crate::render;
use backlog::{Backlog, Request};
use queue::{NotQueued, Outgoing, Queue};

/// Why the server ended a connection.
pub(crate) type Reason = &'static str;

const SLOW: Reason = "too slow: notifications wait beyond the limit";
const LOST: Reason = "notifications were lost: subscribe again";
const BUSY: Reason = "server is busy: all connections hold too many bytes";

/// What ends a subscription at its source.
type Ending = Box<dyn FnOnce() + Send>;

/// A connection, as its requests and its subscriptions see it.
pub(crate) struct Connection {
    queue: Queue,
    closed: watch::Sender<Option<Reason>>,
    /// True when the client is gone.
    left: watch::Sender<bool>,
    subscriptions: Mutex<HashMap<FilterId, Ending>>,
}

impl Connection {
    fn new(quota: &ClientQuota) -> Arc<Self> {
        Arc::new(Self {
            queue: Queue::new(quota),
            closed: watch::Sender::new(None),
            left: watch::Sender::new(false),
            subscriptions: Mutex::default(),
        })
    }

    fn close(&self, reason: Reason) {
        self.closed.send_if_modified(|closed| {
            let is_first = closed.is_none();
            closed.get_or_insert(reason);
            is_first
        });
    }

    /// Resolves when somebody wants the connection to end.
    async fn closed(&self) -> Reason {
        let mut closed = self.closed.subscribe();
        match closed.wait_for(Option::is_some).await {
            Ok(reason) => reason.unwrap_or(SLOW),
            Err(_) => pending().await,
        }
    }

    /// Notes that the client is gone.
    fn leave(&self) {
        self.left.send_replace(true);
    }

    /// Resolves when the client is gone and a request is to be given up for it.
    async fn left(&self, message: &[u8]) {
        let mut left = self.left.subscribe();
        if left.wait_for(|is_gone| *is_gone).await.is_err() {
            pending().await
        }
        give_up(message).await;
    }

    /// Ends all subscriptions at their source.
    fn end_subscriptions(&self) {
        let endings = std::mem::take(&mut *self.subscriptions.lock());
        for ending in endings.into_values() {
            ending();
        }
    }
}

impl Subscriber for Connection {
    fn deliver(&self, subscription: FilterId, event: &Arc<Event>) -> bool {
        match self.queue.event(subscription, event) {
            Ok(()) => true,
            Err(NotQueued::Full) => {
                self.close(SLOW);
                false
            }
            Err(NotQueued::Closed) => false,
        }
    }

    fn lost(&self) {
        self.close(LOST);
    }
}

/// What begins once an answer is on its way.
type Beginning = Box<dyn FnOnce() -> bool + Send>;

/// One message's author: what its handlers may subscribe.
pub(crate) struct Caller {
    connection: Arc<Connection>,
    beginnings: Mutex<Vec<Beginning>>,
}

impl Caller {
    fn new(connection: &Arc<Connection>) -> Self {
        Self {
            connection: Arc::clone(connection),
            beginnings: Mutex::default(),
        }
    }

    /// Adds a subscription: `begin` runs once the answer is queued, and says whether its source
    /// took it; `end` takes it back.
    pub(crate) fn subscribe(
        &self,
        id: FilterId,
        begin: impl FnOnce(Arc<dyn Subscriber>) -> bool + Send + 'static,
        end: impl FnOnce() + Send + 'static,
    ) -> Result<(), RpcError> {
        let mut subscriptions = self.connection.subscriptions.lock();
        if subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return Err(RpcError::new(
                LIMIT_EXCEEDED,
                format!("there are {MAX_SUBSCRIPTIONS} subscriptions on this connection already"),
            ));
        }
        subscriptions.insert(id, Box::new(end));
        let subscriber = Arc::clone(&self.connection);
        self.beginnings
            .lock()
            .push(Box::new(move || begin(subscriber)));
        Ok(())
    }

    /// Ends a subscription of this connection; false where there is none.
    pub(crate) fn unsubscribe(&self, id: FilterId) -> bool {
        let ending = self.connection.subscriptions.lock().remove(&id);
        ending.map(|ending| ending()).is_some()
    }

    /// The answer is queued: what it named begins.
    fn answered(self) {
        for begin in self.beginnings.into_inner() {
            if !begin() {
                self.connection.close(LOST);
            }
        }
    }
}

/// The writing half of a transport.
pub(crate) trait Writer {
    /// Writes one message. An error means that the client is gone.
    async fn write(&mut self, message: Vec<u8>) -> Result<(), Gone>;

    /// Says goodbye, with a reason where the server ends it.
    async fn close(self, reason: Option<Reason>);
}

/// The client is gone.
#[derive(Debug)]
pub(crate) struct Gone;

/// What the reading half of a transport yields. Its end means that the client is gone: nobody reads
/// answers any more.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A message.
    Message(Bytes),
    /// The client, which may still read, sends no more, or the server takes no more.
    End,
}

/// Resolves when the request of a client that is gone is to be given up: at once where it is a
/// batch.
pub(crate) async fn give_up(message: &[u8]) {
    if !is_batch(message) {
        tokio::time::sleep(CLOSED_CLIENT_TIMEOUT).await;
    }
}

fn is_batch(message: &[u8]) -> bool {
    message.trim_ascii_start().first() == Some(&b'[')
}

/// Serves a connection to its end: the client's, a failed write's, or the server's.
pub(crate) async fn serve<C: Send + Sync + 'static>(
    dispatcher: &Dispatcher<C>,
    messages: impl Stream<Item = Incoming> + Unpin,
    writer: impl Writer,
    quota: &ClientQuota,
) {
    let connection = Connection::new(quota);
    let reading = async {
        read(dispatcher, &connection, messages, quota).await;
        connection.end_subscriptions();
        // What is queued is still written.
        connection.queue.end();
        pending().await
    };
    tokio::select! {
        () = reading => {}
        () = write(&connection, writer) => {}
    }
    connection.queue.close();
    connection.end_subscriptions();
}

/// Answers messages, so many at a time, until they end or one asks for the end.
async fn read<C: Send + Sync + 'static>(
    dispatcher: &Dispatcher<C>,
    connection: &Arc<Connection>,
    mut messages: impl Stream<Item = Incoming> + Unpin,
    quota: &ClientQuota,
) {
    let mut running = FuturesUnordered::new();
    let mut backlog = Backlog::default();
    let mut is_asking = true;
    while is_asking || !running.is_empty() {
        tokio::select! {
            message = messages.next(), if backlog.has_room() => match message {
                Some(Incoming::Message(message)) => {
                    let Some(request) = Request::new(message, quota.bytes()) else {
                        return connection.close(BUSY);
                    };
                    backlog.push(request);
                }
                Some(Incoming::End) => is_asking = false,
                None => {
                    connection.leave();
                    backlog.drop_batches();
                    break;
                }
            },
            Some(ends) = running.next() => if ends {
                backlog = Backlog::default();
                break;
            },
        }
        while running.len() < MAX_CONNECTION_REQUESTS
            && let Some(request) = backlog.pop()
        {
            running.push(answer(dispatcher, connection, request));
        }
    }
    // What a client sends just before it leaves is done, in the time that its requests still have.
    let leaving = tokio::time::sleep(CLOSED_CLIENT_TIMEOUT);
    tokio::pin!(leaving);
    while !backlog.is_empty() {
        while running.len() < MAX_CONNECTION_REQUESTS
            && let Some(request) = backlog.pop()
        {
            running.push(answer(dispatcher, connection, request));
        }
        tokio::select! {
            _ = running.next() => {}
            () = &mut leaving => break,
        }
    }
    while running.next().await.is_some() {}
}

/// Answers one message; true where the connection is to end after the answer. Gives up where the
/// client leaves meanwhile.
async fn answer<C: Send + Sync + 'static>(
    dispatcher: &Dispatcher<C>,
    connection: &Arc<Connection>,
    request: Request,
) -> bool {
    let caller = Caller::new(connection);
    let answer = tokio::select! {
        biased;
        answer = dispatcher.answer_to(&request.message, Some(&caller)) => answer,
        () = connection.left(&request.message) => return true,
    };
    drop(request);
    if answer.body.is_empty() {
        return answer.close;
    }
    match connection.queue.answer(answer.body).await {
        Ok(()) => {}
        Err(NotQueued::Full) => {
            connection.close(BUSY);
            return true;
        }
        Err(NotQueued::Closed) => return true,
    }
    // Nothing may be awaited in between: the client must not see its answer, act on it, and
    // miss what its act brings about.
    caller.answered();
    answer.close
}

/// Writes what is queued until the end.
async fn write(connection: &Connection, mut writer: impl Writer) {
    let ending = connection.closed();
    let mut ending = std::pin::pin!(ending);
    let reason = loop {
        let next = tokio::select! {
            biased;
            reason = &mut ending => break Some(reason),
            next = connection.queue.next() => next,
        };
        let written = match next {
            Outgoing::End => break None,
            next => write_one(connection, next, &mut writer),
        };
        tokio::select! {
            biased;
            reason = &mut ending => break Some(reason),
            written = timeout(WRITE_TIMEOUT, written) => match written {
                Ok(Ok(())) => {}
                Ok(Err(Gone)) => break None,
                Err(_) => break Some(SLOW),
            },
        }
    };
    if let Some(reason) = reason {
        tracing::debug!(reason, "connection ended");
    }
    let _ = timeout(CLOSE_TIMEOUT, writer.close(reason)).await;
}

/// How long a goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

async fn write_one(
    connection: &Connection,
    next: Outgoing,
    writer: &mut impl Writer,
) -> Result<(), Gone> {
    match next {
        Outgoing::Answer(body) => writer.write(body).await,
        Outgoing::Event(id, event) => {
            let is_wanted = connection.subscriptions.lock().contains_key(&id);
            if !is_wanted {
                return Ok(());
            }
            match &event.change {
                Change::Peer(peer) => {
                    let message = notification("admin", id, |out| write_peer(out, peer));
                    writer.write(message).await
                }
                Change::Sync(change) => {
                    let message = notification("eth", id, |out| write_sync(out, change));
                    writer.write(message).await
                }
                Change::Head(header) => {
                    let json = event.rendered.get_or_init(|| {
                        let mut out = JsonOut::new(MAX_NOTIFICATION_BYTES);
                        render::write_head(&mut out, header);
                        out.into_bytes().into_boxed_slice()
                    });
                    writer
                        .write(notification("eth", id, |out| out.raw_bytes(json)))
                        .await
                }
                Change::Logs(logs) => {
                    for placed in logs {
                        let message = notification("eth", id, |out| placed.write_json(out));
                        writer.write(message).await?;
                    }
                    Ok(())
                }
                Change::Transactions(hashes) => {
                    for hash in hashes.iter() {
                        let message = notification("eth", id, |out| hash.write_json(out));
                        writer.write(message).await?;
                    }
                    Ok(())
                }
            }
        }
        Outgoing::End => Ok(()),
    }
}

/// A sync event in geth's form: its names are those of its Go fields.
fn write_sync(out: &mut JsonOut, change: &SyncChanged) {
    let SyncChanged::Started(progress) = change else {
        return out.raw_bytes(b"false");
    };
    let status = serde_json::json!({
        "syncing": true,
        "status": {
            "StartingBlock": progress.starting_block,
            "CurrentBlock": progress.current_block,
            "HighestBlock": progress.highest_block,
            "PulledStates": progress.pulled_states,
            "KnownStates": progress.known_states,
        },
    });
    out.raw_bytes(status.to_string().as_bytes());
}

/// A peer event in geth's form.
fn write_peer(out: &mut JsonOut, event: &PeerEvent) {
    let kind = if event.dropped.is_some() {
        "drop"
    } else {
        "add"
    };
    let mut object = out.object();
    object.key("type").string(kind);
    object.key("peer").string(&event.peer.to_string());
    if let Some(why) = &event.dropped {
        object.key("error").string(why);
    }
    object.end();
}

fn notification(namespace: &str, id: FilterId, write: impl FnOnce(&mut JsonOut)) -> Vec<u8> {
    let mut out = JsonOut::new(MAX_NOTIFICATION_BYTES);
    out.raw("{\"jsonrpc\":\"2.0\",\"method\":\"");
    out.raw(namespace);
    out.raw("_subscription\",\"params\":{\"subscription\":\"");
    out.raw(&id.to_string());
    out.raw("\",\"result\":");
    write(&mut out);
    out.raw("}}\n");
    out.into_bytes()
}

#[cfg(test)]
mod tests;
