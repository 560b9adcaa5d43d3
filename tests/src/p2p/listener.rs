//! Somebody who follows a node's chain by its events alone, and what they add up to.

use std::sync::{Arc, Mutex};

use actoreum_actors::filter::FilterActor;
use actoreum_actors::supervision::ActorRef;
use actoreum_chain::{ChainReader, LogCriteria, PlacedLog, SealedHeader};
use actoreum_messages::events::SyncChanged;
use actoreum_messages::filter::{
    Change, Collected, Event, FilterId, InstallFilter, LogRange, Subscribe, Subscriber,
    TakeChanges, Topic,
};
use actoreum_primitives::B256;

/// A chain as events have it: heads in order, and the logs that were added and not removed.
#[derive(Debug, Default)]
struct Replay {
    /// Hashes from genesis on.
    heads: Vec<B256>,
    logs: Vec<PlacedLog>,
    syncs: usize,
    is_lost: bool,
}

impl Replay {
    /// A head follows one that was told; those above it are gone.
    fn head(&mut self, head: &SealedHeader) {
        let parent = self.heads.iter().rposition(|it| *it == head.parent_hash);
        let parent = parent.unwrap_or_else(|| panic!("head {} follows none", head.number));
        assert_eq!(head.number, parent as u64 + 1);
        self.heads.truncate(parent + 1);
        self.heads.push(head.hash());
    }

    /// Logs of one block: added behind all others, or removed from the end.
    fn logs(&mut self, logs: &[PlacedLog]) {
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

/// A subscriber's end.
struct Ear(Arc<Mutex<Replay>>);

impl Subscriber for Ear {
    fn deliver(&self, _: FilterId, event: &Arc<Event>) -> bool {
        let mut replay = self.0.lock().unwrap();
        match &event.change {
            Change::Head(head) => replay.head(head),
            Change::Logs(logs) => replay.logs(logs),
            Change::Sync(SyncChanged::Started(_)) => replay.syncs += 1,
            Change::Sync(_) | Change::Transactions(_) | Change::Peer(_) => {}
        }
        true
    }

    fn lost(&self) {
        self.0.lock().unwrap().is_lost = true;
    }
}

/// A client of a node with subscriptions and with filters that it polls, for heads and for logs.
pub struct Listener {
    filters: ActorRef<FilterActor>,
    reader: ChainReader,
    told: Arc<Mutex<Replay>>,
    polled: Mutex<Replay>,
    head_filter: FilterId,
    log_filter: FilterId,
}

impl Listener {
    /// Begins to listen, at a chain that has only its genesis.
    pub async fn new(filters: &ActorRef<FilterActor>, reader: &ChainReader) -> Self {
        let begun = || Replay {
            heads: vec![reader.genesis_hash()],
            ..Replay::default()
        };
        let told = Arc::new(Mutex::new(begun()));
        let topics = [
            Topic::Heads,
            Topic::Logs(LogRange::default()),
            Topic::Syncing,
        ];
        for (id, topic) in topics.into_iter().enumerate() {
            let subscriber = Arc::new(Ear(Arc::clone(&told)));
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
            reader: reader.clone(),
            told,
            polled: Mutex::new(begun()),
        }
    }

    /// Polls its filters.
    pub async fn poll(&self) {
        for id in [self.log_filter, self.head_filter] {
            let taken = self.filters.ask(TakeChanges { id }).await.unwrap();
            let collected = taken
                .expect("the filter is there")
                .expect("nothing is left out");
            let mut polled = self.polled.lock().unwrap();
            match collected {
                Collected::Logs(logs) => polled.logs(&logs),
                Collected::Hashes(hashes) => {
                    for hash in hashes {
                        let header = self.reader.header_by_hash(&hash).unwrap();
                        polled.head(&header.expect("a head that was told is stored"));
                    }
                }
            }
        }
    }

    /// What it was told adds up to the chain as it stands.
    pub fn assert_has_the_chain(&self, name: &str) {
        let numbers = 0..=self.reader.head_number();
        let heads = numbers.map(|it| self.reader.canonical_hash(it).unwrap().unwrap());
        let heads: Vec<B256> = heads.collect();
        let logs = logs_of(&self.reader);
        for (kind, replay) in [("subscriptions", &*self.told), ("filters", &self.polled)] {
            let replay = replay.lock().unwrap();
            assert!(!replay.is_lost, "{name}: {kind} lost events");
            assert_eq!(replay.heads, heads, "{name}: heads of {kind}");
            assert_eq!(replay.logs, logs, "{name}: logs of {kind}");
        }
    }

    /// How often a sync began.
    pub fn syncs(&self) -> usize {
        self.told.lock().unwrap().syncs
    }
}

/// All logs of the canonical chain, by its receipts.
fn logs_of(reader: &ChainReader) -> Vec<PlacedLog> {
    let every = LogCriteria::default();
    let mut logs = Vec::new();
    for number in 1..=reader.head_number() {
        let hash = reader.canonical_hash(number).unwrap().unwrap();
        let block = reader.block_by_hash(&hash).unwrap().unwrap();
        let receipts = reader.receipts(&hash).unwrap().unwrap();
        assert_eq!(receipts.len(), block.body.transactions.len());
        logs.extend(every.select(hash, &block, &receipts, false));
    }
    logs
}
