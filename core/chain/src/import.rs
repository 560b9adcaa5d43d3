//! Importing blocks: on top of the head, or as a branch that may become the chain.
//!
//! ```text
//! known? -> headers, seals -> bodies, ommers, senders -> execution -> roots -> commit -> publish
//! '----------- all cores, a segment ahead of the execution ----'   '--- pipeline ---'
//!                                                        '--- a window behind ---'
//! ```

use std::{
    ops::Range,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, Scope, ScopedJoinHandle},
    time::Instant,
};

use actoreum_consensus::{BatchChain, Disposition, Engine};
use actoreum_primitives::{Address, B256, Block, recover_senders};
use actoreum_storage::StorageError;
use rayon::prelude::*;
use tracing::debug;

use crate::{
    Ancestors, BlockError, Chain, ChainEvent, ChainReader, ExecutedBlock, ImportError,
    ImportReport, ImportStats, SealedHeader,
    body::check_body,
    commit::{Canonical, Written},
    limits::{COMMIT_BLOCKS, COMMIT_GAS, COMMIT_SHARE, MOST_COMMIT_GAS, SEGMENT_BLOCKS},
    pipeline::{Executed, Pipeline, Progress},
};

/// How an import tells what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Of blocks that follow the head, the last one alone: for long runs of old blocks. Those who
    /// follow the chain read what is left out from the database, if anybody asked for it. A reorg
    /// is told as with [`Self::EveryBlock`].
    HeadOnly,
    /// Every block that became canonical or was stored, with its receipts, save for a reorg of more
    /// than [`crate::limits::TOLD_BLOCKS`]: of that the new head alone.
    EveryBlock,
}

impl Chain {
    /// Imports blocks, each the child of the one before. Those that can't become part of the
    /// chain now are stored as a branch. What the report counts is on disk.
    pub fn import(&mut self, blocks: &[Block], detail: Detail) -> ImportReport {
        let mut report = ImportReport::default();
        let before = self.head.hash();
        for block in blocks {
            self.future.remove(&block.hash());
        }
        if let Err((index, error)) = self.import_all(blocks, detail, &mut report) {
            if detail == Detail::EveryBlock && self.may_come_later(&error, &blocks[index]) {
                report.queued = self.keep_for_later(&blocks[index..]);
            }
            let index = index + report.queued;
            if let Some(block) = blocks.get(index) {
                report.refused = Some(self.refused(index, block, error));
            }
        }
        if self.head.hash() != before {
            report.events.push(ChainEvent::Head(self.head.clone()));
        }
        report
    }

    pub(crate) fn refused(
        &mut self,
        index: usize,
        block: &Block,
        error: BlockError,
    ) -> ImportError {
        let hash = block.hash();
        if error.disposition() == Disposition::Bad && !error.blames_body() {
            self.remember_bad(block, hash, error.to_string());
        }
        ImportError {
            index,
            number: block.header.number,
            hash,
            error,
        }
    }

    fn import_all(
        &mut self,
        blocks: &[Block],
        detail: Detail,
        report: &mut ImportReport,
    ) -> Result<(), (usize, BlockError)> {
        check_contiguous(blocks)?;
        report.known = self
            .count_known(blocks)
            .map_err(|error| (0, error.into()))?;
        let skipped = report.known;
        let blocks = &blocks[skipped..];
        let Some(first) = blocks.first() else {
            return Ok(());
        };
        if let Some(bad) = self
            .bad_blocks
            .iter()
            .find(|bad| bad.hash == first.header.parent_hash)
        {
            return Err((skipped, BlockError::KnownBad(bad.hash)));
        }

        let begun = Instant::now();
        let (sound, refused) = self.check_headers(blocks);
        self.stats.headers += begun.elapsed();
        let blocks = &blocks[..sound];
        let imported = if first.header.parent_hash == self.head.hash() {
            self.extend(blocks, detail, report)
        } else {
            self.branch(blocks, report)
        };
        imported.map_err(|(index, error)| (skipped + index, error))?;
        refused.map_or(Ok(()), |error| Err((skipped + sound, error)))
    }

    /// How many of the first blocks are in the canonical chain already.
    fn count_known(&self, blocks: &[Block]) -> Result<usize, StorageError> {
        for (index, block) in blocks.iter().enumerate() {
            let number = block.header.number;
            if number > self.head.number
                || self.reader.canonical_hash(number)? != Some(block.hash())
            {
                return Ok(index);
            }
        }
        Ok(blocks.len())
    }

    /// Checks headers and seals; how many of the first are sound, and what the next one lacks.
    pub(crate) fn check_headers(&self, blocks: &[Block]) -> (usize, Option<BlockError>) {
        let engine = &self.options.engine;
        let batch = BatchChain::of_blocks(&self.reader, blocks);
        let mut sound = blocks.len();
        let mut refused = None;
        if let Err(error) = engine.verify_headers(&batch, (self.options.now)()) {
            sound = error.index;
            refused = Some(error.error.into());
        }
        let batch = BatchChain::of_blocks(&self.reader, &blocks[..sound]);
        if let Err(error) = engine.verify_seals(&batch) {
            sound = error.index;
            refused = Some(error.error.into());
        }
        if let Some((index, error)) = self.first_unwanted(&blocks[..sound]) {
            sound = index;
            refused = Some(error);
        }
        (sound, refused)
    }

    /// Executes blocks on top of the head, window after window; while one executes, the one
    /// before it is committed.
    fn extend(
        &mut self,
        blocks: &[Block],
        detail: Detail,
        report: &mut ImportReport,
    ) -> Result<(), (usize, BlockError)> {
        let reader = self.reader.clone();
        let engine = Arc::clone(&self.options.engine);
        let hashes: Vec<B256> = blocks.par_iter().map(Block::hash).collect();
        let (to_execution, prepared) = sync_channel(SEGMENTS_AHEAD);
        let (outcome, times) = thread::scope(|scope| {
            let prepare =
                scope.spawn(|| prepare_all(&reader, engine.as_ref(), blocks, to_execution));
            let mut extension = Extension {
                chain: self,
                blocks,
                hashes: &hashes,
                senders: Senders::new(prepared),
                detail,
                report,
            };
            let outcome = extension.run(scope);
            drop(extension);
            (outcome, joined(prepare))
        });
        self.stats += times;
        outcome
    }

    /// Runs the pipeline on blocks that follow each other, the first on what the buffers hold.
    /// `hashes` are those of the blocks from number `first` on, which are not in the store yet.
    pub(crate) fn execute(
        &mut self,
        blocks: &[Block],
        first: u64,
        hashes: &[B256],
        senders: impl FnMut(usize) -> Result<Vec<Address>, BlockError>,
    ) -> Progress {
        let ancestors = Ancestors::of_batch(&self.reader, first, hashes);
        let pipeline = Pipeline {
            config: &self.config,
            engine: self.options.engine.as_ref(),
            hashes: &ancestors,
            interrupt: &self.options.interrupt,
            flat: &mut self.flat,
            trie: &mut self.trie,
        };
        pipeline.run(blocks, senders)
    }

    /// The events of blocks that became canonical. They are also what readers ask for next.
    pub(crate) fn added(
        &self,
        blocks: &[Block],
        hashes: &[B256],
        executed: Vec<Executed>,
    ) -> Vec<ChainEvent> {
        let event = |((block, hash), executed): ((&Block, &B256), Executed)| {
            let header = SealedHeader::with_hash(block.header.clone(), *hash);
            let block = Arc::new(block.clone());
            self.reader
                .remember(*hash, block.clone(), executed.receipts.clone());
            ChainEvent::Added(ExecutedBlock {
                header,
                block,
                receipts: executed.receipts,
            })
        };
        blocks.iter().zip(hashes).zip(executed).map(event).collect()
    }
}

/// Blocks that are to follow the head.
struct Extension<'x> {
    chain: &'x mut Chain,
    blocks: &'x [Block],
    hashes: &'x [B256],
    senders: Senders,
    detail: Detail,
    report: &'x mut ImportReport,
}

/// A commit that is being written: its blocks' places, and who writes it.
type InFlight<'scope> = (Range<usize>, ScopedJoinHandle<'scope, Written>);

impl<'x> Extension<'x> {
    fn run<'scope>(&mut self, scope: &'scope Scope<'scope, '_>) -> Result<(), (usize, BlockError)>
    where
        'x: 'scope,
    {
        let mut in_flight: Option<InFlight<'scope>> = None;
        let mut done = 0;
        while done < self.blocks.len() {
            let window = done..done + window_of(&self.blocks[done..], self.chain.stats.gas).len();
            let mut known = Vec::with_capacity(window.len());
            let mut progress = self.execute(window.clone(), Some(&mut known));
            self.settle(in_flight.take())?;
            let right = window.start..window.start + progress.executed.len();
            if progress.refused.is_some() && right.end < window.end {
                // Execution went on past the refused block: begin again, up to that block.
                self.chain.drop_buffers();
                known.truncate(right.len());
                self.senders.put_back(right.start, known);
                let again = self.execute(right.clone(), None);
                if let Some(error) = again.refused {
                    return Err((right.start, error));
                }
                progress.executed = again.executed;
            }
            self.chain.stats += progress.stats;
            if !right.is_empty() {
                in_flight = Some((
                    right.clone(),
                    self.begin(right.clone(), progress.executed, scope)?,
                ));
            }
            if let Some(error) = progress.refused {
                self.settle(in_flight.take())?;
                return Err((right.end, error));
            }
            done = right.end;
        }
        self.settle(in_flight)
    }

    /// Executes a window on what the buffers hold. The senders that it used go to `used`.
    fn execute(
        &mut self,
        window: Range<usize>,
        mut used: Option<&mut Vec<Vec<Address>>>,
    ) -> Progress {
        let first = self.blocks.first().map_or(0, |block| block.header.number);
        let senders = &mut self.senders;
        let blocks = &self.blocks[window.clone()];
        self.chain.execute(blocks, first, self.hashes, |index| {
            let of_block = senders.of(window.start + index)?;
            if let Some(used) = &mut used {
                used.push(of_block.clone());
            }
            Ok(of_block)
        })
    }

    /// Sets the state aside and has it written.
    fn begin<'scope>(
        &mut self,
        window: Range<usize>,
        executed: Vec<Executed>,
        scope: &'scope Scope<'scope, '_>,
    ) -> Result<ScopedJoinHandle<'scope, Written>, (usize, BlockError)>
    where
        'x: 'scope,
    {
        let (blocks, hashes) = (&self.blocks[window.clone()], &self.hashes[window.clone()]);
        let draft = self
            .chain
            .begin_commit(blocks, hashes, executed, Canonical::Extends)
            .map_err(|error| self.failed(&window, error))?;
        Ok(scope.spawn(|| draft.write()))
    }

    /// Waits for the commit that is being written, and makes its last block the head.
    fn settle(&mut self, in_flight: Option<InFlight<'_>>) -> Result<(), (usize, BlockError)> {
        let Some((window, writing)) = in_flight else {
            return Ok(());
        };
        let ended = self.chain.end_commit(joined(writing));
        let executed = ended.map_err(|error| self.failed(&window, error))?;
        self.report.imported += window.len();
        if self.detail == Detail::EveryBlock {
            let (blocks, hashes) = (&self.blocks[window.clone()], &self.hashes[window]);
            let events = self.chain.added(blocks, hashes, executed);
            self.report.events.extend(events);
        }
        Ok(())
    }

    fn failed(&mut self, window: &Range<usize>, error: BlockError) -> (usize, BlockError) {
        self.chain.drop_buffers();
        (window.start, error)
    }
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

pub(crate) fn check_contiguous(blocks: &[Block]) -> Result<(), (usize, BlockError)> {
    for (index, pair) in blocks.windows(2).enumerate() {
        let [parent, child] = pair else { continue };
        let hash = parent.hash();
        if child.header.parent_hash != hash || parent.header.number + 1 != child.header.number {
            let number = child.header.number;
            let error = BlockError::NotContiguous {
                number,
                hash: child.hash(),
                parent: hash,
            };
            return Err((index + 1, error));
        }
    }
    Ok(())
}

/// The first blocks that are committed together, where `imported` is the gas of all before them.
fn window_of(blocks: &[Block], imported: u64) -> &[Block] {
    let most = (imported / COMMIT_SHARE).clamp(COMMIT_GAS, MOST_COMMIT_GAS);
    let mut gas = 0_u64;
    let end = blocks.iter().take(COMMIT_BLOCKS).take_while(|block| {
        let is_in = gas < most;
        gas = gas.saturating_add(block.header.gas_used);
        is_in
    });
    &blocks[..end.count()]
}

/// Segments that may be prepared ahead of their execution.
const SEGMENTS_AHEAD: usize = 2;

/// A block's senders, or why the block can't be executed.
pub(crate) type Prepared = Result<Vec<Address>, BlockError>;

/// Checks bodies and ommers, and recovers senders, segment after segment.
fn prepare_all(
    reader: &ChainReader,
    engine: &dyn Engine,
    blocks: &[Block],
    to_execution: SyncSender<Vec<Prepared>>,
) -> ImportStats {
    let mut stats = ImportStats::default();
    let batch = BatchChain::of_blocks(reader, blocks);
    for segment in blocks.chunks(SEGMENT_BLOCKS) {
        let prepared = prepare(reader, engine, &batch, segment, &mut stats);
        if to_execution.send(prepared).is_err() {
            debug!("execution ended before all blocks were prepared");
            break;
        }
    }
    stats
}

/// Checks bodies and ommers of a segment, and recovers the senders of its transactions.
pub(crate) fn prepare(
    reader: &ChainReader,
    engine: &dyn Engine,
    batch: &BatchChain<'_>,
    segment: &[Block],
    stats: &mut ImportStats,
) -> Vec<Prepared> {
    let begun = Instant::now();
    let bodies: Vec<Result<(), BlockError>> = segment
        .par_iter()
        .map(|block| {
            check_body(reader.config(), block)?;
            engine
                .verify_ommers(batch, block)
                .map_err(BlockError::Consensus)
        })
        .collect();
    stats.headers += begun.elapsed();
    let begun = Instant::now();
    let senders = recover_senders(reader.config(), segment);
    stats.senders += begun.elapsed();
    bodies
        .into_iter()
        .zip(senders)
        .map(|(body, senders)| {
            body?;
            senders.map_err(|(index, error)| BlockError::Sender { index, error })
        })
        .collect()
}

/// The senders of the blocks of an import, in order, as they are prepared.
struct Senders {
    prepared: Receiver<Vec<Prepared>>,
    segment: std::vec::IntoIter<Prepared>,
    next: usize,
}

impl Senders {
    fn new(prepared: Receiver<Vec<Prepared>>) -> Self {
        Self {
            prepared,
            segment: Vec::new().into_iter(),
            next: 0,
        }
    }

    /// Takes senders again that were handed out: those of the blocks from `index` on. What
    /// follows them is not asked for any more.
    fn put_back(&mut self, index: usize, senders: Vec<Vec<Address>>) {
        self.next = index;
        self.segment = senders.into_iter().map(Ok).collect::<Vec<_>>().into_iter();
    }

    fn of(&mut self, index: usize) -> Prepared {
        debug_assert_eq!(index, self.next);
        self.next += 1;
        loop {
            if let Some(prepared) = self.segment.next() {
                return prepared;
            }
            match self.prepared.recv() {
                Ok(segment) => self.segment = segment.into_iter(),
                Err(_) => return Err(BlockError::Interrupted),
            }
        }
    }
}
