//! The thread of the network's actors.

/// The arbiter (thread) of all actors that read sockets.
pub(super) const ARBITER: &str = "network";
