//! SIGINT and SIGTERM: the first signal begins a graceful shutdown, ten more end the process at
//! once.

use std::{io, process, thread};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};
use tracing::{info, warn};

/// Further signals after which the process ends without waiting (as with geth's `debug.Exit`).
const FORCED_EXIT_SIGNALS: u32 = 10;

/// Listens for signals on a separate thread, so that no busy actor can delay them. The receiver
/// gets the name of the first signal.
pub fn listen() -> io::Result<oneshot::Receiver<&'static str>> {
    start(true)
}

/// As [`listen`], for SIGTERM alone: SIGINT is the console's.
pub fn listen_for_termination() -> io::Result<oneshot::Receiver<&'static str>> {
    start(false)
}

fn start(takes_interrupts: bool) -> io::Result<oneshot::Receiver<&'static str>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (first, receiver) = oneshot::channel();
    thread::Builder::new().name("signals".into()).spawn(move || {
        if let Err(error) = runtime.block_on(watch(first, takes_interrupts)) {
            warn!(%error, "signals can't be heard; stop the node through its RPC or with SIGKILL");
        }
    })?;
    Ok(receiver)
}

async fn watch(first: oneshot::Sender<&'static str>, takes_interrupts: bool) -> io::Result<()> {
    let mut interrupt = if takes_interrupts {
        Some(signal(SignalKind::interrupt())?)
    } else {
        None
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut next = async || {
        tokio::select! {
            () = received(interrupt.as_mut()) => "SIGINT",
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

/// Waits for a signal, or for ever without one.
async fn received(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
