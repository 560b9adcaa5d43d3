//! The thread of the network's actors.

use actoreum_supervision::{ChildSpec, WhenStuck};

/// The arbiter (thread) of all actors that read sockets.
const ARBITER: &str = "network";

/// Lets a child run on the network's thread. While one of its actors holds that thread no socket is
/// read, so that it is replaced, although all connections end with it. Sockets that listen are kept
/// outside of the actors.
pub(super) fn on_arbiter(child: ChildSpec) -> ChildSpec {
    child.arbiter(ARBITER).when_stuck(WhenStuck::Replace)
}
