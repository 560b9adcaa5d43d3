//! Execution of a whole block.

use actoreum_primitives::{
    Address, B256, BlockHashes, Bloom, Body, Bytes, ChainConfig, Header, Receipt, StateDiff,
    StateError, StateReader, U256,
};

use crate::builder::BlockBuilder;
use crate::error::{ExecutionError, TxError};
use crate::system::requests_hash;

/// The result of the execution of a block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockOutcome {
    /// Receipts, one for each transaction.
    pub receipts: Vec<Receipt>,
    /// Changes of the state.
    pub diff: StateDiff,
    /// Gas used by the transactions.
    pub gas_used: u64,
    /// Blob gas used by the transactions (EIP-4844).
    pub blob_gas_used: u64,
    /// The requests to the consensus layer (EIP-7685), type byte first; `None` before Prague.
    pub requests: Option<Vec<Bytes>>,
}

impl BlockOutcome {
    /// Returns the bloom over all logs of the block.
    pub fn logs_bloom(&self) -> Bloom {
        let mut bloom = Bloom::ZERO;
        for receipt in &self.receipts {
            bloom |= receipt.logs_bloom;
        }
        bloom
    }

    /// Returns the header's commitment to the requests (EIP-7685); `None` before Prague.
    pub fn requests_hash(&self) -> Option<B256> {
        self.requests.as_ref().map(requests_hash)
    }
}

/// Computes state roots in the middle of a block: before Byzantium each receipt holds the state
/// root after its transaction. The keeper of the trie implements it.
pub trait IntermediateRoots {
    /// Returns the state root after `diff`, which holds the changes since the last call (for the
    /// first call, since the parent block). The diff also contains an account or a slot that
    /// changed and changed back, so that it can be applied on top of earlier diffs.
    fn root(&mut self, diff: &StateDiff) -> Result<B256, StateError>;
}

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
