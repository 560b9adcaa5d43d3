//! Input and output of the worker: the state of the node, the worker's actions, and their results.

use std::time::Duration;

use actoreum_chain::{ChosenFields, SealedHeader, StateEdit};
use actoreum_consensus::ConsensusError;
use actoreum_primitives::{Address, B256, Block, Header};

/// Condition under which a block is due without a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// When there are transactions.
    OnDemand,
    /// This number of seconds after the parent, with or without transactions; only with
    /// transactions if `skips_empty_blocks` is set in the chain's configuration.
    Period(u64),
    /// Always: the search for a seal takes its time. First comes an empty block, so that the search
    /// begins at once, then one with the pending transactions, and again with those that arrived
    /// since.
    Search,
}

/// Settings that do not change while the node runs.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Condition of the next block.
    pub pace: Pace,
    /// True if blocks with a period are sealed only with transactions (the chain's configuration).
    pub skips_empty_blocks: bool,
    /// Addresses beside the etherbase whose blocks are preferred as ommers (`--txpool.locals`).
    pub own: Vec<Address>,
}

/// State of the node at the time of an input, as far as the worker depends on it.
#[derive(Debug, Clone)]
pub struct View {
    /// Time since a fixed moment of the driver's choice. It never decreases.
    pub now: Duration,
    /// The chain's time since 1970, which a user of a development chain may move.
    pub chain_time: Duration,
    /// The head of the chain.
    pub head: SealedHeader,
    /// The transaction pool, once it has a snapshot.
    pub pool: Option<PoolView>,
    /// Whether blocks are sealed without a request.
    pub is_sealing: bool,
    /// The operator's address for fees and rewards.
    pub etherbase: Option<Address>,
    /// The operator's interval between two blocks on one head (`--miner.recommit`).
    pub recommit: Duration,
    /// Fields of the next block's header that the user of a development chain chose.
    pub chosen: ChosenFields,
    /// Seconds from a block's timestamp to that of the next, if the user of a development chain set
    /// them.
    pub timestamp_interval: Option<u64>,
}

/// A snapshot of the transaction pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolView {
    /// Number of the snapshot: another one for each.
    pub version: u64,
    /// Hash of the head that the pool has seen.
    pub head: B256,
    /// Number of executable transactions.
    pub pending: u64,
}

/// Number that joins an answer to a user's request.
pub type RequestId = u64;

/// A request of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestKind {
    /// A block, with this timestamp if there is one.
    Block(Option<u64>),
    /// A block with an edit of the state.
    Edit(StateEdit),
    /// A rewind to this block number.
    Rewind(u64),
}

/// Reason why a request was not fulfilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// This number of requests is queued already.
    Busy(usize),
    /// The block could not be built, sealed or imported, or the chain not rewound.
    Failed(String),
}

/// Timestamp of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockTime {
    /// The chain's time.
    Now,
    /// The chain's time, and at least this one, in seconds since 1970.
    NotBefore(u64),
    /// The time of the parent block.
    OfParent,
    /// This time, in seconds since 1970.
    At(u64),
}

/// Parameters of a block.
#[derive(Debug, Clone)]
pub struct BuildOrder {
    /// The parent block.
    pub parent: SealedHeader,
    /// Timestamp.
    pub time: BlockTime,
    /// Receiver of the fees and of the reward.
    pub author: Address,
    /// Candidates for ommers, best first.
    pub ommers: Vec<Header>,
    /// Whether the block is filled with transactions of the pool's snapshot.
    pub with_transactions: bool,
    /// A change of the state that the block makes.
    pub edit: Option<StateEdit>,
    /// Fields of the header that the user of a development chain chose.
    pub chosen: ChosenFields,
}

/// An action for the driver. Actions are performed in their order.
#[derive(Debug, Clone)]
pub enum Action {
    /// Sets the chain's clock to this time, in seconds since 1970.
    SetClock(u64),
    /// Builds a block; the result goes to [`on_built`](super::Worker::on_built), or, if no thread
    /// takes the job, to [`on_build_refused`](super::Worker::on_build_refused).
    Build(Box<BuildOrder>),
    /// Ends the filling of the block that is being built: it is sealed with what it has.
    EndFilling,
    /// Interrupts the building of the block: it is no longer needed.
    InterruptBuild,
    /// Has a block sealed; the result goes to [`on_sealed`](super::Worker::on_sealed). The search
    /// for the seal of an earlier block on the same head may continue meanwhile.
    Seal {
        /// Number of the round, for the result.
        round: u64,
        /// The block without its seal.
        block: Box<Block>,
        /// True if the block was requested, and is to be sealed even if it is empty.
        even_if_empty: bool,
    },
    /// Has the block of the last [`Self::Seal`] not signed any more.
    AbandonSeal,
    /// Ends the search for a seal, also of earlier blocks.
    StopSealing,
    /// Imports a sealed block; the result goes to [`on_imported`](super::Worker::on_imported).
    Import(Box<Block>),
    /// Imports a sealed block whose round is over: it may still become the head, or an ommer. If it
    /// was new, it goes to [`on_late_imported`](super::Worker::on_late_imported).
    ImportLate(Box<Block>),
    /// Has the sealer discard a signed block that can never become part of a chain.
    DiscardSigned {
        /// Hash of the block.
        hash: B256,
    },
    /// Rewinds the chain; the result goes to [`on_rewound`](super::Worker::on_rewound). The sealer
    /// forgets its signatures first: after a crash in between it merely knows less of a chain that
    /// stands, and never keeps blocks of one that is gone.
    Rewind {
        /// Number of the new head.
        to: u64,
        /// Number of the head before.
        from: u64,
    },
    /// Drops the fields that were chosen for the next block, if they are still these: a block has
    /// them.
    DropChosen(ChosenFields),
    /// Answers a user's request.
    Answer {
        /// Id of the request.
        id: RequestId,
        /// Hash of the new block or head.
        result: Result<B256, RequestError>,
    },
    /// Logs whether a block that was sealed here is in the chain: it is deep enough.
    ReportConfirmed {
        /// Number of the block.
        number: u64,
        /// Hash of the block.
        hash: B256,
    },
}

/// Result of building a block.
#[derive(Debug)]
pub enum BuildResult {
    /// The block lacks only its seal.
    Built {
        /// The block.
        block: Box<Block>,
        /// Share of the gas limit that was used, if the filling was ended early.
        share: Option<f64>,
    },
    /// The building was interrupted.
    Interrupted,
    /// The block could not be built.
    Failed(String),
}

/// Result of sealing a block.
#[derive(Debug)]
pub enum SealResult {
    /// The block with its seal.
    Sealed(Box<Block>),
    /// This block of the same height or of a higher one was signed before.
    SignedBefore(Box<Block>),
    /// The consensus engine does not let this signer seal on this head.
    Engine(Box<ConsensusError>),
    /// The key has signed a block of this height or of a higher one that is not in the database.
    SignedElsewhere(String),
    /// The head moved, or the block is not wanted any more.
    Outdated,
    /// The signer's key could not be used.
    KeyFailed(String),
    /// The record of signed blocks cannot be used.
    RecordFailed(String),
    /// The block was not sealed for another reason.
    Failed(String),
    /// The sealer did not answer: it is restarting. A block that it had signed is imported then.
    Unanswered,
}

/// Result of an import.
#[derive(Debug)]
pub enum ImportResult {
    /// The block is in the chain; false if it was before.
    Imported {
        /// Whether the block was not in the chain before.
        is_new: bool,
    },
    /// The block was not imported for now.
    NotYet(String),
    /// The block is invalid.
    Bad(String),
    /// The parent of the block is not in the chain.
    UnknownAncestor(String),
}
