//! JSON-RPC over a Unix socket: for the user who runs the node, every namespace.
//!
//! Messages are JSON values one after another, with or without white space in between; each
//! answer ends with a line feed.

mod actor;
mod frames;
mod listener;
#[cfg(test)]
mod tests;

use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, sleep, timeout_at};

pub use actor::IpcActor;
pub use listener::IpcListener;

use crate::connection::{self, Gone, Incoming, Reason, Writer};
use crate::dispatch::Dispatcher;
use crate::limits::READ_TIMEOUT;
use crate::quota::ClientQuota;
use frames::Frames;

/// How often the server looks whether a client that sends no more is still there.
const HANG_UP_PERIOD: Duration = Duration::from_millis(100);

/// Serves one client to its end.
async fn serve<C: Send + Sync + 'static>(
    dispatcher: &Dispatcher<C>,
    stream: UnixStream,
    message_bytes: usize,
    quota: &ClientQuota,
) {
    let (reader, writer) = stream.into_split();
    let messages = Box::pin(messages(reader, Frames::new(message_bytes)));
    connection::serve(dispatcher, messages, IpcWriter(writer), quota).await;
}

/// The client's messages, until it closes, sends one that is too long, or is too slow with one.
fn messages(reader: OwnedReadHalf, frames: Frames) -> impl Stream<Item = Incoming> {
    let reader = Reader {
        half: reader,
        frames,
        due: None,
        has_ended: false,
        has_told_end: false,
    };
    unfold(reader, |mut reader| async move {
        let incoming = reader.next().await?;
        Some((incoming, reader))
    })
}

/// What the reading half keeps.
struct Reader {
    half: OwnedReadHalf,
    frames: Frames,
    /// When the message that is arriving is to be there.
    due: Option<Instant>,
    /// The client sends no more.
    has_ended: bool,
    has_told_end: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<Incoming> {
        loop {
            if self.has_ended {
                if !std::mem::replace(&mut self.has_told_end, true) {
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
                    // What is left is no whole message; it is answered as such.
                    if let Some(rest) = self.frames.rest() {
                        return Some(Incoming::Message(rest));
                    }
                }
                Err(_) => return None,
            }
        }
    }

    /// Resolves when the client, which sends no more, does not read either.
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
    async fn write(&mut self, message: Vec<u8>) -> Result<(), Gone> {
        self.0.write_all(&message).await.map_err(|_| Gone)
    }

    async fn close(mut self, _: Option<Reason>) {
        let _ = self.0.shutdown().await;
    }
}
