//! Logs of the pending block, for those who want them.

use std::collections::HashSet;
use std::sync::Arc;

use actoreum_messages::filter::{LogRange, PendingLogs, Topic};
use actoreum_primitives::B256;
use tracing::warn;

use super::FilterActor;
use crate::supervision::{Ctx, Handles, JobError, Message, Pool, WhenFull};
use crate::worker::PendingBlock;

/// Where the pending block comes from.
#[derive(Clone)]
pub struct PendingSource {
    /// Where it is built.
    pub pool: Pool,
    /// Builds it, where it is not built yet; `None` where none can be built now.
    pub build: Arc<dyn Fn() -> Option<Arc<PendingBlock>> + Send + Sync>,
}

/// What was told of the pending block.
#[derive(Default)]
pub(super) struct ToldPending {
    block: Option<Arc<PendingBlock>>,
    /// The transactions of it whose logs were told.
    transactions: HashSet<B256>,
    is_building: bool,
}

impl ToldPending {
    /// Takes another block in, and returns which of its transactions are new: all of them where it
    /// follows another head.
    fn take(&mut self, block: &Arc<PendingBlock>) -> HashSet<B256> {
        let parent_of = |block: &Arc<PendingBlock>| block.block.header.parent_hash;
        let is_same_head = self.block.as_ref().map(parent_of) == Some(parent_of(block));
        let transactions = block.block.body.transactions.iter();
        let now: HashSet<B256> = transactions.map(|transaction| transaction.hash()).collect();
        let before = std::mem::replace(&mut self.transactions, now.clone());
        self.block = Some(Arc::clone(block));
        match is_same_head {
            true => now.difference(&before).copied().collect(),
            false => now,
        }
    }

    fn is_told(&self, block: &Arc<PendingBlock>) -> bool {
        let mut told = self.block.iter();
        told.any(|told| Arc::ptr_eq(told, block))
    }
}

fn wants_pending(topic: &Topic) -> bool {
    matches!(topic, Topic::Logs(range) if range.pending != PendingLogs::No)
}

impl FilterActor {
    fn look_at_pending(&mut self, ctx: &mut Ctx<Self>) {
        let Some(source) = &self.pending else { return };
        let mut topics = self
            .subscriptions
            .values()
            .map(|subscription| &subscription.topic);
        if !topics.any(wants_pending) && !self.polled.any(wants_pending) {
            self.told_pending = ToldPending::default();
            return;
        }
        if self.told_pending.is_building {
            return;
        }
        let build = Arc::clone(&source.build);
        let message = |result| PendingBuilt { result };
        let submitted = source.pool.submit(ctx.me(), move || build(), message);
        self.told_pending.is_building = submitted.is_ok();
    }

    fn tell_pending(&mut self, block: &Arc<PendingBlock>) {
        let new = self.told_pending.take(block);
        if new.is_empty() {
            return;
        }
        let logs = |range: &LogRange| match range.pending {
            PendingLogs::No => Vec::new(),
            PendingLogs::Also | PendingLogs::Only => {
                block.logs(&range.criteria, |transaction| new.contains(transaction))
            }
        };
        self.tell_placed_logs(logs);
    }
}

/// Time to look at the pending block.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct LookAtPending;

impl Handles<LookAtPending> for FilterActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: LookAtPending, ctx: &mut Ctx<Self>) {
        self.look_at_pending(ctx);
    }
}

/// The pool is done with the pending block.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct PendingBuilt {
    result: Result<Option<Arc<PendingBlock>>, JobError>,
}

impl Handles<PendingBuilt> for FilterActor {
    type Answer = ();

    fn handle(&mut self, PendingBuilt { result }: PendingBuilt, _: &mut Ctx<Self>) {
        self.told_pending.is_building = false;
        match result {
            Ok(Some(block)) if !self.told_pending.is_told(&block) => self.tell_pending(&block),
            Ok(_) => {}
            Err(error) => warn!(%error, "pending block not built"),
        }
    }
}
