//! The UDP socket of discovery.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use actoreum_messages::discovery::Datagram;
use actoreum_wire::limits::MAX_DISCV4_PACKET;
use futures_util::{Stream, stream};
use tokio::time::sleep;
use tracing::{debug, info};

use crate::net::limits::{ACCEPT_PAUSE, DATAGRAM_BATCH};
use crate::net::shared::Shared;
use crate::net::transport::{DatagramSocket, ListenAddress};
use actoreum_supervision::Failure;

/// The socket, which one actor reads from and several may send with.
pub(in crate::net) type Socket = Arc<Box<dyn DatagramSocket>>;

/// Opens the socket at the configured address and publishes it, and its port in the node's record. After
/// a restart of its actor it has the same port, which other nodes know.
///
/// # Errors
/// Where the port is in use.
pub(super) fn open(shared: &Shared) -> Result<Socket, Failure> {
    let port = match shared.local.info().endpoint.udp {
        0 => shared.settings.udp_port(),
        port => port,
    };
    let at = ListenAddress {
        port,
        ..shared.settings.listen
    };
    // That of an earlier generation is closed first.
    shared.datagram_socket.store(None);
    let socket: Socket = Arc::new(shared.transport.bind(at)?);
    shared.local.set_udp(socket.address().port());
    if shared.settings.udp_port() == 0 {
        let enode = shared.local.info().enode;
        info!(address = %socket.address(), %enode, "listening for nodes");
    }
    shared.datagram_socket.store(Some(Arc::clone(&socket)));
    Ok(socket)
}

/// Returns the datagrams that arrive, in batches of those that wait in the kernel's buffer, at most
/// [`DATAGRAM_BATCH`].
pub(super) fn batches(socket: Socket) -> impl Stream<Item = Vec<Datagram>> {
    // One byte more than the longest packet of both versions, so that longer ones are recognised.
    let buffer = vec![0; MAX_DISCV4_PACKET + 1];
    stream::unfold((socket, buffer), |(socket, mut buffer)| async move {
        loop {
            match next_batch(socket.as_ref().as_ref(), &mut buffer).await {
                Ok(batch) => return Some((batch, (socket, buffer))),
                Err(error) => {
                    debug!(%error, "datagram not received");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    })
}

/// Waits for datagrams and returns a batch of them.
async fn next_batch(socket: &dyn DatagramSocket, buffer: &mut [u8]) -> io::Result<Vec<Datagram>> {
    let mut batch = Vec::new();
    poll_fn(|cx| {
        while batch.len() < DATAGRAM_BATCH {
            match socket.poll_receive(cx, buffer) {
                Poll::Ready(Ok((length, from))) => {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    batch.push((from, datagram.into()));
                }
                Poll::Ready(Err(error)) if batch.is_empty() => return Poll::Ready(Err(error)),
                Poll::Pending if batch.is_empty() => return Poll::Pending,
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    })
    .await?;
    Ok(batch)
}
