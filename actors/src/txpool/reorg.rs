//! The transactions of blocks that left the chain, on their way back into the pool.
//!
//! They are found by walking from the block that the pool stood on down to the chain, whatever
//! moved it: an event that got lost, or that told a large reorg in short, loses no transaction.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use actoreum_chain::{ChainEvent, ChainReader};
use actoreum_messages::events::{ChainCause, ChainChanged};
use actoreum_primitives::rlp::Encode as _;
use actoreum_primitives::{B256, Block, PooledTransaction, Transaction, TxType};
use actoreum_storage::StorageError;
use actoreum_txpool::{PoolConfig, PoolTx};
use parking_lot::Mutex;
use tracing::{info, warn};

use super::limbo::Limbo;
use super::sender_rules;

/// The block that the pool stands on: it outlives every generation, so that a reorg that comes
/// while the pool is down is noticed when it is up again.
#[derive(Debug, Clone, Default)]
pub(super) struct StoodOn(Arc<Mutex<Option<B256>>>);

impl StoodOn {
    pub(super) fn get(&self) -> Option<B256> {
        *self.0.lock()
    }

    pub(super) fn set(&self, hash: B256) {
        *self.0.lock() = Some(hash);
    }
}

/// Room for transactions: more than the pool holds would be dropped there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) transactions: u64,
    pub(super) bytes: usize,
}

impl Room {
    pub(super) fn of(config: &PoolConfig) -> Self {
        Self {
            transactions: config.global_slots.saturating_add(config.global_queue),
            bytes: config.max_bytes,
        }
    }

    /// Takes the place of a transaction; false where there is none.
    fn take(&mut self, transaction: &Transaction) -> bool {
        let bytes = self.bytes.checked_sub(transaction.length());
        let (Some(transactions), Some(bytes)) = (self.transactions.checked_sub(1), bytes) else {
            return false;
        };
        *self = Self {
            transactions,
            bytes,
        };
        true
    }
}

/// The transactions that came back since the chain's head was `stood_on`, by nonce: those of the
/// oldest blocks where there is no room for all, for the later ones of a sender stand on the
/// earlier ones.
pub(super) fn returned(
    chain: &ChainReader,
    stood_on: &B256,
    changed: Option<&ChainChanged>,
    room: Room,
    limbo: &Limbo,
) -> Vec<Arc<PoolTx>> {
    let told = changed.map(|changed| deleted_blocks(chain, changed));
    let told = told.unwrap_or_default();
    let transactions = match oldest_transactions(chain, stood_on, told, room) {
        Ok(transactions) => transactions,
        Err(error) => {
            warn!(%error, "transactions of a reorg not read, they do not return to the pool");
            return Vec::new();
        }
    };
    let rules = sender_rules(chain);
    let prepared = transactions.into_iter().filter_map(|transaction| {
        if transaction.tx_type() == TxType::Blob {
            return limbo.get(&transaction.hash());
        }
        let pooled = PooledTransaction {
            transaction,
            sidecar: None,
        };
        PoolTx::prepare(pooled, &rules).ok().map(Arc::new)
    });
    prepared.collect()
}

/// Blocks that a step back deleted: nobody can look them up. The user of a development chain means
/// them to be gone, as in Hardhat, anvil and geth; an operator's users do not.
fn deleted_blocks(chain: &ChainReader, changed: &ChainChanged) -> HashMap<B256, Arc<Block>> {
    let is_rewind = matches!(changed.cause, ChainCause::Rewind(_));
    if !is_rewind || chain.config().is_development {
        return HashMap::new();
    }
    let removed = changed.events.iter().filter_map(|event| match event {
        ChainEvent::Removed(executed) => {
            Some((executed.header.hash(), Arc::clone(&executed.block)))
        }
        ChainEvent::Added(_) | ChainEvent::Side(_) | ChainEvent::Head(_) => None,
    });
    removed.collect()
}

fn oldest_transactions(
    chain: &ChainReader,
    stood_on: &B256,
    deleted: HashMap<B256, Arc<Block>>,
    mut room: Room,
) -> Result<Vec<Transaction>, StorageError> {
    let left = blocks_that_left(chain, stood_on)?;
    let mut blocks: Vec<(u64, Arc<Block>)> = Vec::new();
    let mut seen: HashSet<B256> = HashSet::new();
    for (hash, block) in deleted {
        seen.insert(hash);
        blocks.push((block.header.number, block));
    }
    let mut transactions = Vec::new();
    let depth = left.len().max(blocks.len());
    blocks.sort_by_key(|(number, _)| *number);
    let mut add = |block: &Block| -> Result<(), StorageError> {
        for transaction in &block.body.transactions {
            let is_mined = chain
                .store()
                .transaction_block(&transaction.hash())?
                .is_some();
            if !is_mined && room.take(transaction) {
                transactions.push(transaction.clone());
            }
        }
        Ok(())
    };
    for (_, block) in &blocks {
        add(block)?;
    }
    for hash in left.iter().rev().filter(|hash| !seen.contains(*hash)) {
        if let Some(block) = chain.block_by_hash(hash)? {
            add(&block)?;
        }
    }
    if !transactions.is_empty() {
        info!(
            blocks = depth,
            transactions = transactions.len(),
            "transactions of blocks that left the chain return to the pool"
        );
    }
    // Blocks hold a sender's transactions in the order of their nonces; this holds for several.
    transactions.sort_by_key(Transaction::nonce);
    Ok(transactions)
}

/// Hashes of the blocks from `stood_on` down to the chain, newest first, as far as the database
/// holds them.
fn blocks_that_left(chain: &ChainReader, stood_on: &B256) -> Result<Vec<B256>, StorageError> {
    let mut left = Vec::new();
    let mut walk = *stood_on;
    while let Some(header) = chain.header_by_hash(&walk)? {
        if chain.canonical_hash(header.number)? == Some(walk) {
            break;
        }
        left.push(walk);
        walk = header.parent_hash;
    }
    Ok(left)
}
