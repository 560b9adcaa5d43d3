//! SIGINT and SIGTERM: the first asks for an ordered stop, ten more end the process at once.

use std::{io, process, thread};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};
use tracing::{info, warn};

/// Further signals after which the process ends without waiting (as geth's `debug.Exit`).
const IMPATIENT_SIGNALS: u32 = 10;

/// Listens on a thread of its own, so that no busy actor can hold a signal up. The receiver
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
    // The node may be stopping already for a reason of its own.
    let _ = first.send(name);
    for left in (1..IMPATIENT_SIGNALS).rev() {
        next().await;
        warn!(left, "already shutting down, interrupt more to end at once");
    }
    next().await;
    warn!("ended without an ordered stop");
    process::exit(1)
}
