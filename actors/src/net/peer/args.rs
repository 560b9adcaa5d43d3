//! The arguments of a connection's actor.

use actoreum_messages::peer::{Direction, DisconnectCause};
use actoreum_primitives::PublicKey;
use tokio::sync::oneshot;

use crate::net::handshake_slots::HandshakeSlot;
use crate::net::transport::Wire;

/// The arguments of a new connection's actor.
pub(in crate::net) struct ConnectionArgs {
    pub wire: Wire,
    pub direction: Direction,
    /// The public key of the dialled node; `None` for an inbound connection.
    pub expected: Option<PublicKey>,
    /// The handshake slot of an inbound connection, released when its handshakes are over.
    pub slot: Option<HandshakeSlot>,
    /// Gets the result of the handshakes, after the peer was added or refused.
    pub set_up: Option<oneshot::Sender<Result<(), DisconnectCause>>>,
}
