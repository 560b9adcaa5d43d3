//! A whole block at once.

use actoreum_primitives::{
    Address, B256, BlockHashes, Bloom, Body, Bytes, ChainConfig, Header, Receipt, StateDiff,
    StateError, StateReader, U256,
};

use crate::builder::BlockBuilder;
use crate::error::{ExecutionError, TxError};
use crate::system::requests_hash;

/// What the execution of a block leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockOutcome {
    /// One a transaction.
    pub receipts: Vec<Receipt>,
    /// What changed in the state.
    pub diff: StateDiff,
    /// Gas used by the transactions.
    pub gas_used: u64,
    /// Blob gas used by the transactions (EIP-4844).
    pub blob_gas_used: u64,
    /// The requests to the consensus layer (EIP-7685), type byte first; `None` before Prague.
    pub requests: Option<Vec<Bytes>>,
}

impl BlockOutcome {
    /// The bloom over all logs of the block.
    pub fn logs_bloom(&self) -> Bloom {
        let mut bloom = Bloom::ZERO;
        for receipt in &self.receipts {
            bloom |= receipt.logs_bloom;
        }
        bloom
    }

    /// The header's commitment to the requests (EIP-7685); `None` before Prague.
    pub fn requests_hash(&self) -> Option<B256> {
        self.requests.as_ref().map(requests_hash)
    }
}

/// Whoever keeps the trie: before Byzantium each receipt holds the state root after its
/// transaction.
pub trait IntermediateRoots {
    /// The state root after `diff`, which holds the changes since the last call (for the first,
    /// since the parent block). An account or a slot that changed and changed back is in it, so
    /// it can also be laid over what is there already.
    fn root(&mut self, diff: &StateDiff) -> Result<B256, StateError>;
}

/// Executes a block on the state of its parent: system calls, transactions, requests,
/// withdrawals, rewards.
///
/// - `senders`: one a transaction, whose signatures the fork allows.
/// - `beneficiary`: gets the fees and is what COINBASE returns (on clique: the signer).
/// - `rewards`: wei for each address that the engine rewards (ethash), in order.
/// - `roots`: needed before Byzantium, unused from then on.
///
/// What the header says about the outcome (gas used, roots, bloom) is not compared here.
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
