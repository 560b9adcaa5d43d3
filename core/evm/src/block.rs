//! Execution of a whole block.

use actoreum_primitives::{Address, BlockHashes, Body, ChainConfig, Header, StateReader, U256};

use crate::builder::BlockBuilder;
use crate::error::{ExecutionError, TxError};
use crate::outcome::{BlockOutcome, IntermediateRoots};

/// Executes a block on the state of its parent: system calls, transactions, requests, withdrawals,
/// rewards.
///
/// - `senders`: the sender of each transaction. The caller has checked that the fork allows the
///   signatures.
/// - `beneficiary`: receives the fees and is returned by COINBASE (on clique: the signer).
/// - `rewards`: wei for each address that the engine rewards (ethash), in order.
/// - `roots`: required before Byzantium, unused afterwards.
///
/// The outcome is not compared with the header's gas used, roots and bloom.
#[allow(
    clippy::too_many_arguments,
    reason = "each is a different part of the block's context"
)]
pub fn execute_block<'a>(
    config: &'a ChainConfig,
    header: &Header,
    body: &Body,
    senders: &[Address],
    beneficiary: Address,
    rewards: &[(Address, U256)],
    state: &'a dyn StateReader,
    hashes: &'a dyn BlockHashes,
    roots: Option<&'a mut dyn IntermediateRoots>,
) -> Result<BlockOutcome, ExecutionError> {
    if senders.len() != body.transactions.len() {
        return Err(ExecutionError::SenderCount {
            transactions: body.transactions.len(),
            senders: senders.len(),
        });
    }
    let mut builder = BlockBuilder::begin(config, header, beneficiary, state, hashes, roots)?;
    for (index, (transaction, sender)) in body.transactions.iter().zip(senders).enumerate() {
        builder
            .try_transaction(transaction, *sender)
            .map_err(|error| match error {
                TxError::State(failure) => ExecutionError::State(failure),
                error => ExecutionError::Transaction { index, error },
            })?;
    }
    builder.finish(rewards, body.withdrawals.as_deref().unwrap_or_default())
}
