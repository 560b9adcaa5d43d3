//! Who may join the set of peers.

use actoreum_wire::p2p::DisconnectReason;

use crate::net::peer::Direction;

/// What counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Applicant {
    pub is_trusted: bool,
    pub direction: Direction,
    pub is_connected: bool,
    pub is_self: bool,
    /// It was sent away, and its time is not over.
    pub is_kept_away: bool,
    /// Peers now.
    pub peers: usize,
    /// Those of them that dialled us.
    pub inbound: usize,
    pub max_peers: usize,
    pub max_inbound: usize,
}

/// The checks of both checkpoints in geth's order, behind the one that geth does not have.
pub(super) fn may_join(applicant: &Applicant) -> Result<(), DisconnectReason> {
    let Applicant {
        is_trusted,
        direction,
        ..
    } = *applicant;
    if applicant.is_kept_away && !is_trusted {
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

    const STRANGER: Applicant = Applicant {
        is_trusted: false,
        direction: Direction::Inbound,
        is_connected: false,
        is_self: false,
        is_kept_away: false,
        peers: 3,
        inbound: 2,
        max_peers: 10,
        max_inbound: 5,
    };

    #[test]
    fn the_checks_come_in_geths_order() {
        use DisconnectReason as Reason;
        let full = Applicant {
            peers: 10,
            is_connected: true,
            is_self: true,
            ..STRANGER
        };
        let inbound_full = Applicant {
            inbound: 5,
            is_self: true,
            ..STRANGER
        };
        let cases = [
            (STRANGER, Ok(())),
            (full, Err(Reason::TooManyPeers)),
            (inbound_full, Err(Reason::TooManyPeers)),
            (
                Applicant {
                    direction: Direction::Dynamic,
                    ..inbound_full
                },
                Err(Reason::Self_),
            ),
            (
                Applicant {
                    direction: Direction::Static,
                    ..full
                },
                Err(Reason::AlreadyConnected),
            ),
            (
                Applicant {
                    is_trusted: true,
                    is_kept_away: true,
                    peers: 10,
                    inbound: 10,
                    ..STRANGER
                },
                Ok(()),
            ),
            (
                Applicant {
                    is_kept_away: true,
                    peers: 10,
                    ..STRANGER
                },
                Err(Reason::UselessPeer),
            ),
        ];
        for (applicant, expected) in cases {
            assert_eq!(may_join(&applicant), expected, "{applicant:?}");
        }
    }
}
