//! Control of a connected peer: disconnects, penalties and bans.

use std::sync::Arc;
use std::time::Duration;

use actoreum_messages::peer::Disconnect;
use actoreum_messages::server::Ban;
use actoreum_supervision::Recipient;
use actoreum_wire::p2p::DisconnectReason;
use tracing::debug;

use super::limits::{BAN_TIME, MAX_NOTE_CHARS, USELESS_BAN_TIME};
use super::record::PeerRecord;

/// Control of a connected peer, beside its record. Cheap to clone, and usable after the connection
/// has ended.
#[derive(Debug, Clone)]
pub(super) struct PeerControl {
    /// The peer's record.
    pub(super) record: Arc<PeerRecord>,
    /// The connection's PeerActor.
    pub(super) connection: Recipient<Disconnect>,
    /// ServerActor, which keeps the bans.
    pub(super) server: Recipient<Ban>,
}

impl PeerControl {
    /// Ends the connection.
    pub(super) fn disconnect(&self, reason: DisconnectReason) {
        // A full mailbox holds a disconnect request already; an actor that is down has ended.
        let _ = self.connection.tell(Disconnect(reason));
    }

    /// Lowers the peer's score by `points`, or raises it where they are negative. At the lowest
    /// score the peer is disconnected, and banned for [`BAN_TIME`], unless it is trusted.
    pub(super) fn penalise(&self, points: i64, why: &str) {
        let record = &self.record;
        if points > 0 {
            record.note(why);
        }
        let is_worst = record.traffic.penalise(points);
        debug!(peer = ?record.id, points, why, "score changed");
        if is_worst && !record.is_trusted() {
            self.ban(why, BAN_TIME, DisconnectReason::ProtocolBreach);
        }
    }

    /// Disconnects a useless peer, and bans it for [`USELESS_BAN_TIME`] unless it is trusted.
    pub(super) fn disconnect_useless(&self, why: &str) {
        self.record.note(why);
        if self.record.is_trusted() {
            self.disconnect(DisconnectReason::UselessPeer);
        } else {
            self.ban(why, USELESS_BAN_TIME, DisconnectReason::UselessPeer);
        }
    }

    fn ban(&self, why: &str, time: Duration, reason: DisconnectReason) {
        // Where ServerActor is down, the supervisor ends every connection, including this one.
        let _ = self.server.tell(Ban {
            peer: self.record.id,
            why: why.chars().take(MAX_NOTE_CHARS).collect(),
            time,
        });
        self.disconnect(reason);
    }
}
