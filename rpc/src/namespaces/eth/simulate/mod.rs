//! `eth_simulateV1`: the execution of blocks of calls on top of a block, as geth's later versions do.

mod args;
mod block;
mod errors;
mod sequence;

use std::cell::RefCell;

use actoreum_chain::{Ancestors, SealedHeader};
use actoreum_primitives::{Address, B256, Block, BlockHashes, StateDiff, StateError};
use actoreum_storage::{StorageError, TrieBuffer};

use self::args::SimulateArgs;
use self::block::{CallResult, simulate_block};
use self::sequence::{PlannedBlock, plan};
use super::state;
use crate::error::RpcError;
use crate::namespaces::block_id::{BlockId, BlockNumber};
use crate::node::{Node, storage};
use crate::render::{self, BlockView, TotalDifficulty};
use crate::server::deadline::Deadline;
use crate::server::json::{JsonOut, WriteJson};
use crate::server::method::Method;

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![Method::heavy(
        "eth_simulateV1",
        &["simulation", "block"],
        simulate,
    )]
}

/// A simulated block, with the results of its calls.
struct SimulatedResult {
    block: Block,
    hash: B256,
    /// The senders of the transactions; `None` to show the transactions by their hashes.
    senders: Option<Vec<Address>>,
    calls: Vec<CallResult>,
}

impl WriteJson for SimulatedResult {
    fn write_json(&self, out: &mut JsonOut) {
        let view = BlockView {
            block: &self.block,
            hash: self.hash,
            total_difficulty: TotalDifficulty::Omitted,
            senders: self.senders.as_deref(),
        };
        render::write_simulated_block(out, &view, &self.calls);
    }
}

/// An error of a simulation. An error of the store may come from a commit in between.
enum SimulationError {
    Store(StorageError),
    Rpc(RpcError),
}

impl From<RpcError> for SimulationError {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}

impl From<StorageError> for SimulationError {
    fn from(error: StorageError) -> Self {
        Self::Store(error)
    }
}

/// The inputs of a simulation that all its blocks share.
struct Simulation<'a> {
    node: &'a Node,
    base: SealedHeader,
    validates: bool,
    traces_transfers: bool,
    deadline: Deadline,
    hashes: Hashes<'a>,
}

fn simulate(
    node: &Node,
    (args, id): (SimulateArgs, Option<BlockId>),
) -> Result<Vec<SimulatedResult>, RpcError> {
    let id = id.unwrap_or(BlockNumber::Latest.into());
    let header_missing = || RpcError::server("header not found");
    // The tries of a pending block are not kept, so the head takes its place.
    let id = match id {
        BlockId::Number(BlockNumber::Pending) => BlockNumber::Latest.into(),
        id => id,
    };
    let base = state::state_at(node, id)?
        .ok_or_else(header_missing)?
        .header;
    let blocks = plan(&base, args.blocks)?;
    let number = base.number;
    let simulation = Simulation {
        node,
        validates: args.validates,
        traces_transfers: args.traces_transfers,
        deadline: Deadline::within(node.settings.call_timeout),
        hashes: Hashes {
            first: number + 1,
            simulated: RefCell::default(),
            below: Ancestors::of_batch(&node.chain_reader, number + 1, &[]),
        },
        base,
    };
    let store = node.chain_reader.store();
    let results = store.with_tries(number, |tries| match simulation.run(&blocks, tries) {
        Err(SimulationError::Store(error)) => Err(error),
        Err(SimulationError::Rpc(error)) => Ok(Err(error)),
        Ok(results) => Ok(Ok(results)),
    });
    let mut results = results.map_err(storage)??;
    if !args.returns_full {
        for result in &mut results {
            result.senders = None;
        }
    }
    Ok(results)
}

impl Simulation<'_> {
    /// Executes the blocks one after another.
    fn run(
        &self,
        blocks: &[PlannedBlock],
        mut tries: TrieBuffer,
    ) -> Result<Vec<SimulatedResult>, SimulationError> {
        self.hashes.simulated.borrow_mut().clear();
        let mut gas_left = self.node.settings.gas_cap;
        let mut changes = StateDiff::default();
        let mut parent = self.base.clone();
        let mut results = Vec::with_capacity(blocks.len());
        for block in blocks {
            let (result, diff) =
                simulate_block(self, block, &parent, &changes, &mut gas_left, &mut tries)?;
            changes.merge(diff);
            self.hashes.simulated.borrow_mut().push(result.hash);
            parent = SealedHeader::new(result.block.header.clone());
            results.push(result);
        }
        Ok(results)
    }
}

/// The hashes of the simulated blocks and of the blocks below them.
struct Hashes<'a> {
    /// Number of the first simulated block.
    first: u64,
    simulated: RefCell<Vec<B256>>,
    below: Ancestors<'a>,
}

impl BlockHashes for Hashes<'_> {
    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        let Some(index) = number.checked_sub(self.first) else {
            return self.below.block_hash(number);
        };
        let simulated = self.simulated.borrow();
        let index = usize::try_from(index).ok();
        let hash = index.and_then(|index| simulated.get(index));
        hash.copied().ok_or(StateError::Missing(number))
    }
}
