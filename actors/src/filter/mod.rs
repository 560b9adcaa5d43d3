//! FilterActor: polled filters and subscriptions (`eth_newFilter`, `eth_subscribe` and related
//! methods).
//!
//! | message | what happens |
//! |---|---|
//! | [`ChainChanged`] | removed logs, added logs, then the new heads are sent to the subscribers that want them |
//! | `CatchUp` | the next blocks without an event are read from the chain and sent likewise |
//! | [`NewTransactions`] | they, or their hashes, are sent likewise |
//! | [`SyncChanged`] | sent to the subscribers that want it |
//! | [`InstallFilter`], [`TakeChanges`], [`GetLogFilter`], [`UninstallFilter`] | polled filters |
//! | [`Subscribe`], [`Unsubscribe`] | subscriptions |
//! | `CheckPending`, `PendingBuilt` | logs of the pending block are sent to the subscribers that want them |
//! | `Expire` | filters that are no longer polled are removed; missed chain changes are looked for |
//!
//! Every block is sent, in order, including those of a sync. A sync announces its newest block
//! alone, and events are dropped when the mailbox is full: such events do not lead from the last
//! block that was sent to the head. The blocks between are read from the chain, some at a time
//! (`resync`); late events are recognised as known. So nothing is buffered for subscribers, and
//! nothing is read where there are none. Where the head is too far away ([`limits`]), the blocks in
//! between are skipped: filters report that once when they are polled, and connections that
//! subscribed to their logs are closed.
//!
//! A subscriber that gets a head has got its logs before. Handlers never wait for subscribers: one
//! that takes no more is dropped, and so is a filter that holds too much. When the actor restarts,
//! its subscribers are told that events are lost, and connect again.

pub mod limits;
mod pending;
mod polled;
mod resync;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use actoreum_chain::{ChainEvent, ChainReader, ExecutedBlock, LogWithMeta, SealedHeader};
use actoreum_messages::events::{ChainCause, ChainChanged, NewTransactions, SyncChanged};
use actoreum_messages::filter::{
    Change, CollectedChanges, Event, FilterId, GetLogFilter, InstallFilter, LogRange, MissedBlocks,
    PendingLogs, Subscribe, Subscriber, TakeChanges, TooManyFilters, Topic, UninstallFilter,
    Unsubscribe,
};
use actoreum_primitives::{B256, Bloom};
use tracing::{debug, warn};

use crate::head_watch::HeadWatch;
use actoreum_supervision::{Actor, Ctx, Exit, Failure, Handles, Message, WhenFull};
use limits::{EXPIRY_CHECK, MAX_FILTERS, PENDING_PERIOD};
pub use pending::PendingSource;
use pending::{CheckPending, PendingState};
use polled::PolledFilters;
use resync::{NotifiedBlock, ResyncError, Step};

/// Timer message: remove filters that are no longer polled.
#[derive(Debug, Message)]
struct Expire;

/// Message to itself: send the next blocks of which no event arrived.
#[derive(Debug, Message)]
struct CatchUp;

/// Actor of filters and subscriptions; see the module.
pub struct FilterActor {
    chain_reader: ChainReader,
    /// The last block that was sent.
    notified: NotifiedBlock,
    /// A `CatchUp` is queued.
    is_catching_up: bool,
    /// The value of `notified` at the last check, if the chain was ahead of it then.
    behind_since: Option<B256>,
    polled: PolledFilters,
    subscriptions: HashMap<FilterId, Subscription>,
    pending: Option<PendingSource>,
    pending_state: PendingState,
    heads: HeadWatch,
}

/// A subscription. Its subscriber is told that events are lost when it is dropped with the actor.
struct Subscription {
    topic: Topic,
    subscriber: Arc<dyn Subscriber>,
    is_ended: bool,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if !self.is_ended {
            self.subscriber.lost();
        }
    }
}

impl FilterActor {
    /// Creates an actor without filters, which sends the changes of `chain_reader`'s chain from now
    /// on.
    pub fn new(chain_reader: ChainReader) -> Self {
        Self {
            notified: NotifiedBlock::from(&chain_reader.head()),
            is_catching_up: false,
            chain_reader,
            behind_since: None,
            polled: PolledFilters::default(),
            subscriptions: HashMap::new(),
            pending: None,
            pending_state: PendingState::default(),
            heads: HeadWatch::default(),
        }
    }

    /// Also notifies `heads` of each change of the chain.
    pub fn with_heads(mut self, heads: HeadWatch) -> Self {
        self.heads = heads;
        self
    }

    /// Also sends the logs of the pending block of `source`.
    pub fn with_pending(mut self, source: PendingSource) -> Self {
        self.pending = Some(source);
        self
    }

    /// Sends an event to every subscription whose topic `wants` it; subscribers that take no more
    /// are dropped.
    fn notify(&mut self, event: &Arc<Event>, wants: impl Fn(&Topic) -> bool) {
        self.subscriptions.retain(|id, subscription| {
            if !wants(&subscription.topic) || subscription.subscriber.deliver(*id, event) {
                return true;
            }
            debug!(subscription = %id, "subscriber dropped");
            subscription.is_ended = true;
            false
        });
    }

    fn notify_logs(&mut self, block: &ExecutedBlock, removed: bool) {
        if block.header.logs_bloom.is_zero() {
            return;
        }
        self.notify_logs_with_meta(|range| {
            if covers(range, block.header.number) {
                block.logs(&range.criteria, removed)
            } else {
                Vec::new()
            }
        });
    }

    /// Sends each filter and subscription the logs that `logs` selects.
    fn notify_logs_with_meta(&mut self, logs: impl Fn(&LogRange) -> Vec<LogWithMeta>) {
        self.polled.add_logs(&logs);
        self.subscriptions.retain(|id, subscription| {
            let Topic::Logs(range) = &subscription.topic else {
                return true;
            };
            let logs = logs(range);
            let takes_more = logs.is_empty()
                || subscription
                    .subscriber
                    .deliver(*id, &event(Change::Logs(logs)));
            subscription.is_ended |= !takes_more;
            takes_more
        });
    }

    fn notify_head(&mut self, head: &SealedHeader) {
        self.polled.add_hashes(&Topic::Heads, &[head.hash()]);
        let event = event(Change::Head(head.clone()));
        self.notify(&event, |topic| *topic == Topic::Heads);
    }
}

fn covers(range: &LogRange, number: u64) -> bool {
    range.pending != PendingLogs::Only
        && range.from.is_none_or(|from| from <= number)
        && range.to.is_none_or(|to| number <= to)
}

fn event(change: Change) -> Arc<Event> {
    Arc::new(Event {
        change,
        rendered: OnceLock::new(),
    })
}

impl Actor for FilterActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify_every(EXPIRY_CHECK, || Expire);
        ctx.notify_every(PENDING_PERIOD, || CheckPending);
        Ok(())
    }

    async fn stopped(self, _: &Exit) {
        debug!(
            filters = self.polled.len(),
            subscriptions = self.subscriptions.len(),
            "filters stopped"
        );
    }
}

impl FilterActor {
    /// Sends steps that begin at the last block that was sent: removed and added logs, then the
    /// heads.
    fn notify_steps(&mut self, steps: &[Step]) {
        for step in steps {
            if let Some(block) = &step.block {
                self.notify_logs(block, step.is_removed);
            }
            self.notified = step.end();
        }
        for step in steps.iter().filter(|step| !step.is_removed) {
            self.notify_head(&step.header);
        }
    }

    /// Sends a rewind to an earlier head, which was sent as a head before.
    fn notify_rewind(&mut self, events: &[ChainEvent]) {
        for event in events {
            match event {
                ChainEvent::Removed(block) => self.notify_logs(block, true),
                ChainEvent::Head(head) => self.notified = NotifiedBlock::from(head),
                ChainEvent::Added(_) | ChainEvent::Side(_) => {}
            }
        }
    }

    /// Sends the changes of the chain since the last block that was sent: one slice of them now,
    /// the next slice after the messages in the mailbox.
    fn catch_up(&mut self, ctx: &mut Ctx<Self>) {
        if !self.has_subscribers() {
            self.notified = NotifiedBlock::from(&self.chain_reader.head());
            return;
        }
        let wants_logs = |number: u64, bloom: &Bloom| self.wants_logs(number, bloom);
        match resync::next_steps(&self.chain_reader, self.notified, wants_logs) {
            Ok(steps) if steps.is_empty() => {}
            Ok(steps) => {
                debug!(
                    from = self.notified.number,
                    steps = steps.len(),
                    "sending missed chain changes"
                );
                self.notify_steps(&steps);
                if !self.is_catching_up {
                    self.is_catching_up = true;
                    ctx.notify(CatchUp);
                }
            }
            Err(why) => self.skip_blocks(&why),
        }
    }

    /// Continues at the chain's head. Filters and subscriptions that wanted the logs in between
    /// learn which blocks are skipped; a subscriber of heads sees it by the number.
    fn skip_blocks(&mut self, why: &ResyncError) {
        let head = self.chain_reader.head();
        let (notified, now) = (self.notified.number, head.number);
        let missed = MissedBlocks {
            first: notified.min(now).saturating_add(1).min(notified.max(now)),
            last: notified.max(now),
        };
        let filters = self.polled.mark_missed(missed);
        let before = self.subscriptions.len();
        self.subscriptions
            .retain(|_, subscription| match &subscription.topic {
                Topic::Logs(range) => !overlaps(range, missed),
                Topic::Heads | Topic::Transactions | Topic::FullTransactions | Topic::Syncing => {
                    true
                }
            });
        let subscriptions = before - self.subscriptions.len();
        warn!(
            first = missed.first,
            last = missed.last,
            filters,
            subscriptions,
            %why,
            "blocks skipped in filters and subscriptions"
        );
        self.notified = NotifiedBlock::from(&head);
        self.notify_head(&head);
    }

    /// Skips to the head before the first filter or subscription is added: earlier blocks are no
    /// news to it.
    fn skip_to_head(&mut self) {
        if self.has_subscribers() {
            return;
        }
        let head = NotifiedBlock::from(&self.chain_reader.head());
        let canonical = self.chain_reader.canonical_hash(self.notified.number);
        if head.number > self.notified.number
            && matches!(canonical, Ok(hash) if hash == Some(self.notified.hash))
        {
            self.notified = head;
        }
    }

    /// Returns whether a filter or subscription follows the chain.
    fn has_subscribers(&self) -> bool {
        let follows = |topic: &Topic| matches!(topic, Topic::Heads | Topic::Logs(_));
        let mut subscriptions = self.subscriptions.values();
        self.polled.any(follows) || subscriptions.any(|it| follows(&it.topic))
    }

    /// Returns whether a filter or subscription may want a log of the block with this number and
    /// bloom.
    fn wants_logs(&self, number: u64, bloom: &Bloom) -> bool {
        if bloom.is_zero() {
            return false;
        }
        let wants = |topic: &Topic| match topic {
            Topic::Logs(range) => covers(range, number) && range.criteria.may_match(bloom),
            Topic::Heads | Topic::Transactions | Topic::FullTransactions | Topic::Syncing => false,
        };
        let mut subscriptions = self.subscriptions.values();
        self.polled.any(wants) || subscriptions.any(|it| wants(&it.topic))
    }

    /// Catches up where all events after the last sent head may have been dropped. Events wait in
    /// the mailbox for less time than passes between two checks.
    fn check_if_behind(&mut self, ctx: &mut Ctx<Self>) {
        let notified = self.notified.hash;
        let is_behind = self.chain_reader.head().hash() != notified;
        if is_behind && self.behind_since == Some(notified) {
            self.catch_up(ctx);
        }
        self.behind_since = is_behind.then_some(notified);
    }
}

/// Returns whether a range includes one of these blocks.
fn overlaps(range: &LogRange, missed: MissedBlocks) -> bool {
    range.pending != PendingLogs::Only
        && range.from.is_none_or(|from| from <= missed.last)
        && range.to.is_none_or(|to| missed.first <= to)
}

impl Handles<ChainChanged> for FilterActor {
    type Answer = ();
    // Dropped events are read from the chain when the next one comes.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, ChainChanged { events, cause }: ChainChanged, ctx: &mut Ctx<Self>) {
        self.heads.notify();
        match cause {
            ChainCause::Rewind(rewound)
                if rewound.from == self.notified.hash && rewound.is_complete =>
            {
                self.notify_rewind(&events);
            }
            ChainCause::Rewind(_) | ChainCause::Import(_) => {
                match resync::steps_of(&events, self.notified) {
                    Some(steps) => self.notify_steps(&steps),
                    None => self.catch_up(ctx),
                }
            }
        }
    }
}

impl Handles<CatchUp> for FilterActor {
    type Answer = ();

    fn handle(&mut self, CatchUp: CatchUp, ctx: &mut Ctx<Self>) {
        self.is_catching_up = false;
        self.catch_up(ctx);
    }
}

impl Handles<NewTransactions> for FilterActor {
    type Answer = ();
    // Best effort: a subscriber that misses a transaction still sees it mined.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, message: NewTransactions, _: &mut Ctx<Self>) {
        let hashes = message.transactions.iter().map(|it| it.hash());
        let hashes: Arc<[B256]> = hashes.collect();
        self.polled.add_hashes(&Topic::Transactions, &hashes);
        let in_short = event(Change::Transactions(hashes));
        self.notify(&in_short, |topic| *topic == Topic::Transactions);
        let in_full = event(Change::FullTransactions(message.transactions));
        self.notify(&in_full, |topic| *topic == Topic::FullTransactions);
    }
}

impl Handles<SyncChanged> for FilterActor {
    type Answer = ();
    // Best effort: `eth_syncing` returns the current state.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, message: SyncChanged, _: &mut Ctx<Self>) {
        let event = event(Change::Sync(message));
        self.notify(&event, |topic| *topic == Topic::Syncing);
    }
}

impl Handles<InstallFilter> for FilterActor {
    type Answer = Result<FilterId, TooManyFilters>;

    fn handle(
        &mut self,
        InstallFilter { topic }: InstallFilter,
        _: &mut Ctx<Self>,
    ) -> Self::Answer {
        if self.polled.len() >= MAX_FILTERS {
            return Err(TooManyFilters(MAX_FILTERS));
        }
        self.skip_to_head();
        let id = FilterId(rand::random());
        self.polled.install(id, topic);
        Ok(id)
    }
}

impl Handles<TakeChanges> for FilterActor {
    type Answer = Option<CollectedChanges>;

    fn handle(&mut self, TakeChanges { id }: TakeChanges, _: &mut Ctx<Self>) -> Self::Answer {
        self.polled.take(id)
    }
}

impl Handles<GetLogFilter> for FilterActor {
    type Answer = Option<LogRange>;

    fn handle(&mut self, GetLogFilter { id }: GetLogFilter, _: &mut Ctx<Self>) -> Self::Answer {
        self.polled.log_range(id)
    }
}

impl Handles<UninstallFilter> for FilterActor {
    type Answer = bool;

    fn handle(&mut self, UninstallFilter { id }: UninstallFilter, _: &mut Ctx<Self>) -> bool {
        self.polled.uninstall(id)
    }
}

impl Handles<Subscribe> for FilterActor {
    type Answer = ();

    fn handle(&mut self, message: Subscribe, _: &mut Ctx<Self>) {
        self.skip_to_head();
        let subscription = Subscription {
            topic: message.topic,
            subscriber: message.subscriber,
            is_ended: false,
        };
        self.subscriptions.insert(message.id, subscription);
    }
}

impl Handles<Unsubscribe> for FilterActor {
    type Answer = ();
    // It frees room; a connection that ends cannot wait.
    const WHEN_FULL: WhenFull = WhenFull::Reject;

    fn handle(&mut self, Unsubscribe { id }: Unsubscribe, _: &mut Ctx<Self>) {
        if let Some(mut subscription) = self.subscriptions.remove(&id) {
            subscription.is_ended = true;
        }
    }
}

impl Handles<Expire> for FilterActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, Expire: Expire, ctx: &mut Ctx<Self>) {
        let expired = self.polled.expire();
        if expired > 0 {
            debug!(expired, "filters expired");
        }
        self.check_if_behind(ctx);
    }
}
