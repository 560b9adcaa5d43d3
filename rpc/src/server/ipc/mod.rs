//! JSON-RPC over a Unix socket, which offers every namespace to the user who runs the node.
//!
//! Messages are JSON values one after another, with or without white space in between. Each answer
//! ends with a line feed.
//!
//! ```text
//! ipc                 one_for_one
//! |- connections      dynamic: an IpcConnectionActor for each client
//! `- listener         IpcActor: accepts clients, holds the list of connections
//! ```

mod actor;
mod connection_actor;
mod frames;
mod listener;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, sleep, timeout_at};

pub use actor::{IpcActor, IpcConfig, ListenError};
pub use connection_actor::IpcConnectionActor;
pub use listener::IpcListener;

use crate::server::connection::figures::Figures;
use crate::server::connection::{self, ClientGone, Incoming, Reason, Writer};
use crate::server::dispatch::Dispatcher;
use crate::server::limits::READ_TIMEOUT;
use crate::server::quota::ClientQuota;
use frames::Frames;

/// Interval at which the server checks whether a client that sends no more messages is still
/// connected.
const HANG_UP_PERIOD: Duration = Duration::from_millis(100);

/// Serves one client until its connection ends. Its bytes are counted in `quota`, and its messages in
/// `figures`.
async fn serve<C: Send + Sync + 'static>(
    dispatcher: &Dispatcher<C>,
    stream: UnixStream,
    message_bytes: usize,
    quota: &ClientQuota,
    figures: Arc<Figures>,
) {
    let (reader, writer) = stream.into_split();
    let messages = Box::pin(messages(reader, Frames::new(message_bytes)));
    connection::serve(dispatcher, messages, IpcWriter(writer), quota, figures).await;
}

/// Returns the client's messages, until the client disconnects, sends a message that is too long,
/// or is too slow with a message.
fn messages(reader: OwnedReadHalf, frames: Frames) -> impl Stream<Item = Incoming> {
    let reader = Reader {
        half: reader,
        frames,
        due: None,
        has_ended: false,
        has_returned_end: false,
    };
    unfold(reader, |mut reader| async move {
        let incoming = reader.next().await?;
        Some((incoming, reader))
    })
}

/// The reading half of a connection.
struct Reader {
    half: OwnedReadHalf,
    frames: Frames,
    /// The deadline of the message that is arriving.
    due: Option<Instant>,
    /// Whether the client has closed its side.
    has_ended: bool,
    /// Whether [`Incoming::End`] was returned.
    has_returned_end: bool,
}

impl Reader {
    /// Returns the next message; `None` at the end of the connection.
    async fn next(&mut self) -> Option<Incoming> {
        loop {
            if self.has_ended {
                if !std::mem::replace(&mut self.has_returned_end, true) {
                    return Some(Incoming::End);
                }
                self.wait_for_hang_up().await;
                return None;
            }
            if let Some(message) = self.frames.next() {
                self.due = None;
                return Some(Incoming::Message(message));
            }
            if self.frames.is_too_long() {
                return None;
            }
            if !self.frames.is_partial() {
                self.due = None;
            } else if self.due.is_none() {
                self.due = Some(Instant::now() + READ_TIMEOUT);
            }
            let reading = self.half.read_buf(self.frames.buffer());
            let read = match self.due {
                None => reading.await,
                Some(due) => timeout_at(due, reading).await.ok()?,
            };
            match read {
                Ok(1..) => {}
                Ok(0) => {
                    self.has_ended = true;
                    // The rest is not a whole message, and is answered with an error.
                    if let Some(rest) = self.frames.rest() {
                        return Some(Incoming::Message(rest));
                    }
                }
                Err(_) => return None,
            }
        }
    }

    /// Resolves when a client that sends no more messages stops reading, too.
    async fn wait_for_hang_up(&self) {
        loop {
            match self.half.ready(Interest::WRITABLE).await {
                Ok(ready) if !ready.is_write_closed() => sleep(HANG_UP_PERIOD).await,
                _ => return,
            }
        }
    }
}

struct IpcWriter(OwnedWriteHalf);

impl Writer for IpcWriter {
    async fn write(&mut self, message: Vec<u8>) -> Result<(), ClientGone> {
        self.0.write_all(&message).await.map_err(|_| ClientGone)
    }

    async fn close(mut self, _: Option<Reason>) {
        let _ = self.0.shutdown().await;
    }
}
