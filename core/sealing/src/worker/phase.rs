//! Phases of a round.

use std::time::Duration;

use actoreum_chain::ChosenFields;
use actoreum_primitives::{B256, Block};

use super::{RequestId, RequestKind};

/// A queued request.
#[derive(Debug)]
pub(super) struct Request {
    /// Id of the request, if it came from a user; `None` for a block of the interval.
    pub(super) id: Option<RequestId>,
    pub(super) kind: RequestKind,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// The sealer is asked for a block that was signed before the restart.
    Starting,
    Idle,
    /// The block is being built.
    Building(Attempt, Filling),
    /// The sealer has the block.
    Sealing(Attempt),
    Importing(Import),
    /// The chain is being rewound.
    Rewinding(Round),
}

/// State that a round keeps from its start to its end.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// The request that the round fulfils.
    pub(super) request: Option<Request>,
    /// Set where the settings changed in this round: a refusal at its end may no longer hold.
    pub(super) settings_changed: bool,
    /// Fields of the block's header that the user of a development chain chose.
    pub(super) chosen: ChosenFields,
}

/// A block that is being built or sealed.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Number of the round: results of earlier rounds are late.
    pub(super) number: u64,
    pub(super) round: Round,
    /// Hash of the block's parent.
    pub(super) parent: B256,
    /// Version of the pool's snapshot that the block is built from; `None` where the block is
    /// empty.
    pub(super) built_from: Option<u64>,
    pub(super) timer: Option<(Duration, Timer)>,
}

/// Action of a timer on the block of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// End the filling of the block, if it is still being filled.
    EndFilling,
    /// Check whether there is something new for the block.
    Recommit,
}

/// State of the filling of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filling {
    /// The block takes in transactions until it is full.
    Open,
    /// The block is to be sealed with what it has: one transaction at least, where there is one.
    Ended,
    /// The block is no longer needed.
    Interrupted,
}

/// A sealed block that is being imported.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) round: Round,
    pub(super) block: Box<Block>,
    /// Hash of the head before the import.
    pub(super) head_before: B256,
    /// Time at which the import is tried again, once it failed.
    pub(super) retry_at: Option<Duration>,
}

impl Phase {
    /// Returns the round that is under way.
    pub(super) fn round_mut(&mut self) -> Option<&mut Round> {
        match self {
            Self::Starting | Self::Idle => None,
            Self::Building(attempt, _) | Self::Sealing(attempt) => Some(&mut attempt.round),
            Self::Importing(import) => Some(&mut import.round),
            Self::Rewinding(round) => Some(round),
        }
    }

    /// Returns the block that is being built or sealed.
    pub(super) fn attempt(&self) -> Option<&Attempt> {
        match self {
            Self::Building(attempt, _) | Self::Sealing(attempt) => Some(attempt),
            Self::Starting | Self::Idle | Self::Importing(_) | Self::Rewinding(_) => None,
        }
    }

    /// Returns the block that is being built or sealed.
    pub(super) fn attempt_mut(&mut self) -> Option<&mut Attempt> {
        match self {
            Self::Building(attempt, _) | Self::Sealing(attempt) => Some(attempt),
            Self::Starting | Self::Idle | Self::Importing(_) | Self::Rewinding(_) => None,
        }
    }

    /// Returns the time of the phase's own timer.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        match self {
            Self::Importing(import) => import.retry_at,
            _ => self.attempt()?.timer.map(|(at, _)| at),
        }
    }
}
