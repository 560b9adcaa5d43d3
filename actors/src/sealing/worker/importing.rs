//! Import of sealed blocks.

use actoreum_consensus::Disposition;
use actoreum_messages::{
    chain::{BlockOrigin, ImportBlocks, ImportRefused, Imported},
    sealer::DiscardSigned,
    worker::LateSeal,
};
use actoreum_primitives::{B256, Block};
use tracing::{debug, error, info, warn};

use super::{ASK_TIMEOUT, Phase, RETRY_PAUSE, WorkerActor};
use actoreum_supervision::{AskError, Ctx, Handles};

impl WorkerActor {
    /// Hands a sealed block to ChainActor, again and again until it is imported or refused.
    pub(super) fn import(&mut self, block: Block, ctx: &mut Ctx<Self>) {
        self.phase = Phase::Importing;
        let before = self.setup.chain_reader.head().hash();
        let question = ImportBlocks {
            blocks: vec![block.clone()],
            origin: BlockOrigin::Live,
        };
        let chain_actor = self.setup.chain_actor.clone();
        let answer = async move { chain_actor.within(ASK_TIMEOUT).ask(question).await };
        ctx.spawn_then(answer, move |actor, answer, ctx| {
            actor.imported(block, before, answer, ctx);
        });
    }

    fn imported(
        &mut self,
        block: Block,
        before: B256,
        answer: Result<Result<Imported, ImportRefused>, AskError>,
        ctx: &mut Ctx<Self>,
    ) {
        let (number, hash) = (block.header.number, block.hash());
        let refused = match answer {
            Ok(Ok(imported)) => {
                if imported.imported > 0 {
                    let (transactions, gas) =
                        (block.body.transactions.len(), block.header.gas_used);
                    info!(number, %hash, transactions, gas, "sealed a block");
                    self.unconfirmed.add(number, hash);
                }
                if self.setup.chain_reader.head().hash() == before {
                    warn!(number, %hash, "a signed block did not become the head");
                    self.wait_for_new_head();
                }
                if let Some(request) = self.request.take() {
                    request.reply(Ok(hash));
                }
                return self.end_round(ctx);
            }
            Ok(Err(ImportRefused::Invalid(refused))) => refused,
            Ok(Err(error)) => {
                debug!(number, %error, "sealed block not imported yet");
                return self.import_again(block, ctx);
            }
            Err(error) => {
                debug!(number, %error, "sealed block not imported yet");
                return self.import_again(block, ctx);
            }
        };
        match refused.error.disposition() {
            Disposition::Bad => {
                error!(number, %hash, error = %refused, "sealed block refused");
                // No answer is needed: a sealer that is down withdraws nothing that matters.
                let _ = self.setup.sealer.tell(DiscardSigned { hash });
                self.fail_round(&refused.to_string(), ctx);
            }
            Disposition::Future | Disposition::Internal => self.import_again(block, ctx),
            Disposition::UnknownAncestor => {
                self.warn_not_sealed(format!(
                    "this key has signed up to block {number} of this chain, on a branch that is \
                     gone: the others go first"
                ));
                self.wait_for_new_head();
                self.fail_round(&refused.to_string(), ctx);
            }
        }
    }

    fn import_again(&mut self, block: Block, ctx: &mut Ctx<Self>) {
        let pause = tokio::time::sleep(RETRY_PAUSE);
        ctx.spawn_then(pause, move |actor: &mut Self, (), ctx| {
            actor.import(block, ctx);
        });
    }

    /// Imports a block whose round is over: it may still become the head, or an ommer.
    pub(super) fn import_late(&self, block: Block, ctx: &mut Ctx<Self>) {
        let (number, hash) = (block.header.number, block.hash());
        let question = ImportBlocks {
            blocks: vec![block],
            origin: BlockOrigin::Live,
        };
        let chain_actor = self.setup.chain_actor.clone();
        let answer = async move { chain_actor.within(ASK_TIMEOUT).ask(question).await };
        ctx.spawn_then(answer, move |actor: &mut Self, answer, _| match answer {
            Ok(Ok(imported)) if imported.imported > 0 => {
                info!(number, %hash, "sealed a block, late");
                actor.unconfirmed.add(number, hash);
            }
            Ok(Ok(_)) => debug!(number, %hash, "sealed a block again"),
            Ok(Err(error)) => warn!(number, %hash, %error, "late block refused"),
            Err(error) => warn!(number, %hash, %error, "late block not imported"),
        });
    }
}

impl Handles<LateSeal> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, LateSeal(block): LateSeal, ctx: &mut Ctx<Self>) {
        self.import_late(block, ctx);
    }
}
