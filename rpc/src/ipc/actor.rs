//! The IPC server as an actor of the supervision tree.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actoreum_actors::supervision::{Actor, Ctx, Exit, Failure};
use tokio::task::JoinSet;

use super::{IpcListener, serve};
use crate::dispatch::Dispatcher;
use crate::limits::{MAX_IPC_CONNECTIONS, MAX_IPC_MESSAGE_BYTES};
use crate::quota::{ClientQuota, SharedQuota};

/// After the system refused a connection (no file descriptor is free, say).
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Listens from its start to its end, on its own thread. It handles no messages: requests are
/// answered as over any transport. Its end closes every connection.
pub struct IpcActor<C> {
    path: PathBuf,
    dispatcher: Arc<Dispatcher<C>>,
    quota: SharedQuota,
}

impl<C> IpcActor<C> {
    /// An actor that is going to listen at `path`. Its connections are counted in `quota`.
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
        let listener = IpcListener::bind(&self.path)
            .map_err(|error| format!("cannot listen at {}: {error}", self.path.display()))?;
        let quota = self.quota.of_ipc();
        ctx.spawn(accept(listener, Arc::clone(&self.dispatcher), quota));
        tracing::info!(path = %self.path.display(), "IPC endpoint opened");
        Ok(())
    }

    async fn stopped(self, _: &Exit) {
        tracing::info!(path = %self.path.display(), "IPC endpoint closed");
    }
}

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
                        // Closed at once where all transports together have too many.
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
