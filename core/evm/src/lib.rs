//! The EVM: execution of blocks, transactions and calls, and traces of them, with revm.
//!
//! This crate is the only one that uses revm's types, so that revm can be upgraded here alone.
//!
//! ```text
//!   header, body, senders            state of the parent (StateReader)
//!            |                                   |
//!            v                                   v
//!      BlockBuilder  -- transaction -->  revm  <-- reads --  Overlay
//!            |                             |                    |
//!            |                             +-- its changes ---->+
//!            v                                                  v
//!      receipts, gas, requests                             StateDiff
//! ```
//!
//! - [`execute_block`] executes a whole block; [`BlockBuilder`] does the same step by step, for
//!   sealing. The rules follow from the chain's config and the header; the newest forks are also
//!   available on a chain that seals its own blocks (`docs/self-sealing-forks.md`).
//! - [`call`] and [`create_access_list`] run code without changing the state.
//! - [`trace`] runs a transaction or a call under a tracer.
//!
//! A [`TxError`] is the reason why a transaction cannot be in a block; a [`Failure`] is the reason
//! why code that ran has failed. The texts of both are geth's.
//!
//! ```
//! use actoreum_evm::execute_block;
//! use actoreum_primitives::*;
//!
//! struct Empty;
//! impl StateReader for Empty {
//!     fn account(&self, _: &Address) -> Result<Option<AccountInfo>, StateError> {
//!         Ok(None)
//!     }
//!     fn storage(&self, _: &Address, _: &U256) -> Result<U256, StateError> {
//!         Ok(U256::ZERO)
//!     }
//!     fn code(&self, _: &B256) -> Result<Bytes, StateError> {
//!         Ok(Bytes::new())
//!     }
//! }
//! impl BlockHashes for Empty {
//!     fn block_hash(&self, _: u64) -> Result<B256, StateError> {
//!         Ok(B256::ZERO)
//!     }
//! }
//!
//! let (config, header, body) = (ChainConfig::default(), Header::default(), Body::default());
//! let miner = Address::repeat_byte(7);
//! let rewards = [(miner, U256::from(5))];
//! let outcome =
//!     execute_block(&config, &header, &body, &[], miner, &rewards, &Empty, &Empty, None)?;
//! assert_eq!(outcome.diff.accounts[&miner].after.map(|it| it.balance), Some(U256::from(5)));
//! # Ok::<(), actoreum_evm::ExecutionError>(())
//! ```

mod access_list;
mod block;
mod builder;
mod call;
mod codes;
pub mod console;
mod context;
mod dao;
mod error;
mod failure;
mod instructions;
mod interrupt;
pub mod limits;
mod machine;
mod outcome;
mod overlay;
mod overrides;
mod precompiles;
mod simulate;
mod spec;
mod system;
pub mod trace;
mod transfer_log;
mod tx;

pub use block::execute_block;
pub use builder::BlockBuilder;
pub use call::{CallEnv, CallOutcome, CallRequest, affordable_gas, call, create_access_list};
pub use codes::CodeCache;
pub use error::{ExecutionError, StateFailure, TxError};
pub use failure::{Failure, revert_reason};
pub use interrupt::Interrupt;
pub use outcome::{BlockOutcome, IntermediateRoots};
pub use overrides::{AccountOverride, BlockOverrides, StateOverrides};
pub use precompiles::{OverrideError, precompile_names};
pub use simulate::{SimulatedBlock, SimulatedCall, SimulationEnv};
pub use system::{
    BEACON_ROOTS_ADDRESS, CONSOLIDATION_REQUESTS_ADDRESS, HISTORY_STORAGE_ADDRESS,
    WITHDRAWAL_REQUESTS_ADDRESS, requests_hash,
};
pub use transfer_log::IndexedLog;
