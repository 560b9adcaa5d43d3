//! The one door to revm: execute a block, a transaction, a call, a trace.

mod access_list;
mod block;
mod builder;
mod call;
mod codes;
mod dao;
mod error;
mod failure;
pub mod limits;
mod machine;
mod overlay;
mod spec;
mod system;
pub mod trace;
mod tx;

pub use block::{BlockOutcome, IntermediateRoots, execute_block};
pub use builder::BlockBuilder;
pub use call::{
    AccountOverride, BlockOverrides, CallEnv, CallOutcome, CallRequest, StateOverrides, call,
    create_access_list,
};
pub use codes::CodeCache;
pub use error::{ExecutionError, StateFailure, TxError};
pub use failure::{Failure, revert_reason};
pub use system::{
    BEACON_ROOTS_ADDRESS, CONSOLIDATION_REQUESTS_ADDRESS, HISTORY_STORAGE_ADDRESS,
    WITHDRAWAL_REQUESTS_ADDRESS, requests_hash,
};
