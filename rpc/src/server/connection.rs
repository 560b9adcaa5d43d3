//! A connection that carries many requests, and notifications beside their answers.
//!
//! ```text
//! messages -> requests, a bounded number at a time -> answers -.
//!                                                              v
//! FilterActor -> events --(refused if the queue is full)----> queue -> writer -> socket
//! ```
//!
//! One queue, bounded in bytes, holds answers and notifications in the order in which they are
//! written. A subscription starts when the answer with its id is in the queue, so that no
//! notification precedes the answer. Requests wait for room in the queue. An event that finds no
//! room ends the connection: the client learns that it missed something, and a slow client costs a
//! bounded amount of memory.

mod backlog;
pub(crate) mod caller;
pub mod figures;
pub(crate) mod grace;
mod queue;

use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use actoreum_messages::events::{PeerEvent, SyncChanged};
use actoreum_messages::filter::{Change, FilterId};
use futures_util::stream::{FuturesUnordered, Stream, StreamExt as _};
use tokio::time::timeout;

use crate::render;
use crate::server::dispatch::Dispatcher;
use crate::server::json::{JsonOut, WriteJson};
use crate::server::limits::{
    CLOSED_CLIENT_TIMEOUT, MAX_CONNECTION_REQUESTS, MAX_NOTIFICATION_BYTES, WRITE_TIMEOUT,
};
use crate::server::quota::ClientQuota;
use backlog::{Backlog, Request};
pub(crate) use caller::Reason;
use caller::SLOW;
use caller::{Caller, Connection};
use figures::Figures;
use queue::{NotQueued, Outgoing};

/// The quota of all connections is used up.
const BUSY: Reason = "server is busy: all connections hold too many bytes";

/// The writing half of a transport.
pub(crate) trait Writer {
    /// Writes one message. An error means that the client has gone.
    async fn write(&mut self, message: Vec<u8>) -> Result<(), ClientGone>;

    /// Closes the connection, with a reason if the server ends it.
    async fn close(self, reason: Option<Reason>);
}

/// A writer whose messages are counted.
struct Counted<'a, W> {
    writer: W,
    figures: &'a Figures,
}

impl<W: Writer> Writer for Counted<'_, W> {
    async fn write(&mut self, message: Vec<u8>) -> Result<(), ClientGone> {
        let bytes = message.len();
        self.writer.write(message).await?;
        self.figures.on_sent(bytes);
        Ok(())
    }

    async fn close(self, reason: Option<Reason>) {
        self.writer.close(reason).await;
    }
}

/// The client has gone.
#[derive(Debug)]
pub(crate) struct ClientGone;

/// An item from the reading half of a transport. The end of the stream means that the client has
/// gone and reads no more answers.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A message.
    Message(Bytes),
    /// The client, which may still read, sends no more messages, or the server accepts no more.
    End,
}

/// Serves a connection until the client closes it, a write fails, or the server ends it. Its bytes
/// are counted in `quota`, and its messages in `figures`.
pub(crate) async fn serve<C: Send + Sync + 'static>(
    dispatcher: &Dispatcher<C>,
    messages: impl Stream<Item = Incoming> + Unpin,
    writer: impl Writer,
    quota: &ClientQuota,
    figures: Arc<Figures>,
) {
    let figures = &*figures;
    let connection = Connection::new(quota);
    let messages = messages.inspect(|incoming| {
        if let Incoming::Message(message) = incoming {
            figures.on_received(message.len());
        }
    });
    let writer = Counted { writer, figures };
    let reading = async {
        read(dispatcher, &connection, messages, quota).await;
        connection.end_subscriptions();
        // The queued messages are still written.
        connection.outbox.queue.end();
        pending().await
    };
    tokio::select! {
        () = reading => {}
        () = write(&connection, writer) => {}
    }
    connection.outbox.queue.close();
    connection.end_subscriptions();
}

/// Answers messages, a bounded number at a time, until they end or an answer asks for the end. The
/// bytes of the messages are counted in `quota`.
async fn read<C: Send + Sync + 'static>(
    dispatcher: &Dispatcher<C>,
    connection: &Rc<Connection>,
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
                        return connection.outbox.close(BUSY);
                    };
                    backlog.push(request);
                }
                Some(Incoming::End) => is_asking = false,
                None => {
                    connection.set_client_gone();
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
    // Requests that a client sends just before it disconnects are still processed, within the grace
    // period of its requests.
    let grace = tokio::time::sleep(CLOSED_CLIENT_TIMEOUT);
    tokio::pin!(grace);
    while !backlog.is_empty() {
        while running.len() < MAX_CONNECTION_REQUESTS
            && let Some(request) = backlog.pop()
        {
            running.push(answer(dispatcher, connection, request));
        }
        tokio::select! {
            _ = running.next() => {}
            () = &mut grace => break,
        }
    }
    while running.next().await.is_some() {}
}

/// Answers one message. Returns true if the connection is to end after the answer. Stops if the
/// client leaves meanwhile.
async fn answer<C: Send + Sync + 'static>(
    dispatcher: &Dispatcher<C>,
    connection: &Rc<Connection>,
    request: Request,
) -> bool {
    let caller = Caller::new(connection);
    let answer = tokio::select! {
        biased;
        answer = dispatcher.answer_to(&request.message, Some(&caller)) => answer,
        () = connection.cancelled(&request.message) => return true,
    };
    drop(request);
    if answer.body.is_empty() {
        caller.start_subscriptions();
        return answer.close;
    }
    match connection.outbox.queue.answer(answer.body).await {
        Ok(()) => {}
        Err(NotQueued::Full) => {
            connection.outbox.close(BUSY);
            return true;
        }
        Err(NotQueued::Closed) => return true,
    }
    // Nothing may be awaited in between: the client must not be able to see its answer, act on it,
    // and miss the notification of its own action.
    caller.start_subscriptions();
    answer.close
}

/// Writes the queued messages until the end of the connection.
async fn write(connection: &Connection, mut writer: impl Writer) {
    let closed = connection.outbox.closed();
    let mut closed = std::pin::pin!(closed);
    let reason = loop {
        let next = tokio::select! {
            biased;
            reason = &mut closed => break Some(reason),
            next = connection.outbox.queue.next() => next,
        };
        let written = match next {
            Outgoing::End => break None,
            next => write_one(connection, next, &mut writer),
        };
        tokio::select! {
            biased;
            reason = &mut closed => break Some(reason),
            written = timeout(WRITE_TIMEOUT, written) => match written {
                Ok(Ok(())) => {}
                Ok(Err(ClientGone)) => break None,
                Err(_) => break Some(SLOW),
            },
        }
    };
    if let Some(reason) = reason {
        tracing::debug!(reason, "connection ended");
    }
    let _ = timeout(CLOSE_TIMEOUT, writer.close(reason)).await;
}

/// Maximum time that closing a connection may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Writes one entry of the queue: an answer, or the notifications of an event.
async fn write_one(
    connection: &Connection,
    next: Outgoing,
    writer: &mut impl Writer,
) -> Result<(), ClientGone> {
    match next {
        Outgoing::Answer(body) => writer.write(body).await,
        Outgoing::Event(id, event) => {
            let is_wanted = connection.has_subscription(id);
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
                    for log in logs {
                        let message = notification("eth", id, |out| log.write_json(out));
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
                Change::FullTransactions(all) => {
                    for pooled in all.iter() {
                        let message = notification("eth", id, |out| {
                            let (transaction, sender) = (pooled.transaction(), pooled.sender());
                            render::write_transaction(out, transaction, sender, None);
                        });
                        writer.write(message).await?;
                    }
                    Ok(())
                }
            }
        }
        Outgoing::End => Ok(()),
    }
}

/// Writes a sync event as geth does, with the names of its Go fields.
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

/// Writes a peer event as geth does.
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

/// Renders a notification.
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
