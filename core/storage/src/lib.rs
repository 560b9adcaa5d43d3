//! The Database trait with sled and redb, tables, ancient files, the flat state with its trie.
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
//! State is flat: an account or slot is one lookup of its hashed key. Trie nodes lie
//! under their paths. What a block overwrites goes to the history, keyed by what
//! changed and then by block: the value at block B is the first entry of a block after
//! B, or else the flat value.
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
pub use state::{
    AccountProof, FlatBuffer, FrozenState, HashedAccount, HashedDiff, HashedSlot, SlotProof, Slots,
    StateView, TrieBuffer, WholeState,
};
pub use store::{Store, StoreOptions, TableStats};
