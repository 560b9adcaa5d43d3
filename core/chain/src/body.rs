//! Checks of a body against its header, before execution.

use actoreum_consensus::rules::verify_block_size;
use actoreum_primitives::{
    Block, ChainConfig, EMPTY_ROOT_HASH, rlp::Encode, transaction_trie_items, withdrawal_trie_items,
};
use actoreum_trie::ordered_root;

use crate::BlockError;

/// Checks a block's size, and compares the roots of its body with its header's.
pub(crate) fn check_body(config: &ChainConfig, block: &Block) -> Result<(), BlockError> {
    let header = &block.header;
    verify_block_size(config, header, block.length())?;
    let have = block.body.ommers_hash();
    if have != header.ommers_hash {
        return Err(BlockError::OmmersHash {
            have,
            want: header.ommers_hash,
        });
    }
    let transactions = transaction_trie_items(&block.body.transactions);
    let have = root(&transactions)?;
    if have != header.transactions_root {
        return Err(BlockError::TransactionsRoot {
            have,
            want: header.transactions_root,
        });
    }
    match (&block.body.withdrawals, header.withdrawals_root) {
        (None, None) => Ok(()),
        (Some(withdrawals), Some(want)) => {
            if !withdrawals.is_empty() && config.terminal_total_difficulty.is_none() {
                return Err(BlockError::WithdrawalsNotAllowed);
            }
            let have = root(&withdrawal_trie_items(withdrawals))?;
            if have != want {
                return Err(BlockError::WithdrawalsRoot { have, want });
            }
            Ok(())
        }
        _ => Err(BlockError::WithdrawalsPresence),
    }
}

/// Returns the root of an index-keyed trie of `items`.
pub(crate) fn root(items: &[Vec<u8>]) -> Result<actoreum_primitives::B256, BlockError> {
    if items.is_empty() {
        return Ok(EMPTY_ROOT_HASH);
    }
    ordered_root(items).map_err(|error| BlockError::Storage(error.into()))
}
