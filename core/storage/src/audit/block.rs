//! Validation of one canonical block against the hashes and indexes.

use actoreum_primitives::{
    B256, Block, EMPTY_ROOT_HASH, Header, Receipt, U256, receipt_trie_items,
    transaction_trie_items, withdrawal_trie_items,
};
use actoreum_trie::ordered_root;

use crate::{StorageError, Store};

/// A block whose header, body and receipts match.
pub(super) struct ValidBlock {
    pub(super) hash: B256,
    pub(super) block: Block,
    pub(super) total_difficulty: U256,
}

/// The parent's values that the next block must match.
#[derive(Clone, Copy)]
pub(super) struct Parent {
    pub(super) hash: B256,
    pub(super) total_difficulty: U256,
}

impl ValidBlock {
    pub(super) const fn as_parent(&self) -> Parent {
        Parent {
            hash: self.hash,
            total_difficulty: self.total_difficulty,
        }
    }
}

/// The reason why a block could not be validated: it is damaged, or the store failed.
pub(super) enum CheckError {
    /// The stored data are missing, damaged or inconsistent.
    Invalid(String),
    /// The store failed for another reason.
    Failed(StorageError),
}

impl From<StorageError> for CheckError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Corrupt(what) => Self::Invalid(what),
            StorageError::Trie(error) => Self::Invalid(error.to_string()),
            other => Self::Failed(other),
        }
    }
}

impl Store {
    /// Reads a canonical block with everything that its header commits to.
    pub(super) fn valid_block(
        &self,
        number: u64,
        parent: Option<Parent>,
    ) -> Result<ValidBlock, CheckError> {
        let fault = |what: &str| CheckError::Invalid(format!("block {number}: {what}"));
        let hash = self
            .canonical_hash(number)?
            .ok_or_else(|| fault("its canonical hash is missing"))?;
        let header = self
            .header(&hash, number)?
            .ok_or_else(|| fault("its header is missing"))?;
        if header.hash() != hash || header.number != number {
            return Err(fault("its header belongs to another block"));
        }
        if parent.is_some_and(|parent| parent.hash != header.parent_hash) {
            return Err(fault(
                "its parent hash is not the hash of the block before it",
            ));
        }
        let body = self
            .body(&hash, number)?
            .ok_or_else(|| fault("its body is missing"))?;
        let block = Block { header, body };
        if !body_matches(&block)? {
            return Err(fault("its body does not match its header"));
        }
        let receipts = match self.receipts(&hash, number)? {
            Some(receipts) => receipts,
            None if block.header.receipts_root == EMPTY_ROOT_HASH => Vec::new(),
            None => return Err(fault("its receipts are missing")),
        };
        if !receipts_match(&block.header, &receipts)? {
            return Err(fault("its receipts do not match its header"));
        }
        let below = parent.map_or(U256::ZERO, |parent| parent.total_difficulty);
        Ok(ValidBlock {
            hash,
            total_difficulty: below.saturating_add(block.header.difficulty),
            block,
        })
    }

    /// Returns the indexes' errors about a block.
    pub(super) fn index_faults(&self, block: &ValidBlock) -> Result<Vec<String>, StorageError> {
        let number = block.block.header.number;
        let mut faults = Vec::new();
        let total = self.total_difficulty(&block.hash, number);
        if none_if_damaged(total)? != Some(Some(block.total_difficulty)) {
            faults.push(format!("block {number}: its total difficulty is wrong"));
        }
        if none_if_damaged(self.number_of(&block.hash))? != Some(Some(number)) {
            faults.push(format!("block {number}: its hash is not in the index"));
        }
        for transaction in &block.block.body.transactions {
            let hash = transaction.hash();
            if none_if_damaged(self.transaction_block(&hash))? != Some(Some(number)) {
                faults.push(format!(
                    "transaction {hash} of block {number} is not in the index"
                ));
            }
        }
        Ok(faults)
    }
}

/// Returns `None` for data that cannot be read because they are damaged.
pub(super) fn none_if_damaged<T>(
    outcome: Result<T, StorageError>,
) -> Result<Option<T>, StorageError> {
    match outcome.map_err(CheckError::from) {
        Ok(value) => Ok(Some(value)),
        Err(CheckError::Invalid(_)) => Ok(None),
        Err(CheckError::Failed(error)) => Err(error),
    }
}

/// Returns true if a block's body matches its header.
pub(super) fn body_matches(block: &Block) -> Result<bool, StorageError> {
    let (header, body) = (&block.header, &block.body);
    let withdrawals_root = body.withdrawals.as_deref().map(withdrawal_trie_items);
    let withdrawals_root = withdrawals_root.as_deref().map(root).transpose()?;
    Ok(body.ommers_hash() == header.ommers_hash
        && root(&transaction_trie_items(&body.transactions))? == header.transactions_root
        && withdrawals_root == header.withdrawals_root)
}

/// Returns true if receipts match a header.
pub(super) fn receipts_match(header: &Header, receipts: &[Receipt]) -> Result<bool, StorageError> {
    Ok(root(&receipt_trie_items(receipts))? == header.receipts_root)
}

fn root(items: &[Vec<u8>]) -> Result<B256, StorageError> {
    if items.is_empty() {
        return Ok(EMPTY_ROOT_HASH);
    }
    Ok(ordered_root(items)?)
}
