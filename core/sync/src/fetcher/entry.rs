//! A block that was announced or sent, and where it stands on its way.

use std::time::Duration;

use actoreum_primitives::Header;

use super::PeerId;
use super::limits::{ARRIVE_TIMEOUT, GATHER_SLACK};
use crate::BlockParcel;

/// A block on its way.
#[derive(Debug)]
pub(super) struct Entry {
    pub number: u64,
    /// Who has it, as they say, and did not fail to give it. Empty once it is queued.
    pub announcers: Vec<PeerId>,
    pub stage: Stage,
    /// Whose header or block is held, and its bytes.
    pub held: Option<(PeerId, usize)>,
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
        block: Box<BlockParcel>,
        /// The move at which its parent was missing.
        orphan_at: Option<u64>,
    },
    Importing {
        peer: PeerId,
    },
}

impl Entry {
    /// An announced block.
    pub fn announced(number: u64, since: Duration) -> Self {
        Self {
            number,
            announcers: Vec::new(),
            stage: Stage::Announced { since },
            held: None,
        }
    }

    /// When something is to be asked for it.
    pub fn due(&self) -> Option<Duration> {
        match self.stage {
            Stage::Announced { since } => Some(since + ARRIVE_TIMEOUT - GATHER_SLACK),
            Stage::HeaderHere { since, .. } => Some(since + GATHER_SLACK),
            _ => None,
        }
    }

    /// Whether the block is here, queued or on its way into the chain.
    pub fn is_here(&self) -> bool {
        matches!(self.stage, Stage::Queued { .. } | Stage::Importing { .. })
    }
}
