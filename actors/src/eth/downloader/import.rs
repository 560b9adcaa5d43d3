//! What has come, on its way into the chain: windows of blocks, pieces of a state, the state as a
//! whole.

use actoreum_chain::{BlockError, ImportError};
use actoreum_consensus::Disposition;
use actoreum_messages::chain::{
    AdoptState, BlockOrigin, ImportBlocks, ImportRefused, Imported, KeepBlocks,
};
use actoreum_primitives::rlp::DecodeError;
use actoreum_primitives::{B256, Block, Receipt};
use actoreum_storage::Commit;
use actoreum_sync::BlockParcel;
use actoreum_sync::downloader::{ImportFailure, Window};
use actoreum_sync::state::{self, Piece};
use futures_util::FutureExt;
use tokio::sync::oneshot;
use tracing::{debug, info};

use super::DownloaderActor;
use super::local::Local;
use super::report::Content;
use crate::supervision::{AskError, Ctx, JobError};

impl DownloaderActor {
    /// Decodes a window and hands it to ChainActor, behind the one before.
    pub(super) fn import(&mut self, window: Window, way: Way, ctx: &mut Ctx<Self>) {
        let Window { id, blocks } = window;
        let last = blocks.last().map(|block| {
            let header = &block.header;
            (header.header.number, header.hash)
        });
        let (tell, heard) = oneshot::channel();
        let before = self.handed_over.replace(heard);
        let decoded = self.setup.pool.run(move || decode(blocks));
        let chain = self.setup.chain.clone();
        let imported = async move {
            let decoded = decoded.await;
            if let Some(before) = before {
                // An error says the same: the one before is no longer in the way.
                let _ = before.await;
            }
            let (blocks, receipts) = decoded.map_err(stopped)??;
            let content = content_of(&blocks);
            let origin = BlockOrigin::Bulk;
            let asked = match way {
                Way::Execute => chain.ask(ImportBlocks { blocks, origin }).left_future(),
                Way::Keep => chain.ask(KeepBlocks { blocks, receipts }).right_future(),
            };
            drop(tell);
            outcome(asked.await).map(|_| content)
        };
        ctx.spawn_then(imported, move |actor: &mut Self, result, ctx| {
            if let (Ok(content), Some((number, hash))) = (&result, last) {
                debug!(number, %hash, blocks = content.blocks, "imported chain segment");
                if let Some(progress) = actor.rules.progress(&Local(&actor.setup.reader)) {
                    actor.report.add(*content, &progress);
                }
            }
            let result = result.map(|_| ());
            actor.tell_rules(ctx, |rules, chain, now| {
                rules.on_imported(id, result, chain, now);
            });
        });
    }

    /// Writes pieces of a state, on the pool.
    pub(super) fn write_state(&mut self, id: u64, pieces: Vec<Piece>, ctx: &mut Ctx<Self>) {
        let store = self.setup.reader.store().clone();
        let write = move || {
            let mut commit = Commit::new();
            for piece in &pieces {
                match piece.kind {
                    state::Kind::Code => commit.put_code(&piece.hash, &piece.data),
                    state::Kind::AccountNode | state::Kind::StorageNode => {
                        commit.put_incoming_node(&piece.hash, &piece.data);
                    }
                }
            }
            store.commit(commit)
        };
        let written = self.setup.pool.run(write);
        ctx.spawn_then(written, move |actor: &mut Self, result, ctx| {
            let result = match result {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            actor.tell_rules(ctx, |rules, chain, now| {
                rules.on_written(id, result, chain, now);
            });
        });
    }

    pub(super) fn adopt(&mut self, id: u64, hash: B256, ctx: &mut Ctx<Self>) {
        info!(block = %hash, "state is whole, adopting it");
        let asked = self.setup.chain.ask(AdoptState { hash });
        ctx.spawn_then(asked, move |actor: &mut Self, answer, ctx| {
            let result = outcome(answer).map(|_| ());
            if result.is_ok() {
                let number = actor.setup.reader.head_number();
                info!(number, "state adopted, executing blocks from here on");
            }
            actor.tell_rules(ctx, |rules, chain, now| {
                rules.on_imported(id, result, chain, now);
            });
        });
    }
}

/// What becomes of a window.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    Execute,
    Keep,
}

/// Blocks of a window, and the receipts that came with each.
type Decoded = (Vec<Block>, Vec<Vec<Receipt>>);

fn decode(parcels: Vec<BlockParcel>) -> Result<Decoded, ImportFailure> {
    let mut decoded = (Vec::with_capacity(parcels.len()), Vec::new());
    for parcel in parcels {
        let (number, hash) = (parcel.header.header.number, parcel.header.hash);
        let bad = |error: DecodeError| ImportFailure::Bad {
            number,
            hash,
            reason: error.to_string(),
        };
        decoded.1.push(parcel.decode_receipts().map_err(bad)?);
        decoded.0.push(parcel.into_block().map_err(bad)?);
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

/// What ChainActor's answer says about the blocks.
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
    // Nobody may make us go back behind the states that are kept.
    let is_too_deep = matches!(refused.error, BlockError::PrunedAncestor(_));
    match refused.error.disposition() == Disposition::Bad || is_too_deep {
        true => ImportFailure::Bad {
            number: refused.number,
            hash: refused.hash,
            reason: refused.error.to_string(),
        },
        false => ImportFailure::Stopped(refused.to_string()),
    }
}
