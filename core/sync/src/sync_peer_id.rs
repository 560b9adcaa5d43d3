//! The name of a connection to a peer, which the downloader and the state sync share.

/// Number of a peer's connection, chosen by the driver. A peer that reconnects has another number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SyncPeerId(pub u64);
