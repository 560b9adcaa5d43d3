//! Chain synchronisation with peers, as state machines without IO, clocks or threads.
//!
//! The driver of a state machine (an actor, or a simulated network in the tests) passes in what
//! peers sent and the current time, and carries out the actions that come back: requests to peers,
//! imports, penalties. The same calls always give the same actions.
//!
//! | module | what it fetches |
//! |---|---|
//! | [`downloader`] | the chain of the peer with the most total difficulty: full or fast sync |
//! | [`fetcher`] | single blocks at the head, as peers announce and propagate them |
//! | [`transactions`] | transactions that peers announce by their hashes |
//! | [`state`] | a state trie and its contract codes by hash, for the pivot of a fast sync |
//! | [`snap`] | a state by ranges of its keys (snap/1): so far the plan of the ranges |
//!
//! ```text
//!   answers of peers -> HashedHeader, RawBody, RawReceipts -> state machine -> requests to peers
//!                       (hashes and roots, on any thread)          |
//!                                                                  '-> RawBlocks to import
//! ```
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//!
//! use actoreum_primitives::{B256, PeerId};
//! use actoreum_sync::transactions::{FetchTransactions, TransactionFetcher};
//!
//! let (peer, hash) = (PeerId::repeat_byte(1), B256::repeat_byte(2));
//! let mut fetcher = TransactionFetcher::default();
//! fetcher.announce(Duration::ZERO, peer, hash, None);
//! // The transaction may arrive by itself; after 500 ms it is requested.
//! assert_eq!(fetcher.next_timeout(), Some(Duration::from_millis(500)));
//! let requests = fetcher.poll(Duration::from_millis(500), |_| false);
//! let hashes = vec![hash];
//! assert_eq!(requests, [FetchTransactions { peer, hashes }]);
//! ```

pub mod downloader;
pub mod fetcher;
mod progress;
mod raw_block;
pub mod snap;
pub mod state;
mod sync_peer_id;
pub mod transactions;

pub use progress::SyncProgress;
pub use raw_block::{HashedHeader, RawBlock, RawBody, RawReceipts};
