//! The blockchain: import pipeline, fork choice, reorgs, and the view that readers hold.
//!
//! ```text
//!   blocks --> Chain::import --> headers, seals, bodies, senders   (all cores)
//!              (one writer)      execution | roots                 (a pipeline of two threads)
//!                                one durable commit
//!                                     |
//!                                     v
//!                    ChainReader::view() --> any number of readers, no lock
//! ```
//!
//! [`Chain`] is the single writer. It holds no state that is not on disk: after a crash,
//! [`Chain::open`] over the same store continues from the last commit. A [`ChainView`] is published
//! after its commit is durable. Blocks off the head are stored as side chains, without state, and
//! executed when a reorg makes them canonical; fast sync stores blocks with receipts and without
//! execution up to the pivot block.
//!
//! ```
//! use std::sync::Arc;
//! use actoreum_chain::{Chain, ChainOptions, ChainReader, Detail, genesis};
//! use actoreum_consensus::{EngineOptions, engine_for};
//! use actoreum_primitives::Genesis;
//! use actoreum_storage::Store;
//!
//! let store = Store::memory();
//! let header = genesis::init(&store, &Genesis::mainnet())?;
//! let reader = ChainReader::open(store)?;
//! let engine = engine_for(reader.config(), EngineOptions::default()).engine;
//! let now = Arc::new(|| 1_438_269_988_u64);
//! let options = ChainOptions { engine, interrupt: Arc::default(), now };
//! let mut chain = Chain::open(reader.clone(), options)?;
//!
//! let report = chain.import(&[], Detail::HeadOnly);
//! assert!(report.refused.is_none());
//! assert_eq!(reader.view().head().hash(), header.hash());
//! # Ok::<(), actoreum_chain::OpenError>(())
//! ```

mod addresses;
pub mod bloom_index;
mod body;
mod branch;
mod build;
mod chain;
mod commit;
mod dev_rules;
mod error;
mod events;
mod fork;
mod future;
pub mod genesis;
mod import;
pub mod limits;
mod logs;
mod pipeline;
pub mod preimages;
mod receipt_chain;
mod sealed;
mod state_edit;
mod stats;
mod view;

pub use addresses::known_addresses;
pub use build::{
    BuildError, BuildPlan, BuiltBlock, ChosenFields, build, build_with_outcome, complete_header,
};
pub use chain::{BadBlock, Chain, ChainOptions};
pub use dev_rules::log_console;
pub use error::{BlockError, ImportError, OpenError};
pub use events::{ChainEvent, ExecutedBlock, ImportReport, Reorg, Rewound};
pub use fork::ForkBase;
pub use import::Detail;
pub use logs::{LogCriteria, LogWithMeta};
pub use sealed::SealedHeader;
pub use state_edit::{AccountEdit, Edit, StateEdit};
pub use stats::ImportStats;
pub use view::{Ancestors, ChainReader, ChainView, TransactionLocation};
