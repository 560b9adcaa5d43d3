//! FilterActor: keeps filters that are polled and subscriptions that are told.
//!
//! | message | what happens |
//! |---|---|
//! | [`ChainChanged`] | removed logs, added logs, then the new heads go to those who wait for them |
//! | [`NewTransactions`] | their hashes, likewise |
//! | [`SyncChanged`] | goes to those who wait for it |
//! | [`InstallFilter`], [`TakeChanges`], [`GetLogFilter`], [`UninstallFilter`] | filters that are polled |
//! | [`Subscribe`], [`Unsubscribe`] | subscriptions |
//! | `LookAtPending`, `PendingBuilt` | logs of the pending block go to those who want them |
//! | `Expire` | filters that nobody polls any more go; it is looked whether the chain went on unheard |
//!
//! Events give way when the mailbox is full. The next ones then do not follow the last head that
//! was told: what is between is read from the chain, told in its order, and what comes late is
//! known by then. Where that is too much, those who follow the chain learn that events are lost.
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
use actoreum_messages::events::{ChainChanged, NewTransactions, SyncChanged};
use actoreum_messages::filter::{
    Change, Collected, Event, FilterId, GetLogFilter, InstallFilter, LogRange, PendingLogs,
    Subscribe, Subscriber, TakeChanges, TooManyFilters, Topic, UninstallFilter, Unsubscribe,
};
use actoreum_primitives::B256;
use tracing::{debug, info, warn};

use crate::supervision::{Actor, Ctx, Exit, Failure, Handles, Message, WhenFull};
use limits::{EXPIRY_CHECK, MAX_FILTERS, PENDING_PERIOD};
pub use pending::PendingSource;
use pending::{LookAtPending, Told};
use polled::PolledFilters;

/// Look for filters that nobody polls any more.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Expire;

/// See the module.
pub struct FilterActor {
    reader: ChainReader,
    /// The last head that was told.
    told: SealedHeader,
    /// The same at the last look, where the chain was ahead of it already then.
    behind_since: Option<B256>,
    polled: PolledFilters,
    subscriptions: HashMap<FilterId, Subscription>,
    pending: Option<PendingSource>,
    told_pending: Told,
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
            told: reader.head(),
            reader,
            behind_since: None,
            polled: PolledFilters::default(),
            subscriptions: HashMap::new(),
            pending: None,
            told_pending: Told::default(),
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
        self.told = head.clone();
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
    /// Whether these events begin where the last ones ended.
    fn follows(&self, events: &[ChainEvent]) -> bool {
        let told = self.told.hash();
        for event in events {
            match event {
                ChainEvent::Removed(block) => return block.header.hash() == told,
                ChainEvent::Added(block) => return block.header.parent_hash == told,
                // A bulk import leaves blocks out, but never goes back.
                ChainEvent::Head(head) => return head.number > self.told.number,
                ChainEvent::Side(_) => {}
            }
        }
        true
    }

    fn tell_all(&mut self, events: &[ChainEvent]) {
        for event in events {
            match event {
                ChainEvent::Removed(block) => self.tell_logs(block, true),
                ChainEvent::Added(block) => self.tell_logs(block, false),
                ChainEvent::Side(_) | ChainEvent::Head(_) => {}
            }
        }
        for event in events {
            match event {
                ChainEvent::Added(block) => self.tell_head(&block.header),
                // A bulk import tells of its last block alone.
                ChainEvent::Head(head) if self.told.hash() != head.hash() => self.tell_head(head),
                ChainEvent::Head(_) | ChainEvent::Removed(_) | ChainEvent::Side(_) => {}
            }
        }
    }

    /// Tells what the chain did since the last head that was told.
    fn catch_up(&mut self) {
        let from = self.told.number;
        match resync::missed(&self.reader, &self.told) {
            Ok(events) if events.is_empty() => {}
            Ok(events) => {
                self.tell_all(&events);
                info!(from, to = self.told.number, "chain events told late");
            }
            Err(resync::Lost) => {
                self.told = self.reader.head();
                let follows_chain = |topic: &Topic| matches!(topic, Topic::Heads | Topic::Logs(_));
                let filters = self.polled.remove_all(follows_chain);
                let before = self.subscriptions.len();
                self.subscriptions
                    .retain(|_, subscription| !follows_chain(&subscription.topic));
                let subscriptions = before - self.subscriptions.len();
                warn!(
                    from,
                    to = self.told.number,
                    filters,
                    subscriptions,
                    "chain events lost"
                );
            }
        }
    }

    /// The events after the last head that was told may have been refused, all of them. They wait
    /// in the mailbox for less time than passes between two looks.
    fn look_whether_behind(&mut self) {
        let told = self.told.hash();
        let is_behind = self.reader.head().hash() != told;
        if is_behind && self.behind_since == Some(told) {
            self.catch_up();
        }
        self.behind_since = is_behind.then_some(told);
    }
}

impl Handles<ChainChanged> for FilterActor {
    type Answer = ();
    // What is dropped is read from the chain when the next one comes.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, ChainChanged { events }: ChainChanged, _: &mut Ctx<Self>) {
        if self.follows(&events) {
            self.tell_all(&events);
        } else {
            self.catch_up();
        }
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
        let id = FilterId(rand::random());
        self.polled.install(id, topic);
        Ok(id)
    }
}

impl Handles<TakeChanges> for FilterActor {
    type Answer = Option<Collected>;

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

    fn handle(&mut self, Expire: Expire, _: &mut Ctx<Self>) {
        let expired = self.polled.expire();
        if expired > 0 {
            debug!(expired, "filters expired");
        }
        self.look_whether_behind();
    }
}
