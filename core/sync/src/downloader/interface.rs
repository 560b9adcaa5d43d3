//! What a driver tells the downloader, and what it is asked to do.

use std::time::Duration;

use actoreum_primitives::{B256, U256};

use super::{PeerKey, SyncError};
use crate::BlockParcel;
use crate::state::{Piece, StateStore};

/// Joins an answer to its request.
pub type RequestId = u64;

/// How a chain is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Every block is executed.
    #[default]
    Full,
    /// An empty chain begins with a state that peers have.
    Fast,
}

/// Our chain, as far as a sync must know it.
pub trait LocalChain: StateStore {
    /// The number of our head.
    fn head_number(&self) -> u64;
    /// The sum of the difficulties up to our head.
    fn total_difficulty(&self) -> U256;
    /// The sum of the difficulties up to a block that we have.
    fn total_difficulty_of(&self, hash: &B256) -> Option<U256>;
    /// Whether we have this block, canonical or not. Not where it is only kept.
    fn has_block(&self, hash: &B256, number: u64) -> bool;
    /// The number and the hash of the newest block that is kept without its state, above the head.
    fn newest_kept(&self) -> Option<(u64, B256)>;
    /// Whether a block is kept without its state.
    fn is_kept(&self, hash: &B256, number: u64) -> bool;
    /// The state root of a block that we have or keep.
    fn state_root(&self, hash: &B256) -> Option<B256>;
    /// The hash of the canonical block with this number.
    fn canonical_hash(&self, number: u64) -> Option<B256>;
}

/// Which headers a peer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderQuery {
    /// The number of the first.
    pub first: u64,
    /// How many.
    pub amount: u64,
    /// How many blocks to leave out between two.
    pub skip: u64,
    /// Towards genesis.
    pub reverse: bool,
}

impl HeaderQuery {
    pub(super) fn up(first: u64, amount: u64) -> Self {
        Self {
            first,
            amount,
            skip: 0,
            reverse: false,
        }
    }

    pub(super) fn down(first: u64, amount: u64) -> Self {
        Self {
            reverse: true,
            ..Self::up(first, amount)
        }
    }
}

/// What a peer is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// The header with this hash.
    Header(B256),
    /// Headers by number.
    Headers(HeaderQuery),
    /// The bodies of blocks.
    Bodies(Vec<B256>),
    /// The receipts of blocks.
    Receipts(Vec<B256>),
    /// Trie nodes and codes.
    Values(Vec<B256>),
}

/// What a driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask a peer; its answer goes to [`Downloader::on_headers`], [`Downloader::on_bodies`],
    /// [`Downloader::on_receipts`] or [`Downloader::on_values`], its failure to
    /// [`Downloader::on_unanswered`].
    Request {
        /// To be named with the answer.
        id: RequestId,
        /// Whom to ask.
        peer: PeerKey,
        /// For what.
        query: Query,
        /// How long the downloader will wait.
        patience: Duration,
    },
    /// Import these blocks; how that ended goes to [`Downloader::on_imported`]. Windows are
    /// imported in the order in which they come.
    Import(Window),
    /// Keep these blocks with their receipts, without executing them; otherwise as an import.
    Keep(Window),
    /// Write pieces of a state, durably, in this order; then comes [`Downloader::on_written`].
    WriteState {
        /// To be named when they are written.
        id: u64,
        /// The pieces.
        pieces: Vec<Piece>,
    },
    /// Make the state of a kept block ours and the block the head; how that ended goes to
    /// [`Downloader::on_imported`].
    Adopt {
        /// To be named with how it ended.
        id: u64,
        /// The block's hash.
        hash: B256,
    },
    /// Send a peer away. It is no peer of the downloader's any more.
    Drop {
        /// Whom.
        peer: PeerKey,
        /// Why.
        reason: SyncError,
    },
    /// Count something against a peer.
    Penalise {
        /// Whom.
        peer: PeerKey,
        /// How much; 100 is enough to send it away.
        points: i64,
        /// What for.
        why: &'static str,
    },
    /// A sync began.
    Started {
        /// The peer that it follows.
        master: PeerKey,
    },
    /// The sync ended.
    Ended(Result<(), SyncError>),
}

/// Blocks to import together, each the child of the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// To be named with how it ended.
    pub id: u64,
    /// The blocks, ascending; never none.
    pub blocks: Vec<BlockParcel>,
}

/// Why a window was not imported to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportFailure {
    /// A block breaks a rule.
    Bad {
        /// Its number.
        number: u64,
        /// Its hash.
        hash: B256,
        /// The rule.
        reason: String,
    },
    /// Nothing is known against the blocks.
    Stopped(String),
}

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// The peer let it expire, as its connection sees it.
    Expired,
    /// The peer has gone.
    Gone,
    /// The answer cannot be decoded.
    Garbage,
    /// The answer could not be read, for a reason of this node's.
    Unread,
}
