//! The result of the execution of a block, and the state roots that receipts need before Byzantium.

use actoreum_primitives::{B256, Bloom, Bytes, Receipt, StateDiff, StateError};

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
    /// Inputs of the calls of Hardhat's console, on a development chain.
    pub console: Vec<Bytes>,
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
