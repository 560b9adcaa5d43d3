//! Messages to DnsDiscoveryActor, which finds nodes in DNS (EIP-1459).

use actoreum_supervision::Message;
use actoreum_wire::nodes::Enode;

/// Returns nodes of the configured trees that were not returned lately, at most sixteen. Waits until
/// there is one.
///
/// From: DialerActor, which does not block on the answer. Replaces geth's iterator of a DNS client, which
/// blocks the goroutine of the dialer's mix of sources.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Vec<Enode>)]
pub struct FindNodes;
