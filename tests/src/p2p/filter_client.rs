//! Client that follows a node's chain by its events alone, and checks that they add up to the
//! chain.

use std::sync::{Arc, Mutex};

use actoreum_actors::filter::FilterActor;
use actoreum_chain::{ChainReader, LogCriteria, LogWithMeta, SealedHeader};
use actoreum_messages::events::SyncChanged;
use actoreum_messages::filter::{
    Change, Collected, Event, FilterId, InstallFilter, LogRange, Subscribe, Subscriber,
    TakeChanges, Topic,
};
use actoreum_primitives::B256;
use actoreum_supervision::ActorRef;

/// A chain rebuilt from events: heads in order, and the logs that were added and not removed.
#[derive(Debug, Default)]
struct Replay {
    /// Hashes from genesis on.
    heads: Vec<B256>,
    logs: Vec<LogWithMeta>,
    syncs: usize,
    is_lost: bool,
}

impl Replay {
    /// Adds a head, which must follow an earlier one; those above that are dropped.
    fn head(&mut self, head: &SealedHeader) {
        let parent = self.heads.iter().rposition(|it| *it == head.parent_hash);
        let parent = parent.unwrap_or_else(|| panic!("head {} follows none", head.number));
        assert_eq!(head.number, parent as u64 + 1);
        self.heads.truncate(parent + 1);
        self.heads.push(head.hash());
    }

    /// Adds the logs of a block behind all others, or removes them from the end.
    fn logs(&mut self, logs: &[LogWithMeta]) {
        for of_block in logs.chunk_by(|one, other| {
            (one.block_hash, one.removed) == (other.block_hash, other.removed)
        }) {
            if !of_block[0].removed {
                let last = self.logs.last().map_or(0, |log| log.block_number);
                assert!(
                    of_block[0].block_number > last,
                    "logs of {last} are not removed"
                );
                self.logs.extend_from_slice(of_block);
                continue;
            }
            let left = self.logs.len().checked_sub(of_block.len());
            let left = left.expect("more logs are removed than were added");
            for (known, removed) in self.logs[left..].iter().zip(of_block) {
                let mut known = known.clone();
                known.removed = true;
                assert_eq!(known, *removed);
            }
            self.logs.truncate(left);
        }
    }
}

/// Subscriber that records into a [`Replay`].
struct ReplaySubscriber(Arc<Mutex<Replay>>);

impl Subscriber for ReplaySubscriber {
    fn deliver(&self, _: FilterId, event: &Arc<Event>) -> bool {
        let mut replay = self.0.lock().unwrap();
        match &event.change {
            Change::Head(head) => replay.head(head),
            Change::Logs(logs) => replay.logs(logs),
            Change::Sync(SyncChanged::Started(_)) => replay.syncs += 1,
            Change::Sync(_)
            | Change::Transactions(_)
            | Change::FullTransactions(_)
            | Change::Peer(_) => {}
        }
        true
    }

    fn lost(&self) {
        self.0.lock().unwrap().is_lost = true;
    }
}

/// A client of a node with subscriptions and with polled filters, for heads and for logs.
pub struct FilterClient {
    filters: ActorRef<FilterActor>,
    chain_reader: ChainReader,
    subscribed: Arc<Mutex<Replay>>,
    polled: Mutex<Replay>,
    head_filter: FilterId,
    log_filter: FilterId,
}

impl FilterClient {
    /// Subscribes and installs the filters, at a chain that has only its genesis.
    pub async fn new(filters: &ActorRef<FilterActor>, chain_reader: &ChainReader) -> Self {
        let begun = || Replay {
            heads: vec![chain_reader.genesis_hash()],
            ..Replay::default()
        };
        let subscribed = Arc::new(Mutex::new(begun()));
        let topics = [
            Topic::Heads,
            Topic::Logs(LogRange::default()),
            Topic::Syncing,
        ];
        for (id, topic) in topics.into_iter().enumerate() {
            let subscriber = Arc::new(ReplaySubscriber(Arc::clone(&subscribed)));
            let id = FilterId(id as u128);
            let subscribe = Subscribe {
                id,
                topic,
                subscriber,
            };
            filters.ask(subscribe).await.unwrap();
        }
        let install = |topic| filters.ask(InstallFilter { topic });
        let head_filter = install(Topic::Heads).await.unwrap().unwrap();
        let logs = Topic::Logs(LogRange::default());
        Self {
            log_filter: install(logs).await.unwrap().unwrap(),
            head_filter,
            filters: filters.clone(),
            chain_reader: chain_reader.clone(),
            subscribed,
            polled: Mutex::new(begun()),
        }
    }

    /// Polls the filters.
    pub async fn poll(&self) {
        for id in [self.log_filter, self.head_filter] {
            let taken = self.filters.ask(TakeChanges { id }).await.unwrap();
            let collected = taken
                .expect("the filter is there")
                .expect("no block is skipped");
            let mut polled = self.polled.lock().unwrap();
            match collected {
                Collected::Logs(logs) => polled.logs(&logs),
                Collected::Hashes(hashes) => {
                    for hash in hashes {
                        let header = self.chain_reader.header_by_hash(&hash).unwrap();
                        polled.head(&header.expect("an announced head is stored"));
                    }
                }
            }
        }
    }

    /// Asserts that the events add up to the current chain.
    pub fn assert_matches_the_chain(&self, name: &str) {
        let numbers = 0..=self.chain_reader.head_number();
        let heads = numbers.map(|it| self.chain_reader.canonical_hash(it).unwrap().unwrap());
        let heads: Vec<B256> = heads.collect();
        let logs = logs_of(&self.chain_reader);
        for (kind, replay) in [
            ("subscriptions", &*self.subscribed),
            ("filters", &self.polled),
        ] {
            let replay = replay.lock().unwrap();
            assert!(!replay.is_lost, "{name}: {kind} lost events");
            assert_eq!(replay.heads, heads, "{name}: heads of {kind}");
            assert_eq!(replay.logs, logs, "{name}: logs of {kind}");
        }
    }

    /// Returns the number of syncs that began.
    pub fn syncs(&self) -> usize {
        self.subscribed.lock().unwrap().syncs
    }
}

/// Returns all logs of the canonical chain, by its receipts.
fn logs_of(chain_reader: &ChainReader) -> Vec<LogWithMeta> {
    let every = LogCriteria::default();
    let mut logs = Vec::new();
    for number in 1..=chain_reader.head_number() {
        let hash = chain_reader.canonical_hash(number).unwrap().unwrap();
        let block = chain_reader.block_by_hash(&hash).unwrap().unwrap();
        let receipts = chain_reader.receipts(&hash).unwrap().unwrap();
        assert_eq!(receipts.len(), block.body.transactions.len());
        logs.extend(every.select(hash, &block, &receipts, false));
    }
    logs
}
