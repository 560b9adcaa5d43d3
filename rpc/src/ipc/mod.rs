//! JSON-RPC over a Unix socket: for the user who runs the node, every namespace.
//!
//! Messages are JSON values one after another, with or without white space in between; each
//! answer ends with a line feed.

mod actor;
mod frames;
#[cfg(test)]
mod tests;

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use actix_web::web::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};

pub use actor::IpcActor;

use crate::connection::{self, Gone, Reason, Writer};
use crate::dispatch::Dispatcher;
use frames::Frames;

/// The socket is read and written by its owner alone.
const SOCKET_MODE: u32 = 0o600;
/// A folder that is made for it can be entered by others, and not listed, as in geth.
const FOLDER_MODE: u32 = 0o751;

/// A listening socket; its file goes with it.
pub struct IpcListener {
    listener: UnixListener,
    path: PathBuf,
}

impl IpcListener {
    /// Listens at `path`. A socket that an earlier run left there is replaced; anything else is
    /// not. The file has its mode before anybody can find it.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
            std::fs::create_dir_all(folder)?;
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(FOLDER_MODE))?;
        }
        if let Ok(found) = path.symlink_metadata()
            && !found.file_type().is_socket()
        {
            let text = format!("{} is no socket", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        let mut hidden = path.as_os_str().to_owned();
        hidden.push("~");
        let hidden = PathBuf::from(hidden);
        match std::fs::remove_file(&hidden) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&hidden)?;
        std::fs::set_permissions(&hidden, std::fs::Permissions::from_mode(SOCKET_MODE))?;
        std::fs::rename(&hidden, path)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for IpcListener {
    fn drop(&mut self) {
        // Another may have removed it.
        let _ = std::fs::remove_file(&self.path);
    }
}

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
