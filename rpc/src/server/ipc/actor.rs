//! The IPC server as an actor of the supervision tree.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actoreum_supervision::{Actor, Ctx, Exit, Failure};
use tokio::task::JoinSet;

use super::{IpcListener, serve};
use crate::server::dispatch::Dispatcher;
use crate::server::limits::{MAX_IPC_CONNECTIONS, MAX_IPC_MESSAGE_BYTES};
use crate::server::quota::{ClientQuota, SharedQuota};

/// Pause after the system refused a connection (because no file descriptor is free, for example).
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// The error of a server that cannot listen on its IPC socket.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {}: {error}", .path.display())]
pub struct ListenError {
    /// The socket's path.
    pub path: PathBuf,
    /// The system's error.
    pub error: io::Error,
}

/// Listens on the IPC socket, on its own thread. It handles no messages: requests are answered as
/// over any transport. Its end closes every connection.
pub struct IpcActor<C> {
    path: PathBuf,
    dispatcher: Arc<Dispatcher<C>>,
    quota: SharedQuota,
}

impl<C> IpcActor<C> {
    /// Creates an actor that listens at `path`. Its connections are counted in `quota`.
    pub fn new(path: PathBuf, dispatcher: Arc<Dispatcher<C>>, quota: SharedQuota) -> Self {
        Self {
            path,
            dispatcher,
            quota,
        }
    }
}

impl<C: Send + Sync + 'static> Actor for IpcActor<C> {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let listener = IpcListener::bind(&self.path).map_err(|error| ListenError {
            path: self.path.clone(),
            error,
        })?;
        let quota = self.quota.for_ipc();
        ctx.spawn(accept(listener, Arc::clone(&self.dispatcher), quota));
        tracing::info!(path = %self.path.display(), "IPC endpoint opened");
        Ok(())
    }

    async fn stopped(self, _: &Exit) {
        tracing::info!(path = %self.path.display(), "IPC endpoint closed");
    }
}

/// Accepts connections and serves them.
async fn accept<C: Send + Sync + 'static>(
    listener: IpcListener,
    dispatcher: Arc<Dispatcher<C>>,
    quota: ClientQuota,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_IPC_CONNECTIONS => {
                match accepted {
                    Ok(stream) => {
                        // A connection beyond the quota of all transports is closed at once.
                        let Some(permit) = quota.connect() else {
                            continue;
                        };
                        let (dispatcher, quota) = (Arc::clone(&dispatcher), quota.clone());
                        connections.spawn_local(async move {
                            let _permit = permit;
                            serve(&dispatcher, stream, MAX_IPC_MESSAGE_BYTES, &quota).await;
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "IPC accept error");
                        tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                    }
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
