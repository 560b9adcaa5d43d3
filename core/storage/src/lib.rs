//! Storage of blocks and state: the [`Database`] trait with its engines (sled, redb, memory), the
//! tables, the ancient files, and the flat state with its tries.
//!
//! ```text
//!        executing thread                trie thread                 any reader
//!   FlatBuffer: the state that       TrieBuffer: roots of         StateView: the state
//!   the next block executes on       blocks not yet committed     after any block
//!              |                            | freeze()                 |
//!              |                            v                          |
//!              |                     FrozenState ──> Commit            |
//!              |                                       | blocks, receipts, indexes,
//!              |                                       | history, flat values, nodes,
//!              |                                       v head record last
//!              └──────── reads ───────────────> Store (tables) <───────┘
//!                                           |              |
//!                                  Database: sled,     ancient files:
//!                                  redb, memory        old blocks
//! ```
//!
//! State is flat: reading an account or slot is one lookup of its hashed key. Trie nodes are stored
//! under their paths. The values that a block overwrites go to the history, keyed by account or
//! slot and then by block. The value at block B is the first history entry of a block after B, or
//! the flat value if there is none.
//!
//! ```
//! use actoreum_primitives::{AccountChange, AccountInfo, Address, B256, StateDiff, StateReader, U256};
//! use actoreum_storage::{Commit, HeadRecord, Store, TrieBuffer};
//!
//! let store = Store::memory();
//! let mut tries = TrieBuffer::new(store.clone());
//! let rich = AccountInfo { balance: U256::from(7), ..AccountInfo::default() };
//! let mut diff = StateDiff::default();
//! diff.accounts.insert(Address::ZERO, AccountChange { after: Some(rich), ..Default::default() });
//! let state_root = tries.apply(0, &diff)?;
//!
//! let mut commit = Commit::new();
//! commit.state(&tries.freeze()?);
//! commit.set_head(HeadRecord { number: 0, hash: B256::ZERO, state_root });
//! store.commit(commit)?;
//! tries.committed();
//! assert_eq!(store.state_at(0)?.account(&Address::ZERO)?, Some(rich));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ancient;
mod audit;
mod blocks;
mod commit;
pub mod db;
mod error;
pub mod files;
mod format;
mod head;
mod incoming;
pub mod limits;
mod lock;
mod remote;
mod state;
mod store;
mod tables;

pub use audit::{CheckReport, RepairReport};
pub use commit::Commit;
pub use db::{Database, Engine, WriteBatch};
pub use error::StorageError;
pub use format::{FORMAT_VERSION, engine_of};
pub use head::HeadRecord;
pub use incoming::StateSize;
pub use lock::FolderLock;
pub use remote::RemoteState;
pub use state::{
    AccountProof, AccountRange, FlatBuffer, FrozenState, HashedAccount, HashedDiff, HashedSlot,
    NodePaths, ServedState, SlotProof, Slots, StateSnapshot, StateView, StorageRanges, TrieBuffer,
};
pub use store::{Store, StoreOptions, TableStats};
