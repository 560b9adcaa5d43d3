//! SIGINT and SIGTERM: the first signal begins a graceful shutdown, ten more end the process at
//! once.

use std::{io, process, thread};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};
use tracing::{info, warn};

/// Further signals after which the process ends without waiting (as with geth's `debug.Exit`).
const FORCED_EXIT_SIGNALS: u32 = 10;

/// Listens for signals on a separate thread, so that no busy actor can delay them. The receiver
/// gets the name of the first signal.
pub fn listen() -> io::Result<oneshot::Receiver<&'static str>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (first, receiver) = oneshot::channel();
    thread::Builder::new().name("signals".into()).spawn(move || {
        if let Err(error) = runtime.block_on(watch(first)) {
            warn!(%error, "signals can't be heard; stop the node through its RPC or with SIGKILL");
        }
    })?;
    Ok(receiver)
}

async fn watch(first: oneshot::Sender<&'static str>) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut next = async || {
        tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        }
    };
    let name = next().await;
    info!(signal = name, "got interrupt, shutting down");
    // The receiver is gone if the node is already stopping for another reason.
    let _ = first.send(name);
    for left in (1..FORCED_EXIT_SIGNALS).rev() {
        next().await;
        warn!(left, "already shutting down, interrupt more to end at once");
    }
    next().await;
    warn!("ended without an ordered stop");
    process::exit(1)
}
