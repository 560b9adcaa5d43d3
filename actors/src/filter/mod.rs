//! FilterActor: keeps filters that are polled and subscriptions that are told.
//!
//! | message | what happens |
//! |---|---|
//! | [`ChainChanged`] | removed logs, added logs, then the new heads go to those who wait for them |
//! | `CatchUp` | the next blocks that no event told are read from the chain, and told likewise |
//! | [`NewTransactions`] | their hashes, likewise |
//! | [`SyncChanged`] | goes to those who wait for it |
//! | [`InstallFilter`], [`TakeChanges`], [`GetLogFilter`], [`UninstallFilter`] | filters that are polled |
//! | [`Subscribe`], [`Unsubscribe`] | subscriptions |
//! | `LookAtPending`, `PendingBuilt` | logs of the pending block go to those who want them |
//! | `Expire` | filters that nobody polls any more go; it is looked whether the chain went on unheard |
//!
//! Every block is told, in its order, also of a sync: that one is announced by its newest block
//! alone, and events give way when the mailbox is full. Such events do not lead from the last block
//! that was told to the head: what is between is read from the chain, some blocks a turn
//! (`resync`), and what comes late is known by then. So nothing is held for those who listen, and
//! where nobody does nothing is read. Where the head is too far away ([`limits`]), the blocks in
//! between are left out: filters say so once when they are polled, and connections that subscribed
//! to their logs end.
//!
//! Whoever sees a head has seen its logs. Nothing here waits for anybody: a subscriber that
//! takes no more is dropped, and a filter that holds too much goes. When a generation fails,
//! its subscribers are told that events are lost, and connect again.

pub mod limits;
mod pending;
mod polled;
mod resync;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use actoreum_chain::{ChainEvent, ChainReader, ExecutedBlock, PlacedLog, SealedHeader};
use actoreum_messages::events::{ChainCause, ChainChanged, NewTransactions, SyncChanged};
use actoreum_messages::filter::{
    Change, Event, FilterId, GetLogFilter, InstallFilter, LogRange, MissedBlocks, PendingLogs,
    Subscribe, Subscriber, TakeChanges, Taken, TooManyFilters, Topic, UninstallFilter, Unsubscribe,
};
use actoreum_primitives::{B256, Bloom};
use tracing::{debug, warn};

use crate::supervision::{Actor, Ctx, Exit, Failure, Handles, Message, WhenFull};
use limits::{EXPIRY_CHECK, MAX_FILTERS, PENDING_PERIOD};
pub use pending::PendingSource;
use pending::{LookAtPending, ToldPending};
use polled::PolledFilters;
use resync::{Lost, Step, Told};

/// Look for filters that nobody polls any more.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Expire;

/// Tell the next blocks that no event told.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct CatchUp;

/// See the module.
pub struct FilterActor {
    reader: ChainReader,
    /// The last block that was told.
    told: Told,
    /// A `CatchUp` is on its way.
    is_catching_up: bool,
    /// The same at the last look, where the chain was ahead of it already then.
    behind_since: Option<B256>,
    polled: PolledFilters,
    subscriptions: HashMap<FilterId, Subscription>,
    pending: Option<PendingSource>,
    told_pending: ToldPending,
}

/// Somebody who is told. Dropped with its actor, it says that events are lost.
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
    /// An actor without filters, which tells what `reader`'s chain does from now on.
    pub fn new(reader: ChainReader) -> Self {
        Self {
            told: Told::from(&reader.head()),
            is_catching_up: false,
            reader,
            behind_since: None,
            polled: PolledFilters::default(),
            subscriptions: HashMap::new(),
            pending: None,
            told_pending: ToldPending::default(),
        }
    }

    /// The same, which also tells the logs of the pending block to those who want them.
    pub fn with_pending(mut self, source: PendingSource) -> Self {
        self.pending = Some(source);
        self
    }

    /// Tells every subscription that `wants` the event; those that take no more are dropped.
    fn tell(&mut self, event: &Arc<Event>, wants: impl Fn(&Topic) -> bool) {
        self.subscriptions.retain(|id, subscription| {
            if !wants(&subscription.topic) || subscription.subscriber.deliver(*id, event) {
                return true;
            }
            debug!(subscription = %id, "subscriber dropped");
            subscription.is_ended = true;
            false
        });
    }

    fn tell_logs(&mut self, block: &ExecutedBlock, removed: bool) {
        if block.header.logs_bloom.is_zero() {
            return;
        }
        self.tell_placed_logs(|range| match covers(range, block.header.number) {
            true => block.logs(&range.criteria, removed),
            false => Vec::new(),
        });
    }

    /// Tells what `logs` selects for each.
    fn tell_placed_logs(&mut self, logs: impl Fn(&LogRange) -> Vec<PlacedLog>) {
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

    fn tell_head(&mut self, head: &SealedHeader) {
        self.polled.add_hashes(&Topic::Heads, &[head.hash()]);
        let event = event(Change::Head(head.clone()));
        self.tell(&event, |topic| *topic == Topic::Heads);
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
        ctx.notify_every(PENDING_PERIOD, || LookAtPending);
        Ok(())
    }

    async fn stopped(self, _: &Exit) {
        debug!(
            filters = self.polled.len(),
            subscriptions = self.subscriptions.len(),
            "filters end"
        );
    }
}

impl FilterActor {
    /// Tells steps from the last block that was told on: removed and added logs, then the heads.
    fn tell_steps(&mut self, steps: &[Step]) {
        for step in steps {
            if let Some(block) = &step.block {
                self.tell_logs(block, step.is_removed);
            }
            self.told = step.end();
        }
        for step in steps.iter().filter(|step| !step.is_removed) {
            self.tell_head(&step.header);
        }
    }

    /// Tells of a step back to an earlier head: it was told as a head before.
    fn tell_rewind(&mut self, events: &[ChainEvent]) {
        for event in events {
            match event {
                ChainEvent::Removed(block) => self.tell_logs(block, true),
                ChainEvent::Head(head) => self.told = Told::from(head),
                ChainEvent::Added(_) | ChainEvent::Side(_) => {}
            }
        }
    }

    /// Tells what the chain did since the last block that was told: a slice of it, and the next
    /// one behind what waits in the mailbox.
    fn catch_up(&mut self, ctx: &mut Ctx<Self>) {
        if !self.has_listeners() {
            self.told = Told::from(&self.reader.head());
            return;
        }
        let wants_logs = |number: u64, bloom: &Bloom| self.wants_logs(number, bloom);
        match resync::next_steps(&self.reader, self.told, wants_logs) {
            Ok(steps) if steps.is_empty() => {}
            Ok(steps) => {
                debug!(
                    from = self.told.number,
                    steps = steps.len(),
                    "chain events told late"
                );
                self.tell_steps(&steps);
                if !self.is_catching_up {
                    self.is_catching_up = true;
                    ctx.notify(CatchUp);
                }
            }
            Err(why) => self.leave_out(&why),
        }
    }

    /// Goes on from the chain's head. Those who wanted the logs in between learn which blocks are
    /// left out; a head shows it by its number.
    fn leave_out(&mut self, why: &Lost) {
        let head = self.reader.head();
        let (told, now) = (self.told.number, head.number);
        let missed = MissedBlocks {
            first: told.min(now).saturating_add(1).min(told.max(now)),
            last: told.max(now),
        };
        let filters = self.polled.miss(missed);
        let before = self.subscriptions.len();
        self.subscriptions
            .retain(|_, subscription| match &subscription.topic {
                Topic::Logs(range) => !overlaps(range, missed),
                Topic::Heads | Topic::Transactions | Topic::Syncing => true,
            });
        let subscriptions = before - self.subscriptions.len();
        warn!(
            first = missed.first,
            last = missed.last,
            filters,
            subscriptions,
            %why,
            "blocks left out of filters and subscriptions"
        );
        self.told = Told::from(&head);
        self.tell_head(&head);
    }

    /// Before the first follower of the chain comes: what was done while there was none, and was not
    /// told, is no news to it.
    fn begin_at_head(&mut self) {
        if self.has_listeners() {
            return;
        }
        let head = Told::from(&self.reader.head());
        let canonical = self.reader.canonical_hash(self.told.number);
        if head.number > self.told.number
            && matches!(canonical, Ok(hash) if hash == Some(self.told.hash))
        {
            self.told = head;
        }
    }

    /// Whether anybody follows the chain.
    fn has_listeners(&self) -> bool {
        let follows = |topic: &Topic| matches!(topic, Topic::Heads | Topic::Logs(_));
        let mut subscriptions = self.subscriptions.values();
        self.polled.any(follows) || subscriptions.any(|it| follows(&it.topic))
    }

    /// Whether somebody may want a log of the block with this number and bloom.
    fn wants_logs(&self, number: u64, bloom: &Bloom) -> bool {
        if bloom.is_zero() {
            return false;
        }
        let wants = |topic: &Topic| match topic {
            Topic::Logs(range) => covers(range, number) && range.criteria.may_match(bloom),
            Topic::Heads | Topic::Transactions | Topic::Syncing => false,
        };
        let mut subscriptions = self.subscriptions.values();
        self.polled.any(wants) || subscriptions.any(|it| wants(&it.topic))
    }

    /// The events after the last head that was told may have been refused, all of them. They wait
    /// in the mailbox for less time than passes between two looks.
    fn look_whether_behind(&mut self, ctx: &mut Ctx<Self>) {
        let told = self.told.hash;
        let is_behind = self.reader.head().hash() != told;
        if is_behind && self.behind_since == Some(told) {
            self.catch_up(ctx);
        }
        self.behind_since = is_behind.then_some(told);
    }
}

/// Whether a range holds one of these blocks.
fn overlaps(range: &LogRange, missed: MissedBlocks) -> bool {
    range.pending != PendingLogs::Only
        && range.from.is_none_or(|from| from <= missed.last)
        && range.to.is_none_or(|to| missed.first <= to)
}

impl Handles<ChainChanged> for FilterActor {
    type Answer = ();
    // What is dropped is read from the chain when the next one comes.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, ChainChanged { events, cause }: ChainChanged, ctx: &mut Ctx<Self>) {
        match cause {
            ChainCause::Rewind(rewound) if rewound.from == self.told.hash && rewound.is_whole => {
                self.tell_rewind(&events);
            }
            ChainCause::Rewind(_) | ChainCause::Import(_) => {
                match resync::steps_of(&events, self.told) {
                    Some(steps) => self.tell_steps(&steps),
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
    // Gossip: who misses some still sees them mined.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, message: NewTransactions, _: &mut Ctx<Self>) {
        let hashes = message.transactions.iter().map(|it| it.hash());
        let hashes: Arc<[B256]> = hashes.collect();
        self.polled.add_hashes(&Topic::Transactions, &hashes);
        let event = event(Change::Transactions(hashes));
        self.tell(&event, |topic| *topic == Topic::Transactions);
    }
}

impl Handles<SyncChanged> for FilterActor {
    type Answer = ();
    // Gossip: `eth_syncing` tells what holds.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, message: SyncChanged, _: &mut Ctx<Self>) {
        let event = event(Change::Sync(message));
        self.tell(&event, |topic| *topic == Topic::Syncing);
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
        self.begin_at_head();
        let id = FilterId(rand::random());
        self.polled.install(id, topic);
        Ok(id)
    }
}

impl Handles<TakeChanges> for FilterActor {
    type Answer = Option<Taken>;

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
        self.begin_at_head();
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
    // It makes room; a connection that ends cannot wait.
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
        self.look_whether_behind(ctx);
    }
}
