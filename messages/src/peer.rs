//! Messages to PeerActor, which runs one connection to a peer, and the terms of connections.

use std::io;

use actoreum_supervision::Message;
use actoreum_wire::p2p::{DisconnectReason, SessionError};

/// Ends the connection. The reason is sent to the peer; the first request counts.
///
/// From: ServerActor, for `admin_removePeer`, and holders of the peer's handle. Replaces geth's
/// `Peer.Disconnect`.
#[derive(Debug, Clone, Copy, Message)]
pub struct Disconnect(pub DisconnectReason);

/// The id of a connection, unique within the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// The direction of a connection, and for a dialled one its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The peer dialled.
    Inbound,
    /// We dialled a node from discovery or from the list of bootnodes.
    Dynamic,
    /// We dialled a static node.
    Static,
}

/// The cause of a connection's end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DisconnectCause {
    /// The peer sent a disconnect message.
    #[error("{0}")]
    Remote(DisconnectReason),
    /// This node disconnected.
    #[error("{0}")]
    Local(DisconnectReason),
    /// The peer violated the RLPx or base protocol, or was silent.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The socket was closed.
    #[error("EOF")]
    Closed,
    /// The socket failed.
    #[error("{0}")]
    Socket(String),
    /// The peer does not read.
    #[error("write timeout")]
    WriteTimeout,
    /// The peer violated a protocol above the base protocol.
    #[error("{0}")]
    Protocol(String),
    /// The handshake took long while other connections waited for its slot.
    #[error("handshake took long while others waited")]
    Evicted,
    /// ServerActor is down.
    #[error("server stopped")]
    ServerStopped,
}

impl DisconnectCause {
    /// Returns whether the peer caused the end by a violation or by a timeout.
    pub fn is_peer_fault(&self) -> bool {
        match self {
            Self::Local(reason) => matches!(
                reason,
                DisconnectReason::ProtocolBreach
                    | DisconnectReason::UselessPeer
                    | DisconnectReason::ReadTimeout
                    | DisconnectReason::SubprotocolError
            ),
            Self::Session(_) | Self::WriteTimeout | Self::Protocol(_) => true,
            Self::Remote(_)
            | Self::Closed
            | Self::Socket(_)
            | Self::Evicted
            | Self::ServerStopped => false,
        }
    }

    /// Returns the disconnect reason to send to the peer, if one is sent.
    pub fn reason(&self) -> Option<DisconnectReason> {
        match self {
            Self::Local(reason) => Some(*reason),
            Self::Session(error) => error.disconnect_reason(),
            Self::Protocol(_) => Some(DisconnectReason::SubprotocolError),
            Self::ServerStopped => Some(DisconnectReason::Quitting),
            // Nothing is sent to an evicted connection: closing would take up to a second.
            Self::Remote(_)
            | Self::Closed
            | Self::Socket(_)
            | Self::WriteTimeout
            | Self::Evicted => None,
        }
    }
}

impl From<io::Error> for DisconnectCause {
    fn from(error: io::Error) -> Self {
        Self::Socket(error.to_string())
    }
}
