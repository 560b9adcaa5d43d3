//! Messages to DownloaderActor, which fetches the chain from peers.

use actix::Message;

/// The set of eth peers changed, or what one of them says of its head.
///
/// From: ProtocolManagerActor, after the set was published. In the place of geth's `newPeerCh`,
/// of its ten seconds' `forceSync` and of `go pm.synchronise(peer)`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct PeersChanged;

/// End the sync that runs. What it has imported stays; the next one begins after a pause.
///
/// From: whoever must have the chain for itself. In the place of geth's `Downloader.Cancel`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct CancelSync;
