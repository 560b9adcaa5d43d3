//! Import of sealed blocks by ChainActor.

use actoreum_consensus::Disposition;
use actoreum_messages::{
    chain::{BlockOrigin, ImportBlocks, ImportRefused, Imported},
    worker::LateSeal,
};
use actoreum_primitives::Block;
use actoreum_sealing::worker::ImportResult;
use tracing::{debug, info, warn};

use super::{ASK_TIMEOUT, WorkerActor};
use actoreum_supervision::{AskError, Ctx, Handles};

type Answer = Result<Result<Imported, ImportRefused>, AskError>;

impl WorkerActor {
    /// Hands a sealed block to ChainActor.
    pub(super) fn import(&mut self, block: Block, ctx: &mut Ctx<Self>) {
        ctx.spawn_then(
            self.ask_to_import(block),
            |actor: &mut Self, answer, ctx| {
                let result = import_result(answer);
                actor.step(ctx, |worker, view| worker.on_imported(view, result));
            },
        );
    }

    /// Imports a block whose round is over: it may still become the head, or an ommer.
    pub(super) fn import_late(&self, block: Block, ctx: &mut Ctx<Self>) {
        let (number, hash) = (block.header.number, block.hash());
        let answer = self.ask_to_import(block);
        ctx.spawn_then(answer, move |actor: &mut Self, answer, _| match answer {
            Ok(Ok(imported)) if imported.imported > 0 => {
                info!(number, %hash, "sealed a block, late");
                actor.worker.on_late_imported(number, hash);
            }
            Ok(Ok(_)) => debug!(number, %hash, "sealed a block again"),
            Ok(Err(error)) => warn!(number, %hash, %error, "late block refused"),
            Err(error) => warn!(number, %hash, %error, "late block not imported"),
        });
    }

    fn ask_to_import(&self, block: Block) -> impl Future<Output = Answer> + use<> {
        let question = ImportBlocks {
            blocks: vec![block],
            origin: BlockOrigin::Live,
        };
        let chain_actor = self.setup.chain_actor.clone();
        async move { chain_actor.within(ASK_TIMEOUT).ask(question).await }
    }
}

fn import_result(answer: Answer) -> ImportResult {
    match answer {
        Ok(Ok(imported)) => ImportResult::Imported {
            is_new: imported.imported > 0,
        },
        Ok(Err(ImportRefused::Invalid(refused))) => {
            let error = refused.to_string();
            match refused.error.disposition() {
                Disposition::Bad => ImportResult::Bad(error),
                Disposition::Future | Disposition::Internal => ImportResult::NotYet(error),
                Disposition::UnknownAncestor => ImportResult::UnknownAncestor(error),
            }
        }
        Ok(Err(error)) => ImportResult::NotYet(error.to_string()),
        Err(error) => ImportResult::NotYet(error.to_string()),
    }
}

impl Handles<LateSeal> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, LateSeal(block): LateSeal, ctx: &mut Ctx<Self>) {
        self.import_late(block, ctx);
    }
}
