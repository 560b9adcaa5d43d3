//! An announced or received block, and its stage.

use std::time::Duration;

use actoreum_primitives::{Header, PeerId};

use super::limits::{ARRIVE_TIMEOUT, GATHER_SLACK};
use crate::RawBlock;

/// A block between its announcement and the end of its import.
#[derive(Debug)]
pub(super) struct Entry {
    pub number: u64,
    /// Peers that have announced the block and have not failed to deliver it. Empty once the block
    /// is queued.
    pub announcers: Vec<PeerId>,
    pub stage: Stage,
    /// The peer whose header or block is held, and the number of bytes held.
    pub held: Option<(PeerId, usize)>,
}

/// Stage of a block.
#[derive(Debug)]
pub(super) enum Stage {
    Announced {
        since: Duration,
    },
    FetchingHeader {
        peer: PeerId,
        since: Duration,
    },
    HeaderFetched {
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
        block: Box<RawBlock>,
        /// Value of the fetcher's `chain_changes` when the parent was last found missing.
        orphan_at: Option<u64>,
    },
    Importing {
        peer: PeerId,
    },
}

impl Entry {
    /// Returns the entry of an announced block.
    pub fn announced(number: u64, since: Duration) -> Self {
        Self {
            number,
            announcers: Vec::new(),
            stage: Stage::Announced { since },
            held: None,
        }
    }

    /// Returns the time at which the next request for the block is due, if there is one.
    pub fn due(&self) -> Option<Duration> {
        match self.stage {
            Stage::Announced { since } => Some(since + ARRIVE_TIMEOUT - GATHER_SLACK),
            Stage::HeaderFetched { since, .. } => Some(since + GATHER_SLACK),
            _ => None,
        }
    }

    /// Returns true if the block has been received: it is queued or being imported.
    pub fn is_received(&self) -> bool {
        matches!(self.stage, Stage::Queued { .. } | Stage::Importing { .. })
    }
}
