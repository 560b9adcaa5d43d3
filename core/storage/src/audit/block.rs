//! One canonical block: whether all that the store says of it is true.

use actoreum_primitives::{
    B256, Block, EMPTY_ROOT_HASH, Header, Receipt, U256, receipt_trie_items,
    transaction_trie_items, withdrawal_trie_items,
};
use actoreum_trie::ordered_root;

use crate::{StorageError, Store};

/// A block whose header, body and receipts belong together.
pub(super) struct SoundBlock {
    pub(super) hash: B256,
    pub(super) block: Block,
    pub(super) total_difficulty: U256,
}

/// What the block before says about the next one.
#[derive(Clone, Copy)]
pub(super) struct Parent {
    pub(super) hash: B256,
    pub(super) total_difficulty: U256,
}

impl SoundBlock {
    pub(super) const fn as_parent(&self) -> Parent {
        Parent {
            hash: self.hash,
            total_difficulty: self.total_difficulty,
        }
    }
}

/// Why a block is not sound; the store failing in another way than by what it holds is apart.
pub(super) enum Unsound {
    Fault(String),
    Failed(StorageError),
}

impl From<StorageError> for Unsound {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Corrupt(what) => Self::Fault(what),
            StorageError::Trie(error) => Self::Fault(error.to_string()),
            other => Self::Failed(other),
        }
    }
}

impl Store {
    /// Reads a canonical block with all that its header commits to.
    pub(super) fn sound_block(
        &self,
        number: u64,
        parent: Option<Parent>,
    ) -> Result<SoundBlock, Unsound> {
        let fault = |what: &str| Unsound::Fault(format!("block {number}: {what}"));
        let hash = self
            .canonical_hash(number)?
            .ok_or_else(|| fault("its canonical hash is missing"))?;
        let header = self
            .header(&hash, number)?
            .ok_or_else(|| fault("its header is missing"))?;
        if header.hash() != hash || header.number != number {
            return Err(fault("its header is another block's"));
        }
        if parent.is_some_and(|parent| parent.hash != header.parent_hash) {
            return Err(fault("it does not follow the block before it"));
        }
        let body = self
            .body(&hash, number)?
            .ok_or_else(|| fault("its body is missing"))?;
        let block = Block { header, body };
        if !body_is_of(&block)? {
            return Err(fault("its body is not the one that its header commits to"));
        }
        let receipts = match self.receipts(&hash, number)? {
            Some(receipts) => receipts,
            None if block.header.receipts_root == EMPTY_ROOT_HASH => Vec::new(),
            None => return Err(fault("its receipts are missing")),
        };
        if !receipts_are_of(&block.header, &receipts)? {
            return Err(fault(
                "its receipts are not those that its header commits to",
            ));
        }
        let below = parent.map_or(U256::ZERO, |parent| parent.total_difficulty);
        Ok(SoundBlock {
            hash,
            total_difficulty: below.saturating_add(block.header.difficulty),
            block,
        })
    }

    /// What the indexes say about a block and should not.
    pub(super) fn index_faults(&self, sound: &SoundBlock) -> Result<Vec<String>, StorageError> {
        let number = sound.block.header.number;
        let mut faults = Vec::new();
        let total = self.total_difficulty(&sound.hash, number);
        if readable(total)? != Some(Some(sound.total_difficulty)) {
            faults.push(format!("block {number}: its total difficulty is wrong"));
        }
        if readable(self.number_of(&sound.hash))? != Some(Some(number)) {
            faults.push(format!("block {number}: its hash is not in the index"));
        }
        for transaction in &sound.block.body.transactions {
            let hash = transaction.hash();
            if readable(self.transaction_block(&hash))? != Some(Some(number)) {
                faults.push(format!(
                    "transaction {hash} of block {number} is not in the index"
                ));
            }
        }
        Ok(faults)
    }
}

/// `None` for what can't be read because it is damaged.
pub(super) fn readable<T>(outcome: Result<T, StorageError>) -> Result<Option<T>, StorageError> {
    match outcome.map_err(Unsound::from) {
        Ok(value) => Ok(Some(value)),
        Err(Unsound::Fault(_)) => Ok(None),
        Err(Unsound::Failed(error)) => Err(error),
    }
}

/// Whether a body is the one that its header commits to.
pub(super) fn body_is_of(block: &Block) -> Result<bool, StorageError> {
    let (header, body) = (&block.header, &block.body);
    let withdrawals_root = body.withdrawals.as_deref().map(withdrawal_trie_items);
    let withdrawals_root = withdrawals_root.as_deref().map(root).transpose()?;
    Ok(body.ommers_hash() == header.ommers_hash
        && root(&transaction_trie_items(&body.transactions))? == header.transactions_root
        && withdrawals_root == header.withdrawals_root)
}

/// Whether receipts are those that a header commits to.
pub(super) fn receipts_are_of(header: &Header, receipts: &[Receipt]) -> Result<bool, StorageError> {
    Ok(root(&receipt_trie_items(receipts))? == header.receipts_root)
}

fn root(items: &[Vec<u8>]) -> Result<B256, StorageError> {
    if items.is_empty() {
        return Ok(EMPTY_ROOT_HASH);
    }
    Ok(ordered_root(items)?)
}
