//! Building one block from what the pool has pending.

use std::sync::atomic::{AtomicBool, Ordering};

use actoreum_chain::{Ancestors, BlockError, ChainReader, SealedHeader};
use actoreum_consensus::{ConsensusError, Engine, limits::MAX_BLOCK_RLP_BYTES, rules::gas_limit};
use actoreum_evm::{BlockBuilder, BlockOutcome, ExecutionError, IntermediateRoots, TxError};
use actoreum_primitives::{
    Address, B256, Block, Body, Bytes, EMPTY_ROOT_HASH, Fork, Header, SenderRules, StateDiff,
    StateError, receipt_trie_items, rlp::Encode, transaction_trie_items,
};
use actoreum_storage::{StorageError, TrieBuffer};
use actoreum_trie::ordered_root;
use actoreum_txpool::Best;
use tracing::{debug, trace};

/// The least gas that a transaction can use: below it a block is full.
const LEAST_TX_GAS: u64 = 21_000;

/// Bytes of a block that are not its transactions: the header, and the lists around.
const BLOCK_FRAME_BYTES: usize = 2_048;

/// What a block is built from.
pub(super) struct BuildPlan {
    /// The head that it follows.
    pub parent: SealedHeader,
    /// The least time that it may have, in seconds since 1970.
    pub time: u64,
    /// Where the gas limit should move.
    pub gas_limit: u64,
    /// Vanity.
    pub extra_data: Bytes,
    /// Who gets the fees, and is what COINBASE returns.
    pub author: Address,
    /// Transactions, best first. `None`: none.
    pub offers: Option<Best>,
}

/// Why there is no block.
#[derive(Debug, thiserror::Error)]
pub(super) enum BuildError {
    /// A new head made it pointless.
    #[error("interrupted")]
    Interrupted,
    /// The engine can't prepare it.
    #[error(transparent)]
    Engine(#[from] ConsensusError),
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What comes before or after the transactions failed.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// A root could not be computed.
    #[error(transparent)]
    Block(#[from] BlockError),
}

/// Builds a block that lacks nothing but its seal. `interrupt` is asked before each transaction.
pub(super) fn build(
    reader: &ChainReader,
    engine: &dyn Engine,
    plan: BuildPlan,
    interrupt: &AtomicBool,
) -> Result<Block, BuildError> {
    let config = reader.config();
    let parent = &plan.parent;
    let mut header = Header {
        parent_hash: parent.hash(),
        number: parent.number + 1,
        timestamp: plan.time.max(parent.timestamp),
        beneficiary: plan.author,
        extra_data: plan.extra_data,
        ..Header::default()
    };
    engine.prepare(reader, &mut header, plan.time)?;
    header.gas_limit = gas_limit::towards(config, &header, parent, plan.gas_limit);

    let state = reader.state_at(parent.number)?;
    let hashes = Ancestors::after(reader, parent)?;
    let trie = TrieBuffer::new(reader.store().clone());
    if trie.root() != parent.state_root {
        return Err(BuildError::Interrupted);
    }
    let mut roots = RootsInBlock {
        trie: &trie,
        diff: StateDiff::default(),
    };
    let is_byzantium = config.fork_at(header.number, header.timestamp) >= Fork::Byzantium;
    let intermediate = (!is_byzantium).then_some(&mut roots as &mut dyn IntermediateRoots);
    let mut builder =
        BlockBuilder::begin(config, &header, plan.author, &state, &hashes, intermediate)?;
    let mut body = Body {
        withdrawals: header.withdrawals_root.map(|_| Vec::new()),
        ..Body::default()
    };
    if let Some(offers) = plan.offers {
        let rules = SenderRules::at(config, header.number, header.timestamp);
        fill(&mut builder, &mut body, offers, rules, interrupt)?;
    }
    let rewards = engine.rewards(config, &header, &body.ommers);
    let outcome = builder.finish(&rewards, &[])?;
    conclude(&mut header, &body, &outcome)?;
    header.state_root = trie.peek(&outcome.diff)?;
    if reader.head().hash() != parent.hash() {
        // The tries moved on while they were read.
        return Err(BuildError::Interrupted);
    }
    Ok(Block { header, body })
}

/// Adds transactions until the block is full or nothing is left.
fn fill(
    builder: &mut BlockBuilder<'_>,
    body: &mut Body,
    mut offers: Best,
    rules: SenderRules,
    interrupt: &AtomicBool,
) -> Result<(), BuildError> {
    let mut bytes = BLOCK_FRAME_BYTES;
    while builder.gas_left() >= LEAST_TX_GAS {
        if interrupt.load(Ordering::Relaxed) {
            return Err(BuildError::Interrupted);
        }
        let Some(offer) = offers.next() else { break };
        let (transaction, sender) = (offer.transaction(), offer.sender());
        if bytes + transaction.length() > MAX_BLOCK_RLP_BYTES {
            offers.skip_sender(sender);
            continue;
        }
        if let Err(error) = rules.sender(transaction) {
            debug!(hash = %offer.hash(), %error, "transaction left out");
            offers.skip_sender(sender);
            continue;
        }
        match builder.try_transaction(transaction, sender) {
            Ok(_) => {
                bytes += transaction.length();
                body.transactions.push(transaction.clone());
            }
            // The pool has not seen the newest head yet: the sender's next one may do.
            Err(TxError::NonceTooLow { .. }) => {}
            Err(TxError::State(failure)) => return Err(ExecutionError::State(failure).into()),
            Err(error) => {
                trace!(hash = %offer.hash(), %error, "transaction left out");
                offers.skip_sender(sender);
            }
        }
    }
    Ok(())
}

/// Puts into the header what the execution left, save the state root.
fn conclude(header: &mut Header, body: &Body, outcome: &BlockOutcome) -> Result<(), BuildError> {
    header.gas_used = outcome.gas_used;
    header.blob_gas_used = header.blob_gas_used.map(|_| outcome.blob_gas_used);
    header.requests_hash = outcome.requests_hash();
    header.logs_bloom = outcome.logs_bloom();
    header.ommers_hash = body.ommers_hash();
    header.transactions_root = root(&transaction_trie_items(&body.transactions))?;
    header.receipts_root = root(&receipt_trie_items(&outcome.receipts))?;
    Ok(())
}

fn root(items: &[Vec<u8>]) -> Result<B256, StorageError> {
    if items.is_empty() {
        return Ok(EMPTY_ROOT_HASH);
    }
    Ok(ordered_root(items)?)
}

/// State roots between the transactions of a block before Byzantium.
struct RootsInBlock<'a> {
    trie: &'a TrieBuffer,
    diff: StateDiff,
}

impl IntermediateRoots for RootsInBlock<'_> {
    fn root(&mut self, diff: &StateDiff) -> Result<B256, StateError> {
        self.diff.merge(diff.clone());
        Ok(self.trie.peek(&self.diff)?)
    }
}
