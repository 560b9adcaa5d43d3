//! Import of sealed blocks.

use actoreum_primitives::{B256, Block};
use tracing::{debug, error, info, warn};

use super::{
    Action, ImportResult, Phase, RETRY_PAUSE, View, Worker,
    phase::{Import, Round},
};

impl Worker {
    /// Has a sealed block imported, again and again until it is imported or refused.
    pub(super) fn import(&mut self, view: &View, round: Round, block: Box<Block>) {
        self.actions.push(Action::Import(block.clone()));
        self.phase = Phase::Importing(Import {
            round,
            block,
            head_before: view.head.hash(),
            retry_at: None,
        });
    }

    pub(super) fn import_again(&mut self, view: &View) {
        if let Phase::Importing(import) = self.take_phase() {
            self.import(view, import.round, import.block);
        }
    }

    /// Takes the result of [`Action::Import`].
    pub fn on_imported(&mut self, view: &View, result: ImportResult) -> Vec<Action> {
        match self.take_phase() {
            Phase::Importing(import) => self.on_import_end(view, import, result),
            phase => self.phase = phase,
        }
        self.take_actions()
    }

    fn on_import_end(&mut self, view: &View, mut import: Import, result: ImportResult) {
        let (number, hash) = (import.block.header.number, import.block.hash());
        match result {
            ImportResult::Imported { is_new } => {
                if is_new {
                    let block = &import.block;
                    let (transactions, gas) =
                        (block.body.transactions.len(), block.header.gas_used);
                    info!(number, %hash, transactions, gas, "sealed a block");
                    self.unconfirmed.add(number, hash);
                }
                let view = &self.without_chosen(view, import.round.chosen);
                if view.head.hash() == import.head_before {
                    warn!(number, %hash, "a signed block did not become the head");
                    self.wait_for_new_head(view, &import.round);
                }
                self.answer(import.round.request, Ok(hash));
                self.end_round(view);
            }
            ImportResult::NotYet(error) => {
                debug!(number, %error, "sealed block not imported yet");
                import.retry_at = Some(view.now.saturating_add(RETRY_PAUSE));
                self.phase = Phase::Importing(import);
            }
            ImportResult::Bad(error) => {
                error!(number, %hash, %error, "sealed block refused");
                self.actions.push(Action::DiscardSigned { hash });
                self.fail_round(view, import.round, error);
            }
            ImportResult::UnknownAncestor(error) => {
                let why = format!(
                    "this key has signed up to block {number} of this chain, on a branch that is \
                     gone: the others go first"
                );
                self.warn_not_sealed(view, &why);
                self.wait_for_new_head(view, &import.round);
                self.fail_round(view, import.round, error);
            }
        }
    }

    /// A block of [`Action::ImportLate`] was imported, and was not in the chain before.
    pub fn on_late_imported(&mut self, number: u64, hash: B256) {
        self.unconfirmed.add(number, hash);
    }
}
