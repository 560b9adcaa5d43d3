//! Logs of the pending block, for the filters and subscriptions that want them.

use std::collections::HashSet;
use std::sync::Arc;

use actoreum_messages::filter::{LogRange, PendingLogs, Topic};
use actoreum_primitives::B256;
use tracing::warn;

use super::FilterActor;
use crate::sealing::worker::PendingBlock;
use actoreum_supervision::{Ctx, Handles, JobError, Message, Pool, WhenFull};

/// Source of the pending block.
#[derive(Clone)]
pub struct PendingSource {
    /// Threads that build it.
    pub threads: Pool,
    /// Returns the pending block, built where it is not yet; `None` where none can be built now.
    pub build: Arc<dyn Fn() -> Option<Arc<PendingBlock>> + Send + Sync>,
}

/// State of the notifications about the pending block.
#[derive(Default)]
pub(super) struct PendingState {
    block: Option<Arc<PendingBlock>>,
    /// Transactions of the block whose logs were sent.
    transactions: HashSet<B256>,
    is_building: bool,
}

impl PendingState {
    /// Takes the next pending block, and returns which of its transactions are new: all of them
    /// where the block follows another head.
    fn take(&mut self, block: &Arc<PendingBlock>) -> HashSet<B256> {
        let parent_of = |block: &Arc<PendingBlock>| block.block.header.parent_hash;
        let is_same_head = self.block.as_ref().map(parent_of) == Some(parent_of(block));
        let transactions = block.block.body.transactions.iter();
        let now: HashSet<B256> = transactions.map(|transaction| transaction.hash()).collect();
        let before = std::mem::replace(&mut self.transactions, now.clone());
        self.block = Some(Arc::clone(block));
        if is_same_head {
            now.difference(&before).copied().collect()
        } else {
            now
        }
    }

    fn was_sent(&self, block: &Arc<PendingBlock>) -> bool {
        let mut notified = self.block.iter();
        notified.any(|notified| Arc::ptr_eq(notified, block))
    }
}

fn wants_pending(topic: &Topic) -> bool {
    matches!(topic, Topic::Logs(range) if range.pending != PendingLogs::No)
}

impl FilterActor {
    fn check_pending(&mut self, ctx: &mut Ctx<Self>) {
        let Some(source) = &self.pending else { return };
        let mut topics = self
            .subscriptions
            .values()
            .map(|subscription| &subscription.topic);
        if !topics.any(wants_pending) && !self.polled.any(wants_pending) {
            self.pending_state = PendingState::default();
            return;
        }
        if self.pending_state.is_building {
            return;
        }
        let build = Arc::clone(&source.build);
        let message = |result| PendingBuilt { result };
        let submitted =
            source
                .threads
                .job("BuildPending")
                .submit(ctx.me(), move || build(), message);
        self.pending_state.is_building = submitted.is_ok();
    }

    fn notify_pending(&mut self, block: &Arc<PendingBlock>) {
        let new = self.pending_state.take(block);
        if new.is_empty() {
            return;
        }
        let logs = |range: &LogRange| match range.pending {
            PendingLogs::No => Vec::new(),
            PendingLogs::Also | PendingLogs::Only => {
                block.logs(&range.criteria, |transaction| new.contains(transaction))
            }
        };
        self.notify_logs_with_meta(logs);
    }
}

/// Timer message: look at the pending block.
#[derive(Debug, Message)]
pub(super) struct CheckPending;

impl Handles<CheckPending> for FilterActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: CheckPending, ctx: &mut Ctx<Self>) {
        self.check_pending(ctx);
    }
}

/// Result of building the pending block.
#[derive(Message)]
pub(super) struct PendingBuilt {
    result: Result<Option<Arc<PendingBlock>>, JobError>,
}

impl Handles<PendingBuilt> for FilterActor {
    type Answer = ();

    fn handle(&mut self, PendingBuilt { result }: PendingBuilt, _: &mut Ctx<Self>) {
        self.pending_state.is_building = false;
        match result {
            Ok(Some(block)) if !self.pending_state.was_sent(&block) => self.notify_pending(&block),
            Ok(_) => {}
            Err(error) => warn!(%error, "pending block not built"),
        }
    }
}
