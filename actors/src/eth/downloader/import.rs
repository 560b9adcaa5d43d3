//! Import of fetched data: windows of blocks, values of a state, the complete pivot state.

use actoreum_chain::{BlockError, ImportError};
use actoreum_consensus::Disposition;
use actoreum_messages::chain::{
    BlockOrigin, CommitPivotState, ImportBlocks, ImportRefused, Imported, InsertReceiptChain,
};
use actoreum_primitives::rlp::DecodeError;
use actoreum_primitives::{B256, Block, Receipt};
use actoreum_storage::Commit;
use actoreum_sync::RawBlock;
use actoreum_sync::downloader::{ImportFailure, Window};
use actoreum_sync::state::{self, StateValue};
use futures_util::FutureExt;
use tokio::sync::oneshot;
use tracing::{debug, info};

use super::DownloaderActor;
use super::import_mode::ImportMode;
use super::local::Local;
use super::report::Content;
use actoreum_supervision::{AskError, Ctx, JobError};

impl DownloaderActor {
    /// Decodes a window and hands it to ChainActor, behind the previous one.
    pub(super) fn import(&mut self, window: Window, mode: ImportMode, ctx: &mut Ctx<Self>) {
        let Window { id, blocks } = window;
        let last = blocks.last().map(|block| {
            let header = &block.header;
            (header.header.number, header.hash)
        });
        let (handed_over_tx, handed_over) = oneshot::channel();
        let before = self.handed_over.replace(handed_over);
        let decoded = self
            .setup
            .threads
            .job("DecodeWindow")
            .run(move || decode(blocks));
        let chain_actor = self.setup.chain_actor.clone();
        let imported = async move {
            let decoded = decoded.await;
            if let Some(before) = before {
                // An error means the same: the previous window was handed over or dropped.
                let _ = before.await;
            }
            let (blocks, receipts) = decoded.map_err(stopped)??;
            let content = content_of(&blocks);
            let origin = BlockOrigin::Bulk;
            let asked = match mode {
                ImportMode::Execute => chain_actor
                    .ask(ImportBlocks { blocks, origin })
                    .left_future(),
                ImportMode::InsertReceiptChain => chain_actor
                    .ask(InsertReceiptChain { blocks, receipts })
                    .right_future(),
            };
            drop(handed_over_tx);
            outcome(asked.await).map(|_| content)
        };
        ctx.spawn_then(imported, move |actor: &mut Self, result, ctx| {
            if let (Ok(content), Some((number, hash))) = (&result, last) {
                debug!(number, %hash, blocks = content.blocks, "imported chain segment");
                if let Some(progress) = actor.rules.progress(&Local(&actor.setup.chain_reader)) {
                    actor.report.add(*content, &progress);
                }
            }
            let result = result.map(|_| ());
            actor.step(ctx, |rules, chain, now| {
                rules.on_imported(id, result, chain, now);
            });
        });
    }

    /// Writes values of a state, on the thread pool.
    pub(super) fn write_state(&mut self, id: u64, values: Vec<StateValue>, ctx: &mut Ctx<Self>) {
        let store = self.setup.chain_reader.store().clone();
        let write = move || {
            let mut commit = Commit::new();
            for value in &values {
                match value.kind {
                    state::ValueKind::Code => commit.put_code(&value.hash, &value.data),
                    state::ValueKind::AccountNode | state::ValueKind::StorageNode => {
                        commit.put_incoming_node(&value.hash, &value.data);
                    }
                }
            }
            store.commit(commit)
        };
        // Values that were fetched are worth writing, also when the actor ends meanwhile.
        let job = self.setup.threads.job("WriteState").detached();
        let written = job.run(write);
        ctx.spawn_then(written, move |actor: &mut Self, result, ctx| {
            let result = match result {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            actor.step(ctx, |rules, chain, now| {
                rules.on_written(id, result, chain, now);
            });
        });
    }

    pub(super) fn commit_pivot(&mut self, id: u64, hash: B256, ctx: &mut Ctx<Self>) {
        info!(block = %hash, "state is complete, committing the fast sync pivot");
        let asked = self.setup.chain_actor.ask(CommitPivotState { hash });
        ctx.spawn_then(asked, move |actor: &mut Self, answer, ctx| {
            let result = outcome(answer).map(|_| ());
            if result.is_ok() {
                let number = actor.setup.chain_reader.head_number();
                info!(
                    number,
                    "fast sync pivot committed, executing blocks from here on"
                );
            }
            actor.step(ctx, |rules, chain, now| {
                rules.on_imported(id, result, chain, now);
            });
        });
    }
}

/// Blocks of a window, and the receipts that came with each.
type Decoded = (Vec<Block>, Vec<Vec<Receipt>>);

fn decode(raw_blocks: Vec<RawBlock>) -> Result<Decoded, ImportFailure> {
    let mut decoded = (Vec::with_capacity(raw_blocks.len()), Vec::new());
    for raw in raw_blocks {
        let (number, hash) = (raw.header.header.number, raw.header.hash);
        let bad = |error: DecodeError| ImportFailure::InvalidBlock {
            number,
            hash,
            reason: error.to_string(),
        };
        decoded.1.push(raw.decode_receipts().map_err(bad)?);
        decoded.0.push(raw.into_block().map_err(bad)?);
    }
    Ok(decoded)
}

fn content_of(blocks: &[Block]) -> Content {
    let transactions = blocks.iter().map(|it| it.body.transactions.len() as u64);
    Content {
        blocks: blocks.len() as u64,
        transactions: transactions.sum(),
        gas: blocks.iter().map(|it| it.header.gas_used).sum(),
    }
}

fn stopped(error: JobError) -> ImportFailure {
    ImportFailure::Stopped(error.to_string())
}

/// Converts ChainActor's answer to the state machine's import result.
fn outcome(
    answer: Result<Result<Imported, ImportRefused>, AskError>,
) -> Result<Imported, ImportFailure> {
    match answer {
        Ok(Ok(imported)) => Ok(imported),
        Ok(Err(ImportRefused::Invalid(refused))) => Err(refusal(&refused)),
        Ok(Err(refused)) => Err(ImportFailure::Stopped(refused.to_string())),
        Err(error) => Err(ImportFailure::Stopped(error.to_string())),
    }
}

fn refusal(refused: &ImportError) -> ImportFailure {
    // A branch that forks below the kept states cannot be executed: it counts as bad.
    let is_too_deep = matches!(refused.error, BlockError::PrunedAncestor(_));
    if refused.error.disposition() == Disposition::Bad || is_too_deep {
        ImportFailure::InvalidBlock {
            number: refused.number,
            hash: refused.hash,
            reason: refused.error.to_string(),
        }
    } else {
        ImportFailure::Stopped(refused.to_string())
    }
}
