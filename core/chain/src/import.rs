//! Import of blocks: on top of the head, or as a side chain that may become canonical.
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
    commit::{Canonical, WrittenCommit},
    limits::{COMMIT_BLOCKS, COMMIT_GAS, COMMIT_SHARE, MAX_COMMIT_GAS, SEGMENT_BLOCKS},
    pipeline::{Executed, Pipeline, Progress},
};

/// The level of detail of an import's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Of blocks that extend the head, an event for the last one only: for long runs of old blocks.
    /// Components that follow the chain read the others from the database when they need them. A
    /// reorg gets the same events as with [`Self::EveryBlock`].
    HeadOnly,
    /// An event for every block that became canonical or was stored, with its receipts. Of a reorg
    /// beyond [`crate::limits::MAX_EVENT_BLOCKS`] or [`crate::limits::MAX_EVENT_GAS`], an event for
    /// the new head only.
    EveryBlock,
}

impl Chain {
    /// Imports blocks, each the child of the one before. Blocks that do not extend the head are
    /// stored as a side chain, which becomes canonical if it wins. Blocks that the report counts as
    /// imported are on disk.
    pub fn import(&mut self, blocks: &[Block], detail: Detail) -> ImportReport {
        let mut report = ImportReport::default();
        let before = self.head.hash();
        for block in blocks {
            self.future.remove(&block.hash());
        }
        if let Err((index, error)) = self.import_all(blocks, detail, &mut report) {
            if detail == Detail::EveryBlock && self.may_become_valid(&error, &blocks[index]) {
                report.queued = self.queue_future_blocks(&blocks[index..]);
            }
            let index = index + report.queued;
            if let Some(block) = blocks.get(index) {
                report.refused = Some(self.import_error(index, block, error));
            }
        }
        if self.head.hash() != before {
            report.events.push(ChainEvent::Head(self.head.clone()));
        }
        report
    }

    /// Turns a block's error into the report's, and remembers an invalid block.
    pub(crate) fn import_error(
        &mut self,
        index: usize,
        block: &Block,
        error: BlockError,
    ) -> ImportError {
        let hash = block.hash();
        if error.disposition() == Disposition::Bad && !error.is_body_error() {
            self.remember_bad_block(block, hash, error.to_string());
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

        let started = Instant::now();
        let (valid, refused) = self.check_headers(blocks);
        self.stats.headers += started.elapsed();
        let blocks = &blocks[..valid];
        let imported = if first.header.parent_hash == self.head.hash() {
            self.extend(blocks, detail, report)
        } else {
            self.branch(blocks, report)
        };
        imported.map_err(|(index, error)| (skipped + index, error))?;
        refused.map_or(Ok(()), |error| Err((skipped + valid, error)))
    }

    /// Returns how many of the leading blocks are canonical already.
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

    /// Checks headers and seals. Returns the number of valid leading blocks and the error of the
    /// next one.
    pub(crate) fn check_headers(&self, blocks: &[Block]) -> (usize, Option<BlockError>) {
        let engine = &self.options.engine;
        let batch = BatchChain::of_blocks(&self.reader, blocks);
        let mut valid = blocks.len();
        let mut refused = None;
        if let Err(error) = engine.verify_headers(&batch, (self.options.now)()) {
            valid = error.index;
            refused = Some(error.error.into());
        }
        let batch = BatchChain::of_blocks(&self.reader, &blocks[..valid]);
        if let Err(error) = engine.verify_seals(&batch) {
            valid = error.index;
            refused = Some(error.error.into());
        }
        if let Some((index, error)) = self.first_whitelist_mismatch(&blocks[..valid]) {
            valid = index;
            refused = Some(error);
        }
        (valid, refused)
    }

    /// Executes blocks on top of the head, in windows; while one window executes, the one before it
    /// is committed.
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
        let prepare = || prepare_all(&reader, engine.as_ref(), blocks, to_execution);
        let (outcome, times) = thread::scope(|scope| {
            // The stages of a single block follow one another: a thread would only cost time.
            let preparation = match blocks {
                [_] => Stage::Done(prepare()),
                _ => Stage::Running(scope.spawn(prepare)),
            };
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
            (outcome, preparation.result())
        });
        self.stats += times;
        outcome
    }

    /// Runs the pipeline on consecutive blocks, the first on the buffered state. `hashes` are those
    /// of the blocks from number `first` on, which are not in the store yet.
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

    /// Returns the events of blocks that became canonical, and caches these blocks: readers ask for
    /// them next.
    pub(crate) fn added_events(
        &self,
        blocks: &[Block],
        hashes: &[B256],
        executed: Vec<Executed>,
    ) -> Vec<ChainEvent> {
        let event = |((block, hash), executed): ((&Block, &B256), Executed)| {
            let header = SealedHeader::with_hash(block.header.clone(), *hash);
            let block = Arc::new(block.clone());
            let receipts = executed.receipts.clone();
            self.reader
                .cache_block(*hash, block.clone(), receipts, executed.senders);
            ChainEvent::Added(ExecutedBlock {
                header,
                block,
                receipts: executed.receipts,
            })
        };
        blocks.iter().zip(hashes).zip(executed).map(event).collect()
    }
}

/// An import of blocks that extend the head.
struct Extension<'x> {
    chain: &'x mut Chain,
    blocks: &'x [Block],
    hashes: &'x [B256],
    senders: Senders,
    detail: Detail,
    report: &'x mut ImportReport,
}

/// A stage of an import, on a thread of its own or done already.
enum Stage<'scope, T> {
    Running(ScopedJoinHandle<'scope, T>),
    Done(T),
}

impl<T> Stage<'_, T> {
    /// Waits for the end of the stage. A panic of its thread goes on here.
    fn result(self) -> T {
        match self {
            Self::Running(thread) => thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Self::Done(result) => result,
        }
    }
}

/// A commit that is being written: the indices of its blocks, and the writing.
type InFlight<'scope> = (Range<usize>, Stage<'scope, WrittenCommit>);

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
            self.finish_commit(in_flight.take())?;
            let valid = window.start..window.start + progress.executed.len();
            if progress.refused.is_some() && valid.end < window.end {
                // Execution went on past the refused block: discard it and execute again up to that
                // block.
                self.chain.drop_buffers();
                known.truncate(valid.len());
                self.senders.put_back(valid.start, known);
                let again = self.execute(valid.clone(), None);
                if let Some(error) = again.refused {
                    return Err((valid.start, error));
                }
                progress.executed = again.executed;
            }
            self.chain.stats += progress.stats;
            if !valid.is_empty() {
                in_flight = Some((
                    valid.clone(),
                    self.begin(valid.clone(), progress.executed, scope)?,
                ));
            }
            if let Some(error) = progress.refused {
                self.finish_commit(in_flight.take())?;
                return Err((valid.end, error));
            }
            done = valid.end;
        }
        self.finish_commit(in_flight)
    }

    /// Executes a window on the buffered state. The senders that it consumes are appended to
    /// `used`.
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

    /// Freezes the state and writes it, on another thread if more blocks follow.
    fn begin<'scope>(
        &mut self,
        window: Range<usize>,
        executed: Vec<Executed>,
        scope: &'scope Scope<'scope, '_>,
    ) -> Result<Stage<'scope, WrittenCommit>, (usize, BlockError)>
    where
        'x: 'scope,
    {
        let (blocks, hashes) = (&self.blocks[window.clone()], &self.hashes[window.clone()]);
        let pending = self
            .chain
            .begin_commit(blocks, hashes, executed, Canonical::Extends)
            .map_err(|error| self.failed(&window, error))?;
        if window.end == self.blocks.len() {
            return Ok(Stage::Done(pending.write()));
        }
        Ok(Stage::Running(scope.spawn(|| pending.write())))
    }

    /// Waits for the commit that is being written, and makes its last block the head.
    fn finish_commit(
        &mut self,
        in_flight: Option<InFlight<'_>>,
    ) -> Result<(), (usize, BlockError)> {
        let Some((window, writing)) = in_flight else {
            return Ok(());
        };
        let ended = self.chain.end_commit(writing.result());
        let executed = ended.map_err(|error| self.failed(&window, error))?;
        self.report.imported += window.len();
        if self.detail == Detail::EveryBlock {
            let (blocks, hashes) = (&self.blocks[window.clone()], &self.hashes[window]);
            let events = self.chain.added_events(blocks, hashes, executed);
            self.report.events.extend(events);
        }
        Ok(())
    }

    fn failed(&mut self, window: &Range<usize>, error: BlockError) -> (usize, BlockError) {
        self.chain.drop_buffers();
        (window.start, error)
    }
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

/// Returns the leading blocks that are committed together, where `imported` is the gas imported
/// before them.
fn window_of(blocks: &[Block], imported: u64) -> &[Block] {
    let max_gas = (imported / COMMIT_SHARE).clamp(COMMIT_GAS, MAX_COMMIT_GAS);
    let mut gas = 0_u64;
    let end = blocks.iter().take(COMMIT_BLOCKS).take_while(|block| {
        let fits = gas < max_gas;
        gas = gas.saturating_add(block.header.gas_used);
        fits
    });
    &blocks[..end.count()]
}

/// Segments that may be prepared ahead of their execution.
const SEGMENTS_AHEAD: usize = 2;

/// The senders of a block, or the reason why it can't be executed.
pub(crate) type Prepared = Result<Vec<Address>, BlockError>;

/// Checks bodies and ommers and recovers senders, segment by segment.
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

/// Checks the bodies and ommers of a segment, and recovers the senders of its transactions.
pub(crate) fn prepare(
    reader: &ChainReader,
    engine: &dyn Engine,
    batch: &BatchChain<'_>,
    segment: &[Block],
    stats: &mut ImportStats,
) -> Vec<Prepared> {
    let started = Instant::now();
    let bodies: Vec<Result<(), BlockError>> = segment
        .par_iter()
        .map(|block| {
            check_body(reader.config(), block)?;
            engine
                .verify_ommers(batch, block)
                .map_err(BlockError::Consensus)
        })
        .collect();
    stats.headers += started.elapsed();
    let started = Instant::now();
    let senders = recover_senders(reader.config(), segment);
    stats.senders += started.elapsed();
    bodies
        .into_iter()
        .zip(senders)
        .map(|(body, senders)| {
            body?;
            senders.map_err(|(index, error)| BlockError::Sender { index, error })
        })
        .collect()
}

/// The senders of the blocks of an import, received in order as segments are prepared.
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

    /// Puts back senders that were taken, those of the blocks from `index` on. Senders after these
    /// are not needed any more.
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
