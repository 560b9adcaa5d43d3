//! Messages to DevActor, which holds what the user of a development chain sets beside its blocks.

use actoreum_primitives::{Address, B256};
use actoreum_supervision::Message;

use crate::worker::MineFailed;

/// Lets an account send transactions without its key.
///
/// From: `hardhat_impersonateAccount` and related methods. Answers whether the account was not
/// listed before.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Result<bool, TooMany>)]
pub struct Impersonate(pub Address);

/// Ends [`Impersonate`]. Answers whether the account was listed.
///
/// From: `hardhat_stopImpersonatingAccount` and related methods.
#[derive(Debug, Clone, Copy, Message)]
#[answer(bool)]
pub struct StopImpersonating(pub Address);

/// Sets whether every account sends transactions without its key, or the listed ones alone.
///
/// From: `anvil_autoImpersonateAccount`.
#[derive(Debug, Clone, Copy, Message)]
pub struct ImpersonateAll(pub bool);

/// Takes a snapshot of the chain. Answers its id, which is never given again.
///
/// From: `evm_snapshot`.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Result<u64, TooMany>)]
pub struct TakeSnapshot;

/// Restores head and clock of a snapshot, which is used up, together with later ones. Answers false
/// if there is no such snapshot, or if its block has left the chain.
///
/// From: `evm_revert`.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Result<bool, MineFailed>)]
pub struct RevertTo(pub u64);

/// Begins again at the genesis block: without transactions in the pool, snapshots, impersonated
/// accounts and settings of blocks, with the system's clock. Answers the hash of the genesis block.
///
/// From: `hardhat_reset`, `anvil_reset`.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Result<B256, MineFailed>)]
pub struct Reset;

/// Sets whether DevActor logs what the user's requests did, and whether the calls of Hardhat's
/// `console.log` are logged.
///
/// From: `hardhat_setLoggingEnabled`.
#[derive(Debug, Clone, Copy, Message)]
pub struct SetLogging(pub bool);

/// Reason why nothing more is taken: this number is held already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} are held already")]
pub struct TooMany(pub usize);
