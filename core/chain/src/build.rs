//! Building a block that lacks nothing but its seal.

use actoreum_consensus::{ConsensusError, Engine, rules::gas_limit};
use actoreum_evm::{BlockBuilder, BlockOutcome, ExecutionError, IntermediateRoots};
use actoreum_primitives::{
    Address, Block, Body, Bytes, Fork, Header, Receipt, StateDiff, StateError, receipt_trie_items,
    transaction_trie_items,
};
use actoreum_storage::{StorageError, TrieBuffer};

use crate::{
    Ancestors, BlockError, ChainReader, SealedHeader, StateEdit, body::root, pipeline::RootsInBlock,
};

/// What a block is built from.
#[derive(Debug, Clone)]
pub struct BuildPlan {
    /// The head that it follows.
    pub parent: SealedHeader,
    /// The least time that it may have, in seconds since 1970.
    pub time: u64,
    /// Where the gas limit should move.
    pub gas_limit: u64,
    /// Vanity.
    pub extra_data: Bytes,
    /// Who gets the fees, and is what COINBASE returns: in clique the signer.
    pub author: Address,
    /// What the user of a development chain changes in the state. Such a block has no
    /// transactions, and its vanity is the edit's hash.
    pub edit: Option<StateEdit>,
}

/// Why there is no block.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
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

/// Builds a block on the head. `fill` gets its header as far as it is known, and adds
/// transactions: each to the builder and, where that took it, to the body; or ommers.
pub fn build(
    reader: &ChainReader,
    engine: &dyn Engine,
    plan: BuildPlan,
    fill: impl FnOnce(&Header, &mut BlockBuilder<'_>, &mut Body) -> Result<(), BuildError>,
) -> Result<Block, BuildError> {
    build_whole(reader, engine, plan, fill).map(|built| built.block)
}

/// A block that lacks nothing but its seal, and what its execution left.
#[derive(Debug)]
pub struct BuiltBlock {
    /// The block.
    pub block: Block,
    /// What it changes in the state.
    pub diff: StateDiff,
    /// The receipts of its transactions.
    pub receipts: Vec<Receipt>,
}

/// As [`build`], with what the block's execution left.
pub fn build_whole(
    reader: &ChainReader,
    engine: &dyn Engine,
    plan: BuildPlan,
    fill: impl FnOnce(&Header, &mut BlockBuilder<'_>, &mut Body) -> Result<(), BuildError>,
) -> Result<BuiltBlock, BuildError> {
    let config = reader.config();
    let parent = &plan.parent;
    let vanity = match &plan.edit {
        Some(edit) => Bytes::copy_from_slice(edit.hash().as_slice()),
        None => plan.extra_data,
    };
    let mut header = Header {
        parent_hash: parent.hash(),
        number: parent.number + 1,
        timestamp: plan.time.max(parent.timestamp),
        beneficiary: plan.author,
        extra_data: vanity,
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
    if plan.edit.is_none() {
        fill(&header, &mut builder, &mut body)?;
    }
    let rewards = engine.rewards(config, &header, &body.ommers);
    let mut outcome = builder.finish(&rewards, &[])?;
    if let Some(edit) = &plan.edit {
        // Before the block is sealed: whoever executes it, even after a crash, finds the edit.
        edit.record(reader.store())?;
        let diff = edit.diff(&state, &outcome.diff)?;
        outcome.diff.merge(diff);
    }
    conclude(&mut header, &body, &outcome)?;
    header.state_root = trie.peek(&outcome.diff)?;
    if reader.head().hash() != parent.hash() {
        // The tries moved on while they were read.
        return Err(BuildError::Interrupted);
    }
    Ok(BuiltBlock {
        block: Block { header, body },
        diff: outcome.diff,
        receipts: outcome.receipts,
    })
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
