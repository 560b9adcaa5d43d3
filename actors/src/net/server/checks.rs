//! The rules for joining the set of peers.

use actoreum_messages::peer::Direction;
use actoreum_wire::p2p::DisconnectReason;

/// The facts that decide whether a node may become a peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerCandidate {
    pub is_trusted: bool,
    pub direction: Direction,
    pub is_connected: bool,
    pub is_self: bool,
    /// Whether the node is banned now.
    pub is_banned: bool,
    /// The number of peers.
    pub peers: usize,
    /// The number of inbound peers among them.
    pub inbound: usize,
    pub max_peers: usize,
    pub max_inbound: usize,
}

/// Checks whether a node may become a peer: first its ban, which geth does not have, then geth's
/// checks in geth's order.
///
/// # Errors
/// Returns the disconnect reason to send.
pub(super) fn may_join(applicant: &PeerCandidate) -> Result<(), DisconnectReason> {
    let PeerCandidate {
        is_trusted,
        direction,
        ..
    } = *applicant;
    if applicant.is_banned && !is_trusted {
        return Err(DisconnectReason::UselessPeer);
    }
    let has_own_place = is_trusted || direction == Direction::Static;
    if !has_own_place && applicant.peers >= applicant.max_peers {
        return Err(DisconnectReason::TooManyPeers);
    }
    let is_inbound = direction == Direction::Inbound;
    if !is_trusted && is_inbound && applicant.inbound >= applicant.max_inbound {
        return Err(DisconnectReason::TooManyPeers);
    }
    if applicant.is_connected {
        return Err(DisconnectReason::AlreadyConnected);
    }
    if applicant.is_self {
        return Err(DisconnectReason::Self_);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INBOUND: PeerCandidate = PeerCandidate {
        is_trusted: false,
        direction: Direction::Inbound,
        is_connected: false,
        is_self: false,
        is_banned: false,
        peers: 3,
        inbound: 2,
        max_peers: 10,
        max_inbound: 5,
    };

    #[test]
    fn the_checks_are_in_geths_order() {
        use DisconnectReason as Reason;
        let full = PeerCandidate {
            peers: 10,
            is_connected: true,
            is_self: true,
            ..INBOUND
        };
        let inbound_full = PeerCandidate {
            inbound: 5,
            is_self: true,
            ..INBOUND
        };
        let cases = [
            (INBOUND, Ok(())),
            (full, Err(Reason::TooManyPeers)),
            (inbound_full, Err(Reason::TooManyPeers)),
            (
                PeerCandidate {
                    direction: Direction::Dynamic,
                    ..inbound_full
                },
                Err(Reason::Self_),
            ),
            (
                PeerCandidate {
                    direction: Direction::Static,
                    ..full
                },
                Err(Reason::AlreadyConnected),
            ),
            (
                PeerCandidate {
                    is_trusted: true,
                    is_banned: true,
                    peers: 10,
                    inbound: 10,
                    ..INBOUND
                },
                Ok(()),
            ),
            (
                PeerCandidate {
                    is_banned: true,
                    peers: 10,
                    ..INBOUND
                },
                Err(Reason::UselessPeer),
            ),
        ];
        for (applicant, expected) in cases {
            assert_eq!(may_join(&applicant), expected, "{applicant:?}");
        }
    }
}
