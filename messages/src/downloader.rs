//! Messages to DownloaderActor, which fetches the chain from peers.

use actoreum_supervision::Message;

/// Reports that the set of eth peers changed, or the head that one of them announced.
///
/// From: ProtocolManagerActor, after the set changed. Replaces geth's `newPeerCh`, its
/// `forceSync` timer of ten seconds and `go pm.synchronise(peer)`.
#[derive(Debug, Clone, Copy, Message)]
pub struct EthPeersChanged;

/// Cancels the running sync. Blocks that were imported stay; the next sync begins after a pause.
///
/// From: actors that need the chain to themselves. Replaces geth's `Downloader.Cancel`.
#[derive(Debug, Clone, Copy, Message)]
pub struct CancelSync;
