//! JSON-RPC over a Unix socket: for the user who runs the node, every namespace.
//!
//! Messages are JSON values one after another, with or without white space in between; each
//! answer ends with a line feed.

mod actor;
mod frames;
mod listener;
#[cfg(test)]
mod tests;

use actix_web::web::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

pub use actor::IpcActor;
pub use listener::IpcListener;

use crate::connection::{self, Gone, Reason, Writer};
use crate::dispatch::Dispatcher;
use frames::Frames;

/// Serves one client to its end.
async fn serve<C: Send + Sync + 'static>(
    dispatcher: &Dispatcher<C>,
    stream: UnixStream,
    message_bytes: usize,
) {
    let (reader, writer) = stream.into_split();
    let messages = Box::pin(messages(reader, Frames::new(message_bytes)));
    connection::serve(dispatcher, messages, IpcWriter(writer)).await;
}

/// The client's messages, until it closes or sends one that is too long.
fn messages(reader: OwnedReadHalf, frames: Frames) -> impl Stream<Item = Bytes> {
    unfold((reader, frames), |(mut reader, mut frames)| async move {
        loop {
            if let Some(message) = frames.next() {
                return Some((message, (reader, frames)));
            }
            if frames.is_too_long() {
                return None;
            }
            match reader.read_buf(frames.buffer()).await {
                Ok(1..) => {}
                // What is left is no whole message; it is answered as such.
                Ok(0) => {
                    let rest = frames.rest()?;
                    return Some((rest, (reader, frames)));
                }
                Err(_) => return None,
            }
        }
    })
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
