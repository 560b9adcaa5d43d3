//! The execution pipeline of consecutive blocks: execution on this thread, roots on another.
//!
//! ```text
//!   senders (all cores) --> execute over FlatBuffer --> state and receipts roots over TrieBuffer
//!      a segment ahead        block n + 2                  block n
//! ```

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use actoreum_consensus::Engine;
use actoreum_evm::{BlockOutcome, IntermediateRoots, execute_block};
use actoreum_primitives::{
    Address, B256, Block, BlockHashes, ChainConfig, Fork, Receipt, StateDiff, StateError,
    receipt_trie_items,
};
use actoreum_storage::{FlatBuffer, TrieBuffer};

use crate::{
    BlockError, StateEdit, body,
    dev_rules::{self, log_console},
    limits::PIPELINE_DEPTH,
    preimages::{self, Touched},
    stats::ImportStats,
};

/// A block that was executed and whose roots match its header.
#[derive(Debug)]
pub(crate) struct Executed {
    pub receipts: Arc<Vec<Receipt>>,
    /// Senders of the transactions.
    pub senders: Vec<Address>,
    /// The accounts and slots that the block changed, on a development chain.
    pub touched: Touched,
}

/// The outcome of an execution, with the senders of the transactions.
type Outcome = (BlockOutcome, Vec<Address>);

/// The inputs of a pipeline.
pub(crate) struct Pipeline<'a> {
    pub config: &'a ChainConfig,
    pub engine: &'a dyn Engine,
    pub hashes: &'a dyn BlockHashes,
    pub interrupt: &'a AtomicBool,
    pub flat: &'a mut FlatBuffer,
    pub trie: &'a mut TrieBuffer,
}

/// The result of a pipeline: the valid blocks, and the error of the first invalid one.
pub(crate) struct Progress {
    pub executed: Vec<Executed>,
    pub refused: Option<BlockError>,
    pub stats: ImportStats,
}

impl Pipeline<'_> {
    /// Executes `blocks`, each the child of the one before, on the state of the first one's parent.
    /// After a refusal the buffers may be ahead of the last valid block: the caller drops them.
    pub(crate) fn run(
        self,
        blocks: &[Block],
        mut senders: impl FnMut(usize) -> Result<Vec<Address>, BlockError>,
    ) -> Progress {
        // The stages of a single block follow one another: a thread would only cost time.
        let is_single = blocks.len() == 1;
        let with_roots = blocks
            .iter()
            .any(|block| needs_intermediate_roots(self.config, block));
        if is_single || with_roots {
            return self.run_sequential(blocks, senders, with_roots);
        }
        let Self {
            config,
            engine,
            hashes,
            interrupt,
            flat,
            trie,
        } = self;
        let (to_roots, from_execution) = sync_channel(PIPELINE_DEPTH);
        thread::scope(|scope| {
            let mut roots = RootCheck {
                trie,
                keeps_preimages: config.is_development,
            };
            let roots = scope.spawn(move || roots.check_all(blocks, from_execution));
            let mut execution = Duration::ZERO;
            let refused = blocks.iter().enumerate().find_map(|(index, block)| {
                if interrupt.load(Ordering::Relaxed) {
                    return Some(BlockError::Interrupted);
                }
                let senders = match senders(index) {
                    Ok(senders) => senders,
                    Err(error) => return Some(error),
                };
                let started = Instant::now();
                let outcome = execute(config, engine, hashes, flat, block, &senders, None);
                let sent = outcome.and_then(|mut outcome| {
                    edit(config, flat, block, &mut outcome)?;
                    flat.apply(&outcome.diff);
                    execution += started.elapsed();
                    send(&to_roots, (outcome, senders))
                });
                sent.err()
            });
            drop(to_roots);
            let mut progress = match roots.join() {
                Ok(progress) => progress,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            // A block refused by the roots comes before one refused by the execution.
            progress.refused = progress.refused.or(refused);
            progress.stats.execution = execution;
            progress
        })
    }

    /// Runs like [`Self::run`], on one thread. With `with_roots` the receipts hold state roots, as
    /// before Byzantium.
    fn run_sequential(
        self,
        blocks: &[Block],
        mut senders: impl FnMut(usize) -> Result<Vec<Address>, BlockError>,
        with_roots: bool,
    ) -> Progress {
        let Self {
            config,
            engine,
            hashes,
            interrupt,
            flat,
            trie,
        } = self;
        let mut progress = Progress {
            executed: Vec::new(),
            refused: None,
            stats: ImportStats::default(),
        };
        for (index, block) in blocks.iter().enumerate() {
            if interrupt.load(Ordering::Relaxed) {
                progress.refused = Some(BlockError::Interrupted);
                break;
            }
            let mut roots = RootsInBlock {
                trie: &*trie,
                diff: StateDiff::default(),
            };
            let senders = senders(index);
            let started = Instant::now();
            let checked = senders
                .and_then(|senders| {
                    let roots = with_roots.then_some(&mut roots as &mut dyn IntermediateRoots);
                    let outcome = execute(config, engine, hashes, flat, block, &senders, roots);
                    Ok((outcome?, senders))
                })
                .and_then(|(mut outcome, senders)| {
                    edit(config, flat, block, &mut outcome)?;
                    flat.apply(&outcome.diff);
                    progress.stats.execution += started.elapsed();
                    let mut roots = RootCheck {
                        trie: &mut *trie,
                        keeps_preimages: config.is_development,
                    };
                    roots.check(block, (outcome, senders), &mut progress.stats)
                });
            match checked {
                Ok(executed) => progress.executed.push(executed),
                Err(error) => {
                    progress.refused = Some(error);
                    break;
                }
            }
        }
        progress
    }
}

/// Returns true if the block's receipts hold intermediate state roots (before Byzantium).
fn needs_intermediate_roots(config: &ChainConfig, block: &Block) -> bool {
    let header = &block.header;
    !block.body.transactions.is_empty()
        && config.fork_at(header.number, header.timestamp) < Fork::Byzantium
}

/// Executes a block and compares gas, blob gas and requests hash with its header.
fn execute<'a>(
    config: &'a ChainConfig,
    engine: &dyn Engine,
    hashes: &'a dyn BlockHashes,
    flat: &'a FlatBuffer,
    block: &Block,
    senders: &[Address],
    roots: Option<&'a mut dyn IntermediateRoots>,
) -> Result<BlockOutcome, BlockError> {
    let header = &block.header;
    let beneficiary = engine.author(header)?;
    let rewards = engine.rewards(config, header, &block.body.ommers);
    let outcome = execute_block(
        config,
        header,
        &block.body,
        senders,
        beneficiary,
        &rewards,
        flat,
        hashes,
        roots,
    )?;
    if outcome.gas_used != header.gas_used {
        return Err(BlockError::GasUsed {
            remote: header.gas_used,
            local: outcome.gas_used,
        });
    }
    if let Some(remote) = header.blob_gas_used
        && remote != outcome.blob_gas_used
    {
        return Err(BlockError::BlobGasUsed {
            remote,
            local: outcome.blob_gas_used,
        });
    }
    log_console(config, &outcome.console);
    let requests_hash = outcome.requests_hash();
    if requests_hash != header.requests_hash {
        return Err(BlockError::RequestsHash {
            remote: header.requests_hash,
            local: requests_hash,
        });
    }
    Ok(outcome)
}

/// Merges the state edit that a block of a development chain commits to.
fn edit(
    config: &ChainConfig,
    flat: &FlatBuffer,
    block: &Block,
    outcome: &mut BlockOutcome,
) -> Result<(), BlockError> {
    if !config.is_development || !block.body.transactions.is_empty() {
        return Ok(());
    }
    if let Some(edit) = StateEdit::of_block(flat.store(), &block.header)? {
        let diff = edit.diff(flat, &outcome.diff)?;
        outcome.diff.merge(diff);
        dev_rules::change(config, flat.store(), &edit, block.header.number)?;
    }
    Ok(())
}

/// Sends an outcome to the root thread. That thread ends early only if it refused a block, and
/// reports the error itself.
fn send(to_roots: &SyncSender<Outcome>, outcome: Outcome) -> Result<(), BlockError> {
    to_roots.send(outcome).map_err(|_| BlockError::Interrupted)
}

/// The check of executed blocks against their headers.
struct RootCheck<'a> {
    trie: &'a mut TrieBuffer,
    /// Whether the preimages of the state's hashes are kept, as on a development chain.
    keeps_preimages: bool,
}

impl RootCheck<'_> {
    fn check_all(&mut self, blocks: &[Block], outcomes: Receiver<Outcome>) -> Progress {
        let mut progress = Progress {
            executed: Vec::new(),
            refused: None,
            stats: ImportStats::default(),
        };
        for (block, outcome) in blocks.iter().zip(outcomes) {
            match self.check(block, outcome, &mut progress.stats) {
                Ok(executed) => progress.executed.push(executed),
                Err(error) => {
                    progress.refused = Some(error);
                    break;
                }
            }
        }
        progress
    }

    /// Compares bloom, receipts root and state root of an executed block with its header.
    fn check(
        &mut self,
        block: &Block,
        (outcome, senders): Outcome,
        stats: &mut ImportStats,
    ) -> Result<Executed, BlockError> {
        let started = Instant::now();
        let header = &block.header;
        let bloom = outcome.logs_bloom();
        if bloom != header.logs_bloom {
            return Err(BlockError::LogsBloom {
                remote: Box::new(header.logs_bloom),
                local: Box::new(bloom),
            });
        }
        let receipts_root = body::root(&receipt_trie_items(&outcome.receipts))?;
        if receipts_root != header.receipts_root {
            return Err(BlockError::ReceiptsRoot {
                remote: header.receipts_root,
                local: receipts_root,
            });
        }
        let state_root = self.trie.apply(header.number, &outcome.diff)?;
        if state_root != header.state_root {
            return Err(BlockError::StateRoot {
                remote: header.state_root,
                local: state_root,
            });
        }
        stats.blocks += 1;
        stats.transactions += block.body.transactions.len() as u64;
        stats.gas += header.gas_used;
        stats.roots += started.elapsed();
        let touched = if self.keeps_preimages {
            preimages::touched(&outcome.diff)
        } else {
            Touched::new()
        };
        Ok(Executed {
            touched,
            receipts: Arc::new(outcome.receipts),
            senders,
        })
    }
}

/// State roots between the transactions of a block: the changes so far, applied to the parent's
/// trie.
pub(crate) struct RootsInBlock<'a> {
    pub(crate) trie: &'a TrieBuffer,
    pub(crate) diff: StateDiff,
}

impl IntermediateRoots for RootsInBlock<'_> {
    fn root(&mut self, diff: &StateDiff) -> Result<B256, StateError> {
        self.diff.merge(diff.clone());
        Ok(self.trie.root_after(&self.diff)?)
    }
}
