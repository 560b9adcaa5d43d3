//! A block that was announced or sent, and where it stands on its way.

use std::time::Duration;

use actoreum_primitives::{Block, Header};

use super::PeerId;
use super::limits::{ARRIVE_TIMEOUT, GATHER_SLACK};

/// A block on its way.
#[derive(Debug)]
pub(super) struct Entry {
    pub number: u64,
    /// Who has it, as they say, and did not fail to give it. Empty once it is queued.
    pub announcers: Vec<PeerId>,
    pub stage: Stage,
}

/// Where it stands.
#[derive(Debug)]
pub(super) enum Stage {
    Announced {
        since: Duration,
    },
    FetchingHeader {
        peer: PeerId,
        since: Duration,
    },
    HeaderHere {
        header: Box<Header>,
        since: Duration,
    },
    FetchingBody {
        header: Box<Header>,
        peer: PeerId,
        since: Duration,
    },
    Queued {
        peer: PeerId,
        block: Box<Block>,
        /// The move at which its parent was missing.
        orphan_at: Option<u64>,
    },
    Importing {
        peer: PeerId,
    },
}

impl Entry {
    /// When something is to be asked for it.
    pub fn due(&self) -> Option<Duration> {
        match self.stage {
            Stage::Announced { since } => Some(since + ARRIVE_TIMEOUT - GATHER_SLACK),
            Stage::HeaderHere { since, .. } => Some(since + GATHER_SLACK),
            _ => None,
        }
    }
}
