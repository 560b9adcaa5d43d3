//! From the block that the pool built to the one that SealerActor gives back.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use actoreum_chain::BuildError;
use actoreum_messages::sealer::{Seal, SealRefused};
use actoreum_primitives::Block;
use actoreum_txpool::Snapshot;
use tracing::{debug, info, warn};

use super::{Attempt, Pace, Phase, WorkerActor};
use crate::supervision::{AskError, Ctx, Handles, JobError, Message};

/// Pause before a key that could not be used is asked for again.
const KEY_PAUSE: Duration = Duration::from_secs(3);
/// Building takes at most this part of the time between two looks at what came since.
const RECOMMIT_SHARE: u32 = 10;
/// The longest time between two such looks, as in geth.
const MOST_RECOMMIT: Duration = Duration::from_secs(15);

/// The pool built a block.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Built {
    pub(super) round: u64,
    /// What it was built from.
    pub(super) snapshot: Option<Arc<Snapshot>>,
    pub(super) took: Duration,
    pub(super) result: Result<Result<Block, BuildError>, JobError>,
}

impl Handles<Built> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, built: Built, ctx: &mut Ctx<Self>) {
        debug_assert_eq!(built.round, self.round, "a round ends with its build");
        match built.result {
            Ok(Ok(block)) => {
                let transactions = block.body.transactions.len();
                let micros = built.took.as_micros();
                debug!(
                    number = block.header.number,
                    transactions, micros, "built a block"
                );
                let is_empty = transactions == 0;
                if is_empty && self.setup.pace == Pace::OnDemand && self.request.is_none() {
                    let on = block.header.parent_hash;
                    self.fruitless = built.snapshot.map(|snapshot| (on, snapshot));
                    return self.rest(ctx);
                }
                self.seal(block, ctx);
                if self.setup.pace == Pace::Search {
                    self.recommit_later(built.snapshot, built.took, ctx);
                }
            }
            Ok(Err(BuildError::Interrupted)) => {
                if let Some(request) = self.request.take() {
                    self.requests.push_front(request);
                }
                self.rest(ctx);
            }
            Ok(Err(error)) => {
                warn!(%error, "block not built");
                self.give_up(&error.to_string(), ctx);
            }
            Err(error) => {
                warn!(%error, "block not built");
                self.give_up(&error.to_string(), ctx);
            }
        }
    }
}

impl WorkerActor {
    fn seal(&mut self, block: Block, ctx: &mut Ctx<Self>) {
        let is_outdated: Arc<AtomicBool> = Arc::default();
        self.phase = Phase::Sealing(Attempt {
            parent: block.header.parent_hash,
            is_outdated: Arc::clone(&is_outdated),
        });
        let round = self.round;
        let even_if_empty = self.request.is_some();
        let question = Seal {
            block,
            even_if_empty,
            is_outdated,
        };
        let answer = self.setup.sealer.ask(question);
        ctx.spawn_then(answer, move |actor, answer, ctx| {
            actor.sealed(round, answer, ctx);
        });
    }

    fn sealed(
        &mut self,
        round: u64,
        answer: Result<Result<Block, SealRefused>, AskError>,
        ctx: &mut Ctx<Self>,
    ) {
        if round != self.round {
            debug!(round, "sealed too late: another block took its place");
            if let (Ok(Ok(block)), Pace::Search) = (answer, self.setup.pace) {
                self.import_late(block, ctx);
            }
            return;
        }
        match answer {
            Ok(Ok(block)) => self.import(block, ctx),
            Ok(Err(SealRefused::SignedBefore(block))) => self.import(*block, ctx),
            Ok(Err(SealRefused::Engine(error))) => {
                let number = self.setup.reader.head_number() + 1;
                info!(number, %error, "block not sealed");
                self.wait_for_another_head();
                self.give_up(&error.to_string(), ctx);
            }
            // Only where the head moved: a look finds the new one.
            Ok(Err(SealRefused::Outdated)) => self.try_again(ctx),
            Ok(Err(SealRefused::Signer(error))) => {
                warn!(%error, "block not signed");
                self.keyless_until = Some(Instant::now() + KEY_PAUSE);
                self.give_up(&error, ctx);
            }
            Ok(Err(error)) => {
                warn!(%error, "block not sealed");
                self.give_up(&error.to_string(), ctx);
            }
            // The sealer is starting again. What it had signed it gives away then.
            Err(error) => {
                debug!(%error, "block not sealed");
                self.try_again(ctx);
            }
        }
    }

    /// Where a seal is searched for: takes in what arrived since, now and then.
    fn recommit_later(&self, from: Option<Arc<Snapshot>>, took: Duration, ctx: &mut Ctx<Self>) {
        let settings = self.setup.control.settings();
        let pause = match &from {
            // The empty block: the real one comes at once.
            None => Duration::ZERO,
            Some(_) => settings
                .recommit
                .max(took * RECOMMIT_SHARE)
                .min(MOST_RECOMMIT),
        };
        let (round, pause) = (self.round, tokio::time::sleep(pause));
        ctx.spawn_then(pause, move |actor: &mut Self, (), ctx| {
            actor.recommit(round, from, ctx);
        });
    }

    fn recommit(&mut self, round: u64, from: Option<Arc<Snapshot>>, ctx: &mut Ctx<Self>) {
        if round != self.round || !matches!(self.phase, Phase::Sealing(_)) {
            return;
        }
        let now = self.setup.pending.snapshot();
        let is_same = match (&from, &now) {
            (Some(from), Some(now)) => Arc::ptr_eq(from, now),
            (None, Some(now)) => now.pending_count() == 0,
            (_, None) => true,
        };
        if is_same {
            let from = from.or(now);
            return self.recommit_later(from, Duration::ZERO, ctx);
        }
        // What is searched for goes on until the new block is there.
        self.round += 1;
        self.phase = Phase::Idle;
        self.look(ctx);
    }

    /// No block can be sealed on this head, unless this actor was told to look meanwhile.
    pub(super) fn wait_for_another_head(&mut self) {
        if !self.is_told_to_look {
            self.refused_on = Some(self.setup.reader.head().hash());
        }
    }
}
