//! Building of unsealed blocks.

use actoreum_consensus::{
    ConsensusError, Engine,
    rules::{
        base_fee::{base_fee_before_idle, next_base_fee},
        gas_limit,
    },
};
use actoreum_evm::{BlockBuilder, BlockOutcome, ExecutionError, IntermediateRoots};
use actoreum_primitives::{
    Address, B256, Block, Body, Bytes, Fork, Header, Receipt, StateDiff, StateError,
    receipt_trie_items, transaction_trie_items, withdrawal_trie_items,
};
use actoreum_storage::{StorageError, TrieBuffer};

use crate::{
    Ancestors, BlockError, ChainReader, SealedHeader, StateEdit, body::root, pipeline::RootsInBlock,
};

/// The inputs of a block to be built.
#[derive(Debug, Clone)]
pub struct BuildPlan {
    /// The parent: the current head.
    pub parent: SealedHeader,
    /// The lowest timestamp that the block may have, in seconds since 1970.
    pub time: u64,
    /// The target that the gas limit moves towards.
    pub gas_limit: u64,
    /// The vanity part of the extra data.
    pub extra_data: Bytes,
    /// The recipient of the fees, and the value of COINBASE: in clique the signer.
    pub author: Address,
    /// A change of the state by the user of a development chain. A block with an edit has no
    /// transactions, and its vanity is the edit's hash.
    pub edit: Option<StateEdit>,
    /// Fields of the header that the user of a development chain chose.
    pub chosen: ChosenFields,
}

/// Fields of the next block's header that the user of a development chain chooses, in place of
/// those that the rules determine.
///
/// The timestamp is in [`BuildPlan::time`] where a block is built: a pending block and a block that
/// is sealed have it by different rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChosenFields {
    /// The base fee in wei per gas.
    pub base_fee: Option<u64>,
    /// The value of PREVRANDAO, on a merged chain.
    pub prev_randao: Option<B256>,
    /// The timestamp in seconds since 1970.
    pub timestamp: Option<u64>,
}

impl ChosenFields {
    /// Drops the fields that a block had, unless they were chosen again meanwhile.
    pub fn drop_used(&mut self, used: Self) {
        let Self {
            base_fee,
            prev_randao,
            timestamp,
        } = self;
        base_fee.take_if(|fee| used.base_fee == Some(*fee));
        prev_randao.take_if(|value| used.prev_randao == Some(*value));
        timestamp.take_if(|time| used.timestamp == Some(*time));
    }

    /// Writes the fields into a header that the engine has prepared. A field that the header's fork
    /// does not have stays absent.
    fn apply(&self, header: &mut Header) {
        if let (Some(base_fee), Some(field)) = (self.base_fee, &mut header.base_fee_per_gas) {
            *field = base_fee;
        }
        if let Some(prev_randao) = self.prev_randao
            && header.difficulty.is_zero()
        {
            header.mix_hash = prev_randao;
        }
    }
}

/// An error that stopped the building of a block.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A new head made the block obsolete.
    #[error("interrupted")]
    Interrupted,
    /// The engine could not prepare the header.
    #[error(transparent)]
    Engine(#[from] ConsensusError),
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A system call before or after the transactions failed.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// A root could not be computed.
    #[error(transparent)]
    Block(#[from] BlockError),
}

/// Builds an unsealed block on the head.
///
/// `fill` gets the header as far as it is known, and adds transactions (to the builder and, if the
/// builder accepts one, to the body) or ommers.
pub fn build(
    reader: &ChainReader,
    engine: &dyn Engine,
    plan: BuildPlan,
    fill: impl FnOnce(&Header, &mut BlockBuilder<'_>, &mut Body) -> Result<(), BuildError>,
) -> Result<Block, BuildError> {
    build_with_outcome(reader, engine, plan, fill).map(|built| built.block)
}

/// An unsealed block with the result of its execution.
#[derive(Debug)]
pub struct BuiltBlock {
    /// The block.
    pub block: Block,
    /// The state changes that it makes.
    pub diff: StateDiff,
    /// The receipts of its transactions.
    pub receipts: Vec<Receipt>,
}

/// Builds a block like [`build`], and returns the result of its execution with it.
pub fn build_with_outcome(
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
    plan.chosen.apply(&mut header);
    if plan.edit.is_some() {
        // An edit takes no part in the fee market: the block after it has the base fee that it
        // would have without the edit.
        let next = next_base_fee(config, parent);
        header.base_fee_per_gas = header.base_fee_per_gas.map(|_| base_fee_before_idle(next));
        if header.difficulty.is_zero() {
            // The engine gave it a second of its own.
            header.timestamp = parent.timestamp;
        }
    }
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
        // The edit is recorded before the block is sealed, so that every execution of the block
        // finds it, also after a crash.
        edit.record(reader.store())?;
        let diff = edit.diff(&state, &outcome.diff)?;
        outcome.diff.merge(diff);
    }
    complete_header(&mut header, &body, &outcome)?;
    header.state_root = trie.root_after(&outcome.diff)?;
    if reader.head().hash() != parent.hash() {
        // A new head was committed while the tries were read.
        return Err(BuildError::Interrupted);
    }
    Ok(BuiltBlock {
        block: Block { header, body },
        diff: outcome.diff,
        receipts: outcome.receipts,
    })
}

/// Writes the roots of the body and the results of the execution into the header, except the state
/// root.
///
/// # Errors
/// A trie of the body cannot be built.
pub fn complete_header(
    header: &mut Header,
    body: &Body,
    outcome: &BlockOutcome,
) -> Result<(), BuildError> {
    header.gas_used = outcome.gas_used;
    header.blob_gas_used = header.blob_gas_used.map(|_| outcome.blob_gas_used);
    header.requests_hash = outcome.requests_hash();
    header.logs_bloom = outcome.logs_bloom();
    header.ommers_hash = body.ommers_hash();
    if let Some(withdrawals) = &body.withdrawals {
        header.withdrawals_root = Some(root(&withdrawal_trie_items(withdrawals))?);
    }
    header.transactions_root = root(&transaction_trie_items(&body.transactions))?;
    header.receipts_root = root(&receipt_trie_items(&outcome.receipts))?;
    Ok(())
}
