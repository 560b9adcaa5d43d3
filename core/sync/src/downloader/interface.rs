//! Input and output of the downloader: the local chain, queries, actions and results.

use std::time::Duration;

use actoreum_primitives::{B256, U256};

use super::SyncError;
use crate::RawBlock;
use crate::state::{StateStore, StateValue};
use crate::sync_peer_id::SyncPeerId;

/// Number that joins an answer to its request.
pub type RequestId = u64;

/// Sync mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Every block is executed.
    #[default]
    Full,
    /// An empty chain begins with the state of a recent block, fetched from peers.
    Fast,
}

/// The local chain, as far as a sync must know it.
pub trait LocalChain: StateStore {
    /// Returns the number of the head.
    fn head_number(&self) -> u64;
    /// Returns the total difficulty of the head.
    fn total_difficulty(&self) -> U256;
    /// Returns the total difficulty of a block, if it is stored.
    fn total_difficulty_of(&self, hash: &B256) -> Option<U256>;
    /// Returns true if this block is in the chain, canonical or not. False for fast-sync blocks,
    /// which are stored with receipts and without state.
    fn has_block(&self, hash: &B256, number: u64) -> bool;
    /// Returns the number and the hash of the newest block above the head that is stored with its
    /// receipts and without its state (geth's `CurrentFastBlock`).
    fn current_fast_block(&self) -> Option<(u64, B256)>;
    /// Returns true if a block above the head is stored with its receipts and without its state
    /// (geth's `HasFastBlock`).
    fn has_fast_block(&self, hash: &B256, number: u64) -> bool;
    /// Returns the state root of a block, executed or not, if it is stored.
    fn state_root(&self, hash: &B256) -> Option<B256>;
    /// Returns the hash of the canonical block with this number.
    fn canonical_hash(&self, number: u64) -> Option<B256>;
}

/// A request for headers by number (GetBlockHeaders).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderQuery {
    /// Number of the first header.
    pub first: u64,
    /// Number of headers.
    pub amount: u64,
    /// Number of blocks to leave out between two headers.
    pub skip: u64,
    /// True if the numbers descend.
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

/// Content of a request to a peer.
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

/// An action for the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Sends a request to a peer. The answer goes to [`on_headers`](super::Downloader::on_headers),
    /// [`on_bodies`](super::Downloader::on_bodies),
    /// [`on_receipts`](super::Downloader::on_receipts) or
    /// [`on_values`](super::Downloader::on_values), a failure to
    /// [`on_request_failed`](super::Downloader::on_request_failed).
    Request {
        /// Id of the request.
        id: RequestId,
        /// Peer to ask.
        peer: SyncPeerId,
        /// Content of the request.
        query: Query,
        /// Time that the downloader will wait for the answer.
        timeout: Duration,
    },
    /// Imports blocks; the result goes to [`on_imported`](super::Downloader::on_imported). Windows
    /// are imported in the order in which they come.
    Import(Window),
    /// Stores blocks with their receipts, without executing them; the result goes to
    /// [`on_imported`](super::Downloader::on_imported), and the order is that of imports.
    InsertReceiptChain(Window),
    /// Writes values of a state durably and in this order; the result goes to
    /// [`on_written`](super::Downloader::on_written).
    WriteState {
        /// Id of the write.
        id: u64,
        /// The values.
        values: Vec<StateValue>,
    },
    /// Makes a fast-sync block the head, with its state, all of which has been written; the result
    /// goes to [`on_imported`](super::Downloader::on_imported).
    CommitPivotState {
        /// Id of the action.
        id: u64,
        /// Hash of the block.
        hash: B256,
    },
    /// Disconnects a peer. The downloader has removed it already.
    DropPeer {
        /// The peer.
        peer: SyncPeerId,
        /// Reason.
        reason: SyncError,
    },
    /// Counts points against a peer.
    Penalise {
        /// The peer.
        peer: SyncPeerId,
        /// Points; at 100 the peer is disconnected.
        points: i64,
        /// Reason, for the log.
        why: &'static str,
    },
    /// A sync began.
    Started {
        /// The master peer: the peer whose chain is fetched.
        master: SyncPeerId,
    },
    /// The sync ended.
    Ended(Result<(), SyncError>),
}

/// Blocks to import together, each the child of the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Id of the window.
    pub id: u64,
    /// The blocks, ascending; at least one.
    pub blocks: Vec<RawBlock>,
}

/// Reason why a window was not imported to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportFailure {
    /// A block is invalid.
    InvalidBlock {
        /// Number of the block.
        number: u64,
        /// Hash of the block.
        hash: B256,
        /// The rule that the block breaks.
        reason: String,
    },
    /// The import ended for another reason; nothing is known against the blocks.
    Stopped(String),
}

/// Failure of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestFailure {
    /// The peer did not answer in time.
    Expired,
    /// The peer disconnected.
    Disconnected,
    /// The answer does not decode.
    Malformed,
    /// The answer could not be read, for a local reason.
    Unreadable,
}
