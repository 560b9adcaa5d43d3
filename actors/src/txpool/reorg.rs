//! Reinjection of the transactions of blocks that left the chain.
//!
//! The blocks are found by a walk from the pool's last head down to the chain, not by events: no
//! transaction is lost with an event that was dropped or that shortened a large reorg.

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

/// The last head of the pool. It survives restarts of the actor, so that a reorg during a restart
/// is noticed.
#[derive(Debug, Clone, Default)]
pub(super) struct LastHead(Arc<Mutex<Option<B256>>>);

impl LastHead {
    pub(super) fn get(&self) -> Option<B256> {
        *self.0.lock()
    }

    pub(super) fn set(&self, hash: B256) {
        *self.0.lock() = Some(hash);
    }
}

/// Capacity of the pool: more transactions would be dropped there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Capacity {
    pub(super) transactions: u64,
    pub(super) bytes: usize,
}

impl Capacity {
    pub(super) fn of(config: &PoolConfig) -> Self {
        Self {
            transactions: config.global_slots.saturating_add(config.global_queue),
            bytes: config.max_bytes,
        }
    }

    /// Takes the place of a transaction. Returns false where there is none.
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

/// Returns the transactions that left the chain since its head was `last_head`, by nonce: those of
/// the oldest blocks where there is no room for all, since a sender's later transactions depend on
/// the earlier ones.
pub(super) fn reinjected(
    chain_reader: &ChainReader,
    last_head: &B256,
    changed: Option<&ChainChanged>,
    capacity: Capacity,
    limbo: &Limbo,
) -> Vec<Arc<PoolTx>> {
    let deleted = changed.map(|changed| deleted_blocks(chain_reader, changed));
    let deleted = deleted.unwrap_or_default();
    let transactions = match oldest_transactions(chain_reader, last_head, deleted, capacity) {
        Ok(transactions) => transactions,
        Err(error) => {
            warn!(%error, "transactions of a reorg not read, they do not return to the pool");
            return Vec::new();
        }
    };
    let rules = sender_rules(chain_reader);
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

/// Returns the blocks that a rewind deleted, which are in the event only. The user of a development
/// chain wants them gone, as in Hardhat, anvil and geth; the users of an operator's node do not.
fn deleted_blocks(chain_reader: &ChainReader, changed: &ChainChanged) -> HashMap<B256, Arc<Block>> {
    let is_rewind = matches!(changed.cause, ChainCause::Rewind(_));
    if !is_rewind || chain_reader.config().is_development {
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
    chain_reader: &ChainReader,
    last_head: &B256,
    deleted: HashMap<B256, Arc<Block>>,
    mut capacity: Capacity,
) -> Result<Vec<Transaction>, StorageError> {
    let left = reverted_blocks(chain_reader, last_head)?;
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
            let is_mined = chain_reader
                .store()
                .transaction_block(&transaction.hash())?
                .is_some();
            if !is_mined && capacity.take(transaction) {
                transactions.push(transaction.clone());
            }
        }
        Ok(())
    };
    for (_, block) in &blocks {
        add(block)?;
    }
    for hash in left.iter().rev().filter(|hash| !seen.contains(*hash)) {
        if let Some(block) = chain_reader.block_by_hash(hash)? {
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
    // Blocks have a sender's transactions in the order of their nonces; this sort keeps that across
    // blocks.
    transactions.sort_by_key(Transaction::nonce);
    Ok(transactions)
}

/// Returns the hashes of the blocks from `last_head` down to the chain, newest first, as far as the
/// database has them.
fn reverted_blocks(
    chain_reader: &ChainReader,
    last_head: &B256,
) -> Result<Vec<B256>, StorageError> {
    let mut left = Vec::new();
    let mut walk = *last_head;
    while let Some(header) = chain_reader.header_by_hash(&walk)? {
        if chain_reader.canonical_hash(header.number)? == Some(walk) {
            break;
        }
        left.push(walk);
        walk = header.parent_hash;
    }
    Ok(left)
}
